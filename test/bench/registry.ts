/** Durable commits per second: the master's registry and the agent's checkpoint on real files. */

import { Checkpoint } from "../../src/agent/checkpoint/checkpoint.ts";
import type { CheckpointOperation } from "../../src/agent/core/checkpoint-state.ts";
import { loadSqlite } from "../../src/platform/sqlite.ts";
import { systemClock } from "../../src/platform/system.ts";
import type { AgentInfo, Attribute } from "../../src/protocol/v1/types.ts";
import type { RegistryOperation } from "../../src/registry/core/registry-state.ts";
import { Registrar } from "../../src/registry/store/registrar.ts";
import { MemoryLog, TempFolder } from "../database/support.ts";
import { asyncRate, type Bench, rate } from "./bench.ts";
import { FigureSet } from "./figures.ts";

const CONCURRENT_COMMITS = 100;
/** Agents that are in the registry all the time; each commit updates one. */
const AGENTS = 1000;
const TASKS = 1000;
const BATCH_PUTS = 100;

export const registryBench: Bench = {
  name: "registry",
  summary: "registry commits and checkpoint writes per second, each on the disk",
  needsBinary: false,
  defaultRuns: 5,
  run: async ({ runs, size, progress }) => {
    const durationMs = size(1000, 200);
    const set = new FigureSet();
    for (let run = 1; run <= runs; run += 1) {
      progress(`run ${run} of ${runs}`);
      const folder = new TempFolder();
      try {
        await measureRegistry(folder, durationMs, set);
        await measureCheckpoint(folder, durationMs, set);
      } finally {
        folder.remove();
      }
    }
    return set.figures();
  },
};

async function measureRegistry(
  folder: TempFolder,
  durationMs: number,
  set: FigureSet,
): Promise<void> {
  const registrar = await Registrar.open({
    path: folder.file("registry.db"),
    open: await loadSqlite(),
    clock: systemClock,
    log: new MemoryLog(),
  });
  try {
    await registrar.commit(
      Array.from({ length: AGENTS }, (_, index) => ({ kind: "admitAgent", info: agent(index) })),
    );
    let number = 0;
    const commit = async (): Promise<void> => {
      number += 1;
      // Both stores leave out a write that changes nothing, so each must change something.
      const info = { ...agent(number % AGENTS), attributes: [commitNumber(number)] };
      const operation: RegistryOperation = { kind: "updateAgent", info };
      const [result] = await registrar.commit([operation]);
      if (result?.ok !== true || !result.value) throw new Error("an update was not written");
    };
    const single = await asyncRate(durationMs, async () => {
      await commit();
      return 1;
    });
    set.add("registry, commits one after the other", "commits/s", single);
    const together = await asyncRate(durationMs, async () => {
      await Promise.all(Array.from({ length: CONCURRENT_COMMITS }, commit));
      return CONCURRENT_COMMITS;
    });
    set.add(`registry, commits, ${CONCURRENT_COMMITS} at once`, "commits/s", together);
  } finally {
    await registrar.close();
  }
}

async function measureCheckpoint(
  folder: TempFolder,
  durationMs: number,
  set: FigureSet,
): Promise<void> {
  const checkpoint = await Checkpoint.open({
    path: folder.file("checkpoint.db"),
    open: await loadSqlite(),
    log: new MemoryLog(),
  });
  try {
    let number = 0;
    const put = (): CheckpointOperation => {
      number += 1;
      return putTask(number % TASKS, number);
    };
    const single = rate(durationMs, () => checkpoint.apply([put()]));
    set.add("checkpoint, puts one after the other", "puts/s", single);
    const batches = rate(durationMs, () =>
      checkpoint.apply(Array.from({ length: BATCH_PUTS }, put)),
    );
    set.add(`checkpoint, puts, ${BATCH_PUTS} at once`, "puts/s", batches * BATCH_PUTS);
  } finally {
    checkpoint.close();
  }
}

function agent(number: number): AgentInfo {
  return {
    id: { value: `5f8d0b5c-6d0b-4a6e-9d6a-0c1e3b9f7a11-S${number}` },
    hostname: `node-${number}.example.net`,
    port: 5051,
    resources: [
      { name: "cpus", type: "SCALAR", scalar: { value: 32 } },
      { name: "mem", type: "SCALAR", scalar: { value: 131_072 } },
      { name: "disk", type: "SCALAR", scalar: { value: 1_000_000 } },
      { name: "ports", type: "RANGES", ranges: { range: [{ begin: 31_000, end: 32_000 }] } },
    ],
  };
}

function commitNumber(value: number): Attribute {
  return { name: "commit", type: "SCALAR", scalar: { value } };
}

function putTask(number: number, atMs: number): CheckpointOperation {
  const taskId = `task-${number}`;
  return {
    kind: "putTask",
    task: {
      frameworkId: "5f8d0b5c-6d0b-4a6e-9d6a-0c1e3b9f7a11-0003",
      taskId,
      executorId: taskId,
      info: {
        name: "sleeper",
        task_id: { value: taskId },
        agent_id: { value: "5f8d0b5c-6d0b-4a6e-9d6a-0c1e3b9f7a11-S0" },
        resources: [
          { name: "cpus", type: "SCALAR", scalar: { value: 0.1 } },
          { name: "mem", type: "SCALAR", scalar: { value: 32 } },
        ],
        command: { value: "sleep 1000", shell: true },
      },
      taskGroup: undefined,
      state: "TASK_RUNNING",
      kill: { graceMs: 3000, atMs },
      checked: undefined,
      status: undefined,
    },
  };
}
