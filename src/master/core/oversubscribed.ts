/**
 * The revocable part of what an agent has: what the agent told last, and what is in use beyond that,
 * for as long as it is. Source: semantics 8.1, 8.2.
 */
import type { Bundle } from "../../resources/bundle.ts";
import { changeAgent } from "./agent-changes.ts";
import type { MasterContext } from "./context.ts";
import { emptyBundle, takenTogether } from "./resource-forms.ts";
import type { AgentEntry } from "./state.ts";

/**
 * The agent's word counts, but what it told before it heard of the newest tasks may be less than these
 * use. All in unallocated form.
 */
export function oversubscribedOf(
  { kinds }: MasterContext,
  told: Bundle | undefined,
  used: Bundle,
): Bundle {
  const total = told?.clone() ?? emptyBundle(kinds);
  total.add(revocablePart(used).beyond(total));
  return total;
}

/** What came free beyond what the agent told is no more there to be offered. */
export function dropUntold(ctx: MasterContext, agent: AgentEntry, freed: Bundle): void {
  if (freed.summary().hasRevocable) countOversubscribed(ctx, agent, () => undefined);
}

/** Counts the revocable part anew; `onChange` is called before the total becomes another. */
export function countOversubscribed(
  ctx: MasterContext,
  agent: AgentEntry,
  onChange: () => void,
): void {
  const total = lastingPart(agent.total);
  total.add(oversubscribedOf(ctx, agent.oversubscribed, usedOn(ctx, agent)));
  if (total.equals(agent.total)) return;
  onChange();
  changeAgent(ctx.state, agent, () => {
    agent.total = total;
  });
  ctx.allocator.updateAgent(agent.id, agent.info, total.clone());
}

/** What its tasks and executors hold; unallocated form. */
export function usedOn({ kinds }: MasterContext, agent: AgentEntry): Bundle {
  return takenTogether(kinds, agent.used.values());
}

/** What may be taken back at any time. */
export function revocablePart(bundle: Bundle): Bundle {
  return bundle.filter(({ isRevocable }) => isRevocable);
}

/** What is given for good. */
export function lastingPart(bundle: Bundle): Bundle {
  return bundle.filter(({ isRevocable }) => !isRevocable);
}
