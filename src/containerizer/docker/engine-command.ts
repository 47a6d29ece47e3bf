/**
 * A command inside a running container, which is an exec of the Engine: its start, its end as the
 * Engine tells it, and its processes, which are this host's and known without the Engine.
 */

import { readFileSync } from "node:fs";
import type { ContainerId } from "../../base/ids.ts";
import type { Clock } from "../../base/ports.ts";
import type { CommandInfo } from "../../protocol/v1/types.ts";
import { ContainerizerError } from "../containerizer.ts";
import { INSIDE_VARIABLE, type InsideProcesses } from "../posix/inside-processes.ts";
import { readProcessStat } from "../posix/process-stat.ts";
import { pause } from "../waiting.ts";
import type { Engine } from "./engine.ts";
import { type EngineConnection, EngineError } from "./engine-client.ts";
import { LAUNCH_CALL_DEADLINE_MS, RETRY_MS_MAX, RETRY_MS_MIN } from "./limits.ts";

export interface CommandHost {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly processes: InsideProcesses;
  /** The Engine answered when it was last asked. */
  readonly isHealthy: () => boolean;
  /** The agent ends. */
  readonly closing: AbortSignal;
}

/** What is to be run where. */
export interface CommandPlace {
  /** The container's id at the Engine. */
  readonly engineId: string;
  /** Of the container's own process; 0 while that is not known. */
  readonly containerPid: number;
  /** No other command has it. */
  readonly insideId: ContainerId;
  readonly command: CommandInfo;
  readonly environment: Readonly<Record<string, string>>;
}

export class EngineCommand {
  readonly #host: CommandHost;
  readonly #place: CommandPlace;
  /** At the Engine. */
  readonly #execId: string;
  #pid = 0;

  /** `settings` are further ones of the Engine's. Errors: `EngineError`, `ContainerizerError`. */
  static async create(
    host: CommandHost,
    place: CommandPlace,
    settings: Readonly<Record<string, unknown>> = {},
  ): Promise<EngineCommand> {
    const environment = { ...place.environment, [INSIDE_VARIABLE]: place.insideId };
    const execId = await host.engine.createInside(place.engineId, {
      Cmd: wordsOf(place.command),
      Env: Object.entries(environment).map(([name, value]) => `${name}=${value}`),
      ...settings,
    });
    return new EngineCommand(host, place, execId);
  }

  private constructor(host: CommandHost, place: CommandPlace, execId: string) {
    this.#host = host;
    this.#place = place;
    this.#execId = execId;
  }

  /** Of its first process; 0 while that is not known. */
  get pid(): number {
    return this.#pid;
  }

  /** Resolves when it was started; its output goes nowhere. Errors: `EngineError`. */
  start(): Promise<void> {
    return this.#host.engine.startInside(this.#execId);
  }

  /** Starts it with its input and output on the connection. Errors: `EngineError`. */
  connect(isTerminal: boolean): Promise<EngineConnection> {
    return this.#host.engine.connectInside(this.#execId, isTerminal);
  }

  resize(columns: number, rows: number): Promise<void> {
    return this.#host.engine.resizeInside(this.#execId, columns, rows);
  }

  /** Its exit status, or undefined while it has none. Errors: `EngineError`. */
  async look(): Promise<number | undefined> {
    const answer = await this.#host.engine.inspectInside(this.#execId);
    this.#learnPid(answer.at("Pid").number() ?? 0);
    return answer.at("Running").isTrue() ? undefined : answer.at("ExitCode").number();
  }

  signal(signal: number): Promise<number> {
    return this.#host.processes.signal(this.#place.insideId, signal);
  }

  /** What is seen of its first process, for which the Engine need not be asked. */
  get sight(): "runs" | "ended" | undefined {
    return this.#host.processes.firstOf(this.#place.insideId);
  }

  /** Kills all that is there of it. */
  async killAll(): Promise<void> {
    await this.#host.processes.end(this.#place.insideId);
  }

  /** The same; then nothing more is asked of it. */
  async end(): Promise<void> {
    await this.killAll();
    this.#host.processes.forget(this.#place.insideId);
  }

  /**
   * Kills all that is there of it as soon as anything is: a start that was not answered may be carried
   * out all the same. Never rejects.
   */
  async endWhenever(): Promise<void> {
    const { clock, processes, closing, isHealthy } = this.#host;
    const { insideId } = this.#place;
    const deadlineMs = clock.monotonicMs() + LAUNCH_CALL_DEADLINE_MS;
    for (let pauseMs = RETRY_MS_MIN; ; pauseMs = Math.min(pauseMs * 2, RETRY_MS_MAX)) {
      const code = isHealthy() ? await this.look().catch(() => undefined) : undefined;
      const hadAny = await processes.end(insideId).catch(() => false);
      if (hadAny || code !== undefined) break;
      if (closing.aborted || clock.monotonicMs() > deadlineMs) break;
      await pause(clock, pauseMs);
    }
    processes.forget(insideId);
  }

  #learnPid(pid: number): void {
    if (pid === 0 || this.#pid !== 0) return;
    this.#pid = pid;
    const { engineId, containerPid, insideId } = this.#place;
    const { processes } = this.#host;
    const first = isIn(pid, engineId) ? readProcessStat(pid) : undefined;
    if (first !== undefined) processes.begin(insideId, first);
    // Who sees the container's own process would see this one, unless it has ended.
    else if (isIn(containerPid, engineId)) processes.begin(insideId, { pid, startTicks: -1 });
  }
}

/** The Engine has no answer now, or none any more, as it was restarted meanwhile. */
export function isSilence(error: unknown): error is EngineError {
  return error instanceof EngineError && (error.isOutage || error.status === 404);
}

/** The process with this number is the Engine's: the agent may be in a container of its own. */
function isIn(pid: number, engineId: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cgroup`, "latin1").includes(engineId);
  } catch {
    return false;
  }
}

/** As for the container's own command, the first of `arguments` is a real one. */
function wordsOf({ shell, value, arguments: more = [] }: CommandInfo): readonly string[] {
  const words = value === undefined ? more : [value, ...more];
  if (words.length === 0) throw new ContainerizerError("The command has no value");
  return (shell ?? true) ? ["/bin/sh", "-c", value ?? ""] : words;
}
