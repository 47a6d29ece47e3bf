/** `allot execute --kill_after` as a program, against a master that plays one task. */
import { expect, test } from "bun:test";
import type { IncomingMessage, ServerResponse } from "node:http";
import { resolve } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { serve } from "../fetcher/fetching.ts";
import { runProgram } from "../harness/run-program.ts";

const MAIN = resolve(import.meta.dir, "../../src/main.ts");
/** How long the task runs: above what a timer takes that goes off at once. */
const RUN_MS = 300;

const OFFER = {
  id: { value: "o" },
  framework_id: { value: "f" },
  agent_id: { value: "a" },
  hostname: "host",
  resources: [{ name: "cpus", type: "SCALAR", scalar: { value: 1 } }],
};

test("a task that may run for longer than any timer is not killed at once", async () => {
  const calls: string[] = [];
  await using server = await serve((request, response) => {
    void answer(request, response, calls);
  });
  const words = ["execute", "--name=t", "--resources=cpus:1", "--command=x", "--kill_after=5weeks"];
  const { code, stderr } = await runProgram(process.execPath, [
    MAIN,
    ...words,
    "--content_type=json",
    `--master=${new URL(server.url).host}`,
  ]);
  expect(stderr).toBe("");
  expect(code).toBe(0);
  expect(calls).toEqual(["SUBSCRIBE", "ACCEPT", "SUPPRESS", "TEARDOWN"]);
}, 60_000);

let stream: ServerResponse | undefined;

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  calls: string[],
): Promise<void> {
  if (request.method === "GET") {
    response.end();
    return;
  }
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  const { type } = JSON.parse(Buffer.concat(chunks).toString());
  calls.push(type);
  if (type === "SUBSCRIBE") {
    stream = response;
    response.writeHead(200, { "Content-Type": "application/json", "Mesos-Stream-Id": "s" });
    send({ type: "SUBSCRIBED", subscribed: { framework_id: { value: "f" } } });
    send({ type: "OFFERS", offers: { offers: [OFFER] } });
    return;
  }
  response.writeHead(202).end();
  if (type !== "SUPPRESS") return;
  update("TASK_RUNNING");
  await sleep(RUN_MS);
  update("TASK_FINISHED");
}

function update(state: string): void {
  send({ type: "UPDATE", update: { status: { task_id: { value: "t" }, state } } });
}

function send(event: object): void {
  const text = JSON.stringify(event);
  stream?.write(`${Buffer.byteLength(text)}\n${text}`);
}
