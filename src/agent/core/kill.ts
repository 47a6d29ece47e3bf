/**
 * Kill of a task: during launch by taking it out of the queue, afterwards through its executor,
 * which has the grace period. Source: semantics 6.3, 6.6.
 */
import { usualKillGraceMs } from "../../protocol/grace.ts";
import type { KillPolicy } from "../../protocol/v1/types.ts";
import { destroyExecutor, killedDuringLaunch, sendEvent } from "./executors.ts";
import { isTerminalState } from "./inputs.ts";
import type { ExecutorState, FrameworkState, TaskRecord } from "./state.ts";
import { findFramework, log, type Step } from "./step.ts";
import { checkpointTask, droppedState, reportAbsentTask, reportTask } from "./tasks.ts";

/** Ends a task on the framework's wish. Repeated kills can only shorten the grace. */
export function killTask(
  step: Step,
  frameworkId: string,
  taskId: string,
  policy: KillPolicy | undefined,
): void {
  const framework = findFramework(step, frameworkId);
  if (framework === undefined) {
    log(step, "warning", "ignored the kill of a task of an unknown framework", {
      framework: frameworkId,
      task: taskId,
    });
    return;
  }
  const task = framework.tasks.get(taskId);
  const executor = task === undefined ? undefined : framework.executors.get(task.executorId);
  if (task === undefined || executor === undefined) {
    reportAbsentTask(step, frameworkId, taskId, {
      state: droppedState(framework.info),
      reason: "REASON_EXECUTOR_TERMINATED",
      message: "Cannot find executor",
    });
    return;
  }
  if (isTerminalState(task.state) || executor.phase === "terminated") return;
  if (executor.phase === "terminating") return;
  if (task.isQueued) killDuringLaunch(step, framework, executor, task);
  else killLaunched(step, framework, executor, task, policy);
}

function killDuringLaunch(
  step: Step,
  framework: FrameworkState,
  executor: ExecutorState,
  task: TaskRecord,
): void {
  if (executor.isCommandExecutor) {
    // Its container may be starting at this moment: what the task holds is free when that is over.
    task.kill = { graceMs: 0, atMs: step.nowMs };
    checkpointTask(step, framework, task);
    // One that runs by now has to know why it ends.
    sendEvent(step, executor, { type: "KILL", kill: { task_id: task.info.task_id } });
    destroyExecutor(step, executor, killedDuringLaunch("Killed before delivery to the executor"));
    return;
  }
  // The executor may get other tasks later; it is shut down when it subscribes to nothing.
  const group = task.taskGroup?.tasks?.map((member) => member.task_id.value) ?? [task.taskId];
  for (const memberId of group) {
    const member = executor.tasks.get(memberId);
    if (member === undefined || !member.isQueued) continue;
    const end = killedDuringLaunch("Killed before delivery to the executor");
    reportTask(step, framework, executor, member, end);
  }
}

function killLaunched(
  step: Step,
  framework: FrameworkState,
  executor: ExecutorState,
  task: TaskRecord,
  policy: KillPolicy | undefined,
): void {
  const grace = policy?.grace_period ?? task.info.kill_policy?.grace_period;
  const usualMs = usualKillGraceMs(task.info, step.options.executorShutdownGraceMs);
  const graceMs = grace === undefined ? usualMs : grace.nanoseconds / 1e6;
  const isSooner =
    task.kill === undefined || step.nowMs + graceMs < task.kill.atMs + task.kill.graceMs;
  if (isSooner) {
    task.kill = { graceMs, atMs: step.nowMs };
    checkpointTask(step, framework, task);
  }
  sendEvent(step, executor, {
    type: "KILL",
    kill: { task_id: task.info.task_id, ...(policy === undefined ? {} : { kill_policy: policy }) },
  });
}
