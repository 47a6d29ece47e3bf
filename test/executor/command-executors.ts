/** Makes command executors for tests, and reads what they want done. */
import {
  CommandExecutor,
  type CommandExecutorEffect,
  type CommandExecutorInput,
} from "../../src/executor/command-executor.ts";
import type {
  ExecutorInfo,
  KillPolicy,
  TaskInfo,
  TaskStatus,
} from "../../src/protocol/v1/types.ts";

export interface ExecutorSetting {
  readonly task?: Partial<TaskInfo>;
  readonly executor?: Partial<ExecutorInfo>;
  /** The framework has TASK_KILLING_STATE. */
  readonly hasKillingState?: boolean;
}

/** An executor of task `t1` with an agent-wide shutdown grace of five seconds. */
export function newExecutor(setting: ExecutorSetting = {}): CommandExecutor {
  let uuids = 0;
  return new CommandExecutor({
    framework: {
      user: "root",
      name: "test",
      capabilities: setting.hasKillingState === true ? [{ type: "TASK_KILLING_STATE" }] : [],
    },
    frameworkId: "f1",
    executor: { executor_id: { value: "t1" }, ...setting.executor },
    task: { name: "t1", task_id: { value: "t1" }, agent_id: { value: "a1" }, ...setting.task },
    executorShutdownGraceMs: 5_000,
    newUuid: () => `uuid-${++uuids}`,
  });
}

export function graceOf(milliseconds: number): KillPolicy {
  return { grace_period: { nanoseconds: milliseconds * 1e6 } };
}

export function killInput(graceMs?: number, taskId: string = "t1"): CommandExecutorInput {
  const policy = graceMs === undefined ? {} : { kill_policy: graceOf(graceMs) };
  const kill = { task_id: { value: taskId }, ...policy };
  return { kind: "event", event: { type: "KILL", kill } };
}

export const LAUNCHED: CommandExecutorInput = { kind: "launched", pid: 7 };
export const SHUTDOWN: CommandExecutorInput = { kind: "event", event: { type: "SHUTDOWN" } };
export const TIMER: CommandExecutorInput = { kind: "timer" };

export function exited(code: number): CommandExecutorInput {
  return { kind: "exited", result: { exit: { kind: "exited", code } } };
}

export function signaled(signal: number): CommandExecutorInput {
  return { kind: "exited", result: { exit: { kind: "signaled", signal } } };
}

export function statusesIn(effects: readonly CommandExecutorEffect[]): TaskStatus[] {
  return effects.flatMap((effect) =>
    effect.kind === "call" && effect.call.update !== undefined ? [effect.call.update.status] : [],
  );
}

/** One word or two per effect: `TASK_RUNNING`, `SIGTERM`, `timer 3000`, `no timer`. */
export function transcript(effects: readonly CommandExecutorEffect[]): string[] {
  return effects.map((effect) => {
    if (effect.kind === "call") return effect.call.update?.status.state ?? "?";
    if (effect.kind === "signal") return effect.signal;
    return effect.kind === "setTimer" ? `timer ${effect.atMs}` : "no timer";
  });
}
