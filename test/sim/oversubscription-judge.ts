/**
 * Resources that may be taken back at any time, watched from outside: who is offered them, how much
 * of them there is by what each agent told last, and what becomes of whoever must give them back.
 * Counted anew from messages. Source: semantics 8.
 */
import { isTerminalState } from "../../src/agent/core/inputs.ts";
import { brand, type LinkId, linkIdOf } from "../../src/base/ids.ts";
import type { MasterInput } from "../../src/master/core/inputs.ts";
import type { AgentEntry, MasterState } from "../../src/master/core/state.ts";
import type { Offer, TaskStatus } from "../../src/protocol/v1/types.ts";
import { cpusMilliOf } from "./cpus.ts";
import type { World } from "./world.ts";

/** What one master was told, in thousandths of revocable cpus. */
class Books {
  /** The newest registration on each link. */
  readonly reported = new Map<LinkId, number>();
  readonly agents = new WeakMap<AgentEntry, { link: LinkId; told: number; used: number }>();
}

/** A task that a QoS controller wants ended, as its scheduler must be told. */
interface Preempted {
  readonly isPartitionAware: boolean;
}

export class OversubscriptionJudge {
  readonly #world: World;
  readonly #books = new WeakMap<MasterState, Books>();
  /** Of containers that an agent was told to end, by framework and task. */
  readonly #corrected = new Map<string, Preempted>();
  /** Those that ended by that, for certain. */
  readonly #preempted = new Set<string>();
  /** Terminal statuses that agents told, by framework and task. */
  readonly #ends = new Map<string, TaskStatus>();

  constructor(world: World) {
    this.#world = world;
  }

  /** After each step of a master. */
  masterStepped(state: MasterState, input: MasterInput): void {
    const books = this.#books.get(state) ?? new Books();
    this.#books.set(state, books);
    const told = this.#toldBy(state, books, input);
    for (const agent of state.agents.values()) {
      if (agent.linkId !== undefined) this.#checkAgent(state, books, agent, told);
    }
  }

  /** Nobody gets them who has not said that they may be taken back. */
  offered(state: MasterState, offer: Offer): void {
    if (cpusMilliOf(offer.resources ?? [], "revocable") === 0) return;
    const { info } = state.frameworks.get(brand(offer.framework_id.value)) ?? {};
    const isAble = info?.capabilities?.some(({ type }) => type === "REVOCABLE_RESOURCES");
    this.#world.check(
      isAble === true,
      () => `${offer.framework_id.value} is offered revocable resources, which it cannot use`,
    );
  }

  /** An agent takes in that a container is to end for what it holds. */
  corrected(key: string, task: Preempted & { readonly isRevocable: boolean }): void {
    this.#corrected.set(key, task);
    this.#world.check(
      task.isRevocable,
      () => `${key} is to be preempted, but uses nothing that is revocable`,
    );
  }

  /** Its process was ended by it, whatever becomes of the agent afterwards. */
  preempted(key: string): void {
    this.#preempted.add(key);
    this.#checkEnd(key);
  }

  /** A scheduler was told by the agent. */
  told(key: string, status: TaskStatus): void {
    if (status.uuid === undefined || !isTerminalState(status.state)) return;
    this.#ends.set(key, status);
    this.#checkEnd(key);
  }

  #checkEnd(key: string): void {
    const status = this.#ends.get(key);
    if (status === undefined) return;
    const { state, reason, source, message } = status;
    if (reason !== "REASON_CONTAINER_PREEMPTED") {
      this.#world.check(
        !this.#preempted.has(key),
        () => `${key} was preempted, but told to be ${state} for ${reason}`,
      );
      return;
    }
    const corrected = this.#corrected.get(key);
    this.#world.check(corrected !== undefined, () => `${key} was preempted, but nobody wanted it`);
    const expected = corrected?.isPartitionAware === true ? "TASK_GONE" : "TASK_LOST";
    const isRight =
      state === expected &&
      source === "SOURCE_AGENT" &&
      message === "Container preempted by QoS correction";
    this.#world.check(
      isRight,
      () => `${key} was preempted, and told to be ${state} by ${source}: ${message}`,
    );
  }

  /** What an agent told by this input, which the master took. */
  #toldBy(
    state: MasterState,
    books: Books,
    input: MasterInput,
  ): { readonly link: LinkId; readonly milli: number } | undefined {
    if (input.kind !== "agentMessage") return undefined;
    const { linkId: link, message } = input;
    if (message.kind === "register") {
      const milli = cpusMilliOf(message.oversubscribedResources ?? [], "revocable");
      books.reported.set(link, milli);
      return { link, milli };
    }
    if (message.kind !== "oversubscribedChanged") return undefined;
    if (state.links.get(link)?.agentId === undefined) return undefined;
    return { link, milli: cpusMilliOf(message.resources, "revocable") };
  }

  #checkAgent(
    state: MasterState,
    books: Books,
    agent: AgentEntry,
    news: { readonly link: LinkId; readonly milli: number } | undefined,
  ): void {
    const link = agent.linkId ?? linkIdOf(0);
    const { offered, used } = revocableOn(state, agent);
    const before = books.agents.get(agent);
    const isReturned = before?.link !== link;
    let told = isReturned ? (books.reported.get(link) ?? 0) : before.told;
    if (news?.link === link) told = news.milli;
    books.agents.set(agent, { link, told, used });
    const figures = `${offered} offered and ${used} used of ${told} revocable`;
    this.#world.check(
      offered <= Math.max(0, told - used),
      () => `${agent.id} has ${figures} thousandths`,
    );
    this.#world.check(
      isReturned || used <= before.used || used <= told,
      () => `${agent.id} is used more, with ${figures} thousandths`,
    );
    const total = agent.total.filter(({ isRevocable }) => isRevocable).scalarMilli("cpus");
    this.#world.check(
      total === Math.max(told, used),
      () => `${agent.id} has ${figures} thousandths, and ${total} in its books`,
    );
  }
}

function revocableOn(
  state: MasterState,
  agent: AgentEntry,
): { readonly offered: number; readonly used: number } {
  let offered = 0;
  let used = 0;
  for (const offerId of agent.offers) {
    const resources = state.offers.get(offerId)?.resources.toResources() ?? [];
    offered += cpusMilliOf(resources, "revocable");
  }
  for (const { holdsResources, description } of agent.tasks) {
    if (holdsResources) used += cpusMilliOf(description.resources ?? [], "revocable");
  }
  for (const { info } of agent.executors.values()) {
    used += cpusMilliOf(info.resources ?? [], "revocable");
  }
  return { offered, used };
}
