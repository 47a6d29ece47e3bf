/**
 * Watches a simulation from outside and knows nothing of how the cores work: what was offered and
 * declined, what was started, what was told to whom. Says `Violation` when a promise is broken.
 */

import type { CheckpointOperation } from "../../src/agent/core/checkpoint-state.ts";
import { isTerminalState } from "../../src/agent/core/inputs.ts";
import { brand, type StreamId } from "../../src/base/ids.ts";
import type { MasterInput } from "../../src/master/core/inputs.ts";
import type { MasterState } from "../../src/master/core/state.ts";
import type { MasterToAgent } from "../../src/protocol/link-frames.ts";
import type { Offer, SchedulerEvent } from "../../src/protocol/v1/types.ts";
import type { MemoryCheckpoint } from "../agent/core/memory-checkpoint.ts";
import { type CpuSort, cpusMilliOf } from "./cpus.ts";
import { OperationJudge } from "./operation-judge.ts";
import { OversubscriptionJudge } from "./oversubscription-judge.ts";
import { checkLimits } from "./quota-judge.ts";
import type { World } from "./world.ts";

interface Refusal {
  readonly cpusMilli: number;
  readonly revocableCpusMilli: number;
  readonly revocableMemMilli: number;
  readonly memMilli: number;
  readonly diskMilli: number;
  readonly untilMs: number;
}

export class Judge {
  readonly #world: World;
  /** How often a container was started, by framework and task. */
  readonly #starts = new Map<string, number>();
  /** uuid of the one terminal update, by framework and task. */
  readonly #ends = new Map<string, string>();
  /** Updates that reached a scheduler, by uuid. */
  readonly #delivered = new Set<string>();
  /** Updates that a scheduler acknowledged, by uuid. */
  readonly #acknowledged = new Set<string>();
  /** Frameworks whose tasks a master ended on some agent, with the updates still to tell. */
  readonly #shutDown = new Set<string>();
  /** Frameworks that a master removed: nothing is owed to them any more. */
  readonly #removed = new Set<string>();
  /** Tasks on agents that the master told to end; it has told their frameworks itself. */
  readonly #disownedTasks = new Set<string>();
  /** By framework, role and agent. */
  readonly #refusals = new Map<string, Refusal[]>();

  /** Roles in which nothing is to be offered, by framework. */
  readonly #suppressed = new Map<string, ReadonlySet<string>>();
  /** Of operations on resources. */
  readonly operations: OperationJudge;
  readonly oversubscription: OversubscriptionJudge;

  constructor(world: World) {
    this.#world = world;
    this.operations = new OperationJudge(world);
    this.oversubscription = new OversubscriptionJudge(world);
  }

  isRemoved(frameworkId: string): boolean {
    return this.#removed.has(frameworkId);
  }

  markRemoved(frameworkId: string): void {
    this.#removed.add(frameworkId);
  }

  /** A container's process runs. */
  started(
    host: {
      readonly name: string;
      readonly cpusMilli: number;
      aliveCpusMilli(sort: CpuSort, isCounted: (frameworkId: string) => boolean): number;
    },
    process: { readonly frameworkId: string; readonly taskId: string },
  ): void {
    const key = `${process.frameworkId}/${process.taskId}`;
    const count = (this.#starts.get(key) ?? 0) + 1;
    this.#starts.set(key, count);
    this.#world.check(count === 1, () => `task ${key} was started ${count} times`);
    // What a removed framework left is being killed; the master has given it away already, as Mesos.
    const used = host.aliveCpusMilli("plain", (frameworkId) => !this.#shutDown.has(frameworkId));
    this.#world.check(
      used <= host.cpusMilli,
      () => `${host.name} runs ${used} of ${host.cpusMilli} thousandths of cpus`,
    );
  }

  /** Just before an agent's disk takes one change. */
  checkpointed(disk: MemoryCheckpoint, operation: CheckpointOperation): void {
    if (operation.kind === "appendUpdate") {
      const { frameworkId, taskId, status } = operation.update;
      if (!isTerminalState(status.state)) return;
      const key = `${frameworkId}/${taskId}`;
      const uuid = status.uuid ?? "";
      const earlier = this.#ends.get(key);
      this.#ends.set(key, uuid);
      this.#world.check(earlier === undefined, () => `task ${key} ended twice`);
    } else if (operation.kind === "removeUpdate") {
      const { frameworkId, taskId, sequence } = operation;
      const update = [...disk.updates.values()].find(
        (candidate) =>
          candidate.frameworkId === frameworkId &&
          candidate.taskId === taskId &&
          candidate.sequence === sequence,
      );
      const uuid = update?.status.uuid;
      const isOwed =
        !this.#shutDown.has(frameworkId) && !this.#disownedTasks.has(`${frameworkId}/${taskId}`);
      if (uuid === undefined || !isOwed) return;
      this.#world.check(
        this.#acknowledged.has(uuid),
        () =>
          `update ${update?.status.state} of ${frameworkId}/${taskId} was forgotten ${this.#delivered.has(uuid) ? "before it was acknowledged" : "without having been delivered"}`,
      );
    }
  }

  /** A master's words reached an agent. */
  heard(host: { readonly name: string; readonly epoch: string }, epoch: string | undefined): void {
    this.#world.check(
      epoch === host.epoch,
      () => `${host.name} obeys ${epoch}, while its master is ${host.epoch}`,
    );
  }

  /**
   * The master says something to an agent. It ends a framework's tasks on one agent when the
   * framework does not checkpoint and the link was lost, everywhere when it removed the framework.
   */
  toAgent(state: MasterState, message: MasterToAgent): void {
    if (message.kind !== "command" || message.command.kind !== "shutdownFramework") return;
    const { frameworkId } = message.command;
    this.#shutDown.add(frameworkId);
    if (!state.frameworks.has(brand(frameworkId))) this.#removed.add(frameworkId);
  }

  /** The master told a whole agent to end: nothing is owed for what is on its disk. */
  disowned(disk: MemoryCheckpoint): void {
    for (const { frameworkId, taskId } of disk.tasks.values()) {
      this.#disownedTasks.add(`${frameworkId}/${taskId}`);
    }
  }

  delivered(uuid: string): void {
    this.#delivered.add(uuid);
  }

  acknowledged(uuid: string): void {
    this.#acknowledged.add(uuid);
  }

  /** The master took a DECLINE of this offer with a filter of `refuseMs`. */
  declined(offer: Offer, refuseMs: number): void {
    if (refuseMs <= 0 || hasReserved(offer)) return;
    const { time, clockDrift } = this.#world;
    const untilMs = time.nowMs + refuseMs * (1 - clockDrift);
    const refusal = { ...amountOf(offer), untilMs };
    const key = refusalKey(offer);
    this.#refusals.set(key, [...(this.#refusals.get(key) ?? []), refusal]);
  }

  /** The master took a SUPPRESS of these roles. */
  suppressed(frameworkId: string, roles: readonly string[]): void {
    const before = this.#suppressed.get(frameworkId) ?? new Set<string>();
    this.#suppressed.set(frameworkId, before.union(new Set(roles)));
  }

  /** The framework asks for offers for all its roles again. */
  revived(frameworkId: string): void {
    this.#suppressed.delete(frameworkId);
  }

  /** Filters of the framework are void: it revived, or was deactivated. */
  filtersCleared(frameworkId: string): void {
    for (const key of this.#refusals.keys()) {
      if (key.startsWith(`${frameworkId} `)) this.#refusals.delete(key);
    }
  }

  /** All filters are void: another master process. */
  allFiltersCleared(): void {
    this.#refusals.clear();
  }

  /** The agent was removed from the allocator for a while. */
  agentFiltersCleared(agentId: string): void {
    for (const key of this.#refusals.keys()) {
      if (key.endsWith(` ${agentId}`)) this.#refusals.delete(key);
    }
  }

  /** Before an event travels to a scheduler. */
  eventSent(state: MasterState, streamId: StreamId, event: SchedulerEvent): void {
    if (event.type === "FAILURE" && event.failure?.agent_id !== undefined) {
      this.agentFiltersCleared(event.failure.agent_id.value);
    }
    if (event.type === "SUBSCRIBED") {
      const frameworkId = event.subscribed?.framework_id.value ?? "";
      this.filtersCleared(frameworkId);
      this.revived(frameworkId);
      // A master that never knew of the removal takes the framework back (semantics 3.1).
      this.#removed.delete(frameworkId);
    }
    this.#world.check(
      state.streams.has(streamId) || event.type === "ERROR",
      () => `${event.type} was sent on a stream that belongs to nobody`,
    );
    for (const offer of event.offers?.offers ?? []) {
      this.#offered(offer);
      this.#checkAgent(state, offer);
      this.#checkAppetite(state, offer);
      this.oversubscription.offered(state, offer);
      checkLimits(this.#world, state, state.policy.quotas, offer);
    }
  }

  /** Agents out of service are not offered, and those that will be are offered as such. */
  #checkAgent(state: MasterState, offer: Offer): void {
    const agent = state.agents.get(brand(offer.agent_id.value));
    const isInService = agent?.isDeactivated === false && agent.linkId !== undefined;
    this.#world.check(isInService, () => `${offer.agent_id.value} is offered out of service`);
    const machine = [...state.policy.machines.values()].find(
      ({ id }) => id.hostname === offer.hostname,
    );
    const isTold = offer.unavailability !== undefined;
    this.#world.check(
      isTold === (machine?.unavailability !== undefined),
      () => `the offer of ${offer.hostname} does not tell of its maintenance as planned`,
    );
  }

  /** Frameworks are offered something for roles that they have, and want offers for. */
  #checkAppetite(state: MasterState, offer: Offer): void {
    const frameworkId = offer.framework_id.value;
    const role = offer.allocation_info?.role ?? "*";
    const isOwn = state.frameworks.get(brand(frameworkId))?.roles.includes(role) === true;
    const isWanted = this.#suppressed.get(frameworkId)?.has(role) !== true;
    this.#world.check(isOwn, () => `${frameworkId} is offered something for ${role}`);
    this.#world.check(isWanted, () => `${frameworkId} suppressed ${role} and is offered it`);
  }

  #offered(offer: Offer): void {
    // What is reserved is another kind of resource, which no filter of unreserved ones covers.
    if (hasReserved(offer)) return;
    const amount = amountOf(offer);
    const refusals = this.#refusals.get(refusalKey(offer)) ?? [];
    for (const refusal of refusals) {
      if (refusal.untilMs <= this.#world.time.nowMs) continue;
      this.#world.check(
        AMOUNTS.some((name) => amount[name] > refusal[name]),
        () =>
          `${refusalKey(offer)} was offered ${JSON.stringify(amount)} again ${refusal.untilMs - this.#world.time.nowMs} ms before its filter ends`,
      );
    }
  }

  /** Offered and used together never exceed what an agent has, counted anew from the messages. */
  masterStepped(state: MasterState, input: MasterInput): void {
    this.oversubscription.masterStepped(state, input);
    for (const agent of state.agents.values()) {
      let sum = 0;
      for (const offerId of agent.offers) {
        sum += cpusMilliOf(state.offers.get(offerId)?.resources.toResources() ?? [], "plain");
      }
      for (const task of agent.tasks) {
        if (task.holdsResources) sum += cpusMilliOf(task.description.resources ?? [], "plain");
      }
      const total = cpusMilliOf(agent.info.resources ?? [], "plain");
      this.#world.check(sum <= total, () => `${agent.id} has ${total} but gave away ${sum}`);
    }
  }
}

const AMOUNTS = [
  "cpusMilli",
  "revocableCpusMilli",
  "memMilli",
  "revocableMemMilli",
  "diskMilli",
] as const;

function amountOf(offer: Offer): Omit<Refusal, "untilMs"> {
  const milliOf = (wanted: string, isRevocable: boolean): number =>
    (offer.resources ?? [])
      .filter(({ name, revocable }) => name === wanted && (revocable !== undefined) === isRevocable)
      .reduce((sum, { scalar }) => sum + Math.round((scalar?.value ?? 0) * 1000), 0);
  return {
    cpusMilli: milliOf("cpus", false),
    revocableCpusMilli: milliOf("cpus", true),
    memMilli: milliOf("mem", false),
    revocableMemMilli: milliOf("mem", true),
    diskMilli: milliOf("disk", false),
  };
}

function hasReserved({ resources }: Offer): boolean {
  return (resources ?? []).some(({ reservation }) => reservation !== undefined);
}

function refusalKey(offer: Offer): string {
  return `${offer.framework_id.value} ${offer.allocation_info?.role ?? "*"} ${offer.agent_id.value}`;
}
