/**
 * The built-in executor of a command task as a state machine without I/O: the agent's runtime and
 * the simulator feed it what happens and carry out what it returns. Starting the container is not
 * its business; the container is the task. Source: semantics 6.6, 7.2, 7.3.
 *
 * | state    | leaves through                                                     |
 * |----------|--------------------------------------------------------------------|
 * | starting | launched -> running (or killing); launchFailed -> over             |
 * | running  | KILL, SHUTDOWN, max_completion_time, failed health check ->       |
 * |          | killing; exited -> over                                            |
 * | killing  | grace over: SIGKILL, still killing; exited -> over                 |
 * | over     | nothing                                                            |
 */
import { assert } from "../base/assert.ts";
import { encodeUtf8 } from "../base/text.ts";
import type { ContainerResult } from "../containerizer/containerizer.ts";
import { encodeBase64 } from "../protocol/base64.ts";
import { shutdownGraceMs, taskShareMs, usualKillGraceMs } from "../protocol/grace.ts";
import { type EndCause, endSubjectOf, taskEndOf } from "../protocol/task-exit.ts";
import type {
  ContainerStatus,
  ExecutorCall,
  ExecutorEvent,
  ExecutorInfo,
  FrameworkInfo,
  TaskInfo,
  TaskState,
  TaskStatus,
} from "../protocol/v1/types.ts";
import {
  type CheckedStatus,
  type CheckKind,
  type CheckNews,
  type DueProbe,
  type KnownChecks,
  type ProbeResult,
  TaskChecks,
} from "./task-checks.ts";

export interface CommandExecutorOptions {
  readonly framework: FrameworkInfo;
  readonly executor: ExecutorInfo;
  readonly frameworkId: string;
  readonly task: TaskInfo;
  /** The agent's `--executor_shutdown_grace_period`; the executor's and the task's own win. */
  readonly executorShutdownGraceMs: number;
  /** Makes the uuid of an update: 16 random bytes in base64, as messages carry bytes. */
  readonly newUuid: () => string;
}

/** What can happen to a command executor. */
export type CommandExecutorInput =
  /** The task's process runs. */
  | ({ readonly kind: "launched"; readonly pid: number } & ContainerNews)
  /** The agent reports this itself (container launch failed); the executor is over, silently. */
  | { readonly kind: "launchFailed" }
  /** First input instead of `launched` when the agent took back a container after a restart. */
  | ({
      readonly kind: "adopted";
      readonly pid: number;
      /** False when RUNNING has not been reported yet. */
      readonly isRunningReported: boolean;
      /** Kill that was under way. */
      readonly kill: { readonly graceMs: number; readonly atMs: number } | undefined;
      /** Start of the task, for `max_completion_time`; without one the time starts anew. */
      readonly launchedAtMs: number | undefined;
      /** What was last told of the task's checks. */
      readonly checked: KnownChecks | undefined;
    } & ContainerNews)
  | { readonly kind: "event"; readonly event: ExecutorEvent }
  | { readonly kind: "exited"; readonly result: ContainerResult }
  /** One for each `probe`, also when it came to nothing. */
  | { readonly kind: "probed"; readonly which: CheckKind; readonly result: ProbeResult }
  /** The timer set last is due; an early or late one does no harm. */
  | { readonly kind: "timer" };

/** What the containerizer has to say about a container that runs. */
export interface ContainerNews {
  /** Goes with every status from now on. */
  readonly status?: ContainerStatus | undefined;
  /** Goes with TASK_RUNNING, as text. */
  readonly data?: string | undefined;
}

/** What a command executor wants done, in this order. */
export type CommandExecutorEffect =
  | { readonly kind: "call"; readonly call: ExecutorCall }
  /** To the whole tree of processes in the container. */
  | { readonly kind: "signal"; readonly signal: "SIGTERM" | "SIGKILL" }
  /** The agent is to kill the task, which comes back as KILL: a kill is written down first. */
  | { readonly kind: "requestKill" }
  /** Comes back as `probed`. */
  | { readonly kind: "probe"; readonly due: DueProbe }
  /** Replaces the one timer of this executor; comes back as `timer`. */
  | { readonly kind: "setTimer"; readonly atMs: number }
  | { readonly kind: "cancelTimer" };

interface Killing {
  readonly startMs: number;
  graceMs: number;
  isEscalated: boolean;
}

/** One command task. `step` is the only way in; times are milliseconds since the epoch. */
export class CommandExecutor {
  readonly #options: CommandExecutorOptions;
  #phase: "starting" | "running" | "killing" | "over" = "starting";
  #cause: EndCause = "none";
  #killing: Killing | undefined;
  /** Grace of a kill that came before the process. */
  #earlyKillGraceMs: number | undefined;
  #completionAtMs: number | undefined;
  #containerStatus: ContainerStatus | undefined;
  #checks: TaskChecks | undefined;

  constructor(options: CommandExecutorOptions) {
    this.#options = options;
  }

  /** True when no further effect will ever come. */
  get isOver(): boolean {
    return this.#phase === "over";
  }

  /** Takes in what happened at `nowMs`; what is returned is to be done in order. */
  step(input: CommandExecutorInput, nowMs: number): CommandExecutorEffect[] {
    if (this.#phase === "over") return [];
    switch (input.kind) {
      case "launched":
        return this.#launched(input, nowMs);
      case "launchFailed":
        this.#phase = "over";
        return [];
      case "adopted":
        return this.#adopted(input, nowMs);
      case "event":
        return this.#event(input.event, nowMs);
      case "exited":
        return this.#exited(input.result, nowMs);
      case "probed":
        return this.#probed(input, nowMs);
      case "timer":
        return this.#timer(nowMs);
    }
  }

  #launched(
    input: Extract<CommandExecutorInput, { kind: "launched" }>,
    nowMs: number,
  ): CommandExecutorEffect[] {
    assert(this.#phase === "starting", "a command executor is launched once");
    this.#run(nowMs, nowMs, undefined);
    this.#containerStatus = input.status;
    const effects = [
      this.#update({ state: "TASK_STARTING" }, nowMs),
      this.#update({ state: "TASK_RUNNING", data: input.data }, nowMs),
    ];
    if (this.#earlyKillGraceMs === undefined) return [...effects, ...this.#timerEffects()];
    return [...effects, ...this.#kill(this.#earlyKillGraceMs, nowMs)];
  }

  #adopted(
    input: Extract<CommandExecutorInput, { kind: "adopted" }>,
    nowMs: number,
  ): CommandExecutorEffect[] {
    assert(this.#phase === "starting", "a command executor is adopted once");
    this.#run(input.launchedAtMs ?? nowMs, nowMs, input.checked);
    this.#containerStatus = input.status;
    const effects: CommandExecutorEffect[] = [];
    // STARTING is not made up for: it may have been reported, and RUNNING says more.
    if (!input.isRunningReported) {
      effects.push(this.#update({ state: "TASK_RUNNING", data: input.data }, nowMs));
    }
    if (input.kill === undefined) return [...effects, ...this.#endUnhealthy()];
    // The agent may have ended between writing the kill down and signalling: signal again.
    this.#phase = "killing";
    this.#cause = "killed";
    this.#completionAtMs = undefined;
    this.#checks?.stop();
    this.#killing = { startMs: input.kill.atMs, graceMs: input.kill.graceMs, isEscalated: false };
    return [...effects, { kind: "signal", signal: "SIGTERM" }, ...this.#escalate(nowMs)];
  }

  #event(event: ExecutorEvent, nowMs: number): CommandExecutorEffect[] {
    switch (event.type) {
      case "LAUNCH":
        return this.#refuseSecondTask(event.launch?.task, nowMs);
      case "KILL": {
        const kill = event.kill;
        if (kill === undefined || kill.task_id.value !== this.#options.task.task_id.value)
          return [];
        const grace = kill.kill_policy?.grace_period ?? this.#taskGrace();
        return this.#kill(millisecondsOf(grace) ?? this.#usualKillGraceMs(), nowMs);
      }
      case "SHUTDOWN":
        return this.#kill(taskShareMs(this.#shutdownGraceMs()), nowMs);
      default:
        // ACKNOWLEDGED needs no answer: calls to the agent are made in its own process, where
        // none is lost, so that there is nothing to send again.
        return [];
    }
  }

  #exited(result: ContainerResult, nowMs: number): CommandExecutorEffect[] {
    assert(this.#phase !== "starting", "only what was launched can exit");
    this.#phase = "over";
    this.#killing = undefined;
    const effects: CommandExecutorEffect[] = [{ kind: "cancelTimer" }];
    // The agent speaks when an isolator ended the container, or when nobody saw the end.
    const isSilent = result.limitation !== undefined || result.exit.kind === "unknown";
    if (isSilent && this.#cause === "none") return effects;
    const end = taskEndOf(result.exit, this.#cause, endSubjectOf(this.#options.task.container));
    const report: Report =
      this.#cause === "maxCompletionTime"
        ? { ...end, reason: "REASON_MAX_COMPLETION_TIME_REACHED" }
        : end;
    return [...effects, this.#update(report, nowMs)];
  }

  #timer(nowMs: number): CommandExecutorEffect[] {
    if (this.#phase === "killing") return this.#escalate(nowMs);
    if (this.#phase !== "running") return [];
    if (this.#completionAtMs === undefined || nowMs < this.#completionAtMs) {
      const due = this.#checks?.due(nowMs) ?? [];
      const probes = due.map((one): CommandExecutorEffect => ({ kind: "probe", due: one }));
      return [...probes, ...this.#timerEffects()];
    }
    // No TASK_KILLING here: the framework asked for this end in advance.
    this.#cause = "maxCompletionTime";
    return this.#beginKilling(0, nowMs);
  }

  #probed(
    { which, result }: Extract<CommandExecutorInput, { kind: "probed" }>,
    nowMs: number,
  ): CommandExecutorEffect[] {
    if (this.#phase !== "running") return [];
    const news = this.#checks?.probed(which, result, nowMs);
    const told = news === undefined ? [] : [this.#update(reportOf(news), nowMs)];
    return [...told, ...this.#endUnhealthy()];
  }

  /** Asks for the kill when health checks have failed too often; then no more are made. */
  #endUnhealthy(): CommandExecutorEffect[] {
    if (this.#checks?.isUnhealthy !== true) return this.#timerEffects();
    this.#checks.stop();
    return [{ kind: "requestKill" }, ...this.#timerEffects()];
  }

  /** Starts a kill, or shortens the grace of the one under way; a longer grace is ignored. */
  #kill(graceMs: number, nowMs: number): CommandExecutorEffect[] {
    if (this.#phase === "starting") {
      this.#earlyKillGraceMs = Math.min(graceMs, this.#earlyKillGraceMs ?? graceMs);
      return [];
    }
    if (this.#killing !== undefined) {
      if (graceMs >= this.#killing.graceMs) return [];
      this.#killing.graceMs = graceMs;
      return this.#escalate(nowMs);
    }
    this.#cause = "killed";
    const isAnnounced = (this.#options.framework.capabilities ?? []).some(
      (capability) => capability.type === "TASK_KILLING_STATE",
    );
    const killing = this.#beginKilling(graceMs, nowMs);
    return isAnnounced ? [this.#update({ state: "TASK_KILLING" }, nowMs), ...killing] : killing;
  }

  #beginKilling(graceMs: number, nowMs: number): CommandExecutorEffect[] {
    assert(this.#phase === "running", "what is killed runs");
    this.#phase = "killing";
    this.#completionAtMs = undefined;
    this.#checks?.stop();
    this.#killing = { startMs: nowMs, graceMs, isEscalated: false };
    return [{ kind: "signal", signal: "SIGTERM" }, ...this.#escalate(nowMs)];
  }

  /** SIGKILL when the grace is over, otherwise a timer for that moment. */
  #escalate(nowMs: number): CommandExecutorEffect[] {
    const killing = this.#killing;
    if (killing === undefined || killing.isEscalated) return [];
    const atMs = killing.startMs + killing.graceMs;
    if (nowMs < atMs) return [{ kind: "setTimer", atMs }];
    killing.isEscalated = true;
    return [{ kind: "cancelTimer" }, { kind: "signal", signal: "SIGKILL" }];
  }

  #run(startMs: number, nowMs: number, checked: KnownChecks | undefined): void {
    this.#phase = "running";
    const { task } = this.#options;
    this.#checks = new TaskChecks(task, startMs, nowMs, checked);
    const limitMs = millisecondsOf(task.max_completion_time);
    if (limitMs !== undefined) this.#completionAtMs = startMs + limitMs;
  }

  #timerEffects(): CommandExecutorEffect[] {
    const times = [this.#completionAtMs, this.#checks?.nextAtMs].filter(
      (time) => time !== undefined,
    );
    return times.length === 0 ? [] : [{ kind: "setTimer", atMs: Math.min(...times) }];
  }

  #refuseSecondTask(task: TaskInfo | undefined, nowMs: number): CommandExecutorEffect[] {
    if (task === undefined || task.task_id.value === this.#options.task.task_id.value) return [];
    const message = 'Attempted to run multiple tasks using a "command" executor';
    const { check_status: _, ...status } = this.#status({ state: "TASK_FAILED", message }, nowMs);
    return [this.#call({ ...status, task_id: task.task_id })];
  }

  #taskGrace(): Duration | undefined {
    return this.#options.task.kill_policy?.grace_period;
  }

  #usualKillGraceMs(): number {
    const { task, executorShutdownGraceMs } = this.#options;
    return usualKillGraceMs(task, executorShutdownGraceMs);
  }

  #shutdownGraceMs(): number {
    const { executor, task, executorShutdownGraceMs } = this.#options;
    return shutdownGraceMs(executor, task, executorShutdownGraceMs);
  }

  #update(report: Report, nowMs: number): CommandExecutorEffect {
    return this.#call(this.#status(report, nowMs));
  }

  #status(report: Report, nowMs: number): TaskStatus {
    return {
      task_id: this.#options.task.task_id,
      state: report.state,
      ...(report.message === undefined ? {} : { message: report.message }),
      ...(report.reason === undefined ? {} : { reason: report.reason }),
      ...(report.data === undefined ? {} : { data: encodeBase64(encodeUtf8(report.data)) }),
      ...this.#checkedStatus(report.state),
      source: "SOURCE_EXECUTOR",
      executor_id: this.#options.executor.executor_id,
      timestamp: nowMs / 1000,
      uuid: this.#options.newUuid(),
      ...this.#containerFields(),
    };
  }

  /** The addresses, which frameworks look for under a label where Docker gave them. */
  #containerFields(): Pick<TaskStatus, "container_status" | "labels"> {
    const status = this.#containerStatus;
    if (status === undefined) return {};
    const [address] = (status.network_infos ?? []).flatMap((info) => info.ip_addresses ?? []);
    const isDocker = this.#options.task.container?.type === "DOCKER";
    if (!isDocker || address?.ip_address === undefined) return { container_status: status };
    const label = { key: "Docker.NetworkSettings.IPAddress", value: address.ip_address };
    return { container_status: status, labels: { labels: [label] } };
  }

  /** Health is told of a task that runs, and of its end when that was the reason. */
  #checkedStatus(state: TaskState): CheckedStatus {
    const { healthy, check_status } = this.#checks?.status ?? {};
    const isReason = this.#checks?.isUnhealthy === true && state === "TASK_KILLED";
    return {
      ...(healthy !== undefined && (state === "TASK_RUNNING" || isReason) && { healthy }),
      ...(check_status !== undefined && { check_status }),
    };
  }

  #call(status: TaskStatus): CommandExecutorEffect {
    return {
      kind: "call",
      call: {
        framework_id: { value: this.#options.frameworkId },
        executor_id: this.#options.executor.executor_id,
        type: "UPDATE",
        update: { status },
      },
    };
  }
}

interface Report {
  readonly state: TaskState;
  readonly message?: string | undefined;
  readonly reason?:
    | "REASON_MAX_COMPLETION_TIME_REACHED"
    | "REASON_TASK_CHECK_STATUS_UPDATED"
    | "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED"
    | undefined;
  readonly data?: string | undefined;
}

function reportOf({ which, message }: CheckNews): Report {
  const reason =
    which === "check"
      ? "REASON_TASK_CHECK_STATUS_UPDATED"
      : "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED";
  return { state: "TASK_RUNNING", message, reason };
}

interface Duration {
  readonly nanoseconds: number;
}

/** Negative durations count as none left. */
function millisecondsOf(duration: Duration | undefined): number | undefined {
  return duration === undefined ? undefined : Math.max(0, duration.nanoseconds / 1e6);
}
