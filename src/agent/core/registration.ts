/**
 * Being known to the leading master: registering on each new link with all the agent runs, pings,
 * and what the master may answer. Source: semantics 2.2–2.5, 2.8.
 */
import { must } from "../../base/assert.ts";
import type { MasterToAgent, ReportedExecutor, ReportedTask } from "../../protocol/link-frames.ts";
import { taskOf } from "./history.ts";
import { PING_TIMEOUT_MS, REGISTER_RETRY_MS_MAX, REGISTER_RETRY_MS_MIN } from "./limits.ts";
import { pauseOperations, reportedOperations, resumeOperations } from "./operations.ts";
import { tellOversubscribed } from "./oversubscription/oversubscription.ts";
import {
  type ExecutorState,
  type FrameworkState,
  isGroupMember,
  shownExecutorId,
} from "./state.ts";
import { cancelTimer, checkpoint, log, type Step, send, setTimer } from "./step.ts";
import { findStream, pauseUpdates, resumeUpdates } from "./updates.ts";

/** A connection to the leading master of `epoch` is open. */
export function linkUp(step: Step, epoch: string): void {
  const { state } = step;
  if (state.isLinkUp) linkDown(step);
  state.isLinkUp = true;
  // The master may take any of the registrations to come; what is found meanwhile follows them.
  state.oversubscribed = state.oversubscribable;
  if (state.epoch !== epoch) {
    // Command numbers are per epoch; nothing of this one has been done yet.
    state.epoch = epoch;
    state.lastCommand = 0;
  }
  state.registerRetryMs = REGISTER_RETRY_MS_MIN;
  if (state.phase === "disconnected") register(step);
}

/** The connection is gone: tasks run on, updates wait. */
export function linkDown(step: Step): void {
  const { state } = step;
  if (!state.isLinkUp) return;
  state.isLinkUp = false;
  cancelTimer(step, { kind: "register" });
  cancelTimer(step, { kind: "pingTimeout" });
  if (state.phase !== "running") return;
  state.phase = "disconnected";
  pauseUpdates(step);
  pauseOperations(step);
}

/** Gives up a connection that is no longer trusted. */
export function loseLink(step: Step, reason: string): void {
  if (!step.state.isLinkUp) return;
  linkDown(step);
  log(step, "warning", "reconnecting to the master", { reason });
  step.effects.push({ kind: "reconnect", reason });
}

/** Tells the master who we are and all that we hold; repeated until it answers. */
export function register(step: Step): void {
  const { state, options } = step;
  if (!state.isLinkUp || state.phase !== "disconnected") return;
  const reported = reportAll(step);
  send(step, {
    kind: "register",
    agentInfo: state.info,
    checkpointedResources: state.checkpointedResources,
    oversubscribedResources: state.oversubscribed,
    operations: reportedOperations(step),
    ...(state.drain !== undefined && { isDraining: true }),
    version: options.version,
    capabilities: options.capabilities,
    lastCommand: state.lastCommand,
    epoch: state.epoch,
    ...reported,
  });
  setTimer(step, { kind: "register" }, state.registerRetryMs);
  state.registerRetryMs = Math.min(state.registerRetryMs * 2, REGISTER_RETRY_MS_MAX);
}

/** The master has admitted the agent, or taken it back. */
export function registered(
  step: Step,
  message: Extract<MasterToAgent, { kind: "registered" }>,
): void {
  const { state } = step;
  const own = state.info.id?.value;
  if (own !== undefined && own !== message.agentId) {
    stop(step, `the master registered this agent as ${message.agentId}, but it is ${own}`);
    return;
  }
  if (state.phase !== "disconnected" && state.phase !== "running") return;
  if (own === undefined) {
    state.info = { ...state.info, id: { value: message.agentId } };
    checkpoint(step, { kind: "putAgent", agentInfo: state.info, bootId: state.bootId });
    // A number of an earlier agent in this work folder must not be taken for one of this agent's.
    const epoch = must(state.epoch, "epoch of an open link");
    checkpoint(step, { kind: "putCommand", epoch, number: state.lastCommand });
  }
  cancelTimer(step, { kind: "register" });
  state.pingTimeoutMs = message.totalPingTimeoutMs || PING_TIMEOUT_MS;
  setTimer(step, { kind: "pingTimeout" }, state.pingTimeoutMs);
  if (state.phase === "running") return;
  state.phase = "running";
  log(step, "info", "registered with the master", { agent: message.agentId });
  tellOversubscribed(step);
  resumeUpdates(step);
  resumeOperations(step);
}

/** The master looks whether we are alive, and tells whether it counts us as registered. */
export function pinged(step: Step, message: Extract<MasterToAgent, { kind: "ping" }>): void {
  const { diskShortage: shortage } = step.state;
  send(step, { kind: "pong", number: message.number, ...(shortage !== undefined && { shortage }) });
  if (step.state.phase !== "running") return;
  setTimer(step, { kind: "pingTimeout" }, step.state.pingTimeoutMs);
  if (!message.connected) loseLink(step, "the master does not count this agent as registered");
}

/** Ends the process; containers are left as they are. */
export function stop(step: Step, reason: string): void {
  if (step.state.phase === "stopped") return;
  step.state.phase = "stopped";
  step.effects.push({ kind: "exit", reason });
}

function reportAll(step: Step): {
  readonly frameworks: readonly FrameworkState["info"][];
  readonly executors: readonly ReportedExecutor[];
  readonly tasks: readonly ReportedTask[];
} {
  const frameworks = [];
  const executors: ReportedExecutor[] = [];
  const tasks: ReportedTask[] = [];
  const agentId = step.state.info.id?.value ?? "";
  for (const framework of step.state.frameworks.values()) {
    const owned = [...framework.executors.values()].filter((executor) => !executor.isDisowned);
    // A master that did not settle it would take it for a framework that is still to come back.
    if (owned.length === 0) continue;
    frameworks.push(framework.info);
    const shown = new Set<string>();
    for (const executor of owned) {
      if (holdsResources(executor) && !shown.has(shownExecutorId(executor))) {
        shown.add(shownExecutorId(executor));
        executors.push({ frameworkId: framework.frameworkId, executorInfo: executor.info });
      }
      for (const task of executor.tasks.values()) {
        tasks.push({ task: reportedTask(step, agentId, framework, executor, task) });
      }
    }
  }
  return { frameworks, executors, tasks };
}

/** Default executors have as many containers as tasks, and are one for the master. */
function holdsResources(executor: ExecutorState): boolean {
  const isOwn = !executor.isCommandExecutor || isGroupMember(executor);
  return isOwn && executor.phase !== "terminated";
}

/** As `taskOf`, with the head of the update stream as what the framework will see next. */
function reportedTask(
  step: Step,
  agentId: string,
  framework: Parameters<typeof taskOf>[1],
  executor: Parameters<typeof taskOf>[2],
  task: Parameters<typeof taskOf>[3],
): ReturnType<typeof taskOf> {
  const whole = taskOf(agentId, framework, executor, task);
  const head = findStream(step, { frameworkId: framework.frameworkId, taskId: task.taskId });
  const status = head?.pending[0]?.status;
  if (status === undefined)
    return { ...whole, status_update_state: task.forwarded?.state ?? task.state };
  return { ...whole, status_update_state: status.state, status_update_uuid: status.uuid };
}
