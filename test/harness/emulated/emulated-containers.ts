/**
 * Containers that exist only as timers: a launch succeeds at once, and what the command says decides
 * when and how the task ends. They stand for the kernel and the keepers of one server, so they
 * outlive the agent that started them.
 *
 * | part of the command, between `;` or `&&` | means |
 * |---|---|
 * | `sleep 0.2` | runs that many seconds |
 * | `exit 3`, `true`, `false` | ends with that status |
 * | `kill -9 $$` | ends by that signal |
 * | `trap '' TERM` | only SIGKILL ends it |
 * | `no-launch` | the container cannot be started |
 * | anything else | runs until it is killed, or told to end |
 */
import type { ContainerId } from "../../../src/base/ids.ts";
import type { Clock } from "../../../src/base/ports.ts";
import {
  type Containerizer,
  ContainerizerError,
  type ContainerResult,
  type ContainerSpec,
  type InsideEnd,
  type InsideSpec,
  type KnownContainer,
  type RecoveredContainers,
} from "../../../src/containerizer/containerizer.ts";
import type {
  CommandInfo,
  ContainerStatus,
  ResourceStatistics,
} from "../../../src/protocol/v1/types.ts";

const PID = 4242;
const SIGNALS = { SIGTERM: 15, SIGKILL: 9 } as const;

interface EmulatedContainer {
  readonly script: Script;
  readonly startedAtMs: number;
  result: ContainerResult | undefined;
  cancelEnd: () => void;
  tellEnd: ((result: ContainerResult) => void) | undefined;
}

interface Script {
  /** Undefined: it runs until somebody ends it. */
  readonly endsAfterMs: number | undefined;
  readonly end: ContainerResult;
  readonly ignoresTerm: boolean;
  readonly isRefused: boolean;
}

export class EmulatedContainers implements Containerizer {
  readonly name: string = "emulated";
  readonly #clock: Clock;
  readonly #containers = new Map<ContainerId, EmulatedContainer>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  launch(spec: ContainerSpec): Promise<{ readonly pid: number }> {
    const script = scriptOf(spec.command);
    if (script.isRefused)
      return Promise.reject(new ContainerizerError("the command says no-launch"));
    const container: EmulatedContainer = {
      script,
      startedAtMs: this.#clock.wallMs(),
      result: undefined,
      cancelEnd: () => undefined,
      tellEnd: undefined,
    };
    this.#containers.set(spec.containerId, container);
    if (script.endsAfterMs !== undefined) {
      container.cancelEnd = this.#clock.schedule(script.endsAfterMs, () =>
        finish(container, script.end),
      );
    }
    return Promise.resolve({ pid: PID });
  }

  wait(containerId: ContainerId): Promise<ContainerResult> {
    const container = this.#containers.get(containerId);
    if (container === undefined) return Promise.reject(new ContainerizerError("no such container"));
    if (container.result !== undefined) return Promise.resolve(container.result);
    return new Promise((resolve) => {
      container.tellEnd = resolve;
    });
  }

  signal(containerId: ContainerId, signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const container = this.#containers.get(containerId);
    if (container !== undefined && !(signal === "SIGTERM" && container.script.ignoresTerm)) {
      finish(container, {
        exit: { kind: "signaled", signal: SIGNALS[signal] },
      });
    }
    return Promise.resolve();
  }

  destroy(containerId: ContainerId): Promise<void> {
    return this.signal(containerId, "SIGKILL");
  }

  /** By the same table; what would run until it is killed runs until its time is over. */
  runInside({ containerId, command, timeoutMs }: InsideSpec): Promise<InsideEnd> {
    const container = this.#containers.get(containerId);
    if (container === undefined || container.result !== undefined) {
      return Promise.reject(new ContainerizerError("no such container"));
    }
    const { endsAfterMs, end } = scriptOf(command);
    const isLate = (endsAfterMs ?? Number.POSITIVE_INFINITY) > (timeoutMs ?? endsAfterMs ?? 0);
    const { exit } = end;
    return new Promise((resolve) => {
      this.#clock.schedule((isLate ? timeoutMs : endsAfterMs) ?? 0, () => {
        resolve(isLate || exit.kind === "unknown" ? { kind: "timedOut" } : exit);
      });
    });
  }

  usage(): Promise<ResourceStatistics> {
    return Promise.resolve({ timestamp: this.#clock.wallMs() / 1000 });
  }

  status(containerId: ContainerId): Promise<ContainerStatus> {
    return Promise.resolve({
      container_id: { value: containerId },
      executor_pid: PID,
    });
  }

  update(): Promise<void> {
    return Promise.resolve();
  }

  recover(known: readonly KnownContainer[]): Promise<RecoveredContainers> {
    const expected = new Set(known.map(({ containerId }) => containerId));
    const alive = new Map<ContainerId, { readonly pid: number; readonly startedAtMs: number }>();
    const ended = new Map<ContainerId, ContainerResult>();
    const orphans: ContainerId[] = [];
    for (const [containerId, container] of this.#containers) {
      if (!expected.has(containerId)) orphans.push(containerId);
      else if (container.result !== undefined) ended.set(containerId, container.result);
      else
        alive.set(containerId, {
          pid: PID,
          startedAtMs: container.startedAtMs,
        });
    }
    for (const orphan of orphans) this.#forget(orphan);
    return Promise.resolve({ alive, ended, orphans });
  }

  cleanup(containerId: ContainerId): Promise<void> {
    this.#forget(containerId);
    return Promise.resolve();
  }

  /** The agent is gone, with or without a word; containers live on. */
  close(): Promise<void> {
    for (const container of this.#containers.values()) container.tellEnd = undefined;
    return Promise.resolve();
  }

  /** The server goes down: nothing lives, and nobody saw how it ended. */
  reboot(): void {
    for (const containerId of this.#containers.keys()) this.#forget(containerId);
  }

  /** The container's process ends as if by itself. False when it does not run. */
  end(containerId: ContainerId, result: ContainerResult): boolean {
    const container = this.#containers.get(containerId);
    if (container === undefined || container.result !== undefined) return false;
    finish(container, result);
    return true;
  }

  #forget(containerId: ContainerId): void {
    this.#containers.get(containerId)?.cancelEnd();
    this.#containers.delete(containerId);
  }
}

function finish(container: EmulatedContainer, result: ContainerResult): void {
  if (container.result !== undefined) return;
  container.cancelEnd();
  container.result = result;
  container.tellEnd?.(result);
}

function scriptOf(command: CommandInfo): Script {
  const words = [command.value ?? "", ...(command.arguments ?? [])].join(" ");
  let ms: number | undefined = 0;
  let exit: ContainerResult["exit"] | undefined;
  let ignoresTerm = false;
  let isRefused = false;
  for (const part of words.split(/;|&&/).map((text) => text.trim())) {
    const [name = "", argument = ""] = part.split(/\s+/);
    if (name === "trap") ignoresTerm = true;
    else if (name === "no-launch") isRefused = true;
    else if (exit !== undefined || ms === undefined) break;
    else if (name === "sleep") ms += Number(argument) * 1000;
    else if (name === "exit") exit = { kind: "exited", code: Number(argument || 0) };
    else if (name === "kill") exit = { kind: "signaled", signal: -Number(argument) };
    else if (name === "false") exit = { kind: "exited", code: 1 };
    else if (name !== "true") ms = undefined;
  }
  const end = { exit: exit ?? { kind: "exited", code: 0 } } as const;
  return { endsAfterMs: ms, end, ignoresTerm, isRefused };
}
