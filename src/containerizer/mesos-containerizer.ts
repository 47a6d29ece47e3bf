/**
 * The life of every container that is no Docker's (`mesos` in --containerizers): a sandbox and a
 * keeper each, whatever launcher holds its processes and whatever isolators limit it. With the posix
 * launcher, which is there by default, it works without root, measures and limits nothing.
 * Source: DESIGN §7; semantics 7.10.
 */

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { ContainerId } from "../base/ids.ts";
import type { Clock, Log, OpenTerminal } from "../base/ports.ts";
import type { ContainerStatus, Resource } from "../protocol/v1/types.ts";
import {
  type Containerizer,
  ContainerizerError,
  type ContainerResult,
  type ContainerSignal,
  type ContainerSpec,
  type ContainerUsage,
  type HostUser,
  type InsideEnd,
  type InsideSpec,
  type Interaction,
  type InteractiveSpec,
  type Isolator,
  type KnownContainer,
  type LaunchedContainer,
  type Limitation,
  type Preparation,
  type RecoveredContainers,
  type ResourceLimits,
} from "./containerizer.ts";
import { watchExits } from "./keeper/exit-watch.ts";
import { findHostTools, type HostTools } from "./keeper/host-tools.ts";
import { innerTools } from "./keeper/inner-tools.ts";
import { Keepers } from "./keeper/keeper.ts";
import {
  isContainerName,
  type KeeperEnd,
  type KeeperRecord,
  KeeperRecords,
  type ProcessIdentity,
} from "./keeper/records.ts";
import type { Launcher, LauncherContext } from "./launcher.ts";
import {
  ADOPTION_PAUSE_MS,
  CLEANUPS_AT_ONCE,
  LAUNCH_DEADLINE_MS,
  LAUNCHES_AT_ONCE,
} from "./limits.ts";
import { namedNetworks } from "./named-networks.ts";
import type { HeldFolder } from "./posix/held-folder.ts";
import { HostUsers } from "./posix/host-users.ts";
import { type InsideHost, runSibling } from "./posix/inside-command.ts";
import { InsideProcesses } from "./posix/inside-processes.ts";
import { runConnected } from "./posix/interactive-command.ts";
import { type PosixIsolation, posixIsolator } from "./posix/posix-isolators.ts";
import { PosixLauncher } from "./posix/posix-launcher.ts";
import { isDead, readProcessStat } from "./posix/process-stat.ts";
import { signalProcess } from "./posix/process-table.ts";
import type { TrackedContainer } from "./posix/process-tree.ts";
import { giveSandbox, linkVolume, makeSandbox } from "./posix/sandbox.ts";
import { Slices } from "./posix/slices.ts";
import { despiteShortage } from "./system-errors.ts";
import { TurnQueue } from "./turn-queue.ts";
import { pause } from "./waiting.ts";

export interface MesosContainerizerOptions {
  /** The agent's `--work_dir`; its absolute path tells this agent's processes from another's. */
  readonly workDir: string;
  /** The agent's `--runtime_dir`: keepers' records and ends of containers. Best on a tmpfs. */
  readonly runtimeDir: string;
  readonly clock: Clock;
  readonly log: Log;
  /** The agent's `--isolation`, as far as it is posix. */
  readonly isolation: readonly PosixIsolation[];
  /** Further isolators, run after those of `isolation`. */
  readonly isolators?: readonly Isolator[] | undefined;
  /** Undefined where the platform has no terminals. */
  readonly openTerminal?: OpenTerminal | undefined;
  /** Shell of the keepers; the smallest one found when left out. */
  readonly shell?: string | undefined;
  /** How processes are held; the posix launcher when left out. */
  readonly launcher?: ((context: LauncherContext) => Launcher) | undefined;
  /** What launches are refused for, beside what no isolator takes care of. */
  readonly refusalOf?: ((spec: ContainerSpec) => string | undefined) | undefined;
}

interface Container {
  readonly containerId: ContainerId;
  readonly result: Promise<ContainerResult>;
  readonly resolve: (result: ContainerResult) => void;
  readonly stopWatching: (() => void)[];
  keeper: ProcessIdentity | undefined;
  task: ProcessIdentity | undefined;
  limitation: Limitation | undefined;
  /** Settles when the launch has succeeded or failed; never rejects. */
  launch: Promise<void>;
  phase: "launching" | "running" | "ending" | "ended";
  /** Destroyed before its command was started. */
  isUnwanted: boolean;
}

interface Parts {
  readonly tools: HostTools;
  readonly keepers: Keepers;
  readonly users: HostUsers;
  readonly bootId: string;
  readonly stopWatching: () => void;
}

const ENDING_AT_LIMIT = "ending a container at its limit";

export class MesosContainerizer implements Containerizer {
  readonly name: string;
  readonly #options: MesosContainerizerOptions;
  readonly #records: KeeperRecords;
  readonly #mark: string;
  readonly #launcher: Launcher;
  readonly #isolators: readonly Isolator[];
  readonly #containers = new Map<ContainerId, Container>();
  readonly #launches = new TurnQueue(LAUNCHES_AT_ONCE);
  readonly #insides = new TurnQueue(1);
  readonly #insideProcesses: InsideProcesses;
  readonly #cleanups = new TurnQueue(CLEANUPS_AT_ONCE);
  readonly #slices: Slices;
  #parts: Promise<Parts> | undefined;

  constructor(options: MesosContainerizerOptions) {
    const { clock } = options;
    this.#options = options;
    this.#slices = new Slices(clock);
    this.#insideProcesses = new InsideProcesses(clock);
    this.#mark = agentMark(options.workDir);
    this.#records = new KeeperRecords(resolve(options.runtimeDir), this.#mark);
    const context: LauncherContext = {
      mark: this.#mark,
      clock,
      log: options.log,
      tracked: () => this.#tracked(),
      taskOf: (containerId) => this.#containers.get(containerId)?.task,
    };
    this.#launcher = options.launcher?.(context) ?? new PosixLauncher(context);
    this.name = this.#launcher.name === "linux" ? "mesos" : "posix";
    const measuring = {
      processesOf: (containerId: ContainerId) => this.#launcher.processesOf(containerId),
      wallMs: () => clock.wallMs(),
    };
    this.#isolators = [
      ...options.isolation.map((name) => posixIsolator(name, measuring)),
      ...(options.isolators ?? []),
    ];
  }

  async launch(spec: ContainerSpec): Promise<LaunchedContainer> {
    const { containerId } = spec;
    checkId(containerId);
    if (this.#containers.has(containerId)) {
      throw new ContainerizerError(`Container ${containerId} exists already`);
    }
    const container = newContainer(containerId, "launching");
    this.#containers.set(containerId, container);
    const launch = this.#precede(spec).then(() =>
      this.#launches.run(() => this.#launch(spec, container)),
    );
    container.launch = launch.then(
      () => undefined,
      () => undefined,
    );
    try {
      const { pid } = await launch;
      return { pid, ...this.#toldOf(containerId) };
    } catch (cause) {
      await this.#undoLaunch(container);
      if (cause instanceof ContainerizerError) throw cause;
      throw new ContainerizerError(cause instanceof Error ? cause.message : String(cause), {
        cause,
      });
    }
  }

  wait(containerId: ContainerId): Promise<ContainerResult> {
    const container = this.#containers.get(containerId);
    return container === undefined ? Promise.reject(unknownError(containerId)) : container.result;
  }

  async signal(containerId: ContainerId, signal: ContainerSignal): Promise<void> {
    const container = this.#find(containerId);
    await container.launch;
    await this.#despiteShortage(async () => {
      if (container.phase !== "ended") await this.#launcher.signal(containerId, signal);
    });
  }

  async destroy(containerId: ContainerId): Promise<void> {
    const container = this.#containers.get(containerId);
    if (container === undefined) return;
    container.isUnwanted = true;
    await container.launch;
    if (container.phase === "ended" || !this.#containers.has(containerId)) return;
    await this.#despiteShortage(() => this.#launcher.kill(containerId));
    // The keeper has seen its command end and is writing that down, or was killed itself.
    await container.result;
  }

  async runInside(spec: InsideSpec): Promise<InsideEnd> {
    const { host, user } = await this.#insideOf(spec);
    return await runSibling(host, spec, user);
  }

  async runInteractive(spec: InteractiveSpec): Promise<Interaction> {
    const { host, user } = await this.#insideOf(spec);
    const { openTerminal } = this.#options;
    return await runConnected(
      { ...host, openTerminal, processes: this.#insideProcesses },
      spec,
      user,
    );
  }

  async usage(containerId: ContainerId): Promise<ContainerUsage> {
    this.#find(containerId);
    const all = await Promise.all(this.#isolators.map((isolator) => isolator.usage(containerId)));
    return Object.assign({ timestamp: this.#options.clock.wallMs() / 1000 }, ...all);
  }

  async status(containerId: ContainerId): Promise<ContainerStatus> {
    const { task } = this.#find(containerId);
    return {
      container_id: { value: containerId },
      ...(task === undefined ? {} : { executor_pid: task.pid }),
      ...this.#toldOf(containerId).status,
    };
  }

  async update(
    containerId: ContainerId,
    resources: readonly Resource[],
    limits: ResourceLimits = {},
  ): Promise<void> {
    this.#find(containerId);
    for (const isolator of this.#isolators) await isolator.update(containerId, resources, limits);
  }

  async recover(known: readonly KnownContainer[]): Promise<RecoveredContainers> {
    const { bootId } = await this.#open();
    const knownIds = new Set(known.map(({ containerId }) => containerId));
    const alive = new Map<ContainerId, LaunchedContainer & { readonly startedAtMs?: number }>();
    const ended = new Map<ContainerId, ContainerResult>();
    const adopted = await Promise.all(
      known.map(({ containerId }) => this.#adopt(containerId, bootId)),
    );
    const found = known.map((one) => {
      return { ...one, written: this.#records.writtenOf(one.containerId) };
    });
    for (const isolator of this.#isolators) await isolator.recover(found);
    for (const { container, record } of adopted) {
      if (container.phase === "running" && container.task !== undefined) {
        alive.set(container.containerId, {
          pid: container.task.pid,
          ...(record.startedAtMs === undefined ? {} : { startedAtMs: record.startedAtMs }),
          ...this.#toldOf(container.containerId),
        });
        if (container.limitation === undefined) this.#watchLimits(container);
        else this.#inBackground(ENDING_AT_LIMIT, this.destroy(container.containerId));
        continue;
      }
      ended.set(container.containerId, await container.result);
    }
    const orphans = await this.#destroyOrphans(knownIds, bootId);
    // An end that fell into the recovery itself was before the eyes of nobody.
    await this.#lookAtAll();
    return { alive, ended, orphans };
  }

  async cleanup(containerId: ContainerId): Promise<void> {
    const container = this.#containers.get(containerId);
    if (container !== undefined && container.phase !== "ended") {
      throw new ContainerizerError(`Container ${containerId} still runs; destroy it first`);
    }
    checkId(containerId);
    // A thousand may be over at once, and nothing else waits for their remains to go.
    await this.#cleanups.run(() =>
      this.#despiteShortage(async () => {
        if (this.#slices.isOver) await this.#slices.next();
        for (const isolator of this.#isolators) await isolator.cleanup(containerId);
        await this.#launcher.remove(containerId);
        await this.#records.remove(containerId);
      }),
    );
    this.#containers.delete(containerId);
  }

  async close(): Promise<void> {
    // What could not be opened needs no closing; whoever opened it was told.
    const parts = await this.#parts?.catch(() => undefined);
    parts?.stopWatching();
    for (const container of this.#containers.values()) stopWatchingLimits(container);
    for (const isolator of this.#isolators) isolator.close?.();
    if (parts !== undefined) await this.#launcher.close();
  }

  /** All that a command beside the container's own needs, once it is its turn. */
  async #insideOf(
    spec: Pick<InsideSpec, "containerId" | "user" | "directory">,
  ): Promise<{ readonly host: InsideHost; readonly user: HostUser | undefined }> {
    const container = this.#find(spec.containerId);
    const { tools, keepers, users } = await this.#open();
    const user = spec.user === undefined ? undefined : await users.resolve(spec.user);
    // Making a process holds everything up for a millisecond or more: one per turn of the loop.
    await this.#insides.run(nextTurn);
    if (container.phase !== "running") {
      throw new ContainerizerError(`Container ${spec.containerId} does not run`);
    }
    const pid = container.task?.pid ?? 0;
    // Not asked of the process, which may be on its way into its root at this moment.
    const rootfs = this.#records.rootfsOf(spec.containerId);
    const { privileges, seccompPath } = this.#records.confinementOf(spec.containerId);
    const words = [
      ...this.#launcher.insideWords(spec.containerId, pid, spec.directory),
      ...keepers.enterWords(rootfs, seccompPath),
    ];
    const inner = rootfs === undefined ? tools : innerTools(tools);
    const { clock } = this.#options;
    return { host: { tools: inner, mark: this.#mark, clock, words, privileges }, user };
  }

  /** Finds tools, makes folders and starts watching, once. */
  #open(): Promise<Parts> {
    this.#parts ??= this.#openNow();
    return this.#parts;
  }

  async #openNow(): Promise<Parts> {
    const { clock, log, shell } = this.#options;
    const records = this.#records;
    const runtimeDir = resolve(this.#options.runtimeDir);
    const tools = await findHostTools(shell);
    if (!tools.canResetSignals) {
      log.write("warning", "env has no --default-signal: ends by SIGINT and SIGPIPE read as exits");
    }
    mkdirSync(records.containersFolder, { recursive: true, mode: 0o755 });
    mkdirSync(records.exitsFolder, { recursive: true, mode: 0o755 });
    records.sweep();
    const stopWatching = watchExits({
      folder: records.exitsFolder,
      clock,
      log,
      onExit: (containerId) => this.#look(containerId),
      onPoll: () => this.#inBackground("looking at containers", this.#lookAtAll()),
    });
    await this.#launcher.open();
    return {
      tools,
      keepers: new Keepers({ runtimeDir, records, tools, mark: this.#mark, clock }),
      users: new HostUsers(tools),
      bootId: readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim(),
      stopWatching,
    };
  }

  /** What others may take long for, and what needs no turn. */
  async #precede(spec: ContainerSpec): Promise<void> {
    const refusal = (this.#options.refusalOf ?? posixRefusal)(spec);
    if (refusal !== undefined) throw new ContainerizerError(refusal);
    for (const isolator of this.#isolators) await isolator.precede?.(spec);
  }

  async #launch(spec: ContainerSpec, container: Container): Promise<{ readonly pid: number }> {
    assertWanted(container);
    const { users } = await this.#open();
    const user = spec.user === undefined ? undefined : await users.resolve(spec.user);
    const sandbox = makeSandbox(spec.directory);
    try {
      return await this.#launchIn(sandbox, spec, container, user);
    } finally {
      sandbox.close();
    }
  }

  async #launchIn(
    sandbox: HeldFolder,
    spec: ContainerSpec,
    container: Container,
    user: HostUser | undefined,
  ): Promise<{ readonly pid: number }> {
    const { keepers } = await this.#open();
    const placement = await this.#launcher.prepare(spec);
    const isMounting = placement.namespaceWords.length > 0;
    if (!isMounting) for (const volume of spec.volumes ?? []) linkVolume(sandbox, volume, user);
    const preparations: Preparation[] = [];
    for (const isolator of this.#isolators) {
      preparations.push(await isolator.prepare(spec, user, sandbox));
    }
    const environment = Object.assign(
      {},
      spec.environment,
      ...preparations.map((one) => one.environment),
    );
    assertWanted(container);
    const keeper = await keepers.start({
      ...spec,
      sandbox,
      environment,
      user,
      placement,
      setup: preparations.flatMap((one) => one.setup ?? []),
      commandWords: preparations.flatMap((one) => one.commandWords ?? []),
      privileges: preparations.flatMap((one) => one.privileges ?? []),
      seccomp: preparations.find((one) => one.seccomp !== undefined)?.seccomp,
      kept: Object.assign({}, ...preparations.map((one) => one.kept)),
    });
    try {
      container.keeper = this.#records.read(spec.containerId).keeper;
      giveSandbox(sandbox, user);
      for (const isolator of this.#isolators) await isolator.isolate(spec.containerId, keeper.pid);
      assertWanted(container);
      await keeper.go();
    } catch (error) {
      keeper.abandon();
      throw error;
    }
    const task = this.#records.read(spec.containerId).task;
    if (task === undefined) throw new ContainerizerError("The keeper did not record its command");
    container.task = task;
    container.phase = "running";
    this.#watchLimits(container);
    keeper.onEnd(() => this.#look(spec.containerId));
    this.#look(spec.containerId);
    return { pid: task.pid };
  }

  /** After a failed launch nothing may be left: neither processes nor records. */
  async #undoLaunch(container: Container): Promise<void> {
    const { containerId, keeper } = container;
    await this.#despiteShortage(async () => {
      if (keeper !== undefined) signalProcess(keeper, "SIGKILL", "group");
      await this.#launcher.kill(containerId);
    });
    container.phase = "ended";
    container.resolve({ exit: { kind: "unknown", message: "The container was never started" } });
    await this.cleanup(containerId);
  }

  #watchLimits(container: Container): void {
    for (const isolator of this.#isolators) {
      const stop = isolator.watch(container.containerId, (limitation) => {
        this.#inBackground(ENDING_AT_LIMIT, this.#endAtLimit(container, limitation));
      });
      container.stopWatching.push(stop);
    }
  }

  /** Why it ends is on disk before it does, as the agent may die in between. */
  async #endAtLimit(container: Container, limitation: Limitation): Promise<void> {
    const { containerId } = container;
    if (container.limitation === undefined) {
      container.limitation = limitation;
      try {
        await this.#despiteShortage(() => this.#records.keepLimitation(containerId, limitation));
      } catch (error) {
        // Perhaps for a full disk, which this very container may have filled.
        const message = "why a container ends at its limit cannot be kept";
        this.#options.log.write("warning", message, { container: containerId, error });
      }
    }
    await this.destroy(containerId);
  }

  /** Makes good for lost file events, and finds keepers that ended without a word. */
  async #lookAtAll(): Promise<void> {
    const slices = new Slices(this.#options.clock);
    for (const { containerId, keeper } of [...this.#containers.values()]) {
      if (!isAlive(keeper)) this.#look(containerId);
      if (slices.isOver) await slices.next();
    }
  }

  /** Has this container ended? What cannot be seen now is seen by a later look at all. */
  #look(containerId: ContainerId): void {
    try {
      this.#lookNow(containerId);
    } catch (error) {
      const message = "a container cannot be looked at";
      this.#options.log.write("warning", message, { container: containerId, error });
    }
  }

  #lookNow(containerId: ContainerId): void {
    const container = this.#containers.get(containerId);
    if (container?.phase !== "running") return;
    let end = this.#records.readEnd(containerId);
    if (end === undefined) {
      if (isAlive(container.keeper)) return;
      // A keeper writes the end first and is gone after: only now is its silence final.
      end = this.#records.readEnd(containerId);
    }
    this.#inBackground("ending a container", this.#finish(container, exitOf(end)));
  }

  /** The command has ended: ends what it left behind, then tells whoever waits. */
  async #finish(container: Container, exit: ContainerResult["exit"]): Promise<void> {
    container.phase = "ending";
    stopWatchingLimits(container);
    const { containerId } = container;
    try {
      await this.#despiteShortage(() => this.#launcher.kill(containerId));
    } catch (error) {
      this.#options.log.write("error", "processes of an ended container remain", {
        container: containerId,
        error,
      });
    }
    container.limitation ??= await this.#despiteShortage(() => this.#limitationOf(containerId));
    container.phase = "ended";
    container.resolve({ exit, limitation: container.limitation });
  }

  /** An isolator may know why a container ended which it did not have to end. */
  #limitationOf(containerId: ContainerId): Limitation | undefined {
    for (const isolator of this.#isolators) {
      const limitation = isolator.limitationOf?.(containerId);
      if (limitation !== undefined) return limitation;
    }
    return undefined;
  }

  /** What isolators have to tell of a container; nothing for most. */
  #toldOf(containerId: ContainerId): Pick<LaunchedContainer, "status"> {
    const status: ContainerStatus = Object.assign(
      {},
      ...this.#isolators.map((isolator) => isolator.statusOf?.(containerId)),
    );
    return Object.keys(status).length === 0 ? {} : { status };
  }

  *#tracked(): Generator<TrackedContainer> {
    for (const { containerId, keeper, task, phase } of this.#containers.values()) {
      const isWatched = phase === "running" || phase === "ending";
      if (phase !== "ended") yield { containerId, keeper, task, isWatched };
    }
  }

  /** Takes back one container after a restart of the agent. */
  async #adopt(
    containerId: ContainerId,
    bootId: string,
  ): Promise<{ readonly container: Container; readonly record: KeeperRecord }> {
    const container = newContainer(containerId, "launching");
    this.#containers.set(containerId, container);
    const record = await this.#settledRecord(containerId, bootId);
    const isThisBoot = record.bootId === bootId;
    container.keeper = isThisBoot ? record.keeper : undefined;
    container.task = isThisBoot ? record.task : undefined;
    container.limitation = this.#records.limitationOf(containerId);
    if (record.end === undefined && container.task !== undefined && isAlive(container.keeper)) {
      container.phase = "running";
      return { container, record };
    }
    if (record.end === undefined && container.keeper !== undefined) {
      // With what it has started so far and is not in the container yet.
      signalProcess(container.keeper, "SIGKILL", "group");
    }
    // While it is `launching`, its session is trusted only as long as the command itself is there.
    await this.#tryEnding(containerId, () => this.#launcher.kill(containerId));
    container.phase = "ended";
    // It may have come further since it was looked at, up to its very end.
    const last = this.#records.read(containerId);
    if (isThisBoot) container.limitation ??= this.#limitationOf(containerId);
    container.resolve({
      exit: last.end === undefined ? lossOf(last, isThisBoot) : exitOf(last.end),
      limitation: container.limitation,
    });
    return { container, record };
  }

  /** A keeper whose agent died in the middle of a launch says within moments how it went on. */
  async #settledRecord(containerId: ContainerId, bootId: string): Promise<KeeperRecord> {
    const { clock } = this.#options;
    const deadlineMs = clock.monotonicMs() + LAUNCH_DEADLINE_MS;
    for (;;) {
      const before = this.#records.read(containerId);
      const isOpen =
        before.end === undefined &&
        before.task === undefined &&
        before.bootId === bootId &&
        isAlive(before.keeper);
      if (!isOpen || clock.monotonicMs() > deadlineMs) {
        // Read anew: the end may have been written between reading it and looking at the keeper.
        return this.#records.read(containerId);
      }
      await pause(clock, ADOPTION_PAUSE_MS);
    }
  }

  /** Ends and removes what carries our mark or has a record, but is not known to the agent. */
  async #destroyOrphans(known: ReadonlySet<ContainerId>, bootId: string): Promise<ContainerId[]> {
    // A process may say of itself that it is in a container of another agent.
    const marked = (await this.#launcher.list()).filter((id) => !this.#records.isOfOther(id));
    const orphans = new Set([...this.#records.list(), ...marked].filter((id) => !known.has(id)));
    await Promise.all([...orphans].map((containerId) => this.#destroyOrphan(containerId, bootId)));
    return [...orphans];
  }

  async #destroyOrphan(containerId: ContainerId, bootId: string): Promise<void> {
    const { container } = await this.#adopt(containerId, bootId);
    await this.#tryEnding(containerId, async () => {
      if (container.phase === "running") await this.destroy(containerId);
      await this.cleanup(containerId);
    });
  }

  /** One that waits for a dead disk ends when that does, and keeps no agent from its start. */
  async #tryEnding(containerId: ContainerId, end: () => Promise<void>): Promise<void> {
    try {
      await end();
    } catch (error) {
      if (!(error instanceof ContainerizerError)) throw error;
      const message = "processes of an ended container remain";
      this.#options.log.write("error", message, { container: containerId, error });
    }
  }

  #find(containerId: ContainerId): Container {
    const container = this.#containers.get(containerId);
    if (container === undefined) throw unknownError(containerId);
    return container;
  }

  #despiteShortage<T>(work: () => T | Promise<T>): Promise<T> {
    return despiteShortage(this.#options.clock, work);
  }

  #inBackground(what: string, work: Promise<void>): void {
    work.catch((error: unknown) => {
      this.#options.log.write("error", `${what} failed`, { error });
    });
  }
}

/** Names one agent on its host: two agents have two work folders. */
export function agentMark(workDir: string): string {
  return createHash("sha256").update(resolve(workDir)).digest("hex").slice(0, 16);
}

function newContainer(containerId: ContainerId, phase: Container["phase"]): Container {
  const { promise, resolve } = Promise.withResolvers<ContainerResult>();
  return {
    containerId,
    result: promise,
    resolve,
    stopWatching: [],
    keeper: undefined,
    task: undefined,
    limitation: undefined,
    launch: Promise.resolve(),
    phase,
    isUnwanted: false,
  };
}

function stopWatchingLimits(container: Container): void {
  for (const stop of container.stopWatching.splice(0)) stop();
}

function isAlive(identity: ProcessIdentity | undefined): boolean {
  if (identity === undefined) return false;
  const stat = readProcessStat(identity.pid);
  return stat !== undefined && stat.startTicks === identity.startTicks && !isDead(stat);
}

function exitOf(end: KeeperEnd | undefined): ContainerResult["exit"] {
  if (end === undefined) {
    return { kind: "unknown", message: "The keeper of the container was killed" };
  }
  if (end.kind !== "aborted") return end;
  return { kind: "unknown", message: "The agent ended before the command was started" };
}

/** Nobody wrote down how it ended. */
function lossOf(record: KeeperRecord, isThisBoot: boolean): ContainerResult["exit"] {
  const hasBegun = record.task !== undefined;
  return { kind: "unknown", message: lossMessage(record, isThisBoot), hasBegun };
}

function lossMessage(record: KeeperRecord, isThisBoot: boolean): string {
  if (record.bootId === undefined) return "The container left no trace on this host";
  return isThisBoot
    ? "The keeper of the container was killed while the agent was away"
    : "The host restarted while the container ran";
}

/** What this containerizer cannot give; saying so beats running the command wrongly. */
function posixRefusal({ container, group }: ContainerSpec): string | undefined {
  if (container?.type === "DOCKER") return "this agent runs no DOCKER containers";
  const [named] = [container, group?.container].flatMap((one) => namedNetworks(one));
  if (named !== undefined) {
    return `this agent joins no networks: leave out network_infos, or the name ${named.name} in it`;
  }
  if (container?.mesos?.image !== undefined) return "this agent provides no container images";
  if ((container?.volumes ?? []).length > 0) return "this agent mounts no volumes";
  return undefined;
}

function checkId(containerId: ContainerId): void {
  if (isContainerName(containerId)) return;
  throw new ContainerizerError(`Container id ${JSON.stringify(containerId)} cannot be a file name`);
}

function assertWanted(container: Container): void {
  if (container.isUnwanted) {
    throw new ContainerizerError(
      `Container ${container.containerId} was destroyed during its launch`,
    );
  }
}

function unknownError(containerId: ContainerId): ContainerizerError {
  return new ContainerizerError(`Container ${containerId} is unknown`);
}
