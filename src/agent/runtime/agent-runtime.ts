/**
 * The agent core at work: inputs queue up, a bounded batch of them goes through the core, all their
 * checkpoint operations become one transaction, and only then is anything else done (DESIGN §7).
 * If the transaction fails, the process must stop: nothing of the batch has been visible to anyone.
 */
import { must } from "../../base/assert.ts";
import type { ContainerId } from "../../base/ids.ts";
import type { Clock, Log, Rng } from "../../base/ports.ts";
import { ok, type Result, refuse } from "../../base/result.ts";
import type { Containerizer, ContainerizerHealth } from "../../containerizer/containerizer.ts";
import type { LogBounds } from "../../containerizer/log-bounds.ts";
import { DatabaseError } from "../../database/database-error.ts";
import type { AgentToMaster } from "../../protocol/link-frames.ts";
import type { ExecutorCall, Image } from "../../protocol/v1/types.ts";
import { AgentCore } from "../core/agent-core.ts";
import type { AgentOptions } from "../core/agent-options.ts";
import type { CheckpointOperation } from "../core/checkpoint-state.ts";
import type {
  ContainerAnswer,
  ContainerCall,
  ContainerCaller,
} from "../core/containers/container-calls.ts";
import type { AgentEffect } from "../core/effects.ts";
import type { AgentInput } from "../core/inputs.ts";
import type { AgentState } from "../core/state.ts";
import { agentMetrics } from "../core/views/metrics.ts";
import { Confirmations } from "./confirmations.ts";
import {
  BUILT_IN_REQUEST,
  ContainerHost,
  type EnvironmentOptions,
  type Survivor,
} from "./container-host.ts";
import {
  type ContainerReport,
  type ContainerScope,
  reportContainers,
} from "./container-reports.ts";
import { DiskGuard } from "./disk-guard.ts";
import { ExecutorStreams } from "./executor-streams.ts";
import { SandboxFiles } from "./files.ts";
import { GarbageCollector, type GarbageOptions } from "./garbage.ts";
import { COALESCE_MS, INPUTS_PER_BATCH, QUEUED_INPUTS, STOP_TIMEOUT_MS } from "./limits.ts";
import { LogRotation } from "./log-rotation.ts";
import { Oversubscription, type OversubscriptionOptions } from "./oversubscription.ts";
import type {
  CheckpointStore,
  ExecutorStream,
  ImageKeeper,
  MasterLink,
  UriFetcher,
} from "./ports.ts";
import type { ProbeHelper } from "./probe-helper.ts";
import type { Session } from "./session.ts";
import { AgentTimers } from "./timers.ts";
import { createVolume, trashVolume } from "./volumes.ts";

export interface AgentRuntimeDependencies {
  readonly options: AgentOptions;
  readonly environment: EnvironmentOptions;
  readonly bootId: string;
  /** Undefined: nothing is ever removed. */
  readonly garbage?: GarbageOptions | undefined;
  /** A file of the reserve on the disk; undefined: the disk is not watched. */
  readonly diskReserve?: string | undefined;
  /** Undefined: tasks may write as much as they like. */
  readonly logs?: LogBounds | undefined;
  /** Undefined: the agent gives no more than it has. */
  readonly oversubscription?: OversubscriptionOptions | undefined;
  readonly containerizer: Containerizer;
  readonly fetcher: UriFetcher;
  /** Undefined where containers can have no images. */
  readonly images?: ImageKeeper | undefined;
  /** Undefined: networks of containers are not entered for their checks. */
  readonly probeHelper?: ProbeHelper | undefined;
  /** Owned by the runtime from here on; closed by `stop`. */
  readonly checkpoint: CheckpointStore;
  readonly link: MasterLink;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Log;
  /** The agent has to end: shut down by the master, or misconfigured. Called at most once. */
  readonly onExit: (reason: string) => void;
  /** The process must end at once, loudly. Called at most once. */
  readonly onFatal: (error: unknown) => void;
}

/** A call about containers that waits for its answer. */
type ContainerRequest = (outcome: Result<ContainerAnswer>) => void;

interface Request {
  readonly call: ExecutorCall;
  readonly stream: ExecutorStream | undefined;
  readonly resolve: (outcome: Result<void>) => void;
}

/** See the header. `start` once, then `input` from every edge, `stop` at the end. */
export class AgentRuntime {
  readonly core: AgentCore;
  /** Sandboxes, for HTTP and for streams of the link. */
  readonly files: SandboxFiles;
  readonly #deps: AgentRuntimeDependencies;
  readonly #host: ContainerHost;
  readonly #timers: AgentTimers;
  readonly #garbage: GarbageCollector | undefined;
  readonly #logs: LogRotation | undefined;
  readonly #disk: DiskGuard | undefined;
  readonly #oversubscription: Oversubscription | undefined;
  readonly #queue: AgentInput[] = [];
  readonly #requests = new Map<number, Request>();
  readonly #containerRequests = new Map<number, ContainerRequest>();
  readonly #streams: ExecutorStreams;
  readonly #confirmations: Confirmations;
  readonly #startWallMs: number;
  readonly #startMonotonicMs: number;
  #survivors: ReadonlyMap<ContainerId, Survivor> = new Map();
  #lastRequest = BUILT_IN_REQUEST;
  #isDrainScheduled = false;
  #lastBatchMs = Number.NEGATIVE_INFINITY;
  #isStopped = false;

  constructor(dependencies: AgentRuntimeDependencies) {
    const { options, clock, rng, log, containerizer, fetcher, environment } = dependencies;
    this.#deps = dependencies;
    this.#startWallMs = clock.wallMs();
    this.#startMonotonicMs = clock.monotonicMs();
    this.core = new AgentCore({ options, uuid: () => rng.uuid() });
    this.files = new SandboxFiles(() => this.core.state, clock);
    this.#streams = new ExecutorStreams(clock);
    this.#confirmations = new Confirmations(clock, (message) => dependencies.link.send(message));
    this.#timers = new AgentTimers(clock, (timer) => this.input({ kind: "timer", timer }));
    if (dependencies.garbage !== undefined) {
      this.#garbage = new GarbageCollector({
        options: dependencies.garbage,
        workDir: options.workDir,
        clock,
        log,
        liveFolders: () => liveFolders(this.core.state),
      });
    }
    if (dependencies.logs !== undefined) {
      const sandboxes = (): string[] => writtenSandboxes(this.core.state);
      this.#logs = new LogRotation({ options: dependencies.logs, clock, log, sandboxes });
    }
    if (dependencies.diskReserve !== undefined) {
      this.#disk = new DiskGuard({
        workDir: options.workDir,
        path: dependencies.diskReserve,
        clock,
        log,
        onShortage: (message) => this.input({ kind: "diskShortage", message }),
      });
    }
    if (dependencies.oversubscription !== undefined) {
      this.#oversubscription = new Oversubscription({
        options: dependencies.oversubscription,
        state: this.core.state,
        containerizer,
        clock,
        log,
        input: (input) => this.input(input),
      });
    }
    this.#host = new ContainerHost({
      containerizer,
      fetcher,
      probeHelper: dependencies.probeHelper,
      options,
      environment,
      clock,
      rng,
      log,
      nowMs: () => this.#nowMs(),
      agentId: () => this.core.state.info.id?.value ?? "",
      input: (input) => this.input(input),
    });
  }

  /** For views; only the core changes it. */
  get state(): AgentState {
    return this.core.state;
  }

  get options(): AgentOptions {
    return this.#deps.options;
  }

  /** Recovers what was there before. Rejects when the disk or the containers cannot be read. */
  async start(): Promise<void> {
    const { checkpoint, containerizer, bootId } = this.#deps;
    const found = checkpoint.load();
    const { alive, ended, orphans } = await containerizer.recover([
      ...found.executors.map(({ containerId, directory, executor }) => ({
        containerId: containerId as ContainerId,
        directory,
        container: executor.container,
      })),
      ...found.containers.map(({ containerId, directory, container, parentId }) => ({
        containerId,
        directory,
        container,
        parentId,
      })),
    ]);
    if (orphans.length > 0) {
      this.#deps.log.write("info", "destroyed orphaned containers", { count: orphans.length });
    }
    this.#survivors = alive;
    this.input({
      kind: "recovered",
      checkpoint: found,
      bootId,
      alive: new Set<string>(alive.keys()),
      terminations: ended,
    });
    this.#drain();
    for (const { phase, directory, isSession } of this.core.state.apiContainers.values()) {
      if (phase === "over" && !isSession) this.#garbage?.remember(directory);
    }
    this.#garbage?.start();
    this.#logs?.start();
    this.#disk?.start();
    this.#oversubscription?.start();
  }

  /** Queues something that happened. Handled soon, in order of arrival. */
  input(input: AgentInput): void {
    if (this.#isStopped) return;
    if (input.kind === "masterMessage" && this.#queue.length >= QUEUED_INPUTS) {
      this.#deps.link.reconnect("the agent does not keep up with its master");
      return;
    }
    // At once, as the next link may be there before this input is handled.
    if (input.kind === "linkDown") this.#confirmations.drop();
    this.#queue.push(input);
    this.#scheduleDrain();
  }

  /**
   * A call of a custom executor. `stream` is where its events go, for SUBSCRIBE. Resolves once the
   * call's result is durable.
   */
  executorCall(call: ExecutorCall, stream: ExecutorStream | undefined): Promise<Result<void>> {
    if (this.#isStopped) return Promise.resolve(refuse("notReady", "The agent is stopping"));
    if (this.#queue.length >= QUEUED_INPUTS) {
      return Promise.resolve(refuse("notReady", "The agent is busy, try again later"));
    }
    this.#lastRequest += 1;
    const requestId = this.#lastRequest;
    return new Promise((resolve) => {
      this.#requests.set(requestId, { call, stream, resolve });
      this.#queue.push({ kind: "executorCall", requestId, call });
      // Executors of Mesos' own library send calls without waiting for answers, and Bun cuts a
      // connection on which a request arrives before the last one's answer is there.
      queueMicrotask(() => this.#drainAll());
    });
  }

  /**
   * A call about containers. Resolves once its result is durable, for a wait when the container is
   * over; never, when `signal` aborts before. Nothing is done for a caller who has left already.
   */
  containerCall(
    call: ContainerCall,
    caller: ContainerCaller,
    signal?: AbortSignal,
  ): Promise<Result<ContainerAnswer>> {
    if (this.#isStopped) return Promise.resolve(refuse("notReady", "The agent is stopping"));
    if (this.#queue.length >= QUEUED_INPUTS) {
      return Promise.resolve(refuse("notReady", "The agent is busy, try again later"));
    }
    if (signal?.aborted === true) {
      return Promise.resolve(refuse("notReady", "The caller has left"));
    }
    this.#lastRequest += 1;
    const requestId = this.#lastRequest;
    return new Promise((resolve) => {
      this.#containerRequests.set(requestId, resolve);
      signal?.addEventListener("abort", () => {
        if (!this.#containerRequests.delete(requestId)) return;
        this.input({ kind: "containerCallLeft", requestId });
      });
      this.input({ kind: "containerCall", requestId, call, caller });
    });
  }

  /** The session that a `containerCall` launched, for its caller, once; it may be over by now. */
  takeSession(containerId: ContainerId): Session | undefined {
    return this.#host.takeSession(containerId);
  }

  /** A session for others to read from or write to; undefined when it is over. */
  session(containerId: ContainerId): Session | undefined {
    return this.#host.session(containerId);
  }

  /** The response that `stream` stands for is closed. */
  executorDisconnected(call: ExecutorCall, stream: ExecutorStream): void {
    if (!this.#streams.lose(call, stream)) return;
    this.input({
      kind: "executorDisconnected",
      frameworkId: call.framework_id.value,
      executorId: call.executor_id.value,
    });
  }

  /** Figures of the agent under the names of reference/metrics.json. */
  metrics(): Record<string, number> {
    return {
      ...agentMetrics(this.state, (this.#nowMs() - this.#startWallMs) / 1000),
      ...this.#deps.fetcher.metrics(),
      ...this.#garbage?.figures(),
      ...Object.fromEntries(
        this.health().map(({ name, isHealthy }) => [
          `containerizer/${name}/engine_healthy`,
          isHealthy ? 1 : 0,
        ]),
      ),
    };
  }

  /** Whether what the containerizers depend on is well. */
  health(): readonly ContainerizerHealth[] {
    return this.#deps.containerizer.health?.() ?? [];
  }

  /** Status and usage of what runs, as GET_CONTAINERS shows them, and more. */
  containers(scope: ContainerScope): Promise<ContainerReport[]> {
    return reportContainers(this.state, this.#deps.containerizer, scope);
  }

  /** Removes images that no container uses, but for these. Errors: those of what keeps them. */
  async pruneImages(excluded: readonly Image[]): Promise<Result<undefined>> {
    return (await this.#deps.images?.prune(excluded)) ?? ok(undefined);
  }

  /** Ends the work of this process. Tasks of checkpointing frameworks run on. */
  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#halt();
    await Promise.all([
      this.#garbage?.stop(),
      this.#logs?.stop(),
      this.#disk?.stop(),
      this.#oversubscription?.stop(),
      this.#deps.images?.stop(),
    ]);
    await withTimeout(this.#deps.clock, STOP_TIMEOUT_MS, this.#host.stop());
    await this.#deps.containerizer.close();
    this.#deps.checkpoint.close();
  }

  /** Milliseconds since the epoch that never go back, whatever happens to the wall clock. */
  #nowMs(): number {
    return this.#startWallMs + (this.#deps.clock.monotonicMs() - this.#startMonotonicMs);
  }

  #scheduleDrain(): void {
    if (this.#isDrainScheduled) return;
    this.#isDrainScheduled = true;
    const sinceMs = this.#deps.clock.monotonicMs() - this.#lastBatchMs;
    if (sinceMs < COALESCE_MS) this.#deps.clock.schedule(COALESCE_MS, () => this.#drain());
    else queueMicrotask(() => this.#drain());
  }

  #drainAll(): void {
    while (!this.#isStopped && this.#queue.length > 0) this.#drain();
  }

  #drain(): void {
    this.#isDrainScheduled = false;
    if (this.#isStopped || this.#queue.length === 0) return;
    try {
      this.#handleBatch(this.#queue.splice(0, INPUTS_PER_BATCH));
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#lastBatchMs = this.#deps.clock.monotonicMs();
    if (this.#queue.length > 0) this.#scheduleDrain();
  }

  #handleBatch(inputs: readonly AgentInput[]): void {
    const effects: AgentEffect[] = [];
    for (const input of inputs) effects.push(...this.core.step(input, this.#nowMs()));
    const operations: CheckpointOperation[] = [];
    for (const effect of effects) {
      if (effect.kind === "checkpoint") operations.push(effect.operation);
    }
    if (operations.length > 0) this.#write(operations);
    for (const effect of effects) this.#carryOut(effect);
  }

  /** The agent's own books have a reserve on a disk that others have filled. */
  #write(operations: readonly CheckpointOperation[]): void {
    try {
      this.#deps.checkpoint.apply(operations);
    } catch (error) {
      const isFull = error instanceof DatabaseError && error.code === "full";
      if (!isFull || this.#disk?.spend() !== true) throw error;
      this.#deps.checkpoint.apply(operations);
    }
  }

  #carryOut(effect: AgentEffect): void {
    switch (effect.kind) {
      case "checkpoint":
        break;
      case "send":
        this.#tell(effect.message);
        break;
      case "reconnect":
        this.#deps.link.reconnect(effect.reason);
        break;
      case "launchContainer":
        this.#host.launch(effect.launch);
        break;
      case "adoptContainer":
        this.#adopt(effect);
        break;
      case "destroyContainer":
        this.#host.destroy(effect.containerId);
        break;
      case "launchApiContainer":
        this.#host.launchForCall(effect.container);
        break;
      case "adoptApiContainer":
        this.#host.adoptForCall(effect.container);
        break;
      case "signalContainer":
        this.#host.signal(effect.containerId, effect.signal);
        break;
      case "removeSandbox":
        this.#host.removeSandbox(effect.directory);
        break;
      case "respondContainer":
        this.#containerRequests.get(effect.requestId)?.(effect.outcome);
        this.#containerRequests.delete(effect.requestId);
        break;
      case "updateContainer":
        this.#host.update(effect.containerId, effect.resources);
        break;
      case "cleanupContainer":
        this.#host.cleanup(effect.containerId);
        void this.#garbage?.ended(effect.directory);
        break;
      case "createVolume":
      case "removeVolume":
        this.#changeVolume(effect);
        break;
      case "executorEvent":
        this.#deliver(effect);
        break;
      case "respond":
        this.#respond(effect.requestId, effect.outcome);
        break;
      case "setTimer":
        this.#timers.set(effect.timer, effect.atMs - this.#nowMs());
        break;
      case "cancelTimer":
        this.#timers.cancel(effect.timer);
        break;
      case "exit":
        this.#deps.onExit(effect.reason);
        break;
      case "log":
        this.#deps.log.write(effect.level, effect.message, effect.fields);
        break;
    }
  }

  /** The books say what there is; a folder that cannot be made or moved is an operator's to see to. */
  #changeVolume({ kind, volume }: Extract<AgentEffect, { readonly volume: unknown }>): void {
    const { workDir } = this.core.options;
    const id = volume.disk?.persistence?.id;
    try {
      if (kind === "createVolume") createVolume(workDir, volume);
      else {
        const trash = trashVolume(workDir, volume, Math.round(this.#nowMs()));
        if (trash === undefined) return;
        this.#deps.log.write("info", "volume moved to the trash", { id, trash });
      }
    } catch (error) {
      this.#deps.log.write("error", "a volume's folder could not be changed", { kind, id, error });
    }
  }

  #tell(message: AgentToMaster): void {
    if (message.kind === "commandDone") {
      this.#confirmations.add(message);
      return;
    }
    // A registration tells it by itself, and to a link that has not heard of the others.
    if (message.kind === "register") this.#confirmations.drop();
    else this.#confirmations.flush();
    this.#deps.link.send(message);
  }

  #adopt(effect: Extract<AgentEffect, { kind: "adoptContainer" }>): void {
    const { containerId } = effect.launch;
    this.#host.adopt(effect, must(this.#survivors.get(containerId), "an adopted container"));
  }

  #deliver(effect: Extract<AgentEffect, { kind: "executorEvent" }>): void {
    const { frameworkId, executorId, event } = effect;
    if (this.#host.deliver(frameworkId, executorId, event)) return;
    this.#streams.send(frameworkId, executorId, event);
  }

  #respond(requestId: number, outcome: Result<void>): void {
    const request = this.#requests.get(requestId);
    if (request === undefined) return;
    this.#requests.delete(requestId);
    const { call, stream } = request;
    if (outcome.ok && call.type === "SUBSCRIBE" && stream !== undefined) {
      this.#streams.add(call, stream);
    }
    request.resolve(outcome);
  }

  #fail(error: unknown): void {
    this.#isStopped = true;
    this.#halt();
    this.#deps.onFatal(error);
  }

  #halt(): void {
    this.#confirmations.drop();
    this.#timers.cancelAll();
    this.#streams.closeAll();
    const outcome = refuse("notReady", "The agent is stopping");
    for (const request of this.#requests.values()) request.resolve(outcome);
    this.#requests.clear();
    for (const respond of this.#containerRequests.values()) respond(outcome);
    this.#containerRequests.clear();
  }
}

/** Sandboxes of what runs, and of tasks that are still to be reported on. */
function liveFolders(state: AgentState): ReadonlySet<string> {
  const others = [...state.apiContainers.values()].filter(({ phase }) => phase !== "over");
  const live = [...state.containers.values(), ...others];
  return new Set(live.map(({ directory }) => directory));
}

/** Those into which tasks write themselves; what Docker's write is put there by its containerizer. */
function writtenSandboxes(state: AgentState): string[] {
  const executors = [...state.containers.values()].filter(({ phase, info, tasks }) => {
    const [task] = tasks.values();
    const container = task?.info.container ?? info.container;
    return phase !== "terminated" && container?.type !== "DOCKER";
  });
  const others = [...state.apiContainers.values()].filter(
    ({ phase, isSession }) => phase !== "over" && !isSession,
  );
  return [...executors, ...others].map(({ directory }) => directory);
}

async function withTimeout(clock: Clock, timeoutMs: number, work: Promise<void>): Promise<void> {
  let cancel = (): void => undefined;
  const timeout = new Promise<void>((resolve) => {
    cancel = clock.schedule(timeoutMs, resolve);
  });
  await Promise.race([work, timeout]);
  cancel();
}
