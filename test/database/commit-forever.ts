/**
 * Run as a process of its own by crash.test.ts, which kills it: commits agents to a registry and
 * tasks to a checkpoint for ever, and prints each number only after both are told durable.
 */
import { writeSync } from "node:fs";
import { join } from "node:path";
import { Checkpoint } from "../../src/agent/checkpoint/checkpoint.ts";
import type { CheckpointOperation } from "../../src/agent/core/checkpoint-state.ts";
import type { SqlOpen } from "../../src/base/ports.ts";
import { Registrar } from "../../src/registry/store/registrar.ts";
import { ENGINES, MemoryLog, realClock } from "./support.ts";

const BATCH = 7;

const [folder = "", engine = ""] = process.argv.slice(2);
const open = await engineCalled(engine);
const log = new MemoryLog();
const registrar = await Registrar.open({
  path: join(folder, "registry.db"),
  open,
  clock: realClock,
  log,
});
const checkpoint = await Checkpoint.open({ path: join(folder, "checkpoint.db"), open, log });

for (let next = registrar.load().admitted.size; ; next += BATCH) {
  const numbers = Array.from({ length: BATCH }, (_, index) => next + index);
  checkpoint.apply(numbers.map(putTask));
  await Promise.all(numbers.map(admit));
  // Unbuffered: what is in the pipe was told, even when this process is killed now.
  writeSync(1, numbers.map((number) => `${number}\n`).join(""));
}

async function engineCalled(name: string): Promise<SqlOpen> {
  for (const [known, load] of ENGINES) if (known === name) return await load();
  throw new Error(`there is no engine ${name}`);
}

async function admit(number: number): Promise<void> {
  const info = { id: { value: `S${number}` }, hostname: "h".repeat(500) };
  const [result] = await registrar.commit([{ kind: "admitAgent", info }]);
  if (result?.ok !== true) throw new Error(`agent ${number} was refused`);
}

function putTask(number: number): CheckpointOperation {
  const taskId = `${number}`;
  const info = { name: "t", task_id: { value: taskId }, agent_id: { value: "S0" }, resources: [] };
  const task = {
    frameworkId: "F",
    taskId,
    executorId: taskId,
    info,
    state: "TASK_RUNNING" as const,
  };
  return {
    kind: "putTask",
    task: { ...task, taskGroup: undefined, kill: undefined, checked: undefined, status: undefined },
  };
}
