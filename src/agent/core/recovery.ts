/**
 * From what was on disk and what still lives to a consistent agent: every task found is running,
 * has its true end in its update stream, or is said never to have run. Nothing is launched again.
 * Source: semantics 7.7; DESIGN §7.
 */
import { assert } from "../../base/assert.ts";
import { brand, type ContainerId } from "../../base/ids.ts";
import { settleCheckpointed } from "../../resources/conversion.ts";
import { formatResources } from "../../resources/format.ts";
import { ResourceKinds } from "../../resources/kinds.ts";
import type { CheckpointedExecutor, CheckpointState } from "./checkpoint-state.ts";
import { recoverContainers } from "./containers/container-recovery.ts";
import {
  completeTask,
  containerTerminated,
  destroyExecutor,
  dropTasks,
  launchOf,
  restartReport,
} from "./executors.ts";
import { misfits } from "./fit.ts";
import { forgetFrameworkIfIdle } from "./history.ts";
import { type AgentInput, isTerminalState } from "./inputs.ts";
import { addExecutor, addFramework, addTask } from "./launch.ts";
import { MISFITS_TOLD } from "./limits.ts";
import { restoreResources } from "./operations.ts";
import { reconfigurationFaults } from "./reconfiguration.ts";
import { register, stop } from "./registration.ts";
import {
  type ExecutorState,
  type FrameworkState,
  isCheckpointing,
  streamKey,
  type TaskRecord,
} from "./state.ts";
import { checkpoint, findFramework, log, type Step, setTimer } from "./step.ts";
import { rememberStatus, reportTask } from "./tasks.ts";
import { findStream, restoreStream } from "./updates.ts";

type Recovered = Extract<AgentInput, { kind: "recovered" }>;

/** First input of a core. May end with an `exit` when the agent's description has changed. */
export function recover(step: Step, input: Recovered): void {
  const { state } = step;
  assert(state.frameworks.size === 0, "recovery comes first");
  state.bootId = input.bootId;
  const found = input.checkpoint;
  if (!restoreIdentity(step, input)) return;
  state.epoch = found.epoch;
  state.lastCommand = found.lastCommand;
  restoreEverything(step, found);
  for (const framework of [...state.frameworks.values()]) {
    for (const executor of [...framework.executors.values()]) {
      settleExecutor(step, framework, executor, input);
    }
    forgetFrameworkIfIdle(step, framework);
  }
  recoverContainers(step, input);
  finishRecovery(step);
}

/** Called whenever an awaited executor has come back or was given up. */
export function finishRecovery(step: Step): void {
  if (step.state.phase !== "recovering") return;
  for (const executor of step.state.containers.values()) {
    if (executor.isAwaited) return;
  }
  step.state.phase = "disconnected";
  register(step);
}

/** False when the process must end, or when nothing on disk concerns the new agent. */
function restoreIdentity(step: Step, input: Recovered): boolean {
  const { state, options } = step;
  const found = input.checkpoint;
  const old = found.agentInfo;
  if (old?.id === undefined) {
    state.phase = "disconnected";
    register(step);
    return false;
  }
  const faults = reconfigurationFaults(old, options.info, options.reconfigurationPolicy);
  const isSameBoot = found.bootId === state.bootId;
  if (faults.length > 0 && !isSameBoot) {
    log(step, "warning", "starting as a new agent, since the host restarted with other settings", {
      change: told(faults),
      agent: old.id.value,
    });
    forgetEverything(step, found);
    state.phase = "disconnected";
    register(step);
    return false;
  }
  const alive = isSameBoot ? input.alive : new Set<string>();
  const refusal = startRefusal(options, faults, found, alive);
  if (refusal !== undefined) {
    state.counters["slave/recovery_errors"] += 1;
    stop(step, refusal);
    return false;
  }
  state.info = { ...options.info, id: old.id };
  state.drain = found.drain;
  if (found.drain !== undefined) state.drainStartMs = step.nowMs;
  restoreResources(step, found.resources, found.operations);
  checkpoint(step, { kind: "putAgent", agentInfo: state.info, bootId: state.bootId });
  return true;
}

/** All that does not fit the agent's new settings, with remedies; undefined when it may go on. */
function startRefusal(
  { info, reconfigurationPolicy: policy, workDir }: Step["options"],
  faults: readonly string[],
  found: CheckpointState,
  alive: ReadonlySet<string>,
): string | undefined {
  const refusals: string[] = [];
  if (faults.length > 0) {
    refusals.push(
      `${told(faults)}, which --reconfiguration_policy=${policy} does not allow; undo the change, or remove the agent's checkpoint below ${workDir}/meta to start as a new agent`,
    );
    // Whoever undoes that has all that there was.
    if (policy !== "fitting") return refusals[0];
  }
  const kinds = new ResourceKinds();
  const { total, unmet } = settleCheckpointed(kinds, info.resources ?? [], found.resources);
  if (unmet.length > 0) {
    refusals.push(
      `reserved resources or volumes (${told(unmet.map((each) => formatResources([each])))}) exceed what there is now; give the agent back what it had (--resources)`,
    );
  }
  const unfit = policy === "fitting" ? misfits(found, total, alive) : [];
  if (unfit.length > 0) {
    refusals.push(
      `what runs does not fit into the agent's resources any more: ${told(unfit)}; end it first, or give the agent more (--resources)`,
    );
  }
  return refusals.length === 0 ? undefined : refusals.join(". Also: ");
}

function told(faults: readonly string[]): string {
  const more = faults.length > MISFITS_TOLD ? ` and ${faults.length - MISFITS_TOLD} more` : "";
  return `${faults.slice(0, MISFITS_TOLD).join(", ")}${more}`;
}

function forgetEverything(step: Step, found: CheckpointState): void {
  checkpoint(step, { kind: "putResources", resources: [] });
  checkpoint(step, { kind: "putDrain", config: undefined });
  for (const { containerId } of found.containers) {
    checkpoint(step, { kind: "removeContainer", containerId });
  }
  for (const { operation } of found.operations) {
    checkpoint(step, { kind: "removeOperation", operationUuid: operation.uuid });
  }
  for (const { frameworkId, taskId, sequence } of found.updates) {
    checkpoint(step, { kind: "removeUpdate", frameworkId, taskId, sequence });
  }
  for (const { frameworkId, taskId } of found.tasks) {
    checkpoint(step, { kind: "removeTask", frameworkId, taskId });
  }
  for (const { frameworkId, executorId } of found.executors) {
    checkpoint(step, { kind: "removeExecutor", frameworkId, executorId });
  }
  for (const { framework } of found.frameworks) {
    const frameworkId = framework.id?.value;
    if (frameworkId !== undefined) checkpoint(step, { kind: "removeFramework", frameworkId });
  }
}

function restoreEverything(step: Step, found: CheckpointState): void {
  for (const { framework } of found.frameworks) {
    if (framework.id !== undefined) addFramework(step, framework.id.value, framework);
  }
  for (const executor of found.executors) restoreExecutor(step, executor);
  for (const task of found.tasks) {
    const framework = findFramework(step, task.frameworkId);
    const executor = framework?.executors.get(task.executorId);
    if (framework === undefined || executor === undefined) {
      step.state.counters["slave/recovery_errors"] += 1;
      checkpoint(step, { kind: "removeTask", frameworkId: task.frameworkId, taskId: task.taskId });
      continue;
    }
    addTask(framework, executor, {
      taskId: task.taskId,
      executorId: task.executorId,
      info: task.info,
      taskGroup: task.taskGroup,
      state: task.state,
      isQueued: false,
      kill: task.kill,
      checked: task.checked,
      statuses: [],
      forwarded: undefined,
    });
  }
  restoreUpdates(step, found);
}

function restoreExecutor(step: Step, found: CheckpointedExecutor): void {
  const framework = findFramework(step, found.frameworkId);
  if (framework === undefined) {
    step.state.counters["slave/recovery_errors"] += 1;
    const { frameworkId, executorId } = found;
    checkpoint(step, { kind: "removeExecutor", frameworkId, executorId });
    return;
  }
  addExecutor(step, framework, {
    frameworkId: found.frameworkId,
    executorId: found.executorId,
    containerId: brand(found.containerId),
    info: found.executor,
    isCommandExecutor: found.isCommandExecutor,
    directory: found.directory,
    parentId: found.parentId === undefined ? undefined : brand<ContainerId>(found.parentId),
    phase: "registering",
    isDisowned: false,
    isAwaited: false,
    hasHadTask: true,
    pid: undefined,
    pendingEnd: found.pendingEnd,
    tasks: new Map(),
    completedTasks: [],
  });
}

function restoreUpdates(step: Step, found: CheckpointState): void {
  const streams = Map.groupBy(found.updates, ({ frameworkId, taskId }) =>
    streamKey(frameworkId, taskId),
  );
  for (const updates of streams.values()) {
    const [first] = updates;
    assert(first !== undefined, "a restored stream has an update");
    const { frameworkId, taskId } = first;
    restoreStream(step, { frameworkId, taskId, isCheckpointed: true }, updates);
    const task = findFramework(step, frameworkId)?.tasks.get(taskId);
    if (task !== undefined) for (const { status } of updates) rememberStatus(task, status);
  }
  for (const { frameworkId, taskId, status } of found.tasks) {
    const task = findFramework(step, frameworkId)?.tasks.get(taskId);
    if (task === undefined || status === undefined) continue;
    // It is the last of the updates, or was acknowledged and has none any more.
    rememberStatus(task, status);
    const isSettled = (findStream(step, { frameworkId, taskId })?.pending ?? []).length === 0;
    if (isSettled) task.forwarded = { state: status.state, uuid: status.uuid };
  }
}

function settleExecutor(
  step: Step,
  framework: FrameworkState,
  executor: ExecutorState,
  input: Recovered,
): void {
  if (!isCheckpointing(framework.info)) {
    // Its tasks ended with the agent process; the containerizer destroys what is left of them.
    executor.isDisowned = true;
    dropTasks(step, framework, executor);
  }
  // A terminal task without an update was acknowledged just before the agent ended.
  for (const task of [...executor.tasks.values()]) settleAcknowledged(step, framework, task);
  const isAlive = input.alive.has(executor.containerId) && input.checkpoint.bootId === input.bootId;
  if (isAlive) adopt(step, framework, executor);
  else settleOver(step, framework, executor, input);
}

function settleAcknowledged(step: Step, framework: FrameworkState, task: TaskRecord): void {
  if (!isTerminalState(task.state)) return;
  if (step.state.streams.has(streamKey(framework.frameworkId, task.taskId))) return;
  completeTask(step, framework, task);
}

function adopt(step: Step, framework: FrameworkState, executor: ExecutorState): void {
  const tasks = [...executor.tasks.values()];
  const [task] = tasks;
  const isOver = tasks.every((each) => isTerminalState(each.state));
  executor.phase = executor.isCommandExecutor ? "running" : "registering";
  step.effects.push({
    kind: "adoptContainer",
    launch: launchOf(step, framework, executor),
    kill: executor.isCommandExecutor ? task?.kill : undefined,
    isRunningReported: isOver || isRunningReported(task),
    checked: task?.checked,
  });
  const isEnding = executor.pendingEnd !== undefined;
  if (isEnding || (isOver && (executor.isCommandExecutor || executor.isDisowned))) {
    destroyExecutor(step, executor, undefined);
    return;
  }
  if (executor.isCommandExecutor) return;
  executor.isAwaited = true;
  setTimer(
    step,
    { kind: "executorRegistration", containerId: executor.containerId },
    step.options.executorReregistrationTimeoutMs,
  );
}

function isRunningReported(task: TaskRecord | undefined): boolean {
  return task !== undefined && task.state !== "TASK_STAGING" && task.state !== "TASK_STARTING";
}

function settleOver(
  step: Step,
  framework: FrameworkState,
  executor: ExecutorState,
  input: Recovered,
): void {
  const termination = input.terminations.get(executor.containerId) ?? {
    exit: { kind: "unknown", message: "container ended while the agent was away" },
  };
  const { exit, limitation } = termination;
  const isStartSeen = exit.kind !== "unknown" || exit.hasBegun === true || limitation !== undefined;
  for (const task of [...executor.tasks.values()]) {
    if (task.state !== "TASK_STAGING" || isStartSeen) continue;
    // An end that was decided before the launch keeps its reason, as nothing ran.
    const isDecided = task.kill !== undefined || executor.pendingEnd !== undefined;
    if (!isDecided) {
      reportTask(step, framework, executor, task, restartReport(framework));
    }
  }
  containerTerminated(step, executor.containerId, termination);
}
