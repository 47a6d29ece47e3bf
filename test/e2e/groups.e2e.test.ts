/** A task group of the default executor through the compiled program: started together, one fate. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { readFileSync, readlinkSync } from "node:fs";
import { AgentClient, type Message } from "../harness/agent-client.ts";
import {
  type AllotProcess,
  BINARY,
  makeWorkDir,
  removeWorkDir,
  startAllot,
} from "../harness/allot-process.ts";
import { runProgram } from "../harness/run-program.ts";
import { TestFramework } from "../harness/test-framework.ts";
import { until } from "../harness/wait.ts";
import { JSON_WIRE } from "../harness/wire.ts";

const TIMEOUT_MS = 120_000;

let workDir: string;
let both: AllotProcess;

beforeEach(async () => {
  workDir = makeWorkDir();
  const flags = ["--resources=cpus:4;mem:1024;disk:1000"];
  both = await startAllot({ role: "both", workDir, flags });
});

afterEach(async () => {
  await both.end("SIGTERM");
  await removeWorkDir(workDir);
});

const scalar = (name: string, value: number): object => ({
  name,
  type: "SCALAR",
  scalar: { value },
});

test(
  "tasks of a group run side by side; one that fails takes the others along [item 65]",
  async () => {
    const framework = await TestFramework.subscribe({ master: both.url });
    const offer = await framework.offer();
    const taskOf = (id: string, value: string): object => ({
      name: id,
      task_id: { value: id },
      agent_id: offer.agent_id,
      command: { value },
      resources: [scalar("cpus", 0.1), scalar("mem", 16)],
    });
    const executor = {
      type: "DEFAULT",
      executor_id: { value: "group" },
      resources: [scalar("cpus", 0.1), scalar("mem", 32), scalar("disk", 1)],
    };
    const tasks = [
      taskOf("steady", "echo steady; sleep 1000"),
      taskOf("frail", "echo frail; sleep 1; exit 7"),
    ];
    await framework.call("ACCEPT", {
      accept: {
        offer_ids: [offer.id],
        operations: [{ type: "LAUNCH_GROUP", launch_group: { executor, task_group: { tasks } } }],
        filters: { refuse_seconds: 0 },
      },
    });
    const stateOf = (id: string): string | undefined =>
      framework.updates.findLast(({ task_id }) => task_id.value === id)?.state;
    await until("both tasks run", () => {
      const seen = framework.updates.filter(({ state }) => state === "TASK_RUNNING");
      return new Set(seen.map(({ task_id }) => task_id.value)).size === 2;
    });
    await until("the steady task is killed", () => stateOf("steady") === "TASK_KILLED");
    expect(stateOf("frail")).toBe("TASK_FAILED");
    const master = `--master=${new URL(both.url).host}`;
    for (const id of ["steady", "frail"]) {
      const logs = await runProgram(BINARY, ["logs", id, master]);
      expect(logs.stdout).toBe(`${id}\n`);
    }
    // Nothing is declined meanwhile, so what is offered adds up to what is free.
    await until("all of it comes back, the executor's share too", () => {
      const cpus = framework.offers
        .flatMap(({ resources }) => resources)
        .reduce(
          (sum, { name, scalar: amount }) => sum + (name === "cpus" ? (amount?.value ?? 0) : 0),
          0,
        );
      return Math.round(cpus * 1000) === 4000;
    });
    await framework.teardown();
  },
  TIMEOUT_MS,
);

test(
  "tasks of a group share a volume of their executor's sandbox, which is laid out as in Mesos [semantics 7.2, 7.16]",
  async () => {
    const framework = await TestFramework.subscribe({ master: both.url });
    const offer = await framework.offer();
    const source = { type: "SANDBOX_PATH", sandbox_path: { type: "PARENT", path: "shared/deep" } };
    const volumes = [{ mode: "RW", container_path: "common", source }];
    const taskOf = (id: string, value: string): object => ({
      name: id,
      task_id: { value: id },
      agent_id: offer.agent_id,
      command: { value },
      container: { type: "MESOS", volumes },
      resources: [scalar("cpus", 0.1), scalar("mem", 16)],
    });
    const executor = {
      type: "DEFAULT",
      executor_id: { value: "pod" },
      resources: [scalar("cpus", 0.1), scalar("mem", 32), scalar("disk", 1)],
    };
    const wait = "while ! [ -e common/word ]; do sleep 0.05; done; cat common/word; sleep 1000";
    const tasks = [taskOf("writer", "echo said > common/word; sleep 1000"), taskOf("reader", wait)];
    await framework.call("ACCEPT", {
      accept: {
        offer_ids: [offer.id],
        operations: [{ type: "LAUNCH_GROUP", launch_group: { executor, task_group: { tasks } } }],
      },
    });
    const statuses: Message[] = [];
    for (const id of ["writer", "reader"])
      statuses.push(await framework.status(id, "TASK_RUNNING"));
    const [writer, reader] = statuses.map((status) => status["container_status"].container_id);
    expect(writer.parent).toEqual(reader.parent);
    const runs = `${workDir}/slaves/${offer.agent_id.value}/frameworks/${framework.id}/executors/pod/runs`;
    const latest = `${runs}/latest`;
    expect(readlinkSync(latest)).toBe(writer.parent.value);
    expect(readlinkSync(`${latest}/tasks/reader`)).toBe(`../containers/${reader.value}`);
    await until("the word to be read", () => {
      return readFileSync(`${latest}/tasks/reader/stdout`, "utf8") === "said\n";
    });
    expect(readFileSync(`${latest}/shared/deep/word`, "utf8")).toBe("said\n");
    const agent = new AgentClient(both.agentUrl ?? "", JSON_WIRE);
    const virtual = `/frameworks/${framework.id}/executors/pod/runs/latest/tasks/reader/stdout`;
    const read = await agent.call("READ_FILE", { read_file: { path: virtual, offset: 0 } });
    expect(read.body["read_file"]).toMatchObject({
      data: Buffer.from("said\n").toString("base64"),
    });
    const state = (await (await fetch(`${both.agentUrl}/state`)).json()) as Message;
    expect(state["frameworks"][0].executors).toMatchObject([
      { id: "pod", container: writer.parent.value, tasks: [{ id: "writer" }, { id: "reader" }] },
    ]);
    // A session reaches into one task of the group.
    const session = await agent.stream("LAUNCH_NESTED_CONTAINER_SESSION", {
      launch_nested_container_session: {
        container_id: { value: "s", parent: reader },
        command: { value: "basename $PWD; cat common/word" },
      },
    });
    await until("the session to end", () => session.isOver());
    expect(session.stdout()).toBe(`${reader.value}\nsaid\n`);
    await framework.teardown();
  },
  TIMEOUT_MS,
);

test(
  "a task of a group that takes too long fails, and its siblings go with their own grace [semantics 6.6, 7.2]",
  async () => {
    const framework = await TestFramework.subscribe({ master: both.url });
    const offer = await framework.offer();
    const taskOf = (id: string, value: string, more: object = {}): object => ({
      name: id,
      task_id: { value: id },
      agent_id: offer.agent_id,
      command: { value },
      resources: [scalar("cpus", 0.1), scalar("mem", 16)],
      ...more,
    });
    const executor = {
      type: "DEFAULT",
      executor_id: { value: "slow" },
      resources: [scalar("cpus", 0.1), scalar("mem", 32), scalar("disk", 1)],
    };
    const deaf = "trap '' TERM; while :; do sleep 0.1; done";
    const tasks = [
      taskOf("late", "sleep 1000", { max_completion_time: { nanoseconds: 1e9 } }),
      taskOf("deaf", deaf, { kill_policy: { grace_period: { nanoseconds: 0.2e9 } } }),
    ];
    await framework.call("ACCEPT", {
      accept: {
        offer_ids: [offer.id],
        operations: [{ type: "LAUNCH_GROUP", launch_group: { executor, task_group: { tasks } } }],
      },
    });
    expect(await framework.status("late", "TASK_FAILED")).toMatchObject({
      reason: "REASON_MAX_COMPLETION_TIME_REACHED",
    });
    const failedMs = performance.now();
    await framework.status("deaf", "TASK_KILLED");
    // Three seconds would be the default.
    expect(performance.now() - failedMs).toBeLessThan(2500);
    await framework.teardown();
  },
  TIMEOUT_MS,
);
