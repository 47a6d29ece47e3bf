/**
 * One server: a disk, processes under keepers that outlive the agent, and an agent process with the
 * real AgentCore and CommandExecutor that may die at any step, also between its transaction and
 * what should have followed it.
 */
import { AgentCore } from "../../src/agent/core/agent-core.ts";
import type { CheckpointOperation } from "../../src/agent/core/checkpoint-state.ts";
import type { AgentEffect, ContainerLaunch } from "../../src/agent/core/effects.ts";
import type { AgentInput, AgentTimer } from "../../src/agent/core/inputs.ts";
import { streamKey } from "../../src/agent/core/state.ts";
import type { ContainerResult } from "../../src/containerizer/containerizer.ts";
import { CommandExecutor, type CommandExecutorInput } from "../../src/executor/command-executor.ts";
import type { DueProbe, ProbeResult } from "../../src/executor/task-checks.ts";
import { uuidToBase64 } from "../../src/protocol/base64.ts";
import type {
  AgentToMaster,
  MasterToAgent,
  ReportedOperation,
} from "../../src/protocol/link-frames.ts";
import type { Resource } from "../../src/protocol/v1/types.ts";
import { agentOptions } from "../agent/core/agent-harness.ts";
import { MemoryCheckpoint } from "../agent/core/memory-checkpoint.ts";
import { type CpuSort, cpusMilliOf } from "./cpus.ts";
import { Folders } from "./folders.ts";
import type { Judge } from "./judge.ts";
import type { Caller, Masters } from "./masters.ts";
import { volumeKey } from "./operation-judge.ts";
import type { SimLink } from "./sim-link.ts";
import { SimOversubscription } from "./sim-oversubscription.ts";
import type { World } from "./world.ts";

/** A container's first process. */
export interface SimProcess {
  readonly containerId: string;
  readonly frameworkId: string;
  readonly taskId: string;
  readonly cpusMilli: Readonly<Record<CpuSort, number>>;
  readonly ignoresTerm: boolean;
  readonly isCheckpointed: boolean;
  isAlive: boolean;
  /** The master told the whole agent to end. */
  isDisowned: boolean;
  /** What the keeper wrote; undefined after a reboot, when nobody saw the end. */
  result: ContainerResult | undefined;
}

interface Hosted {
  readonly launch: ContainerLaunch;
  readonly executor: CommandExecutor | undefined;
  cancelTimer: () => void;
}

export interface HostOptions {
  readonly name: string;
  readonly ip: string;
  readonly cpus: number;
}

export class SimHost implements Caller {
  readonly name: string;
  readonly ip: string;
  readonly cpusMilli: number;
  disk: MemoryCheckpoint = new MemoryCheckpoint();
  readonly folders: Folders;
  readonly processes: Map<string, SimProcess> = new Map();
  readonly #world: World;
  readonly #judge: Judge;
  readonly #master: Masters;
  readonly #resources: readonly Resource[];
  #bootId: string;
  #core: AgentCore | undefined;
  #hosted = new Map<string, Hosted>();
  #timers = new Map<string, () => void>();
  #inputs: AgentInput[] = [];
  #isWorkDue = false;
  /** Volumes that this process wrote down and makes next. */
  #newVolumes = new Set<string>();
  /** Operations whose end was sent to a master. */
  readonly #told = new Set<string>();
  #link: SimLink | undefined;
  /** Of the master that it is connected to, or was last. */
  epoch = "";
  readonly #oversubscription: SimOversubscription;
  /** Grows with each start, so that what an earlier process left behind finds nobody. */
  #incarnation = 0;

  constructor(world: World, judge: Judge, master: Masters, options: HostOptions) {
    this.name = options.name;
    this.cpusMilli = options.cpus * 1000;
    this.ip = options.ip;
    this.#world = world;
    this.#judge = judge;
    this.#master = master;
    this.folders = new Folders(judge.operations);
    this.#bootId = world.dice.uuid();
    this.#resources = [
      { name: "cpus", type: "SCALAR", scalar: { value: options.cpus } },
      { name: "mem", type: "SCALAR", scalar: { value: options.cpus * 512 } },
      { name: "disk", type: "SCALAR", scalar: { value: options.cpus * 256 } },
    ];
    this.#oversubscription = new SimOversubscription(world, judge.oversubscription, {
      host: this,
      input: (input) => this.#input(input),
    });
    this.start();
  }

  get core(): AgentCore | undefined {
    return this.#core;
  }

  /** Beside what is in use, by the last estimate. */
  get estimate(): readonly Resource[] {
    return this.#oversubscription.estimate;
  }

  get agentId(): string | undefined {
    return this.disk.agentInfo?.id?.value;
  }

  /** The agent process starts and recovers. */
  start(): void {
    if (this.#core !== undefined) return;
    this.#incarnation += 1;
    this.#world.log(`${this.name} agent starts`);
    const base = agentOptions();
    const info = { ...base.info, hostname: this.name, resources: this.#resources };
    this.#core = new AgentCore({
      options: agentOptions({ info }),
      uuid: () => this.#world.dice.uuid(),
    });
    const isForgetting = this.#world.plant === "loseReservation" && this.#world.dice.chance(0.3);
    const loaded = this.disk.load();
    const checkpoint = isForgetting ? { ...loaded, resources: [] } : loaded;
    const known = new Set(checkpoint.executors.map(({ containerId }) => containerId));
    const alive = new Set<string>();
    const terminations = new Map<string, ContainerResult>();
    for (const process of this.processes.values()) {
      if (!known.has(process.containerId)) this.#kill(process, undefined);
      else if (process.isAlive) alive.add(process.containerId);
      else if (process.result !== undefined) terminations.set(process.containerId, process.result);
    }
    this.#input({ kind: "recovered", checkpoint, bootId: this.#bootId, alive, terminations });
    this.#oversubscription.start();
    this.#connectLater();
  }

  /** The agent process dies now; processes under keepers live on. */
  crash(): void {
    if (this.#core === undefined) return;
    this.#world.log(`${this.name} agent dies`);
    this.#incarnation += 1;
    this.#core = undefined;
    for (const hosted of this.#hosted.values()) hosted.cancelTimer();
    for (const cancel of this.#timers.values()) cancel();
    this.#hosted = new Map();
    this.#timers = new Map();
    this.#inputs = [];
    this.#newVolumes = new Set();
    this.#link?.dropAgent();
    this.#link = undefined;
    this.#world.time.after(this.#world.dice.below(20_000), () => this.start());
  }

  /** The whole server goes down: no process survives, and nobody writes how it ended. */
  reboot(): void {
    this.#world.log(`${this.name} reboots`);
    this.#bootId = this.#world.dice.uuid();
    for (const process of this.processes.values()) this.#kill(process, undefined);
    this.crash();
  }

  /** Somebody installs the server anew, since its agent may never come back. */
  #wipe(): void {
    this.#judge.operations.wiped(this.agentId ?? "");
    this.reboot();
    this.disk = new MemoryCheckpoint();
    this.folders.wipe();
    this.processes.clear();
  }

  /** Connection cut, seen by each end in its own time. */
  cutLink(): void {
    this.#link?.break();
  }

  /** Gives its link up for one to the master that leads now, as the agent's end does. */
  leaderChanged(): void {
    this.#link?.break();
  }

  /** One of the running processes ends by itself. */
  endSomeProcess(): void {
    const { dice } = this.#world;
    const process = dice.pick([...this.processes.values()].filter(({ isAlive }) => isAlive));
    if (process === undefined) return;
    const code = dice.chance(0.5) ? 0 : dice.below(256);
    this.#end(process, { exit: { kind: "exited", code } });
  }

  /** Of the processes that the master counts, and whose framework counts. */
  aliveCpusMilli(sort: CpuSort, isCounted: (frameworkId: string) => boolean): number {
    let sum = 0;
    for (const { isAlive, isDisowned, frameworkId, cpusMilli } of this.processes.values()) {
      if (isAlive && !isDisowned && isCounted(frameworkId)) sum += cpusMilli[sort];
    }
    return sum;
  }

  #input(input: AgentInput): void {
    this.#inputs.push(input);
    if (this.#isWorkDue) return;
    this.#isWorkDue = true;
    const incarnation = this.#incarnation;
    this.#world.time.after(this.#world.dice.below(3), () => {
      this.#isWorkDue = false;
      if (this.#incarnation === incarnation) this.#work();
      else if (this.#inputs.length > 0) this.#input(this.#inputs.shift() as AgentInput);
    });
  }

  /** One batch: all steps, one transaction, then the other effects, as the runtime does it. */
  #work(): void {
    const core = this.#core;
    if (core === undefined) return;
    const batch = this.#inputs.splice(0, 1 + this.#world.dice.below(8));
    const effects: AgentEffect[] = [];
    for (const input of batch) {
      if (input.kind === "masterMessage" && input.message.kind === "shutdown") this.#disown();
      this.#oversubscription.hears(input);
      effects.push(...core.step(input, this.#world.time.nowMs));
      effects.push(...this.#plantedAcknowledgement(core, input));
      core.assertInvariants();
    }
    if (this.#world.isFault(0.002)) {
      this.crash();
      return;
    }
    this.#commit(
      effects.flatMap((effect) => (effect.kind === "checkpoint" ? [effect.operation] : [])),
    );
    this.#oversubscription.committed();
    for (const effect of effects) {
      if (this.#core !== core) return;
      if (effect.kind !== "checkpoint") this.#carryOut(effect);
      if (this.#world.isFault(0.001)) {
        this.crash();
        return;
      }
    }
    this.#oversubscription.worked();
    if (this.#inputs.length > 0) {
      const next = this.#inputs.shift();
      if (next !== undefined) {
        this.#inputs.unshift(next);
        this.#isWorkDue = true;
        const incarnation = this.#incarnation;
        this.#world.time.after(1, () => {
          this.#isWorkDue = false;
          if (this.#incarnation === incarnation) this.#work();
        });
      }
    }
  }

  /** The master wants nothing of what runs here any more; it counts it as ended already. */
  #disown(): void {
    for (const process of this.processes.values()) process.isDisowned = true;
    this.#judge.disowned(this.disk);
  }

  #commit(operations: readonly CheckpointOperation[]): void {
    for (const operation of operations) {
      const isLost = this.#world.plant === "skipCheckpoint" && this.#world.dice.chance(0.03);
      if (isLost) continue;
      this.#judge.checkpointed(this.disk, operation);
      const agentId = this.agentId ?? "";
      this.#judge.operations.checkpointed(agentId, this.disk.resources, operation);
      if (operation.kind === "putOperation") this.#noteCreated(operation.operation);
      this.disk.apply([this.#plantedForgetting(operation)]);
    }
  }

  /** The planted fault: why a container is to end is not on disk. */
  #plantedForgetting(operation: CheckpointOperation): CheckpointOperation {
    if (this.#world.plant !== "forgetCorrection" || operation.kind !== "putExecutor") {
      return operation;
    }
    return { ...operation, executor: { ...operation.executor, pendingEnd: undefined } };
  }

  #noteCreated({ operation, status }: ReportedOperation): void {
    if (status.state !== "OPERATION_FINISHED") return;
    for (const volume of operation.info.create?.volumes ?? []) {
      this.#newVolumes.add(volumeKey(volume));
    }
  }

  /** What a volume of that name held before is nobody's business. */
  #createFolder(volume: Resource): void {
    const isNew = this.#newVolumes.delete(volumeKey(volume));
    this.#world.check(
      !isNew || !this.folders.has(volume),
      () => `${this.name} makes ${volumeKey(volume)} of an old folder`,
    );
    this.folders.create(volume);
  }

  /** The planted fault: an acknowledgement also takes away the update behind the head. */
  #plantedAcknowledgement(core: AgentCore, input: AgentInput): AgentEffect[] {
    if (this.#world.plant !== "acknowledgeTwice" || input.kind !== "masterMessage") return [];
    const { message } = input;
    if (message.kind !== "command" || message.command.kind !== "acknowledgeUpdate") return [];
    const { frameworkId, taskId } = message.command;
    const [next] = core.state.streams.get(streamKey(frameworkId, taskId))?.pending ?? [];
    const uuid = next?.status.uuid;
    if (uuid === undefined || core.state.lastCommand !== message.number) return [];
    core.state.lastCommand -= 1;
    const again = { ...message, command: { ...message.command, uuid } };
    return core.step({ kind: "masterMessage", message: again }, this.#world.time.nowMs);
  }

  #carryOut(effect: AgentEffect): void {
    switch (effect.kind) {
      case "send":
        this.#send(effect.message);
        break;
      case "reconnect":
        this.#link?.break();
        break;
      case "launchContainer":
        this.#launch(effect.launch);
        break;
      case "adoptContainer":
        this.#host(effect.launch);
        this.#input({
          kind: "containerLaunched",
          containerId: effect.launch.containerId,
          pid: 7,
        });
        this.#drive(effect.launch.containerId, {
          kind: "adopted",
          pid: 7,
          isRunningReported: effect.isRunningReported,
          kill: effect.kill,
          launchedAtMs: undefined,
          checked: effect.checked,
        });
        this.#tellIfOver(effect.launch.containerId);
        break;
      case "destroyContainer":
        this.#destroy(effect.containerId);
        break;
      case "cleanupContainer":
        this.processes.delete(effect.containerId);
        break;
      case "executorEvent": {
        for (const [containerId, { launch }] of this.#hosted) {
          const isIt =
            launch.executorId === effect.executorId && launch.frameworkId === effect.frameworkId;
          if (isIt) this.#drive(containerId, { kind: "event", event: effect.event });
        }
        break;
      }
      case "setTimer":
        this.#setTimer(effect.timer, effect.atMs);
        break;
      case "cancelTimer":
        this.#timers.get(JSON.stringify(effect.timer))?.();
        this.#timers.delete(JSON.stringify(effect.timer));
        break;
      case "createVolume":
        this.#createFolder(effect.volume);
        break;
      case "removeVolume":
        this.folders.remove(this.agentId ?? "", effect.volume);
        break;
      case "exit":
        this.#world.log(`${this.name} agent ends: ${effect.reason}`);
        if (effect.reason.includes("marked gone")) this.#wipe();
        else this.crash();
        break;
      default:
        break;
    }
  }

  #destroy(containerId: string): void {
    const process = this.processes.get(containerId);
    if (process?.isAlive !== true) return;
    const isPreempted = this.#oversubscription.isPreempted(containerId);
    // The planted fault: what is to give way runs on.
    if (isPreempted && this.#world.plant === "overlookCorrection") return;
    this.#end(process, { exit: { kind: "signaled", signal: 9 } });
    // Frameworks that do not checkpoint are told nothing once the agent dies.
    if (!isPreempted || !process.isCheckpointed) return;
    this.#judge.oversubscription.preempted(`${process.frameworkId}/${process.taskId}`);
    if (this.#world.isFault(0.1)) this.crash();
  }

  #send(message: AgentToMaster): void {
    const isWithheld = !this.#oversubscription.says(message) || this.#isWithheld(message);
    if (!isWithheld) this.#link?.toMaster(message);
  }

  /** The planted fault: what became of an operation is told only once. */
  #isWithheld(message: AgentToMaster): boolean {
    if (this.#world.plant !== "tellOnce" || message.kind !== "operationStatus") return false;
    const { uuid } = message.operation;
    const isKnown = this.#told.has(uuid);
    this.#told.add(uuid);
    return isKnown;
  }

  #setTimer(timer: AgentTimer, atMs: number): void {
    const key = JSON.stringify(timer);
    this.#timers.get(key)?.();
    const cancel = this.#world.time.after(atMs - this.#world.time.nowMs, () => {
      this.#timers.delete(key);
      this.#input({ kind: "timer", timer });
    });
    this.#timers.set(key, cancel);
  }

  #launch(launch: ContainerLaunch): void {
    this.#host(launch);
    const { dice, time } = this.#world;
    const incarnation = this.#incarnation;
    time.after(dice.delayMs(), () => {
      // A keeper that never got the word to go never runs its command.
      if (this.#incarnation !== incarnation) return;
      const { containerId } = launch;
      if (this.#world.isFault(0.01)) {
        this.#hosted.delete(containerId);
        this.#input({ kind: "containerLaunchFailed", containerId, message: "no space left" });
        return;
      }
      this.#startProcess(launch);
      if (this.#world.isFault(0.01)) {
        this.crash();
        return;
      }
      this.#input({ kind: "containerLaunched", containerId, pid: 7 });
      this.#drive(containerId, { kind: "launched", pid: 7 });
    });
  }

  #startProcess(launch: ContainerLaunch): void {
    const { containerId, frameworkId, executorId } = launch;
    const resources = launch.commandTask?.resources ?? [];
    const process: SimProcess = {
      containerId,
      frameworkId,
      taskId: launch.commandTask?.task_id.value ?? executorId,
      cpusMilli: {
        plain: cpusMilliOf(resources, "plain"),
        revocable: cpusMilliOf(resources, "revocable"),
      },
      ignoresTerm: this.#world.dice.chance(0.2),
      isCheckpointed: launch.framework.checkpoint === true,
      isAlive: true,
      isDisowned: false,
      result: undefined,
    };
    this.processes.set(containerId, process);
    this.#world.log(`${this.name} starts ${frameworkId}/${executorId}`);
    this.#judge.started(this, process);
  }

  #host(launch: ContainerLaunch): void {
    const executor =
      launch.commandTask &&
      new CommandExecutor({
        framework: launch.framework,
        executor: { ...launch.executor, executor_id: { value: launch.executorId } },
        frameworkId: launch.frameworkId,
        task: launch.commandTask,
        executorShutdownGraceMs: 5000,
        newUuid: () => uuidToBase64(this.#world.dice.uuid()) ?? "",
      });
    this.#hosted.set(launch.containerId, { launch, executor, cancelTimer: () => undefined });
  }

  #drive(containerId: string, input: CommandExecutorInput): void {
    const hosted = this.#hosted.get(containerId);
    if (hosted?.executor === undefined) return;
    for (const effect of hosted.executor.step(input, this.#world.time.nowMs)) {
      if (effect.kind === "call") {
        this.#input({ kind: "executorCall", requestId: 0, call: effect.call });
      } else if (effect.kind === "signal") {
        this.#signal(containerId, effect.signal);
      } else if (effect.kind === "requestKill") {
        const { frameworkId, commandTask } = hosted.launch;
        const taskId = commandTask?.task_id.value ?? "";
        this.#input({ kind: "killRequested", frameworkId, taskId });
      } else if (effect.kind === "probe") {
        this.#probe(containerId, effect.due);
      } else {
        hosted.cancelTimer();
        if (effect.kind === "cancelTimer") continue;
        hosted.cancelTimer = this.#world.time.after(effect.atMs - this.#world.time.nowMs, () =>
          this.#drive(containerId, { kind: "timer" }),
        );
      }
    }
  }

  /** A result comes in its time, unless the agent or the task is gone by then; peace has no news. */
  #probe(containerId: string, { which }: DueProbe): void {
    const { dice, time, areFaultsOn } = this.#world;
    const incarnation = this.#incarnation;
    time.after(dice.delayMs(), () => {
      if (this.#incarnation !== incarnation) return;
      const code = areFaultsOn && dice.chance(0.3) ? 1 : 0;
      const isLate = areFaultsOn && dice.chance(0.1);
      const result: ProbeResult = isLate
        ? { kind: "failed", message: "timed out" }
        : { kind: "exited", code };
      this.#drive(containerId, { kind: "probed", which, result });
    });
  }

  #signal(containerId: string, signal: "SIGTERM" | "SIGKILL"): void {
    const process = this.processes.get(containerId);
    if (process === undefined || !process.isAlive) return;
    if (signal === "SIGTERM" && process.ignoresTerm) return;
    const number = signal === "SIGTERM" ? 15 : 9;
    this.#world.time.after(this.#world.dice.below(50), () => {
      if (process.isAlive) this.#end(process, { exit: { kind: "signaled", signal: number } });
    });
  }

  #kill(process: SimProcess, result: ContainerResult | undefined): void {
    if (!process.isAlive) return;
    process.isAlive = false;
    process.result = result;
    this.#world.log(`${this.name} ended ${process.frameworkId}/${process.taskId}`);
  }

  /** A process ends and its keeper writes how; the agent, if there is one, sees it. */
  #end(process: SimProcess, result: ContainerResult): void {
    this.#kill(process, result);
    this.#tellIfOver(process.containerId);
  }

  #tellIfOver(containerId: string): void {
    const incarnation = this.#incarnation;
    this.#world.time.after(this.#world.dice.below(20), () => {
      const process = this.processes.get(containerId);
      if (this.#incarnation !== incarnation || process === undefined || process.isAlive) return;
      const hosted = this.#hosted.get(containerId);
      if (hosted === undefined) return;
      const termination = process.result ?? {
        exit: { kind: "unknown" as const, message: "nobody saw the end" },
      };
      this.#drive(containerId, { kind: "exited", result: termination });
      hosted.cancelTimer();
      this.#hosted.delete(containerId);
      this.#input({
        kind: "containerTerminated",
        containerId: hosted.launch.containerId,
        termination,
      });
    });
  }

  #connectLater(): void {
    const incarnation = this.#incarnation;
    this.#world.time.after(100 + this.#world.dice.below(3000), () => {
      if (this.#incarnation === incarnation) this.#connect();
    });
  }

  #connect(): void {
    const incarnation = this.#incarnation;
    const link = this.#master.openLink(this, {
      receive: (message: MasterToAgent) => {
        if (this.#incarnation !== incarnation) return;
        // The planted fault: words of an epoch that is over are listened to.
        if (this.#link !== link && this.#world.plant !== "hearDeposed") return;
        this.#judge.heard(this, link?.epoch);
        this.#input({ kind: "masterMessage", message });
      },
      closed: () => {
        if (this.#incarnation !== incarnation || this.#link !== link) return;
        this.#link = undefined;
        this.#input({ kind: "linkDown" });
        this.#connectLater();
      },
    });
    if (link === undefined) {
      this.#connectLater();
      return;
    }
    this.#link = link;
    this.epoch = link.epoch;
    this.#input({ kind: "linkUp", epoch: link.epoch });
  }
}
