/**
 * One emulated server: the agent's real core, runtime, executors and link, with a disk in memory and
 * containers that are timers. The agent process may die and come back at any time; disk and
 * containers stay, as they do on a real server.
 */
import { AgentRuntime } from "../../../src/agent/runtime/agent-runtime.ts";
import type { ContainerId } from "../../../src/base/ids.ts";
import type { Clock, Log } from "../../../src/base/ports.ts";
import { Turns } from "../../../src/base/turns.ts";
import type { ContainerResult } from "../../../src/containerizer/containerizer.ts";
import { LinkClient } from "../../../src/link/client.ts";
import { systemClock, systemRng } from "../../../src/platform/system.ts";
import type { Codec } from "../../../src/protocol/codec.ts";
import type { LinkCodec } from "../../../src/protocol/link-codec.ts";
import type { MasterToAgent } from "../../../src/protocol/link-frames.ts";
import type { AgentInfo, AgentInfoCapability } from "../../../src/protocol/v1/types.ts";
import { followLeader, type MasterSource } from "../../../src/roles/master-source.ts";
import { MemoryCheckpoint } from "../../agent/core/memory-checkpoint.ts";
import { NO_FETCHER } from "../no-fetcher.ts";
import { emulatedAgentOptions } from "./agent-options.ts";
import { EmulatedContainers } from "./emulated-containers.ts";

export interface EmulatedAgentOptions {
  /** Begins to look for the master, once for each process of the agent. */
  findMaster(): MasterSource;
  readonly info: AgentInfo;
  readonly capabilities: readonly AgentInfoCapability[] | undefined;
  /** For the folders of volumes only. */
  readonly workDir: string;
  readonly codec: Codec;
  readonly linkCodec: LinkCodec;
  readonly log: Log;
  /** The real agent's process would end now; its server would start it again, or not. */
  onExit(reason: string): void;
}

/** What dies with one process of the agent. */
interface Process {
  readonly runtime: AgentRuntime;
  readonly link: LinkClient;
  readonly master: MasterSource;
  readonly clock: MortalClock;
}

export class EmulatedAgent {
  readonly #options: EmulatedAgentOptions;
  #disk: MemoryCheckpoint = new MemoryCheckpoint();
  readonly #containers = new EmulatedContainers(systemClock);
  #process: Process | undefined;
  #bootId = systemRng.uuid();
  #isCutOff = false;
  /** While paused, what arrived meanwhile. */
  #unheard: (() => void)[] | undefined;

  constructor(options: EmulatedAgentOptions) {
    this.#options = options;
  }

  get id(): string | undefined {
    return this.#disk.agentInfo?.id?.value;
  }

  /** The master has admitted this agent on the present link. */
  get isRegistered(): boolean {
    return this.#process?.runtime.state.phase === "running";
  }

  get isUp(): boolean {
    return this.#process !== undefined;
  }

  /** Containers that are not over, or over and not acknowledged. */
  get containerCount(): number {
    return this.#process?.runtime.state.containers.size ?? 0;
  }

  /** The agent process starts, recovers and connects. Does nothing when it runs. */
  async start(): Promise<void> {
    if (this.#process !== undefined) return;
    const { findMaster, log, codec, linkCodec, capabilities, info, workDir } = this.#options;
    const clock = new MortalClock();
    const master = findMaster();
    const runtime: AgentRuntime = new AgentRuntime({
      ...emulatedAgentOptions(info, workDir, capabilities),
      bootId: this.#bootId,
      containerizer: this.#containers,
      fetcher: NO_FETCHER,
      checkpoint: this.#disk,
      link: {
        send: (message) => {
          if (this.#unheard === undefined) link.send(message);
          else this.#unheard.push(() => link.send(message));
        },
        reconnect: (reason) => link.reconnect(reason),
      },
      clock,
      rng: systemRng,
      log,
      onExit: (reason) => {
        this.crash();
        this.#options.onExit(reason);
      },
      onFatal: (error) => {
        throw error;
      },
    });
    const link: LinkClient = new LinkClient({
      version: "emulated",
      codec,
      linkCodec,
      clock,
      rng: systemRng,
      log,
      streams: noStreams,
      masterAddress: () => (this.#isCutOff ? undefined : master.leaderAddress()),
      agentId: () => this.id,
      onUp: (epoch) => runtime.input({ kind: "linkUp", epoch }),
      onMessage: (message) => this.#hear(runtime, message),
      onDown: () => runtime.input({ kind: "linkDown" }),
    });
    this.#process = { runtime, link, master, clock };
    await runtime.start();
    link.start();
    followLeader(master, link);
  }

  /** The agent process dies now: no farewell, and containers live on. */
  crash(): void {
    const process = this.#process;
    if (process === undefined) return;
    this.#process = undefined;
    this.#unheard = undefined;
    process.link.stop();
    process.master.stop();
    process.clock.stop();
    void this.#containers.close();
  }

  /** Ends as on SIGTERM: containers of frameworks that do not checkpoint end too. */
  async stop(): Promise<void> {
    const process = this.#process;
    if (process === undefined) return;
    process.link.stop();
    await process.runtime.stop();
    this.crash();
  }

  /** The whole server goes down and comes back without its containers. */
  async reboot(): Promise<void> {
    this.crash();
    this.#containers.reboot();
    this.#bootId = systemRng.uuid();
    await this.start();
  }

  /** The server is set up anew: no disk, no containers, and no memory of who it was. Left down. */
  erase(): void {
    this.crash();
    this.#containers.reboot();
    this.#disk = new MemoryCheckpoint();
  }

  /** Loses the connection; a new one is made after the usual back-off. */
  cutLink(): void {
    this.#process?.link.reconnect("the emulated network lost the connection");
  }

  /** Loses the connection and finds no master until `joinNetwork`. */
  leaveNetwork(): void {
    this.#isCutOff = true;
    this.cutLink();
  }

  joinNetwork(): void {
    this.#isCutOff = false;
  }

  /** Neither hears nor says anything until `resume`, over a connection that stays open. */
  pause(): void {
    if (this.#process !== undefined) this.#unheard ??= [];
  }

  resume(): void {
    const unheard = this.#unheard ?? [];
    this.#unheard = undefined;
    for (const happen of unheard) happen();
  }

  /** The task's process ends by itself. False when this agent runs no such task. */
  endTask(taskId: string, result: ContainerResult): boolean {
    for (const framework of this.#process?.runtime.state.frameworks.values() ?? []) {
      const executorId = framework.tasks.get(taskId)?.executorId;
      const executor = framework.executors.get(executorId ?? "");
      if (executor !== undefined) {
        return this.#containers.end(executor.containerId as ContainerId, result);
      }
    }
    return false;
  }

  #hear(runtime: AgentRuntime, message: MasterToAgent): void {
    const happen = (): void => runtime.input({ kind: "masterMessage", message });
    if (this.#unheard === undefined) happen();
    else this.#unheard.push(happen);
  }
}

/**
 * The timers of all agents of this process, worked off in turns of its event loop: thousands of
 * servers that are late together, and then all connect in one moment, are not to be had elsewhere.
 */
const dueTimers = new Turns({
  clock: systemClock,
  turnMs: 5,
  soon: queueMicrotask,
}).lane<{ ring(): void }>((timer) => timer.ring());

/** The clock of one process: what it was to do later never happens once the process is over. */
class MortalClock implements Clock {
  #isStopped = false;

  wallMs(): number {
    return systemClock.wallMs();
  }

  monotonicMs(): number {
    return systemClock.monotonicMs();
  }

  schedule(delayMs: number, callback: () => void): () => void {
    let isOver = false;
    const cancel = systemClock.schedule(delayMs, () =>
      dueTimers.push({
        ring: () => {
          if (!isOver && !this.#isStopped) callback();
        },
      }),
    );
    return () => {
      isOver = true;
      cancel();
    };
  }

  nextTurn(callback: () => void): void {
    systemClock.nextTurn(() => {
      if (!this.#isStopped) callback();
    });
  }

  stop(): void {
    this.#isStopped = true;
  }
}

function noStreams(): never {
  throw new Error("an emulated agent has no files");
}
