/**
 * The check and the health check of one task as a machine without I/O: when a probe is due, and what
 * its result means. Both are the same round: wait, probe, and wait again from the moment the probe
 * is over. Source: semantics 6.8.
 *
 * | result       | health check                                      | check                      |
 * |--------------|---------------------------------------------------|----------------------------|
 * | good         | told the first time, and after failures           | told when it differs       |
 * | bad          | counted and told, but not in the grace period     | told when it differs       |
 * | no result    | as bad                                            | the empty result           |
 * | unknown      | nothing: what was told last stays                 | the same                   |
 * | bad too often| the task is killed                                | –                          |
 */
import { assert } from "../base/assert.ts";
import { isUnhealthy } from "../protocol/health.ts";
import type {
  CheckInfo,
  CheckStatusInfo,
  CommandInfo,
  HealthCheck,
  TaskInfo,
  TaskStatus,
} from "../protocol/v1/types.ts";
import { CHECK_PAUSE_MS_MIN, CHECK_PRESETS } from "./limits.ts";

export type CheckKind = "check" | "healthCheck";

/** What is to be tried, in the task's own namespaces. */
export type Probe =
  | { readonly kind: "command"; readonly command: CommandInfo }
  | {
      readonly kind: "http";
      readonly scheme: "http" | "https";
      readonly ip: LoopbackIp;
      readonly port: number;
      /** Begins with a slash, or is empty. */
      readonly path: string;
    }
  | { readonly kind: "tcp"; readonly ip: LoopbackIp; readonly port: number };

export type LoopbackIp = "127.0.0.1" | "::1";

export type ProbeResult =
  | { readonly kind: "exited"; readonly code: number }
  | { readonly kind: "answered"; readonly statusCode: number }
  | { readonly kind: "connected" }
  /** Only of TCP: the port is closed. */
  | { readonly kind: "refused"; readonly message: string }
  /** Timed out, could not be tried, or was cut short. */
  | { readonly kind: "failed"; readonly message: string }
  /** What the probe goes through does not answer, so that it says nothing of the task. */
  | { readonly kind: "unknown"; readonly message: string };

/** A probe that is due. Its result comes back, whatever it is. */
export interface DueProbe {
  readonly which: CheckKind;
  readonly probe: Probe;
  /** Undefined: it may take for ever. */
  readonly timeoutMs: number | undefined;
}

/** What the task's executor has last been told; survives a restart of the agent. */
export type CheckedStatus = Pick<TaskStatus, "healthy" | "check_status">;

/** What a restarted agent knows of it. */
export type KnownChecks = CheckedStatus & {
  /** Failed health checks in a row that were told. */
  readonly failures?: number | undefined;
};

/** What a result makes of the task. */
export interface CheckNews {
  readonly which: CheckKind;
  readonly message: string;
}

interface Round {
  readonly which: CheckKind;
  readonly probe: Probe;
  readonly intervalMs: number;
  readonly timeoutMs: number | undefined;
  /** Undefined while the probe runs, and when all is over. */
  dueAtMs: number | undefined;
}

/** See the header; times are milliseconds since the epoch. */
export class TaskChecks {
  readonly #healthCheck: HealthCheck | undefined;
  readonly #rounds: Round[] = [];
  readonly #graceEndMs: number;
  #hasBeenHealthy: boolean;
  #failures: number;
  #healthy: boolean | undefined;
  #checkStatus: CheckStatusInfo | undefined;
  #isStopped = false;

  /** `startMs` is when the task was started, `last` what was told before the agent restarted. */
  constructor(task: TaskInfo, startMs: number, nowMs: number, last: KnownChecks = {}) {
    const { check, health_check: healthCheck } = task;
    this.#healthCheck = healthCheck;
    this.#healthy = last.healthy;
    this.#hasBeenHealthy = last.healthy !== undefined;
    this.#failures = last.failures ?? 0;
    this.#checkStatus = last.check_status ?? (check === undefined ? undefined : emptyResult(check));
    const graceSeconds = healthCheck?.grace_period_seconds ?? CHECK_PRESETS.graceSeconds;
    this.#graceEndMs = startMs + graceSeconds * 1000;
    const add = (which: CheckKind, times: CheckTimes, probe: Probe | undefined): void => {
      if (probe !== undefined) this.#rounds.push(newRound({ which, times, probe }, startMs, nowMs));
    };
    if (check !== undefined) add("check", check, probeOfCheck(check));
    if (healthCheck !== undefined) add("healthCheck", healthCheck, probeOfHealth(healthCheck));
  }

  /** What every status of the task says of its check, and those of a live task of its health. */
  get status(): CheckedStatus {
    return {
      ...(this.#healthy === undefined ? {} : { healthy: this.#healthy }),
      ...(this.#checkStatus === undefined ? {} : { check_status: this.#checkStatus }),
    };
  }

  /** The health check has failed too often. */
  get isUnhealthy(): boolean {
    return isUnhealthy(this.#healthCheck, this.#failures);
  }

  /** When `due` has something to say next. */
  get nextAtMs(): number | undefined {
    if (this.#isStopped) return undefined;
    const times = this.#rounds.flatMap(({ dueAtMs }) => dueAtMs ?? []);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** The task is being killed: nothing is due any more, and what still comes is not heard. */
  stop(): void {
    this.#isStopped = true;
  }

  /** The probes whose time has come. */
  due(nowMs: number): DueProbe[] {
    const due: DueProbe[] = [];
    if (this.#isStopped) return due;
    for (const round of this.#rounds) {
      if (round.dueAtMs === undefined || nowMs < round.dueAtMs) continue;
      round.dueAtMs = undefined;
      const { which, probe, timeoutMs } = round;
      due.push({ which, probe, timeoutMs });
    }
    return due;
  }

  /** Takes in a result; undefined when there is nothing to tell. */
  probed(which: CheckKind, result: ProbeResult, nowMs: number): CheckNews | undefined {
    if (this.#isStopped) return undefined;
    const round = this.#rounds.find((one) => one.which === which);
    assert(round !== undefined && round.dueAtMs === undefined, "a result is of a running probe");
    round.dueAtMs = nowMs + round.intervalMs;
    if (result.kind === "unknown") return undefined;
    return which === "check" ? this.#checked(result) : this.#healthChecked(result, nowMs);
  }

  #checked(result: ProbeResult): CheckNews | undefined {
    const last = this.#checkStatus;
    assert(last !== undefined, "a check has a result from the beginning");
    const next = resultOf(last, result);
    if (JSON.stringify(next) === JSON.stringify(last)) return undefined;
    this.#checkStatus = next;
    return { which: "check", message: `Check: ${describe(result)}` };
  }

  #healthChecked(result: ProbeResult, nowMs: number): CheckNews | undefined {
    const message = `Health check: ${describe(result)}`;
    if (isGood(result)) {
      const isNews = !this.#hasBeenHealthy || this.#failures > 0;
      this.#hasBeenHealthy = true;
      this.#failures = 0;
      this.#healthy = true;
      return isNews ? { which: "healthCheck", message } : undefined;
    }
    if (!this.#hasBeenHealthy && nowMs <= this.#graceEndMs) return undefined;
    this.#failures += 1;
    this.#healthy = false;
    return { which: "healthCheck", message };
  }
}

interface CheckTimes {
  readonly delay_seconds?: number | undefined;
  readonly interval_seconds?: number | undefined;
  readonly timeout_seconds?: number | undefined;
}

function newRound(
  { which, times, probe }: { which: CheckKind; times: CheckTimes; probe: Probe },
  startMs: number,
  nowMs: number,
): Round {
  const delayMs = (times.delay_seconds ?? CHECK_PRESETS.delaySeconds) * 1000;
  const intervalMs = (times.interval_seconds ?? CHECK_PRESETS.intervalSeconds) * 1000;
  const timeoutMs = (times.timeout_seconds ?? CHECK_PRESETS.timeoutSeconds) * 1000;
  return {
    which,
    probe,
    intervalMs: Math.max(CHECK_PAUSE_MS_MIN, intervalMs),
    timeoutMs: timeoutMs === 0 ? undefined : timeoutMs,
    dueAtMs: Math.max(nowMs, startMs + delayMs),
  };
}

/** Always over IPv4 and without TLS, as Mesos does it. */
function probeOfCheck({ type, command, http, tcp }: CheckInfo): Probe | undefined {
  const ip = "127.0.0.1";
  if (type === "COMMAND" && command !== undefined) {
    return { kind: "command", command: command.command };
  }
  if (type === "HTTP" && http !== undefined) {
    return { kind: "http", scheme: "http", ip, port: http.port, path: http.path ?? "" };
  }
  return type === "TCP" && tcp !== undefined ? { kind: "tcp", ip, port: tcp.port } : undefined;
}

/** The master has filled in a type that was left out. */
function probeOfHealth({ type, command, http, tcp }: HealthCheck): Probe | undefined {
  if (type === "COMMAND" && command !== undefined) return { kind: "command", command };
  if (type === "HTTP" && http !== undefined) {
    const scheme = http.scheme === "https" ? "https" : "http";
    const { port, path = "" } = http;
    return { kind: "http", scheme, ip: loopbackOf(http.protocol), port, path };
  }
  if (type !== "TCP" || tcp === undefined) return undefined;
  return { kind: "tcp", ip: loopbackOf(tcp.protocol), port: tcp.port };
}

function loopbackOf(protocol: "IPv4" | "IPv6" | undefined): LoopbackIp {
  return protocol === "IPv6" ? "::1" : "127.0.0.1";
}

/** Of a check that has not been made, or came to nothing. */
function emptyResult({ type }: CheckInfo): CheckStatusInfo {
  if (type === "COMMAND") return { type, command: {} };
  return type === "HTTP" ? { type, http: {} } : { type, tcp: {} };
}

function resultOf(last: CheckStatusInfo, result: ProbeResult): CheckStatusInfo {
  const { type } = last;
  if (last.command !== undefined) {
    return { type, command: result.kind === "exited" ? { exit_code: result.code } : {} };
  }
  if (last.http !== undefined) {
    return { type, http: result.kind === "answered" ? { status_code: result.statusCode } : {} };
  }
  if (result.kind === "failed") return { type, tcp: {} };
  return { type, tcp: { succeeded: result.kind === "connected" } };
}

function isGood(result: ProbeResult): boolean {
  switch (result.kind) {
    case "exited":
      return result.code === 0;
    case "answered":
      return result.statusCode >= 200 && result.statusCode < 400;
    default:
      return result.kind === "connected";
  }
}

function describe(result: ProbeResult): string {
  switch (result.kind) {
    case "exited":
      return `command exited with status ${result.code}`;
    case "answered":
      return `answered ${result.statusCode}`;
    case "connected":
      return "connected";
    default:
      return result.message;
  }
}
