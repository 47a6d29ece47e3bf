/** A task group of the default executor through the compiled program: started together, one fate. */
import { afterAll, expect, test } from "bun:test";
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

const TIMEOUT_MS = 120_000;

const workDir = makeWorkDir();
let both: AllotProcess | undefined;

afterAll(async () => {
  await both?.end("SIGTERM");
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
    both = await startAllot({
      role: "both",
      workDir,
      flags: ["--resources=cpus:4;mem:1024;disk:1000"],
    });
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
