/**
 * The master's commands: numbered, carried out exactly once and in order. The last number is on
 * disk in the same transaction as the command's result, so a resend after any crash is recognised.
 * Source: protocol/link-frames.ts.
 */
import { unreachable } from "../../base/assert.ts";
import type { AgentCommand } from "../../protocol/link-frames.ts";
import type { FrameworkInfo } from "../../protocol/v1/types.ts";
import { settleDrain } from "./drain-state.ts";
import { drain } from "./draining.ts";
import { acknowledge, disownExecutor, sendEvent, shutdownExecutor } from "./executors.ts";
import { forgetFrameworkIfIdle } from "./history.ts";
import { killTask } from "./kill.ts";
import { runTasks } from "./launch.ts";
import { acknowledgeOperation, applyOperation } from "./operations.ts";
import { loseLink } from "./registration.ts";
import { type FrameworkState, isCheckpointing, isPartitionAware, liveMembers } from "./state.ts";
import { checkpoint, findFramework, log, type Step, send } from "./step.ts";
import { reportAbsentTask } from "./tasks.ts";
import { dropStream } from "./updates.ts";

/** Carries out a command unless it was before, and tells the master that it is done. */
export function receiveCommand(step: Step, number: number, command: AgentCommand): void {
  const { state } = step;
  if (state.phase === "terminating" || state.info.id === undefined || state.epoch === undefined) {
    log(step, "info", "ignored a command that came at a wrong time", { command: command.kind });
    return;
  }
  if (number > state.lastCommand + 1) {
    // One is missing. Registering anew makes the master send all that are not done.
    loseLink(step, `command ${state.lastCommand + 1} is missing before command ${number}`);
    return;
  }
  if (number === state.lastCommand + 1) {
    state.lastCommand = number;
    checkpoint(step, { kind: "putCommand", epoch: state.epoch, number });
    carryOut(step, command);
  }
  send(step, { kind: "commandDone", number });
}

/**
 * Shuts down all that runs of a framework now and forgets what it has not acknowledged. The
 * framework may be over, or live on and have been told that these tasks are lost: what it launches
 * from here on is new.
 */
export function shutdownFramework(step: Step, framework: FrameworkState): void {
  for (const executor of [...framework.executors.values()]) {
    disownExecutor(step, framework, executor);
  }
  forgetFrameworkIfIdle(step, framework);
}

function carryOut(step: Step, command: AgentCommand): void {
  switch (command.kind) {
    case "runTask":
      runTasks(step, {
        framework: command.framework,
        tasks: [command.task],
        taskGroup: undefined,
        executor: command.task.executor,
        launchesExecutor: command.launchesExecutor,
      });
      break;
    case "runTaskGroup":
      runTasks(step, {
        framework: command.framework,
        tasks: command.taskGroup.tasks ?? [],
        taskGroup: command.taskGroup,
        executor: command.executor,
        launchesExecutor: command.launchesExecutor,
      });
      break;
    case "killTask":
      killTask(step, command.frameworkId, command.taskId, command.killPolicy);
      break;
    case "acknowledgeUpdate":
      acknowledge(step, command.frameworkId, command.taskId, command.uuid);
      break;
    case "shutdownExecutor":
      shutdownOne(step, command.frameworkId, command.executorId);
      break;
    case "shutdownFramework": {
      const framework = findFramework(step, command.frameworkId);
      dropAbsentTasks(step, command.frameworkId);
      if (framework !== undefined) shutdownFramework(step, framework);
      break;
    }
    case "updateFramework":
      updateFramework(step, command.framework);
      break;
    case "frameworkMessage":
      passMessage(step, command);
      break;
    case "applyOperation":
      applyOperation(step, command.operation);
      break;
    case "acknowledgeOperation":
      acknowledgeOperation(step, command.operationUuid, command.uuid);
      settleDrain(step);
      break;
    case "drain":
      drain(step, command.config);
      break;
    case "reconcileTasks":
      reconcileTasks(step, command);
      break;
    default:
      unreachable(command, "command");
  }
}

/** Answers for tasks that were never here have no reader once their framework is removed. */
function dropAbsentTasks(step: Step, frameworkId: string): void {
  const tasks = findFramework(step, frameworkId)?.tasks;
  for (const stream of [...step.state.streams.values()]) {
    if (stream.frameworkId !== frameworkId || tasks?.has(stream.taskId) === true) continue;
    dropStream(step, stream);
  }
}

function shutdownOne(step: Step, frameworkId: string, executorId: string): void {
  const framework = findFramework(step, frameworkId);
  if (framework === undefined) return;
  const executor = framework.executors.get(executorId);
  if (executor !== undefined) shutdownExecutor(step, framework, executor);
  for (const member of liveMembers(framework, executorId)) {
    shutdownExecutor(step, framework, member);
  }
}

function updateFramework(step: Step, info: FrameworkInfo): void {
  const framework = findFramework(step, info.id?.value ?? "");
  if (framework === undefined) return;
  // Whether a framework checkpoints is fixed for its life (semantics 3.2).
  const { checkpoint: isChecked } = framework.info;
  framework.info = { ...info, ...(isChecked === undefined ? {} : { checkpoint: isChecked }) };
  if (isCheckpointing(framework.info)) {
    checkpoint(step, { kind: "putFramework", framework: { framework: framework.info } });
  }
}

function passMessage(
  step: Step,
  command: Extract<AgentCommand, { kind: "frameworkMessage" }>,
): void {
  const executor = findFramework(step, command.frameworkId)?.executors.get(command.executorId);
  const isDelivered = executor?.phase === "running" && !executor.isCommandExecutor;
  const counter = isDelivered ? "valid" : "invalid";
  step.state.counters[`slave/${counter}_framework_messages`] += 1;
  if (!isDelivered) return;
  sendEvent(step, executor, { type: "MESSAGE", message: { data: command.data } });
}

/** Semantics 2.4: the agent answers, reliably, for each task it does not have. */
function reconcileTasks(
  step: Step,
  command: Extract<AgentCommand, { kind: "reconcileTasks" }>,
): void {
  for (const { frameworkId, taskId, isPartitionAware: isAware } of command.tasks) {
    const framework = findFramework(step, frameworkId);
    if (framework?.tasks.has(taskId) === true) continue;
    const isDroppable = framework === undefined ? isAware : isPartitionAware(framework.info);
    reportAbsentTask(step, frameworkId, taskId, {
      state: isDroppable ? "TASK_DROPPED" : "TASK_LOST",
      reason: "REASON_RECONCILIATION",
      message: "Reconciliation: task is unknown to the agent",
    });
  }
}
