/**
 * A custom executor as a program of its own, with nothing but `fetch` and files: what it hears goes
 * into `journal`, what it is to do comes from `orders`, both in its sandbox and a line of JSON each.
 * Unless told otherwise it runs what it is given, obeys KILL and ends on SHUTDOWN.
 * Arguments: the encoding, then words for what it does differently. Source: http-api 5.
 */
import { randomUUID } from "node:crypto";
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { records } from "../records.ts";
import { JSON_WIRE, PROTOBUF_WIRE } from "../wire.ts";
import type { ExecutorCallText, ExecutorOrder, HeardEvent } from "./protocol.ts";

const RETRY_MS = 50;
const [encoding, ...words] = process.argv.slice(2);
const wire = encoding === "protobuf" ? PROTOBUF_WIRE : JSON_WIRE;
const isMute = words.includes("mute");
const isStubborn = words.includes("stubborn");
const env = (name: string): string => process.env[name] ?? "";
const url = `http://${env("MESOS_AGENT_ENDPOINT")}/slave(1)/api/v1/executor`;
const framework_id = { value: env("MESOS_FRAMEWORK_ID") };
const executor_id = { value: env("MESOS_EXECUTOR_ID") };
const token = env("MESOS_EXECUTOR_AUTHENTICATION_TOKEN");

/** In the order in which they were made. */
const updates = new Map<string, object>();
const tasks = new Map<string, { readonly task_id: { readonly value: string } }>();
let isEnding = false;

const note = (line: object): void => appendFileSync("journal", `${JSON.stringify(line)}\n`);

function post(call: ExecutorCallText): Promise<Response> {
  return fetch(url, {
    method: "POST",
    headers: {
      "Content-Type": wire.mediaType,
      Accept: wire.mediaType,
      ...(token === "" ? {} : { Authorization: `Bearer ${token}` }),
    },
    body: wire.encode("mesos.v1.executor.Call", { framework_id, executor_id, ...call }),
  });
}

async function send(call: ExecutorCallText): Promise<void> {
  try {
    const response = await post(call);
    note({ call: call.type, status: response.status, text: await response.text() });
  } catch {
    note({ call: call.type, status: 0, text: "no agent" });
  }
}

async function update(taskId: string, state: string, fields: object = {}): Promise<void> {
  const uuid = Buffer.from(randomUUID().replaceAll("-", ""), "hex").toString("base64");
  const status = {
    task_id: { value: taskId },
    state,
    source: "SOURCE_EXECUTOR",
    uuid,
    timestamp: Date.now() / 1000,
    ...fields,
  };
  updates.set(uuid, { status });
  await send({ type: "UPDATE", update: { status } });
}

async function hear(event: HeardEvent): Promise<void> {
  note({ event: event.type, ...event });
  const given = event.launch_group?.task_group.tasks ?? (event.launch ? [event.launch.task] : []);
  for (const task of given) tasks.set(task.task_id.value, task);
  if (event.acknowledged !== undefined) {
    updates.delete(event.acknowledged.uuid);
    tasks.delete(event.acknowledged.task_id.value);
  }
  if (isMute) return;
  for (const task of given) await update(task.task_id.value, "TASK_RUNNING");
  if (event.kill !== undefined) await update(event.kill.task_id.value, "TASK_KILLED");
  if (event.type === "SHUTDOWN" && !isStubborn) process.exit(0);
}

async function obey({ call, message, state, exit, ...order }: ExecutorOrder): Promise<void> {
  if (exit !== undefined) process.exit(exit);
  if (state !== undefined) await update(order.task ?? "", state, order.fields);
  if (call !== undefined) await send(call);
  if (message !== undefined) {
    const data = Buffer.from(message).toString("base64");
    await send({ type: "MESSAGE", message: { data } });
  }
}

async function followOrders(): Promise<void> {
  let done = 0;
  while (!isEnding) {
    const text = existsSync("orders") ? readFileSync("orders", "utf8") : "";
    const lines = text.split("\n").slice(0, -1);
    for (const line of lines.slice(done)) await obey(JSON.parse(line) as ExecutorOrder);
    done = lines.length;
    await sleep(RETRY_MS);
  }
}

note({ environment: process.env, pid: process.pid });
if (isStubborn) process.on("SIGTERM", () => undefined);
process.on("exit", () => {
  isEnding = true;
});
void followOrders();
while (!words.includes("silent")) {
  try {
    const response = await post({
      type: "SUBSCRIBE",
      subscribe: {
        unacknowledged_tasks: [...tasks.values()],
        unacknowledged_updates: [...updates.values()],
      },
    });
    note({ call: "SUBSCRIBE", status: response.status });
    if (response.status === 200 && response.body !== null) {
      for await (const record of records(response.body)) {
        await hear(wire.decode("mesos.v1.executor.Event", record) as HeardEvent);
      }
    }
  } catch {
    // The agent is away; it is asked again until it is back.
  }
  await sleep(RETRY_MS);
}
