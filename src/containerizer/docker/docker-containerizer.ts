/**
 * The Docker containerizer: one container of the Engine per container of ours, known by its labels
 * and left alone without them. The Engine keeps containers running and remembers how they ended, so
 * there is no keeper. Whatever the Engine does not answer is asked again; nothing else waits for it.
 * Source: DESIGN §7, §9; semantics 7.15.
 */
import { mkdirSync } from "node:fs";
import { availableParallelism, totalmem, uptime } from "node:os";
import { resolve } from "node:path";
import type { ContainerId } from "../../base/ids.ts";
import { brand } from "../../base/ids.ts";
import type { Clock, Log } from "../../base/ports.ts";
import type { ContainerStatus, Resource, ResourceStatistics } from "../../protocol/v1/types.ts";
import {
  type Containerizer,
  ContainerizerError,
  type ContainerizerHealth,
  type ContainerResult,
  type ContainerSpec,
  type InsideEnd,
  type InsideSpec,
  type Interaction,
  type InteractiveSpec,
  type KnownContainer,
  type LaunchedContainer,
  type RecoveredContainers,
  type ResourceLimits,
  UnavailableError,
} from "../containerizer.ts";
import { findHostTools } from "../keeper/host-tools.ts";
import type { LogBounds } from "../log-bounds.ts";
import { agentMark } from "../mesos-containerizer.ts";
import { HeldFolder } from "../posix/held-folder.ts";
import { HostUsers } from "../posix/host-users.ts";
import { InsideProcesses } from "../posix/inside-processes.ts";
import { giveSandbox, makeSandbox } from "../posix/sandbox.ts";
import { TurnQueue } from "../turn-queue.ts";
import type { ContainerFacts } from "./container-facts.ts";
import { ContainerOutput } from "./container-output.ts";
import { ContainerRecords } from "./container-record.ts";
import { DeathWatch } from "./death-watch.ts";
import { type DockerContainer as Container, newContainer, statusOf } from "./docker-container.ts";
import { Engine } from "./engine.ts";
import { EngineClient, EngineError } from "./engine-client.ts";
import type { CommandHost, CommandPlace } from "./engine-command.ts";
import { EngineWatch } from "./engine-watch.ts";
import { ImagePuller } from "./image-puller.ts";
import { runInside } from "./inside.ts";
import { runInteractive } from "./interactive.ts";
import { kernelTellsOfKill } from "./kernel-log.ts";
import { canSee, LastSights } from "./last-sights.ts";
import { limitSettings } from "./limit-options.ts";
import {
  ENGINE_WAIT_MS,
  LIST_DEADLINE_MS,
  LOOKUPS_AT_ONCE,
  PING_DEADLINE_MS,
  PULL_STALL_MS,
  RECONCILE_PERIOD_MS,
  RECOVERY_PING_DEADLINE_MS,
  RETRY_MS_MAX,
  RETRY_MS_MIN,
  STARTS_AT_ONCE_MIN,
  STARTS_PER_PROCESSOR,
} from "./limits.ts";
import { engineLogBytes } from "./log-options.ts";
import { Removals } from "./removals.ts";
import { goneByBoot, resultOf } from "./result.ts";
import { containerName, LABELS, runPlan } from "./run-options.ts";
import { statisticsOf } from "./statistics.ts";

const MS_PER_SECOND = 1000;

export interface DockerContainerizerOptions {
  /** The agent's `--work_dir`; its absolute path tells this agent's containers from another's. */
  readonly workDir: string;
  /** The agent's `--runtime_dir`. */
  readonly runtimeDir: string;
  readonly clock: Clock;
  readonly log: Log;
  /** `--docker_socket`. */
  readonly socketPath: string;
  /** `--sandbox_directory`. */
  readonly sandboxPath: string;
  /** `--docker_remove_delay`. */
  readonly removeDelayMs: number;
  /** `--docker_kill_orphans`. */
  readonly areOrphansKilled: boolean;
  /** Text of `--docker_config`. */
  readonly dockerConfig?: string | undefined;
  /** `--docker_cgroup_parent`. */
  readonly cgroupParent?: string | undefined;
  readonly logBounds: LogBounds;
  /** `--cgroups_enable_cfs`. */
  readonly isCfsEnabled: boolean;
  /** Times other than those of `limits.ts`. */
  readonly pullStallMs?: number | undefined;
  readonly pingPeriodMs?: number | undefined;
  readonly pingDeadlineMs?: number | undefined;
  readonly engineWaitMs?: number | undefined;
  readonly outputSilenceMs?: number | undefined;
}

export class DockerContainerizer implements Containerizer {
  readonly name: string = "docker";
  readonly #options: DockerContainerizerOptions;
  readonly #mark: string;
  readonly #engine: Engine;
  readonly #watch: EngineWatch;
  readonly #deaths: DeathWatch;
  readonly #sights: LastSights;
  readonly #puller: ImagePuller;
  readonly #removals: Removals;
  readonly #records: ContainerRecords;
  readonly #containers = new Map<ContainerId, Container>();
  readonly #commands: CommandHost;
  #insideCount = 0;
  #knownLogDriver: string | undefined;
  readonly #starts = new TurnQueue(startsAtOnce());
  readonly #closing = new AbortController();
  #users: Promise<HostUsers> | undefined;
  #isWatching = false;
  #cancelReconcile: () => void = () => undefined;

  constructor(options: DockerContainerizerOptions) {
    const { clock, log, socketPath } = options;
    this.#options = options;
    this.#mark = agentMark(options.workDir);
    const client = new EngineClient({ socketPath, clock });
    this.#engine = new Engine(client);
    const engine = this.#engine;
    this.#watch = new EngineWatch({
      client,
      clock,
      log,
      onRecovered: () => {
        this.#knownLogDriver = undefined;
        this.#reconcileSoon(0);
      },
      pingPeriodMs: options.pingPeriodMs,
      pingDeadlineMs: options.pingDeadlineMs,
    });
    this.#sights = new LastSights(clock, () => this.#running());
    this.#deaths = new DeathWatch({
      engine,
      label: `${LABELS.agent}=${this.#mark}`,
      clock,
      log,
      onDeath: (engineId) => this.#died(engineId),
      onOpen: () => {
        this.#sights.stop();
        this.#reconcileSoon(0);
      },
      onDown: () => this.#sights.start(),
    });
    this.#puller = new ImagePuller({
      engine,
      clock,
      log,
      stallMs: options.pullStallMs ?? PULL_STALL_MS,
      dockerConfig: options.dockerConfig,
    });
    this.#removals = new Removals({ engine, clock, log });
    this.#commands = {
      engine,
      clock,
      processes: new InsideProcesses(clock),
      isHealthy: () => this.#watch.health.isHealthy,
      closing: this.#closing.signal,
    };
    this.#records = new ContainerRecords(resolve(options.runtimeDir), this.#mark);
  }

  health(): readonly ContainerizerHealth[] {
    return [this.#watch.health];
  }

  async launch(spec: ContainerSpec): Promise<LaunchedContainer> {
    const { containerId } = spec;
    checkId(containerId);
    if (this.#containers.has(containerId)) {
      throw new ContainerizerError(`Container ${containerId} exists already`);
    }
    this.#startWatching();
    const container = newContainer(spec, "launching");
    this.#containers.set(containerId, container);
    const launch = this.#launch(spec, container);
    container.launch = launch.then(
      () => undefined,
      () => undefined,
    );
    try {
      return await launch;
    } catch (error) {
      await this.#undoLaunch(container, error);
      throw this.#launchError(container, error);
    }
  }

  wait(containerId: ContainerId): Promise<ContainerResult> {
    const container = this.#containers.get(containerId);
    return container === undefined ? Promise.reject(unknownError(containerId)) : container.result;
  }

  async signal(containerId: ContainerId, signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const container = this.#find(containerId);
    await container.launch;
    await this.#kill(container, signal === "SIGTERM" ? container.stopSignal : signal);
  }

  async destroy(containerId: ContainerId): Promise<void> {
    const container = this.#containers.get(containerId);
    if (container === undefined) return;
    container.abort.abort();
    await container.launch;
    if (container.phase === "ended" || !this.#containers.has(containerId)) return;
    await this.#kill(container, "SIGKILL");
    await container.result;
  }

  async runInside(spec: InsideSpec): Promise<InsideEnd> {
    return this.#inside(spec, (place) => runInside(this.#commands, place, spec.timeoutMs));
  }

  async runInteractive(spec: InteractiveSpec): Promise<Interaction> {
    return this.#inside(spec, (place) => runInteractive(this.#commands, place, spec));
  }

  async #inside<T>(
    { containerId, command, environment }: Omit<InsideSpec, "timeoutMs">,
    run: (place: CommandPlace) => Promise<T>,
  ): Promise<T> {
    const { engineId, phase, abort, pid: containerPid = 0 } = this.#find(containerId);
    if (phase === "ending") {
      throw new UnavailableError(`Whether container ${containerId} still runs is being asked`);
    }
    if (phase !== "running" || engineId === undefined) {
      throw new ContainerizerError(`Container ${containerId} does not run`);
    }
    // Calls to an Engine that hangs would pile up, and be carried out late.
    await this.#watch.whenHealthy(abort.signal, 0);
    const count = this.#insideCount++;
    const insideId = brand<ContainerId>(`${containerId}.${this.#options.clock.wallMs()}.${count}`);
    const work = run({ engineId, containerPid, insideId, command, environment });
    return asContainerizerError(work).catch((error: unknown) => {
      if (error instanceof UnavailableError) this.#watch.look();
      throw error;
    });
  }

  async usage(containerId: ContainerId): Promise<ResourceStatistics> {
    const { engineId, facts, abort } = this.#find(containerId);
    if (engineId === undefined) throw unknownError(containerId);
    // Whoever asks for the figures of all containers would wait for an Engine that hangs.
    await this.#watch.whenHealthy(abort.signal, 0);
    const sample = await asContainerizerError(this.#engine.stats(engineId));
    return statisticsOf(sample, facts, this.#options.clock.wallMs());
  }

  async status(containerId: ContainerId): Promise<ContainerStatus> {
    return statusOf(this.#find(containerId));
  }

  async update(
    containerId: ContainerId,
    resources: readonly Resource[],
    limits?: ResourceLimits,
  ): Promise<void> {
    const { engineId } = this.#find(containerId);
    if (engineId === undefined) throw unknownError(containerId);
    const body = limitSettings({ resources, limits }, this.#limitRules());
    // What weighs in when the host runs out of memory cannot be changed later.
    const { OomScoreAdj: _, ...changes } = body;
    await asContainerizerError(this.#engine.update(engineId, changes));
  }

  async recover(known: readonly KnownContainer[]): Promise<RecoveredContainers> {
    const alive = new Map<
      ContainerId,
      {
        readonly pid: number;
        readonly startedAtMs?: number | undefined;
        readonly status: ContainerStatus;
      }
    >();
    const ended = new Map<ContainerId, ContainerResult>();
    const lookups = new TurnQueue(LOOKUPS_AT_ONCE);
    this.#records.keepOnly(new Set(known.map(({ containerId }) => containerId)));
    const found = await this.#listOurs(RECOVERY_PING_DEADLINE_MS);
    await Promise.all(
      known.map(async (one) => {
        const container = await lookups.run(() => this.#adopt(one, found));
        if (container.phase === "running") {
          const startedAtMs = container.facts?.startedAtMs ?? undefined;
          const pid = container.pid ?? 0;
          alive.set(one.containerId, { pid, startedAtMs, status: statusOf(container) });
        } else ended.set(one.containerId, await container.result);
      }),
    );
    const orphans = found === undefined ? [] : await this.#removeOrphans(found);
    this.#startWatching();
    return { alive, ended, orphans };
  }

  async cleanup(containerId: ContainerId): Promise<void> {
    const container = this.#containers.get(containerId);
    if (container !== undefined && container.phase !== "ended") {
      throw new ContainerizerError(`Container ${containerId} still runs; destroy it first`);
    }
    checkId(containerId);
    await container?.output?.close();
    this.#records.remove(containerId);
    this.#containers.delete(containerId);
    if (container?.engineId !== undefined) {
      this.#removals.later(container.engineId, this.#options.removeDelayMs);
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#watch.stop();
    this.#deaths.stop();
    this.#sights.stop();
    this.#removals.stop();
    this.#cancelReconcile();
    this.#engine.client.close();
    const outputs = [...this.#containers.values()].map(({ output }) => output?.close());
    await Promise.all(outputs);
  }

  #startWatching(): void {
    if (this.#isWatching) return;
    this.#isWatching = true;
    this.#watch.start();
    this.#inBackground("listening to Docker", this.#deaths.run());
    this.#reconcileSoon(RECONCILE_PERIOD_MS);
  }

  async #launch(spec: ContainerSpec, container: Container): Promise<LaunchedContainer> {
    const { signal } = container.abort;
    const { image, isPullForced } = imageOf(spec);
    this.#users ??= findHostTools().then((tools) => new HostUsers(tools));
    const users = await this.#users;
    const user = spec.user === undefined ? undefined : await users.resolve(spec.user);
    // A mistake in the options is told before anything is waited for.
    runPlan(spec, image, this.#runSettings());
    makeSandbox(spec.directory).close();
    await this.#watch.whenHealthy(signal, this.#options.engineWaitMs ?? ENGINE_WAIT_MS);
    const wish = { image, isPullForced, sandbox: spec.directory };
    const fullImage = await this.#puller.ensure(wish, signal);
    const plan = runPlan(spec, fullImage, this.#runSettings(await this.#logDriver(signal)));
    for (const folder of plan.folders) mkdirSync(folder, { recursive: true });
    const sandbox = HeldFolder.open(spec.directory);
    sandbox.use(() => giveSandbox(sandbox, user));
    await this.#starts.run(async () => {
      if (signal.aborted) throw new EngineError("aborted", "destroyed");
      this.#records.create(spec.containerId);
      container.engineId = plan.name;
      container.engineId = await this.#engine.create(plan.name, plan.body, signal);
      await this.#engine.start(container.engineId, signal);
    });
    return this.#started(container);
  }

  async #started(container: Container): Promise<LaunchedContainer> {
    const { engineId = "" } = container;
    const facts = await this.#factsOfStarted(container);
    if (facts === undefined) throw new ContainerizerError("The container is gone from Docker");
    this.#learn(container, facts);
    container.phase = "running";
    const { pid = 0, startedAtMs, stopSignal } = facts;
    this.#records.write(container.containerId, { engineId, pid, startedAtMs, stopSignal });
    this.#followOutput(container);
    if (facts.phase === "ended" || container.isSuspect) this.#look(container);
    return { pid, status: statusOf(container), data: facts.inspection };
  }

  /** What runs is not given up because the Engine is late to tell of it. */
  async #factsOfStarted(container: Container): Promise<ContainerFacts | undefined> {
    const { containerId, engineId = "", abort } = container;
    for (let pauseMs = RETRY_MS_MIN; ; pauseMs = Math.min(pauseMs * 2, RETRY_MS_MAX)) {
      try {
        container.isSuspect = false;
        return await this.#engine.inspect(engineId, abort.signal);
      } catch (error) {
        if (!(error instanceof EngineError && error.isOutage)) throw error;
        this.#watch.look();
        const message = "a container was started and cannot be looked at yet";
        this.#options.log.write("warning", message, { containerId, error });
        if (await this.#isClosedAfter(pauseMs)) throw error;
      }
    }
  }

  #learn(container: Container, facts: ContainerFacts): void {
    container.facts = facts;
    container.engineId = facts.engineId;
    container.stopSignal = facts.stopSignal;
    container.pid = facts.pid ?? container.pid;
    if (facts.pid !== undefined) container.isSeen ||= canSee(facts.pid) === true;
  }

  #followOutput(container: Container): void {
    this.#openOutput(container)?.follow();
  }

  #openOutput(container: Container): ContainerOutput | undefined {
    const { clock, log, logBounds: bounds, outputSilenceMs: silenceMs } = this.#options;
    const { containerId, directory, engineId = "" } = container;
    try {
      this.#records.create(containerId);
      const positionPath = this.#records.positionPath(containerId);
      const place = { engine: this.#engine, engineId, directory, positionPath };
      const logFileBytes = (): number | undefined => container.facts?.logFileBytes;
      const options = { ...place, bounds, logFileBytes, silenceMs, clock, log };
      container.output = new ContainerOutput(options);
    } catch (error) {
      // A task can run without its output, but not be ended for it.
      log.write("error", "a container's output cannot be copied", { containerId, error });
    }
    return container.output;
  }

  /** After a failed launch nothing may be left; an Engine that is away removes it later. */
  async #undoLaunch(container: Container, error: unknown): Promise<void> {
    const { containerId, engineId } = container;
    container.phase = "ended";
    container.resolve({ exit: { kind: "unknown", message: "The container was never started" } });
    await container.output?.close();
    this.#records.remove(containerId);
    this.#containers.delete(containerId);
    if (error instanceof EngineError) this.#watch.look();
    if (engineId === undefined) return;
    // A call that was given up may yet be carried out: look for its result once more, later.
    if (error instanceof EngineError && error.isOutage)
      this.#removals.later(engineId, RETRY_MS_MAX);
    else await this.#removals.now(engineId);
  }

  #launchError(container: Container, error: unknown): ContainerizerError {
    if (container.abort.signal.aborted) {
      const text = `Container ${container.containerId} was destroyed during its launch`;
      return new ContainerizerError(text, { cause: error });
    }
    return containerizerError(error);
  }

  /** Sends a signal until the Engine has taken it, or the container is over. */
  async #kill(container: Container, signal: string): Promise<void> {
    const { containerId, engineId } = container;
    for (let pauseMs = RETRY_MS_MIN; ; pauseMs = Math.min(pauseMs * 2, RETRY_MS_MAX)) {
      // One that may have ended is asked about, and may turn out to run.
      const isOver = container.phase !== "running" && container.phase !== "ending";
      if (isOver || engineId === undefined) return;
      try {
        if (!(await this.#engine.kill(engineId, signal))) this.#look(container);
        return;
      } catch (error) {
        this.#watch.look();
        const { log } = this.#options;
        log.write("warning", "a container could not be signalled yet", { containerId, error });
      }
      if (await this.#isClosedAfter(pauseMs)) return;
    }
  }

  /** Those whose end is still to be learnt. */
  *#running(): Generator<Container> {
    for (const container of this.#containers.values()) {
      if (container.phase === "running" || container.phase === "ending") yield container;
    }
  }

  #died(engineId: string): void {
    for (const container of this.#containers.values()) {
      if (container.engineId === engineId) this.#look(container);
    }
  }

  /** Has this container ended? */
  #look(container: Container): void {
    container.isSuspect = true;
    if (container.phase !== "running") return;
    container.phase = "ending";
    this.#inBackground("ending a container", this.#finish(container));
  }

  async #finish(container: Container): Promise<void> {
    const { engineId = "" } = container;
    for (let pauseMs = RETRY_MS_MIN; ; pauseMs = Math.min(pauseMs * 2, RETRY_MS_MAX)) {
      try {
        container.isSuspect = false;
        const facts = await this.#engine.inspect(engineId);
        if (facts?.phase === "running") {
          this.#learn(container, facts);
          container.goneByMs = undefined;
          container.phase = "running";
          if (container.isSuspect) this.#look(container);
          return;
        }
        if (facts !== undefined) this.#learn(container, facts);
        await this.#end(container, facts);
        return;
      } catch (error) {
        this.#watch.look();
        const { containerId } = container;
        this.#options.log.write("warning", "a container's end is still to be learnt", {
          containerId,
          error,
        });
      }
      if (await this.#isClosedAfter(pauseMs)) return;
    }
  }

  async #end(container: Container, facts: ContainerFacts | undefined): Promise<void> {
    // Without a container there is no log to read.
    if (facts === undefined) await container.output?.close();
    else await container.output?.finish();
    if (this.#closing.signal.aborted) return;
    container.phase = "ended";
    container.resolve(resultOf(this.#withKernelsWord(container, facts), container.goneByMs));
  }

  /** A failure that the Engine knows no reason for, though the kernel may. */
  #withKernelsWord(
    { pid }: Container,
    facts: ContainerFacts | undefined,
  ): ContainerFacts | undefined {
    if (facts === undefined || facts.isOomKilled) return facts;
    if (facts.exitCode === 0 || facts.memoryBytes === 0 || facts.startedAtMs === undefined) {
      return facts;
    }
    const ageMs = this.#options.clock.wallMs() - facts.startedAtMs;
    const { engineId } = facts;
    return { ...facts, isOomKilled: kernelTellsOfKill({ engineId, pid }, ageMs) };
  }

  #reconcileSoon(delayMs: number): void {
    this.#cancelReconcile();
    if (this.#closing.signal.aborted) return;
    this.#cancelReconcile = this.#options.clock.schedule(delayMs, () => {
      this.#inBackground("looking at all containers of Docker", this.#reconcile());
      this.#reconcileSoon(RECONCILE_PERIOD_MS);
    });
  }

  /** Makes good for events that were missed, and for calls that were carried out after all. */
  async #reconcile(): Promise<void> {
    const before = new Set(this.#containers.values());
    const rows = await this.#listOurs(PING_DEADLINE_MS);
    if (rows === undefined) return;
    const running = new Set<string>();
    for (const row of rows) if (row.isRunning) running.add(row.engineId);
    for (const container of before) {
      const { engineId, phase } = container;
      if (phase === "running" && !running.has(engineId ?? "")) this.#look(container);
    }
    await this.#removeOrphans(rows);
  }

  /** Undefined when the Engine does not answer in time. */
  async #listOurs(pingDeadlineMs: number): Promise<readonly OurContainer[] | undefined> {
    try {
      await this.#engine.client.ping(pingDeadlineMs);
      const rows = await this.#engine.list(`${LABELS.agent}=${this.#mark}`, LIST_DEADLINE_MS);
      return rows.map((row) => ({
        engineId: row.engineId,
        containerId: brand<ContainerId>(row.labels[LABELS.container] ?? ""),
        isRunning: row.isRunning,
      }));
    } catch (error) {
      this.#watch.look();
      this.#options.log.write("warning", "Docker's containers cannot be listed", { error });
      return undefined;
    }
  }

  /** Ends and removes what is ours but unknown; what has ended long ago waits for its time. */
  async #removeOrphans(rows: readonly OurContainer[]): Promise<ContainerId[]> {
    const lookups = new TurnQueue(LOOKUPS_AT_ONCE);
    const unknown = rows.filter(({ containerId }) => !this.#containers.has(containerId));
    const orphans: ContainerId[] = [];
    await Promise.all(
      unknown.map((row) =>
        lookups.run(async () => {
          if (row.isRunning && !this.#options.areOrphansKilled) return;
          if (row.isRunning) {
            orphans.push(row.containerId);
            await this.#removals.now(row.engineId);
          } else await this.#removeInTime(row);
        }),
      ),
    );
    return orphans;
  }

  async #removeInTime({ engineId }: OurContainer): Promise<void> {
    const facts = await this.#engine.inspect(engineId).catch(() => undefined);
    if (facts === undefined) return;
    const { clock, removeDelayMs } = this.#options;
    const endedMs = facts.finishedAtMs;
    // One that never ran has nothing to show.
    const delayMs = endedMs === undefined ? 0 : endedMs + removeDelayMs - clock.wallMs();
    this.#removals.later(engineId, Math.max(0, delayMs));
  }

  /** Takes back one container after a restart of the agent. */
  async #adopt(
    known: KnownContainer,
    rows: readonly OurContainer[] | undefined,
  ): Promise<Container> {
    const { containerId } = known;
    const container = newContainer(known, "launching");
    this.#containers.set(containerId, container);
    const record = this.#records.read(containerId);
    const row = rows?.find((one) => one.containerId === containerId);
    if (rows !== undefined && row === undefined) {
      return this.#isLost(container, "The container is gone from Docker");
    }
    const facts = await this.#factsOf(row?.engineId);
    if (facts === undefined && record !== undefined) {
      // The Engine does not say, but it was running: the next look at all containers tells.
      container.engineId = record.engineId;
      container.pid = record.pid;
      container.isSeen = canSee(record.pid) === true;
      container.stopSignal = record.stopSignal;
      container.phase = "running";
      this.#followOutput(container);
      return container;
    }
    if (facts === undefined || facts.phase === "created") {
      container.engineId = facts?.engineId ?? containerName(containerId);
      this.#removals.later(container.engineId, 0);
      return this.#isLost(container, "The agent ended before the container was started");
    }
    this.#learn(container, facts);
    if (facts.phase === "running") {
      container.phase = "running";
      this.#followOutput(container);
      return container;
    }
    this.#openOutput(container);
    container.phase = "ending";
    const bootedMs = this.#options.clock.wallMs() - uptime() * MS_PER_SECOND;
    container.goneByMs = goneByBoot(facts, bootedMs);
    await this.#end(container, facts);
    return container;
  }

  async #factsOf(engineId: string | undefined): Promise<ContainerFacts | undefined> {
    if (engineId === undefined) return undefined;
    return this.#engine.inspect(engineId).catch((error: unknown) => {
      this.#options.log.write("warning", "a container cannot be looked at", { engineId, error });
      return undefined;
    });
  }

  #isLost(container: Container, message: string): Container {
    container.phase = "ended";
    container.resolve({ exit: { kind: "unknown", message } });
    return container;
  }

  #runSettings(logDriver?: string): Parameters<typeof runPlan>[2] {
    const { sandboxPath, cgroupParent, logBounds } = this.#options;
    const mark = this.#mark;
    return { mark, sandboxPath, cgroupParent, logBounds, logDriver, ...this.#limitRules() };
  }

  /** Asked for where it matters, and again when the Engine was away. */
  async #logDriver(signal: AbortSignal): Promise<string | undefined> {
    if (engineLogBytes(this.#options.logBounds) === undefined) return undefined;
    this.#knownLogDriver ??= await this.#engine.logDriver(signal);
    return this.#knownLogDriver;
  }

  #limitRules(): Parameters<typeof limitSettings>[1] {
    return { isCfsEnabled: this.#options.isCfsEnabled, hostMemoryBytes: totalmem() };
  }

  /** True when the containerizer was closed meanwhile. */
  #isClosedAfter(pauseMs: number): Promise<boolean> {
    const { signal } = this.#closing;
    return new Promise((resolve) => {
      const wake = (): void => {
        cancel();
        signal.removeEventListener("abort", wake);
        resolve(signal.aborted);
      };
      const cancel = this.#options.clock.schedule(pauseMs, wake);
      signal.addEventListener("abort", wake, { once: true });
    });
  }

  #find(containerId: ContainerId): Container {
    const container = this.#containers.get(containerId);
    if (container === undefined) throw unknownError(containerId);
    return container;
  }

  #inBackground(what: string, work: Promise<void>): void {
    work.catch((error: unknown) => {
      this.#options.log.write("error", `${what} failed`, { error });
    });
  }
}

function startsAtOnce(): number {
  return Math.max(STARTS_AT_ONCE_MIN, STARTS_PER_PROCESSOR * availableParallelism());
}

interface OurContainer {
  readonly engineId: string;
  readonly containerId: ContainerId;
  readonly isRunning: boolean;
}

function imageOf({ container }: ContainerSpec): { image: string; isPullForced: boolean } {
  const docker = container?.docker;
  if (docker === undefined) {
    throw new ContainerizerError("container.docker is missing: set container.docker.image");
  }
  return { image: docker.image, isPullForced: docker.force_pull_image ?? false };
}

async function asContainerizerError<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw containerizerError(error);
  }
}

function containerizerError(error: unknown): ContainerizerError {
  if (error instanceof ContainerizerError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new ContainerizerError(message, { cause: error });
}

/** Container ids are part of names at the Engine and of folders here. */
function checkId(containerId: ContainerId): void {
  if (/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,200}$/.test(containerId)) return;
  throw new ContainerizerError(`Container id ${JSON.stringify(containerId)} cannot be a file name`);
}

function unknownError(containerId: ContainerId): ContainerizerError {
  return new ContainerizerError(`Container ${containerId} is unknown`);
}
