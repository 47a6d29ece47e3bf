/**
 * A scheduler that acts at random: subscribes, takes and declines offers, kills, reconciles, goes
 * quiet, breaks off and comes back. Remembers what it was told, as a real one would on its disk.
 */

import { isTerminalState } from "../../src/agent/core/inputs.ts";
import { must } from "../../src/base/assert.ts";
import type { StreamId } from "../../src/base/ids.ts";
import type {
  FrameworkInfo,
  FrameworkInfoCapability,
  InverseOffer,
  Offer,
  OfferOperation,
  OperationStatus,
  Resource,
  SchedulerCall,
  SchedulerEvent,
  TaskInfo,
  TaskState,
  TaskStatus,
} from "../../src/protocol/v1/types.ts";
import type { CpuSort } from "./cpus.ts";
import type { Judge } from "./judge.ts";
import type { Masters } from "./masters.ts";
import { isVolume } from "./operation-judge.ts";
import { randomOperations } from "./random-operations.ts";
import type { World } from "./world.ts";

export interface KnownTask {
  readonly taskId: string;
  readonly agentId: string;
  /** What it was last told; STAGING from the launch on. */
  status: TaskStatus | undefined;
  isKilled: boolean;
  /** Ids of all tasks of its group; none without one. */
  group: readonly string[];
  /** It, or its executor with it, asks for what nobody may ask for together. */
  isMixed: boolean;
}

interface Habits {
  readonly isPartitionAware: boolean;
  readonly isCheckpointing: boolean;
  readonly failoverTimeoutMs: number;
  /** Never acknowledges while faults are on. */
  readonly isSilent: boolean;
  /** It leaves the second one and comes back to it, the first it always has. */
  readonly roles: readonly string[];
  /** Makes volumes that several tasks may use. */
  readonly isSharing: boolean;
  /** Takes what may be taken back at any time, except while it has thought better of it. */
  readonly isBearing: boolean;
}

/** What only tasks are that were launched. */
const LAUNCHED: ReadonlySet<TaskState | undefined> = new Set([
  "TASK_STARTING",
  "TASK_RUNNING",
  "TASK_FINISHED",
  "TASK_FAILED",
  "TASK_KILLED",
]);

/** What an executor of groups has itself. */
const EXECUTOR_CPUS = 0.01;

const ROLES = ["*", "web", "web/db", "batch"];

export class SimFramework {
  readonly name: string;
  readonly habits: Habits;
  readonly tasks: Map<string, KnownTask> = new Map();
  frameworkId: string | undefined;
  /** The master removed it, or it tore itself down. */
  isOver = false;
  offersSeen = 0;
  readonly #world: World;
  readonly #judge: Judge;
  readonly #master: Masters;
  #streamId: StreamId | undefined;
  #connection = 0;
  #isSubscribed = false;
  /** Of its roles, those it subscribes to now. */
  #roleCount = 2;
  #isBearingNow = true;
  #nextTask = 0;
  #nextOperation = 0;
  #nextVolume = 0;
  /** Ids of all operations it asked for. */
  readonly #operations = new Set<string>();

  constructor(world: World, judge: Judge, master: Masters, name: string) {
    const { dice } = world;
    this.name = name;
    this.#world = world;
    this.#judge = judge;
    this.#master = master;
    this.habits = {
      isPartitionAware: dice.chance(0.6),
      isCheckpointing: dice.chance(0.8),
      failoverTimeoutMs: dice.pick([0, 60_000, 600_000, 1e9]) ?? 0,
      isSilent: dice.chance(0.1),
      roles: [...new Set([dice.pick(ROLES) ?? "*", dice.pick(ROLES) ?? "*"])].slice(
        0,
        dice.chance(0.3) ? 2 : 1,
      ),
      isSharing: dice.chance(0.3),
      isBearing: dice.chance(0.6),
    };
    world.log(`${name} ${JSON.stringify(this.habits)}`);
    this.#connectLater(dice.below(2000));
  }

  get isSubscribed(): boolean {
    return this.#isSubscribed;
  }

  /** Something a scheduler does by itself now and then. */
  act(): void {
    const { dice } = this.#world;
    if (!this.#isSubscribed || this.isOver) return;
    const choice = dice.next();
    if (choice < 0.3) this.#killSome();
    else if (choice < 0.45) this.reconcile(dice.chance(0.5));
    else if (choice < 0.55) this.#suppress();
    else if (choice < 0.6) this.#changeItself();
    else if (choice < 0.75) this.revive();
    else if (choice < 0.95) this.breakOff();
    else if (this.#world.areFaultsOn) this.#tearDown();
  }

  revive(): void {
    const frameworkId = this.frameworkId ?? "";
    this.#call({ type: "REVIVE", revive: { roles: [] } }, () => {
      this.#judge.filtersCleared(frameworkId);
      this.#judge.revived(frameworkId);
    });
  }

  /** Asks for the state of all tasks it believes alive. */
  reconcile(isExplicit: boolean): void {
    const tasks = [...this.tasks.values()]
      .filter((task) => !isOver(task))
      .map(({ taskId, agentId }) => ({ task_id: { value: taskId }, agent_id: { value: agentId } }));
    this.#call({ type: "RECONCILE", reconcile: isExplicit ? { tasks } : {} });
  }

  /** Asks for the state of all operations whose end it does not know. */
  reconcileOperations(): void {
    const operations = this.#judge.operations.open(this.#operations).map((open) => ({
      operation_id: { value: open.operationId },
      agent_id: { value: open.agentId },
    }));
    if (operations.length === 0) return;
    this.#call({ type: "RECONCILE_OPERATIONS", reconcile_operations: { operations } });
  }

  /** Operations on these agents whose end it was never told. */
  openOperations(agentIds: ReadonlySet<string | undefined>): readonly string[] {
    return this.#judge.operations
      .open(this.#operations)
      .filter(({ agentId }) => agentIds.has(agentId))
      .map(({ operationId }) => operationId);
  }

  /** The connection breaks; master and scheduler notice each in their own time. */
  breakOff(): void {
    const streamId = this.#streamId;
    if (streamId === undefined) return;
    this.#world.log(`${this.name} breaks off`);
    this.#streamId = undefined;
    this.#isSubscribed = false;
    this.#connection += 1;
    const { dice, time } = this.#world;
    const frameworkId = this.frameworkId ?? "";
    time.after(dice.delayMs(), () => {
      this.#judge.filtersCleared(frameworkId);
      this.#master.streamClosed(streamId);
    });
    this.#connectLater(dice.chance(0.2) ? dice.below(120_000) : dice.below(5000));
  }

  #connectLater(delayMs: number): void {
    const connection = this.#connection;
    this.#world.time.after(delayMs, () => {
      if (this.#connection === connection && !this.isOver) this.#connect();
    });
  }

  #connect(): void {
    this.#connection += 1;
    const connection = this.#connection;
    const info = this.#info();
    const streamId = this.#master.subscribe(
      this.name,
      { framework_info: info },
      {
        event: (event) => {
          if (this.#connection === connection) this.#event(event);
        },
        closed: () => {
          if (this.#connection !== connection) return;
          this.#isSubscribed = false;
          this.#streamId = undefined;
          this.#connectLater(this.#world.dice.below(3000));
        },
      },
    );
    this.#streamId = streamId;
    if (streamId === undefined) this.#connectLater(500 + this.#world.dice.below(3000));
  }

  #info(): FrameworkInfo {
    const capabilities: FrameworkInfoCapability[] = [{ type: "MULTI_ROLE" }];
    if (this.habits.isSharing) capabilities.push({ type: "SHARED_RESOURCES" });
    if (this.habits.isBearing && this.#isBearingNow) {
      capabilities.push({ type: "REVOCABLE_RESOURCES" });
    }
    if (this.habits.isPartitionAware) capabilities.push({ type: "PARTITION_AWARE" });
    return {
      user: "root",
      name: this.name,
      ...(this.frameworkId === undefined ? {} : { id: { value: this.frameworkId } }),
      roles: this.habits.roles.slice(0, this.#roleCount),
      checkpoint: this.habits.isCheckpointing,
      failover_timeout: this.habits.failoverTimeoutMs / 1000,
      capabilities,
    };
  }

  #event(event: SchedulerEvent): void {
    switch (event.type) {
      case "SUBSCRIBED":
        this.frameworkId = event.subscribed?.framework_id.value;
        this.#isSubscribed = true;
        this.#world.log(`${this.name} is ${this.frameworkId}`);
        break;
      case "OFFERS":
        for (const offer of event.offers?.offers ?? []) this.#answer(offer);
        break;
      case "UPDATE":
        if (event.update !== undefined) this.#update(event.update.status);
        break;
      case "UPDATE_OPERATION_STATUS":
        if (event.update_operation_status !== undefined) {
          this.#operationStatus(event.update_operation_status.status);
        }
        break;
      case "INVERSE_OFFERS":
        this.#answerInverse(event.inverse_offers?.inverse_offers ?? []);
        break;
      case "ERROR":
        this.#world.log(`${this.name} error ${event.error?.message}`);
        if (event.error?.message === "Framework has been removed") {
          this.isOver = true;
          this.#judge.markRemoved(this.frameworkId ?? "");
        }
        break;
      default:
        break;
    }
  }

  #answer(offer: Offer): void {
    const { dice } = this.#world;
    this.offersSeen += 1;
    const isWanted = this.#world.areFaultsOn && dice.chance(0.5);
    const plain = cpusOf(offer, false);
    const revocable = cpusOf(offer, true);
    this.#world.check(
      this.habits.isBearing || revocable === 0,
      () => `${this.name} is offered revocable resources, of which it knows nothing`,
    );
    if (!isWanted || Math.max(plain, revocable) < 0.1) {
      const refuse_seconds = dice.pick([0, 1, 5, 60, 600]) ?? 5;
      const decline = { offer_ids: [offer.id], filters: { refuse_seconds } };
      this.#callOnce({ type: "DECLINE", decline }, (before) => {
        // A decline of an offer that was withdrawn meanwhile leaves no filter.
        if (before.has(offer.id.value)) this.#judge.declined(offer, refuse_seconds * 1000);
      });
      return;
    }
    if (roleOf(offer) !== "*" && dice.chance(0.25)) {
      this.#convert(offer);
      return;
    }
    this.#launch(offer, plain, revocable);
  }

  /** One task or two, each for itself or as a group, for which all cpus are of one sort. */
  #launch(offer: Offer, plain: number, revocable: number): void {
    const { dice } = this.#world;
    const isGroup = dice.chance(0.2);
    const pickSort = (): CpuSort =>
      revocable >= 0.1 && (plain < 0.1 || dice.chance(0.6)) ? "revocable" : "plain";
    const groupSort = pickSort();
    const count = 1 + dice.below(2);
    const tasks = Array.from({ length: count }, () => {
      const sort = isGroup ? groupSort : pickSort();
      // Of what may be taken back all is used now and then; a group leaves some for its executor.
      const most = isGroup ? revocable - EXECUTOR_CPUS : revocable;
      const share = sort === "plain" ? plain / 2 : most * (dice.pick([0.5, 1]) ?? 1);
      return this.#makeTask(offer, share / count, { sort, isGroup });
    });
    // Now and then what nobody may ask for.
    const isMixed = this.#world.isFault(0.03);
    for (const { task_id } of tasks) {
      must(this.tasks.get(task_id.value), "a task just made").isMixed = isMixed;
    }
    const executorSort = isMixed ? otherSort(groupSort) : groupSort;
    const operations = [
      isGroup ? this.#groupOf(tasks, executorSort) : launchOf(isMixed ? tasks.map(mixed) : tasks),
    ];
    this.#callOnce({ type: "ACCEPT", accept: { offer_ids: [offer.id], operations } });
  }

  /** The tasks under one of a few executors, which may run already. */
  #groupOf(tasks: readonly TaskInfo[], sort: CpuSort): OfferOperation {
    const { dice } = this.#world;
    const resources = [
      cpusOfSort(EXECUTOR_CPUS, sort),
      { name: "mem", type: "SCALAR", scalar: { value: 32 } },
      { name: "disk", type: "SCALAR", scalar: { value: 1 } },
    ] as const;
    const executor_id = { value: `${this.name}-${sort}${dice.below(2)}` };
    const group = tasks.map(({ task_id }) => task_id.value);
    for (const taskId of group) must(this.tasks.get(taskId), "a task just made").group = group;
    const executor = { type: "DEFAULT", executor_id, resources } as const;
    return { type: "LAUNCH_GROUP", launch_group: { executor, task_group: { tasks } } };
  }

  /** Operations on the offer's resources, now and then with a task behind them. */
  #convert(offer: Offer): void {
    const { dice } = this.#world;
    const maker = {
      dice,
      role: roleOf(offer),
      mayShare: this.habits.isSharing,
      volumeId: () =>
        `v${dice.chance(0.2) ? dice.below(this.#nextVolume + 1) : this.#nextVolume++}`,
    };
    const operations: OfferOperation[] = randomOperations(maker, offer).map((operation) => {
      const id = `${this.name}-o${this.#nextOperation++}`;
      const named = { ...operation, id: { value: id } };
      this.#operations.add(id);
      this.#judge.operations.asked(offer.agent_id.value, named);
      return named;
    });
    if (operations.length === 0 || dice.chance(0.3)) {
      const tasks = [this.#makeTask(offer, 0.1, { sort: "plain", isGroup: false })];
      operations.push({ type: "LAUNCH", launch: { task_infos: tasks } });
    }
    this.#callOnce({ type: "ACCEPT", accept: { offer_ids: [offer.id], operations } });
  }

  #operationStatus(status: OperationStatus): void {
    const { uuid, agent_id, operation_id } = status;
    this.#judge.operations.told(status);
    if (uuid === undefined || agent_id === undefined || operation_id === undefined) return;
    if (this.#world.isFault(0.05)) return;
    this.#call({
      type: "ACKNOWLEDGE_OPERATION_STATUS",
      acknowledge_operation_status: { agent_id, operation_id, uuid: uuid.value },
    });
  }

  /** Agrees to be without an agent for a while, or not. */
  #answerInverse(offers: readonly InverseOffer[]): void {
    const { dice } = this.#world;
    for (const { id } of offers) {
      const filters = { refuse_seconds: dice.pick([0, 5, 60]) ?? 5 };
      const answer = { inverse_offer_ids: [id], filters };
      this.#call(
        dice.chance(0.5)
          ? { type: "ACCEPT_INVERSE_OFFERS", accept_inverse_offers: answer }
          : { type: "DECLINE_INVERSE_OFFERS", decline_inverse_offers: answer },
      );
    }
  }

  #makeTask(
    offer: Offer,
    cpus: number,
    { sort, isGroup }: { readonly sort: CpuSort; readonly isGroup: boolean },
  ): TaskInfo {
    const taskId = `${this.name}-t${this.#nextTask++}`;
    const agentId = offer.agent_id.value;
    this.tasks.set(taskId, {
      taskId,
      agentId,
      status: undefined,
      isKilled: false,
      group: [],
      isMixed: false,
    });
    const allocation_info = { role: roleOf(offer) };
    return {
      name: taskId,
      task_id: { value: taskId },
      agent_id: { value: agentId },
      command: { value: "sleep 1000", shell: true },
      ...this.#someChecks(),
      resources: [
        {
          ...cpusOfSort(Math.max(0.01, Math.floor(cpus * 1000) / 1000), sort),
          allocation_info,
        },
        ...this.#someMemory(offer, isGroup),
        ...this.#someVolume(offer),
      ],
    };
  }

  /** Checks that go right and wrong in turns, now and then. */
  #someChecks(): Pick<TaskInfo, "check" | "health_check"> {
    const { dice } = this.#world;
    const times = { delay_seconds: dice.below(10), interval_seconds: 1 + dice.below(60) };
    const command = { value: "true" };
    const bounds = {
      consecutive_failures: 1 + dice.below(5),
      grace_period_seconds: dice.below(20),
    };
    return {
      ...(dice.chance(0.1) && { check: { type: "COMMAND", command: { command }, ...times } }),
      ...(dice.chance(0.1) && { health_check: { type: "COMMAND", command, ...times, ...bounds } }),
    };
  }

  /** Too little to be missed, of either sort whatever that of the cpus; a group's is its executor's. */
  #someMemory(offer: Offer, isGroup: boolean): Resource[] {
    const { dice } = this.#world;
    const isRevocable = dice.chance(0.5) && !isGroup;
    const present = (offer.resources ?? []).find(
      ({ name, revocable, reservation }) =>
        name === "mem" && (revocable !== undefined) === isRevocable && reservation === undefined,
    );
    if (present === undefined || (present.scalar?.value ?? 0) < 64 || dice.chance(0.5)) return [];
    return [{ ...present, scalar: { value: 1 } }];
  }

  /** A volume of the offer for a task to use, now and then. */
  #someVolume(offer: Offer): Resource[] {
    const { dice } = this.#world;
    const volume = dice.chance(0.5)
      ? dice.pick((offer.resources ?? []).filter(isVolume))
      : undefined;
    return volume === undefined ? [] : [volume];
  }

  #update(status: TaskStatus): void {
    const taskId = status.task_id.value;
    const task = this.tasks.get(taskId);
    const { uuid, agent_id } = status;
    if (uuid !== undefined) this.#judge.delivered(uuid);
    this.#judge.oversubscription.told(`${this.frameworkId}/${taskId}`, status);
    if (task !== undefined) {
      const isFinal = task.status?.uuid !== undefined && isTerminalState(task.status.state);
      this.#world.check(
        !isFinal || uuid === undefined || isTerminalState(status.state),
        () => `${taskId} is ${status.state} after it was ${task.status?.state}`,
      );
      this.#world.check(
        !task.isMixed || !LAUNCHED.has(status.state),
        () => `${taskId} is ${status.state}, which nobody may launch`,
      );
      if (!isFinal) task.status = status;
    }
    const isAcknowledging = !this.habits.isSilent || !this.#world.areFaultsOn;
    if (uuid === undefined || agent_id === undefined || !isAcknowledging) return;
    if (this.#world.isFault(0.05)) return;
    this.#judge.acknowledged(uuid);
    const acknowledge = { agent_id, task_id: status.task_id, uuid };
    this.#call({ type: "ACKNOWLEDGE", acknowledge });
  }

  #killSome(): void {
    const alive = [...this.tasks.values()].filter((task) => !isOver(task));
    const task = this.#world.dice.pick(alive);
    if (task === undefined) return;
    task.isKilled = true;
    this.#call({ type: "KILL", kill: { task_id: { value: task.taskId } } });
  }

  /** All of its roles, or the one that it always has. */
  #suppress(): void {
    const frameworkId = this.frameworkId ?? "";
    const roles = this.#world.dice.chance(0.5) ? [] : this.habits.roles.slice(0, 1);
    this.#call({ type: "SUPPRESS", suppress: { roles } }, () => {
      const all = this.#master.rolesOf(frameworkId);
      this.#judge.suppressed(frameworkId, roles.length === 0 ? all : roles);
    });
  }

  /** Leaves its second role or comes back to it, and the same with what may be taken back. */
  #changeItself(): void {
    const frameworkId = this.frameworkId ?? "";
    if (this.#world.dice.chance(0.5)) this.#roleCount = this.#roleCount === 2 ? 1 : 2;
    else this.#isBearingNow = !this.#isBearingNow;
    const update_framework = { framework_info: this.#info() };
    this.#callOnce({ type: "UPDATE_FRAMEWORK", update_framework }, () => {
      this.#judge.filtersCleared(frameworkId);
      this.#judge.revived(frameworkId);
    });
  }

  #tearDown(): void {
    this.#world.log(`${this.name} tears down`);
    this.#judge.markRemoved(this.frameworkId ?? "");
    this.isOver = true;
    this.#callOnce({ type: "TEARDOWN" });
  }

  /** May be lost on the way, or arrive twice. */
  #call(call: SchedulerCall, done?: () => void): void {
    this.#callOnce(call, done);
    if (this.#world.isFault(0.05)) this.#callOnce(call, done);
  }

  /** Begins anew rather than leave what it was offered to nobody. */
  #callFailed({ type }: SchedulerCall, streamId: StreamId): void {
    if (type !== "ACCEPT" && type !== "DECLINE") return;
    this.#world.time.after(this.#world.dice.below(5000), () => {
      if (this.#streamId === streamId) this.breakOff();
    });
  }

  /** May be lost on the way; `done` runs when the master has taken it, with the offers before. */
  #callOnce(call: SchedulerCall, done?: (before: ReadonlySet<string>) => void): void {
    const streamId = this.#streamId;
    if (streamId === undefined || this.frameworkId === undefined) return;
    const { time, dice } = this.#world;
    const isLost = this.#world.isFault(0.01);
    const full = { ...call, framework_id: { value: this.frameworkId } };
    time.after(dice.delayMs(), () => {
      if (isLost) {
        this.#callFailed(call, streamId);
        return;
      }
      this.#master.call(full, streamId, (outcome, before) => {
        if (outcome.ok) done?.(before);
      });
    });
  }
}

function launchOf(tasks: readonly TaskInfo[]): OfferOperation {
  return { type: "LAUNCH", launch: { task_infos: tasks } };
}

function cpusOf(offer: Offer, isRevocable: boolean): number {
  const cpus = (offer.resources ?? []).find(
    ({ name, revocable }) => name === "cpus" && (revocable !== undefined) === isRevocable,
  );
  return cpus?.scalar?.value ?? 0;
}

function cpusOfSort(value: number, sort: CpuSort): Resource {
  const cpus = { name: "cpus", type: "SCALAR", scalar: { value } } as const;
  return sort === "plain" ? cpus : { ...cpus, revocable: {} };
}

function otherSort(sort: CpuSort): CpuSort {
  return sort === "plain" ? "revocable" : "plain";
}

/** The same with cpus of the other sort as well. */
function mixed(task: TaskInfo): TaskInfo {
  const resources = (task.resources ?? []).flatMap((resource) => {
    if (resource.name !== "cpus") return [resource];
    const { revocable, ...plain } = resource;
    return [plain, { ...plain, revocable: revocable ?? {} }];
  });
  return { ...task, resources };
}

function roleOf(offer: Offer): string {
  return offer.allocation_info?.role ?? "*";
}

/** The scheduler was told that the task is over. */
export function isOver(task: KnownTask): boolean {
  return task.status !== undefined && isTerminalState(task.status.state);
}
