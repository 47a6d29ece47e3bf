/** `allot exec`: a command inside a running task, piped into and at a terminal. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type {
  AgentCall,
  AgentProcessIO,
  AgentResponse,
  ContainerID,
  TaskStatus,
} from "../../src/protocol/v1/types.ts";
import { AgentClient } from "../harness/agent-client.ts";
import {
  type AllotProcess,
  BINARY,
  makeWorkDir,
  removeWorkDir,
  startAllot,
} from "../harness/allot-process.ts";
import { frameRecord, records } from "../harness/records.ts";
import { runProgram } from "../harness/run-program.ts";
import { type Status, TestFramework } from "../harness/test-framework.ts";
import { until } from "../harness/wait.ts";
import { JSON_WIRE } from "../harness/wire.ts";

const TIMEOUT_MS = 120_000;
/** How long a slow reader takes nothing. */
const SLOW_MS = 2000;

const workDir = makeWorkDir();
let both: AllotProcess;
let framework: TestFramework;

beforeAll(async () => {
  both = await startAllot({
    role: "both",
    workDir,
    flags: ["--resources=cpus:4;mem:1024;disk:99"],
  });
  framework = await TestFramework.subscribe({ master: both.url });
  const environment = { variables: [{ name: "OF", value: "the task" }] };
  const command = { value: "echo here > here; sleep 1000", environment };
  await framework.launch(await framework.offer(), [{ id: "t", command: "", extra: { command } }]);
  await framework.status("t", "TASK_RUNNING");
}, TIMEOUT_MS);

afterAll(async () => {
  await both?.end("SIGTERM");
  await removeWorkDir(workDir);
});

const words = (...args: string[]): string[] => [
  "exec",
  `--master=${new URL(both.url).host}`,
  ...args,
];

/** A call to the agent. */
function post(call: AgentCall, signal?: AbortSignal): Promise<Response> {
  return fetch(`${both.agentUrl}/slave(1)/api/v1`, {
    ...(signal === undefined ? {} : { signal }),
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    body: JSON.stringify(call),
  });
}

async function containerOfTask(): Promise<ContainerID> {
  const answer = (await (await post({ type: "GET_CONTAINERS" })).json()) as AgentResponse;
  const id = answer.get_containers?.containers?.[0]?.container_id;
  if (id === undefined) throw new Error("the agent has no container");
  return id;
}

/** The answer is a command's output. */
function launchSession(
  container_id: ContainerID,
  value: string,
  signal?: AbortSignal,
): Promise<Response> {
  const launch_nested_container_session = { container_id, command: { value } };
  const type = "LAUNCH_NESTED_CONTAINER_SESSION";
  return post({ type, launch_nested_container_session }, signal);
}

function attachOutput(container_id: ContainerID): Promise<Response> {
  const attach_container_output = { container_id };
  return post({ type: "ATTACH_CONTAINER_OUTPUT", attach_container_output });
}

/** Bytes of output in an answer. */
async function byteCountOf(output: Response): Promise<number> {
  let byteCount = 0;
  for await (const record of records(output.body ?? new ReadableStream())) {
    const { data }: AgentProcessIO = JSON.parse(new TextDecoder().decode(record));
    byteCount += Buffer.from(data?.data ?? "", "base64").length;
  }
  return byteCount;
}

function residentBytes(pid: number): number {
  const match = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(match?.[1]) * 1024;
}

test(
  "runs in the task's sandbox and environment and exits as the command does",
  async () => {
    const inside = (...args: string[]) => runProgram(BINARY, words("t", "--", ...args));
    expect(await inside("cat", "here")).toMatchObject({ code: 0, stdout: "here\n", stderr: "" });
    expect((await inside("sh", "-c", 'echo "$OF $0 $1"', "a b", "c")).stdout).toBe(
      "the task a b c\n",
    );
    expect(await inside("sh", "-c", "echo bad >&2; exit 9")).toMatchObject({
      code: 9,
      stderr: "bad\n",
    });
    expect((await inside("sh", "-c", "kill -TERM $$")).code).toBe(143);
    expect((await inside("no-such-program")).code).toBe(127);
    // Without -i there is nothing to read, rather than nothing yet.
    expect(await inside("cat")).toMatchObject({ code: 0, stdout: "" });
    expect(await runProgram(BINARY, words("nobody", "--", "true"))).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("there is no task nobody"),
    });
  },
  TIMEOUT_MS,
);

test(
  "output of commands that are over at once is whole, however many there are",
  async () => {
    const short = words("t", "--", "sh", "-c", "echo out; echo bad >&2; exit 9");
    for (let round = 0; round < 5; round += 1) {
      const ends = await Promise.all(Array.from({ length: 8 }, () => runProgram(BINARY, short)));
      for (const end of ends) {
        expect(end).toMatchObject({ code: 9, stdout: "out\n", stderr: "bad\n" });
      }
    }
  },
  TIMEOUT_MS,
);

test(
  "passes on what is piped in, to its end",
  async () => {
    const child = spawn(BINARY, words("-i", "t", "--", "sh", "-c", "wc -c; echo done"), {
      stdio: ["pipe", "pipe", "inherit"],
    });
    let text = "";
    child.stdout.on("data", (chunk: Uint8Array) => {
      text += String(chunk);
    });
    // In base64 twice what the agent takes as one body.
    const bytes = 24_000_000;
    child.stdin.end("x".repeat(bytes));
    await until("the end", () => child.exitCode !== null && text.includes("done"));
    expect(text.trim().split(/\s+/)).toEqual([String(bytes), "done"]);
    expect(child.exitCode).toBe(0);
  },
  TIMEOUT_MS,
);

test(
  "what is piped in waits for a slow command, with and without a terminal, in little memory",
  async () => {
    const byteCount = 100_000_000;
    const startBytes = residentBytes(both.pid);
    const commands = [
      ["-i", "t", "--", "sh", "-c", "echo ready; sleep 2; wc -c"],
      [
        "-i",
        "-t",
        "t",
        "--",
        "sh",
        "-c",
        "stty raw -echo; echo ready; sleep 2; head -c 100000000 | wc -c",
      ],
    ];
    for (const args of commands) {
      const child = spawn(BINARY, words(...args), { stdio: ["pipe", "pipe", "inherit"] });
      let text = "";
      child.stdout.on("data", (chunk: Uint8Array) => {
        text += String(chunk);
      });
      await until("the command", () => text.includes("ready"));
      child.stdin.on("error", () => undefined).end(Buffer.alloc(byteCount, "x"));
      await Bun.sleep(1500);
      expect(residentBytes(both.pid) - startBytes).toBeLessThan(150_000_000);
      expect(residentBytes(child.pid ?? 0)).toBeLessThan(250_000_000);
      await until("the end", () => child.exitCode !== null);
      expect([text.trim().split(/\s+/), child.exitCode]).toEqual([["ready", String(byteCount)], 0]);
    }
  },
  TIMEOUT_MS,
);

test(
  "input that breaks off is taken up by the next, also with a declared length, past one body's bound",
  async () => {
    const id = { value: "cut", parent: await containerOfTask() };
    const opened = await launchSession(id, "wc -c");
    const client = new AgentClient(both.agentUrl ?? "", JSON_WIRE);
    const broken = client.attachInput(id);
    broken.type("four");
    await Bun.sleep(SLOW_MS / 4);
    broken.abort();
    expect(await broken.answer.catch(() => "broken")).toBe("broken");
    const record = (input: object): Uint8Array => {
      const call = { type: "ATTACH_CONTAINER_INPUT", attach_container_input: input };
      return frameRecord(JSON_WIRE.encode("mesos.v1.agent.Call", call));
    };
    const dataOf = (byteCount: number): Uint8Array => {
      const data = { type: "STDIN", data: Buffer.alloc(byteCount, "x").toString("base64") };
      return record({ type: "PROCESS_IO", process_io: { type: "DATA", data } });
    };
    const pieces = Array(24).fill(dataOf(1_000_000));
    const named = record({ type: "CONTAINER_ID", container_id: id });
    const body = Buffer.concat([named, ...pieces, dataOf(0)]);
    const typed = await until("the next", async () => {
      const answer = await fetch(`${both.agentUrl}/slave(1)/api/v1`, {
        method: "POST",
        headers: {
          "Content-Type": "application/recordio",
          "Message-Content-Type": "application/json",
        },
        body,
      });
      return answer.status === 409 ? undefined : answer;
    });
    expect(typed.status).toBe(200);
    expect(await opened.text()).toContain(Buffer.from("24000004\n").toString("base64"));
  },
  TIMEOUT_MS,
);

test(
  "input that a command does not read to its end is no fault",
  async () => {
    const child = spawn(BINARY, words("-i", "t", "--", "sh", "-c", "head -c 10; exit 4"), {
      stdio: ["pipe", "pipe", "inherit"],
    });
    let text = "";
    child.stdout.on("data", (chunk: Uint8Array) => {
      text += String(chunk);
    });
    child.stdin.on("error", () => undefined).end(Buffer.alloc(50_000_000, "x"));
    await once(child, "close");
    expect([text, child.exitCode]).toEqual(["x".repeat(10), 4]);
  },
  TIMEOUT_MS,
);

test(
  "other bodies are refused above their bound, with or without a declared length",
  async () => {
    const tooLong = Buffer.alloc(17_000_000, " ");
    const urls = [`${both.url}/api/v1`, `${both.url}/allot/v1/kill`, `${both.agentUrl}/api/v1`];
    for (const url of urls) {
      const chunked = new ReadableStream({
        start: (controller) => {
          for (let at = 0; at < 17; at += 1) controller.enqueue(new Uint8Array(1_000_000).fill(32));
          controller.close();
        },
      });
      for (const body of [tooLong, chunked]) {
        const headers = { "Content-Type": "application/json", Accept: "application/json" };
        const init = { method: "POST", headers, body, duplex: "half" } as RequestInit;
        const answer = await fetch(url, init);
        expect([answer.status, await answer.text()]).toEqual([
          413,
          expect.stringContaining("above the limit"),
        ]);
      }
    }
  },
  TIMEOUT_MS,
);

/** Bytes that come out, counted by a reader who does nothing for the first seconds. */
async function countSlowly(...args: string[]): Promise<{ code: number | null; byteCount: number }> {
  const child = spawn(BINARY, words(...args), { stdio: ["ignore", "pipe", "pipe"] });
  await Bun.sleep(SLOW_MS);
  let byteCount = 0;
  const count = (chunk: Uint8Array): void => {
    byteCount += chunk.length;
  };
  child.stdout.on("data", count);
  child.stderr.on("data", count);
  await once(child, "close");
  return { code: child.exitCode, byteCount };
}

test(
  "a command waits for who reads it slowly, and nothing of what it writes is lost",
  async () => {
    // Far above what all buffers on the way hold, and the agent's bound for who does not keep up.
    const each = "head -c 40000000 /dev/zero";
    const piped = await countSlowly("t", "--", "sh", "-c", `${each}; ${each} >&2; exit 3`);
    expect(piped).toEqual({ code: 3, byteCount: 80_000_000 });
    const seated = await countSlowly("-t", "t", "--", "sh", "-c", each);
    expect(seated).toEqual({ code: 0, byteCount: 40_000_000 });
    expect(residentBytes(both.pid)).toBeLessThan(400_000_000);
  },
  TIMEOUT_MS,
);

test(
  "what a task writes is followed by a slow reader to its end, after the task's",
  async () => {
    const sign = join(workDir, "sign");
    const command = `until [ -e ${sign} ]; do sleep 0.05; done; head -c 40000000 /dev/zero`;
    await framework.launch(await framework.offer(), [{ id: "u", command }]);
    const status: Status & Pick<TaskStatus, "container_status"> = await framework.status(
      "u",
      "TASK_RUNNING",
    );
    const container_id = status.container_status?.container_id ?? { value: "" };
    const output = await attachOutput(container_id);
    await Bun.write(sign, "");
    await framework.status("u", "TASK_FINISHED");
    await Bun.sleep(SLOW_MS);
    expect(await byteCountOf(output)).toBe(40_000_000);
  },
  TIMEOUT_MS,
);

test(
  "a session waits for the slowest of those who read it",
  async () => {
    const id = { value: "two", parent: await containerOfTask() };
    const first = await launchSession(id, "sleep 1; head -c 40000000 /dev/zero");
    const second = await attachOutput(id);
    const counts = [byteCountOf(first), Bun.sleep(SLOW_MS).then(() => byteCountOf(second))];
    expect(await Promise.all(counts)).toEqual([40_000_000, 40_000_000]);
  },
  TIMEOUT_MS,
);

test(
  "a session whose caller is gone before it has begun is ended",
  async () => {
    const parent = await containerOfTask();
    for (let delayMs = 0; delayMs < 40; delayMs += 2) {
      const id = { value: `gone${delayMs}`, parent };
      const leaving = new AbortController();
      const opened = launchSession(id, "sleep 1000", leaving.signal).catch(() => undefined);
      await Bun.sleep(delayMs);
      leaving.abort();
      await opened;
      const ended = await post({ type: "WAIT_CONTAINER", wait_container: { container_id: id } });
      // One who has left early enough has launched nothing.
      expect(ended.status === 404 ? "none" : await ended.json()).toSatisfy(
        (answer) => answer === "none" || answer.wait_container.exit_status === 9,
      );
    }
  },
  TIMEOUT_MS,
);

test(
  "a reader who stands still does not hold up the end of a session",
  async () => {
    const id = { value: "stuck", parent: await containerOfTask() };
    const opened = await launchSession(id, "cat /dev/zero");
    expect(opened.status).toBe(200);
    await Bun.sleep(SLOW_MS / 4);
    await post({ type: "KILL_CONTAINER", kill_container: { container_id: id } });
    const ended = await post({ type: "WAIT_CONTAINER", wait_container: { container_id: id } });
    expect(await ended.json()).toMatchObject({ wait_container: { exit_status: 9 } });
    await opened.body?.cancel();
  },
  TIMEOUT_MS,
);

test(
  "who may not type is told so, rather than left with a command that waits",
  async () => {
    const folder = makeWorkDir();
    const rule = { principals: { type: "ANY" }, users: { type: "NONE" } };
    const acls = JSON.stringify({ attach_containers_input: [rule] });
    const strict = await startAllot({ role: "both", workDir: folder, flags: [`--acls=${acls}`] });
    try {
      const other = await TestFramework.subscribe({ master: strict.url });
      await other.launch(await other.offer(), [{ id: "s", command: "sleep 1000" }]);
      await other.status("s", "TASK_RUNNING");
      const master = `--master=${new URL(strict.url).host}`;
      const refused = await runProgram(BINARY, ["exec", master, "-i", "s", "--", "sleep", "1000"]);
      expect(refused).toMatchObject({ code: 1, stdout: "" });
      expect(refused.stderr).toContain("the agent at");
    } finally {
      await strict.end("SIGTERM");
      await removeWorkDir(folder);
    }
  },
  TIMEOUT_MS,
);

test(
  "is a shell at a terminal",
  async () => {
    let text = "";
    const terminal = new Bun.Terminal({
      cols: 91,
      rows: 33,
      data: (_terminal, data) => {
        text += new TextDecoder().decode(data);
      },
    });
    // As a login would: only then is it told of a new size.
    const child = Bun.spawn(["setsid", "--ctty", "--wait", BINARY, ...words("t")], { terminal });
    const seen = (what: string): Promise<unknown> => until(what, () => text.includes(what));
    terminal.write("stty size; tty\n");
    await seen("33 91");
    await seen("/dev/pts/");
    terminal.resize(120, 40);
    await until("the new size", () => {
      terminal.write("stty size\n");
      return text.includes("40 120");
    });
    // Not this program but what it runs is interrupted.
    terminal.write("sleep 1000\n\u0003\n");
    terminal.write("echo still $((40 + 2))\n");
    await seen("still 42");
    terminal.write("exit 6\n");
    expect(await child.exited).toBe(6);
    terminal.close();
  },
  TIMEOUT_MS,
);
