/**
 * The posix launcher: processes belong to a container by descent, session and mark. It works without
 * root; what it cannot do is hold a process that hides (leaves its session, clears its environment
 * and loses its parent between two looks). Source: semantics 7.10.
 */

import type { ContainerId } from "../../base/ids.ts";
import { ContainerizerError, type ContainerSignal } from "../containerizer.ts";
import {
  HOST_PLACEMENT,
  type Launcher,
  type LauncherContext,
  type Placement,
} from "../launcher.ts";
import { DESTROY_DEADLINE_MS, DESTROY_PAUSE_MS_MAX, DESTROY_PAUSE_MS_MIN } from "../limits.ts";
import { pause } from "../waiting.ts";
import { isDead, type ProcessStat } from "./process-stat.ts";
import { markedContainer, ProcessTable, signalProcess } from "./process-table.ts";
import { Slices } from "./slices.ts";

export class PosixLauncher implements Launcher {
  readonly name = "posix";
  readonly #context: LauncherContext;
  readonly #table: ProcessTable;
  readonly #slices: Slices;

  constructor(context: LauncherContext) {
    const { clock, mark, tracked } = context;
    this.#context = context;
    this.#slices = new Slices(clock);
    this.#table = new ProcessTable({
      clock,
      markedId: (environment) => markedContainer(environment, mark),
      containers: tracked,
    });
  }

  open(): Promise<void> {
    return Promise.resolve();
  }

  prepare(): Promise<Placement> {
    return Promise.resolve(HOST_PLACEMENT);
  }

  async processesOf(containerId: ContainerId): Promise<readonly ProcessStat[]> {
    const processes = (await this.#table.scan()).get(containerId) ?? [];
    // A thousand may have waited for the same scan, and each has work to do now.
    while (this.#slices.isOver) await this.#slices.next();
    return processes.filter((stat) => !isDead(stat));
  }

  async signal(containerId: ContainerId, signal: ContainerSignal): Promise<void> {
    this.#signalAll(await this.processesOf(containerId), containerId, signal);
  }

  async kill(containerId: ContainerId): Promise<void> {
    const { clock } = this.#context;
    const deadlineMs = clock.monotonicMs() + DESTROY_DEADLINE_MS;
    let pauseMs = DESTROY_PAUSE_MS_MIN;
    for (;;) {
      const processes = await this.processesOf(containerId);
      if (processes.length === 0) return;
      if (clock.monotonicMs() > deadlineMs) {
        const pids = processes.map(({ pid }) => pid).join(", ");
        throw new ContainerizerError(`Processes ${pids} of ${containerId} do not end on SIGKILL`);
      }
      this.#signalAll(processes, containerId, "SIGKILL");
      await pause(clock, pauseMs);
      pauseMs = Math.min(pauseMs * 2, DESTROY_PAUSE_MS_MAX);
    }
  }

  insideWords(): readonly string[] {
    return [];
  }

  async list(): Promise<readonly ContainerId[]> {
    return [...(await this.#table.scan()).keys()];
  }

  remove(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #signalAll(
    processes: readonly ProcessStat[],
    containerId: ContainerId,
    signal: ContainerSignal,
  ): void {
    const task = this.#context.taskOf(containerId);
    for (const stat of processes) {
      // In the command's own session every group is ours, and a group is ended in one stroke,
      // which leaves no time to fork.
      const isOwnSession = stat.sessionId === task?.pid;
      const target = signal === "SIGKILL" && isOwnSession ? "group" : "process";
      if (signalProcess(stat, signal, target)) continue;
      this.#context.log.write("warning", "a process of a container may not be signalled", {
        container: containerId,
        pid: stat.pid,
        signal,
      });
    }
  }
}
