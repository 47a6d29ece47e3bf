/** The agent's checkpoint on real files with both engines, against a slow model of its promises. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Checkpoint } from "../../../src/agent/checkpoint/checkpoint.ts";
import type {
  CheckpointedTask,
  CheckpointedUpdate,
  CheckpointOperation,
  CheckpointState,
} from "../../../src/agent/core/checkpoint-state.ts";
import type { SqlOpen } from "../../../src/base/ports.ts";
import type { Resource } from "../../../src/protocol/v1/types.ts";
import {
  databaseError,
  ENGINES,
  MemoryLog,
  TempFolder,
  withPagesMax,
} from "../../database/support.ts";
import { checkpointOperation } from "./checkpoint-arbitrary.ts";
import { byTaskAndSequence, CheckpointModel } from "./checkpoint-model.ts";

function task(number: number, state: CheckpointedTask["state"] = "TASK_RUNNING"): CheckpointedTask {
  const taskId = `task-${number}`;
  return {
    frameworkId: "F",
    taskId,
    executorId: taskId,
    info: {
      name: "sleeper",
      task_id: { value: taskId },
      agent_id: { value: "S0" },
      resources: [
        { name: "cpus", type: "SCALAR", scalar: { value: 0.1 }, role: "*" },
        { name: "mem", type: "SCALAR", scalar: { value: 32 }, role: "*" },
      ],
      command: { value: "sleep 1000", shell: true },
    },
    taskGroup: undefined,
    state,
    kill: undefined,
    checked: undefined,
    status: undefined,
  };
}

const putTask = (number: number): CheckpointOperation => ({ kind: "putTask", task: task(number) });

function update(sequence: number, taskId: string = "task-0"): CheckpointedUpdate {
  const status = {
    task_id: { value: taskId },
    state: "TASK_RUNNING" as const,
    uuid: `${sequence}`,
  };
  return { frameworkId: "F", taskId, sequence, status, isAcknowledged: false };
}

const unbounded = (): Resource => ({
  name: "cpus",
  type: "SCALAR",
  scalar: { value: Number.POSITIVE_INFINITY },
});

const append = (sequence: number): CheckpointOperation => ({
  kind: "appendUpdate",
  update: update(sequence),
});

describe.each([...ENGINES])("the checkpoint through %s", (_engine, load) => {
  let folder: TempFolder;
  let open: SqlOpen;
  let checkpoint: Checkpoint;

  beforeEach(async () => {
    folder = new TempFolder();
    open = await load();
    checkpoint = await openCheckpoint();
  });

  afterEach(() => {
    checkpoint.close();
    folder.remove();
  });

  function openCheckpoint(engine: SqlOpen = open, name: string = "c.db"): Promise<Checkpoint> {
    return Checkpoint.open({ path: folder.file(name), open: engine, log: new MemoryLog() });
  }

  async function reopen(): Promise<CheckpointState> {
    checkpoint.close();
    checkpoint = await openCheckpoint();
    return checkpoint.load();
  }

  test("a new file remembers nothing", () => {
    expect(checkpoint.load()).toEqual(new CheckpointModel().state());
  });

  test("a task that is put again keeps its place and takes its new state [DESIGN §7]", async () => {
    checkpoint.apply([putTask(0), putTask(1)]);
    const killed = { ...task(0, "TASK_KILLED"), kill: { graceMs: 3_000, atMs: 17.5 } };
    checkpoint.apply([{ kind: "putTask", task: killed }]);
    expect((await reopen()).tasks).toEqual([killed, task(1)]);
  });

  test("a status changes what it is of alone, and none of a task that is not there", async () => {
    const kill = { graceMs: 3_000, atMs: 17.5 };
    const before = { ...task(0), kill, taskGroup: { tasks: [task(0).info] } };
    checkpoint.apply([{ kind: "putTask", task: before }, putTask(1)]);
    const told = {
      state: "TASK_KILLED" as const,
      checked: { healthy: false, failures: 2 },
      status: { task_id: { value: "task-0" }, state: "TASK_KILLED" as const },
    };
    const status = { frameworkId: "F", taskId: "task-0", ...told };
    checkpoint.apply([
      { kind: "putStatus", status },
      { kind: "putStatus", status: { ...status, taskId: "task-2" } },
    ]);
    expect((await reopen()).tasks).toEqual([{ ...before, ...told }, task(1)]);
  });

  test("what an executor said of no bound is no bound still", () => {
    const told = { ...update(0).status, limitation: { resources: [unbounded()] } };
    checkpoint.apply([
      { kind: "putTask", task: { ...task(0), status: told } },
      { kind: "appendUpdate", update: { ...update(0), status: told } },
    ]);
    const { tasks, updates } = checkpoint.load();
    expect([tasks[0]?.status, updates[0]?.status]).toEqual([told, told]);
  });

  test("a limit without bound is one after a restart too [semantics 6.7]", async () => {
    const limits = { cpus: { value: Number.POSITIVE_INFINITY }, mem: { value: 64 } };
    const boundless = { ...task(0), info: { ...task(0).info, limits } };
    checkpoint.apply([{ kind: "putTask", task: boundless }]);
    expect((await reopen()).tasks).toEqual([boundless]);
  });

  test("updates come in the order of their sequence, acknowledged ones are gone [DESIGN §7]", async () => {
    checkpoint.apply([10, 9, 2, 1].map(append));
    checkpoint.apply([{ kind: "removeUpdate", frameworkId: "F", taskId: "task-0", sequence: 1 }]);
    const { updates } = await reopen();
    expect(updates.map(({ sequence }) => sequence)).toEqual([2, 9, 10]);
  });

  test("removing a task takes no update that nobody acknowledged [DESIGN promise 1]", () => {
    checkpoint.apply([putTask(0), append(1)]);
    checkpoint.apply([{ kind: "removeTask", frameworkId: "F", taskId: "task-0" }]);
    expect(checkpoint.load()).toMatchObject({ tasks: [], updates: [update(1)] });
  });

  test("a batch is kept as a whole or not at all", () => {
    checkpoint.apply([append(1)]);
    const twice = (): void => checkpoint.apply([putTask(0), append(2), append(1)]);
    expect(twice).toThrow(expect.objectContaining({ code: "constraint" }));
    expect(checkpoint.load()).toMatchObject({ tasks: [], updates: [update(1)] });
  });

  test("a full disk loses nothing, and once there is space all goes on [DESIGN §9]", async () => {
    const small = await openCheckpoint(withPagesMax(open, 40), "small.db");
    let written = 0;
    const fill = (): void => {
      for (; written < 1_000; written++) small.apply([putTask(written)]);
    };
    expect(fill).toThrow(expect.objectContaining({ code: "full" }));
    expect(written).toBeGreaterThan(10);
    expect(small.load().tasks).toHaveLength(written);
    small.close();
    const again = await openCheckpoint(open, "small.db");
    again.apply([putTask(written)]);
    expect(again.load().tasks).toHaveLength(written + 1);
    again.close();
  });

  test("a row that is not readable is reported as damage, by its task", async () => {
    checkpoint.apply([putTask(7)]);
    checkpoint.close();
    const connection = open(folder.file("c.db"));
    connection.prepare("UPDATE task SET info = 'x' || info").run([]);
    connection.close();
    checkpoint = await openCheckpoint();
    const loading = Promise.resolve().then(() => checkpoint.load());
    const error = await databaseError(loading);
    expect(error.code).toBe("damaged");
    expect(error.message).toContain("the row of task task-7 of framework F is not JSON");
  });

  test("any operations in any batches are found again exactly [DESIGN §7]", async () => {
    let round = 0;
    const batches = fc.array(fc.array(checkpointOperation, { maxLength: 12 }), { maxLength: 6 });
    const property = fc.asyncProperty(batches, async (groups) => {
      round += 1;
      const model = new CheckpointModel();
      const store = await openCheckpoint(open, `${round}.db`);
      for (const group of groups) {
        const operations: CheckpointOperation[] = [];
        for (const operation of group) {
          if (model.isRepeat(operation)) continue;
          model.apply(operation);
          operations.push(operation);
        }
        store.apply(operations);
      }
      store.close();
      const again = await openCheckpoint(open, `${round}.db`);
      const loaded = again.load();
      again.close();
      const found: CheckpointState = { ...loaded, updates: byTaskAndSequence(loaded.updates) };
      expect(found).toEqual(model.state());
    });
    await fc.assert(property, { numRuns: 60 });
  }, 20_000);
});
