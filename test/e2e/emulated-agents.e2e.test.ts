/**
 * The emulated agents behave as agents towards a real master: what conformance tests and benchmarks
 * build on. Method: one compiled master, one process of agents, a framework over HTTP.
 */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import {
  type AllotProcess,
  makeWorkDir,
  removeWorkDir,
  startAllot,
} from "../harness/allot-process.ts";
import { EmulatedAgents } from "../harness/emulated-agents.ts";
import { type Offer, TestFramework } from "../harness/test-framework.ts";
import { until } from "../harness/wait.ts";

const TIMEOUT_MS = 120_000;

let workDir = "";
let master: AllotProcess;
let agents: EmulatedAgents;
let framework: TestFramework;

beforeAll(async () => {
  workDir = makeWorkDir();
  master = await startAllot({
    role: "master",
    workDir,
    flags: ["--agent_ping_timeout=1secs", "--max_agent_ping_timeouts=2"],
  });
  agents = await EmulatedAgents.start(workDir, {
    master: master.url,
    count: 3,
    resources: "cpus:2;mem:512",
    attributes: "rack:r1",
  });
}, TIMEOUT_MS);

beforeEach(async () => {
  framework = await TestFramework.subscribe({
    master: master.url,
    info: {
      checkpoint: true,
      failover_timeout: 600,
      capabilities: [{ type: "MULTI_ROLE" }, { type: "PARTITION_AWARE" }],
    },
  });
}, TIMEOUT_MS);

afterEach(async () => {
  await framework.teardown();
});

afterAll(async () => {
  await agents.end();
  await master.end("SIGTERM");
  await removeWorkDir(workDir);
});

/** Takes offers until one is of the agent of that number. */
async function offerOf(index: number): Promise<Offer> {
  const id = (await agents.ids()).get(index);
  return await until(`an offer of agent ${index}`, () => {
    const at = framework.offers.findLastIndex(({ agent_id }) => agent_id.value === id);
    return framework.offers.splice(at, at < 0 ? 0 : 1)[0];
  });
}

test(
  "each agent is offered with the resources it was given [semantics 2.1]",
  async () => {
    const offers = await Promise.all([0, 1, 2].map(offerOf));
    expect(offers.map(({ hostname }) => hostname).sort()).toEqual([
      "agent-0.emulated",
      "agent-1.emulated",
      "agent-2.emulated",
    ]);
    for (const { resources } of offers) {
      expect(resources.map(({ name, scalar }) => [name, scalar?.value])).toEqual([
        ["cpus", 2],
        ["mem", 512],
      ]);
    }
    await framework.call("DECLINE", {
      decline: {
        offer_ids: offers.map(({ id }) => id),
        filters: { refuse_seconds: 0 },
      },
    });
  },
  TIMEOUT_MS,
);

test(
  "a task ends as its command says, by a kill, or when a test says so [semantics 7.3]",
  async () => {
    await framework.launch(await offerOf(0), [
      { id: "sleeps", command: "sleep 0.05; exit 3" },
      { id: "stays", command: "run for ever" },
      { id: "told", command: "run for ever" },
    ]);
    await framework.status("sleeps", "TASK_FAILED");
    expect(framework.states("sleeps")).toEqual(["TASK_STARTING", "TASK_RUNNING", "TASK_FAILED"]);
    await framework.status("stays", "TASK_RUNNING");
    await framework.call("KILL", { kill: { task_id: { value: "stays" } } });
    await framework.status("stays", "TASK_KILLED");
    await framework.status("told", "TASK_RUNNING");
    expect(await agents.endTask("told", { exit: { kind: "exited", code: 0 } })).toBe(true);
    await framework.status("told", "TASK_FINISHED");
  },
  TIMEOUT_MS,
);

test(
  "a task outlives its agent's process and is told to have ended meanwhile [semantics 7.4]",
  async () => {
    await framework.launch(await offerOf(1), [{ id: "alone", command: "sleep 0.2" }]);
    await framework.status("alone", "TASK_RUNNING");
    await agents.crash(1);
    await until("the task's end", async () => (await agents.report()).up === 2);
    await agents.start(1);
    await framework.status("alone", "TASK_FINISHED");
  },
  TIMEOUT_MS,
);

test(
  "a paused agent becomes unreachable and comes back with what it runs [semantics 2.6]",
  async () => {
    await framework.launch(await offerOf(2), [{ id: "far", command: "run for ever" }]);
    await framework.status("far", "TASK_RUNNING");
    await agents.pause(2);
    await framework.status("far", "TASK_UNREACHABLE");
    await agents.resume(2);
    await until("the task to run again", () => framework.states("far").at(-1) === "TASK_RUNNING");
    await agents.cutLink("all");
    await agents.registered(3);
  },
  TIMEOUT_MS,
);

test(
  "a rebooted server has lost its tasks, an erased one is a new agent [semantics 2.2]",
  async () => {
    const before = (await agents.ids()).get(0);
    await framework.launch(await offerOf(2), [{ id: "doomed", command: "run for ever" }]);
    await framework.status("doomed", "TASK_RUNNING");
    await agents.reboot(2);
    await until("the task to be lost", () =>
      /FAILED|GONE|LOST/.test(framework.states("doomed").at(-1) ?? ""),
    );
    await agents.erase(0);
    await agents.start(0);
    await agents.registered(3);
    expect((await agents.ids()).get(0)).not.toBe(before);
    expect((await agents.report()).exits).toEqual([]);
  },
  TIMEOUT_MS,
);
