/**
 * What must hold after every step. A broken one means the program is wrong, so it throws.
 * Source: DESIGN §10, style §5.
 */
import { assert } from "../../base/assert.ts";
import type { TaskState } from "../../protocol/v1/types.ts";
import type { MasterContext } from "./context.ts";
import { emptyBundle, printResources, takenTogether } from "./resource-forms.ts";
import { type AgentEntry, executorKey, type FrameworkEntry } from "./state.ts";
import { emptyTally, type Tally, tallyAgent, tallyHeld, tallyOperation } from "./tally.ts";
import { isTerminal } from "./tasks.ts";

/** Everything, by a full scan. */
export function assertMasterInvariants(ctx: MasterContext): void {
  const { state } = ctx;
  for (const agent of state.agents.values()) {
    assertAgentWithinTotal(ctx, agent);
    assertAgentAccount(ctx, agent);
    assertAgentIndexes(ctx, agent);
    assertCommands(agent);
  }
  for (const framework of state.frameworks.values()) assertFramework(ctx, framework);
  assertPings(ctx);
  assertOffers(ctx);
  assertInverseOffers(ctx);
  assertTaskCounts(ctx);
  assertTally(ctx);
  assertConnections(ctx);
  ctx.allocator.assertInvariants();
}

/** Every agent is pinged, and nobody else. */
function assertPings({ state }: MasterContext): void {
  for (const { id, dueMs } of state.agents.values()) {
    assert(dueMs !== Number.POSITIVE_INFINITY, () => `agent ${id} is registered and pinged`);
  }
  assert(state.pings.size === state.agents.size, "only registered agents are pinged");
}

/** Promise 2 of the design: offered + used ≤ total. */
export function assertAgentWithinTotal(ctx: MasterContext, agent: AgentEntry): void {
  const promises = [...agent.used.values()];
  for (const offerId of agent.offers) {
    const offer = ctx.state.offers.get(offerId);
    if (offer !== undefined) promises.push(offer.resources);
  }
  const sum = takenTogether(ctx.kinds, promises);
  assert(agent.total.contains(sum), () => {
    const promised = printResources(sum);
    return `agent ${agent.id} has ${printResources(agent.total)} and promised ${promised}`;
  });
}

/** `used` is exactly what tasks and executors hold. */
function assertAgentAccount(ctx: MasterContext, agent: AgentEntry): void {
  const sums = new Map([...agent.used.keys()].map((id) => [id, emptyBundle(ctx.kinds)]));
  const holders = [
    ...[...agent.tasks].filter((task) => task.holdsResources),
    ...agent.executors.values(),
  ];
  for (const { frameworkId, resources, id } of holders) {
    if (resources.isEmpty()) continue;
    const sum = sums.get(frameworkId);
    assert(sum !== undefined, () => `${id} holds resources on agent ${agent.id} off its account`);
    sum.add(resources);
  }
  for (const [frameworkId, sum] of sums) {
    const used = agent.used.get(frameworkId);
    const isEqual = used?.contains(sum) === true && sum.contains(used);
    assert(isEqual, () => `account of ${frameworkId} on agent ${agent.id} is what is held`);
    assert(!sum.isEmpty(), () => `account of ${frameworkId} on agent ${agent.id} is not empty`);
  }
}

function assertAgentIndexes(ctx: MasterContext, agent: AgentEntry): void {
  const { state } = ctx;
  assert(!state.recoveredAgents.has(agent.id), () => `agent ${agent.id} is not recovered too`);
  assert(!state.unreachableAgents.has(agent.id), () => `agent ${agent.id} is not unreachable too`);
  for (const task of agent.tasks) {
    assert(task.agentId === agent.id, () => `task ${task.id} is on its own agent`);
    const listed = state.frameworks.get(task.frameworkId)?.tasks.get(task.id);
    assert(task.isDuplicate || listed === task, () => `task ${task.id} is on its framework's list`);
    const isOver = isTerminal(task.state);
    assert(task.holdsResources !== isOver, () => `task ${task.id} holds resources while it lives`);
  }
  for (const [key, executor] of agent.executors) {
    const expected = executorKey(executor.frameworkId, executor.id);
    assert(key === expected, () => `executor ${executor.id} is under its own key`);
    const isKnown = state.frameworks.has(executor.frameworkId);
    assert(isKnown, () => `executor ${executor.id} has a framework`);
  }
  for (const offerId of agent.offers) {
    const offer = state.offers.get(offerId);
    assert(
      offer?.agentId === agent.id,
      () => `offer ${offerId} of agent ${agent.id} is outstanding`,
    );
  }
  const isOffering = agent.offers.size > 0;
  assert(
    !isOffering || agent.linkId !== undefined,
    () => `agent ${agent.id} offers while connected`,
  );
}

function assertCommands(agent: AgentEntry): void {
  let last = 0;
  for (const number of agent.commands.pending.keys()) {
    assert(number > last, () => `command ${number} of agent ${agent.id} is in order`);
    last = number;
  }
  const { nextNumber } = agent.commands;
  assert(nextNumber > last, () => `next command ${nextNumber} of agent ${agent.id} is the newest`);
}

function assertFramework(ctx: MasterContext, framework: FrameworkEntry): void {
  const { state } = ctx;
  const isCompleted = state.completedFrameworks.has(framework.id);
  assert(!isCompleted, () => `framework ${framework.id} is not completed too`);
  for (const task of framework.tasks.values()) {
    const agent = state.agents.get(task.agentId);
    assert(agent?.tasks.has(task) === true, () => `task ${task.id} is on its agent's list`);
    assert(!task.isDuplicate, () => `task ${task.id} is shown only once`);
  }
  const { streamId } = framework;
  if (streamId === undefined) {
    const isOver = [...framework.offers].every((id) => {
      const offer = state.offers.get(id);
      return offer !== undefined && state.doomedOffers.has(offer);
    });
    assert(isOver, () => `framework ${framework.id} has offers while connected`);
  } else {
    const owner = state.streams.get(streamId);
    assert(owner === framework.id, () => `stream ${streamId} is framework ${framework.id}'s`);
  }
  for (const offerId of framework.offers) {
    const offer = state.offers.get(offerId);
    const isOwn = offer?.frameworkId === framework.id;
    assert(isOwn, () => `offer ${offerId} of framework ${framework.id} is outstanding`);
  }
  const { maxUnreachableTasksPerFramework: limit } = ctx.options;
  assert(framework.unreachableTasks.size <= limit, "unreachable tasks are bounded");
}

function assertOffers({ state }: MasterContext): void {
  for (const offer of state.offers.values()) {
    const isListed =
      state.agents.get(offer.agentId)?.offers.has(offer.id) === true &&
      state.frameworks.get(offer.frameworkId)?.offers.has(offer.id) === true;
    assert(isListed, () => `offer ${offer.id} is listed by agent and framework`);
  }
  for (const offer of [...state.unsentOffers, ...state.doomedOffers.keys()]) {
    const isOutstanding = state.offers.get(offer.id) === offer;
    assert(isOutstanding, () => `offer ${offer.id} is outstanding until it has ended`);
  }
}

function assertInverseOffers({ state }: MasterContext): void {
  for (const offer of state.inverseOffers.values()) {
    const listed = state.inverseOffersOf.get(offer.agentId)?.get(offer.frameworkId);
    assert(listed === offer, () => `inverse offer ${offer.id} is listed by what it is about`);
    assert(state.agents.has(offer.agentId), () => `inverse offer ${offer.id} has an agent`);
  }
  let count = 0;
  for (const offers of state.inverseOffersOf.values()) count += offers.size;
  assert(count === state.inverseOffers.size, "every inverse offer that is listed is outstanding");
}

/** Counters by index equal counters by scan. */
function assertTaskCounts({ state }: MasterContext): void {
  const counts = new Map([...state.taskCounts.keys()].map((taskState) => [taskState, 0]));
  for (const framework of state.frameworks.values()) {
    const own = new Map<TaskState, number>();
    for (const task of framework.tasks.values()) {
      counts.set(task.state, (counts.get(task.state) ?? 0) + 1);
      own.set(task.state, (own.get(task.state) ?? 0) + 1);
    }
    for (const [taskState, count] of framework.taskCounts) {
      const scanned = own.get(taskState) ?? 0;
      assert(count === scanned, () => `${taskState} of ${framework.id}: ${count}, not ${scanned}`);
    }
  }
  for (const [taskState, count] of counts) {
    const indexed = state.taskCounts.get(taskState) ?? 0;
    assert(indexed === count, () => `${taskState}: ${indexed} by index, ${count} by scan`);
  }
}

/** Figures for metrics equal a recount. */
function assertTally({ state }: MasterContext): void {
  const recount = emptyTally();
  for (const agent of state.agents.values()) {
    tallyAgent(recount, agent, 1);
    for (const used of agent.used.values()) tallyHeld(recount, "used", used, 1);
    for (const operation of agent.operations.values()) tallyOperation(recount, operation, 1);
  }
  for (const { resources } of state.offers.values()) tallyHeld(recount, "offered", resources, 1);
  assert(isSameTally(state.tally, recount), () => {
    return `the tally is ${printTally(state.tally)}, a recount says ${printTally(recount)}`;
  });
}

/** Maps of figures, one inside the other; what holds nothing is as good as absent. */
function isSameTally(one: unknown, other: unknown): boolean {
  if (one instanceof Map && other instanceof Map) {
    const keys = new Set([...one.keys(), ...other.keys()]);
    return [...keys].every((key) => isSameTally(one.get(key), other.get(key)));
  }
  if (one instanceof Map) return one.size === 0 && other === undefined;
  if (other instanceof Map) return other.size === 0 && one === undefined;
  if (typeof one !== "object" || one === null) return one === other;
  if (typeof other !== "object" || other === null) return false;
  const fields = new Map(Object.entries(other));
  return Object.entries(one).every(([name, value]) => isSameTally(value, fields.get(name)));
}

/** In one order, whatever the order in which the figures came about. */
function printTally(tally: Tally): string {
  const print = (value: unknown): unknown => {
    if (!(value instanceof Map)) return value;
    const rows = [...value].filter(([, row]) => !(row instanceof Map) || row.size > 0);
    return rows.map(([key, row]) => `${key}=${JSON.stringify(print(row))}`).sort();
  };
  return JSON.stringify(tally, (_, value) => print(value));
}

function assertConnections({ state, options }: MasterContext): void {
  for (const [streamId, frameworkId] of state.streams) {
    const framework = state.frameworks.get(frameworkId);
    assert(framework?.streamId === streamId, () => `stream ${streamId} is its framework's`);
  }
  for (const link of state.links.values()) {
    if (link.agentId === undefined) continue;
    const agent = state.agents.get(link.agentId);
    assert(agent?.linkId === link.id, () => `link ${link.id} is agent ${link.agentId}'s`);
  }
  for (const [agentId, { token }] of state.transitions) {
    assert(state.commits.has(token), () => `transition of agent ${agentId} waits for a commit`);
  }
  const { size } = state.completedFrameworks;
  assert(size <= options.maxCompletedFrameworks, "completed frameworks are bounded");
}
