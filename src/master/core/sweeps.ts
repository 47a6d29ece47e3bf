/**
 * Work on many agents, a part in each step, so that nobody waits long for their turn. What is small
 * is done in the step that asks for it.
 */
import { must } from "../../base/assert.ts";
import { type MasterContext, setTimer } from "./context.ts";
import { SWEEP_COST_PER_STEP_MAX } from "./limits.ts";
import type { AgentEntry, Sweep } from "./state.ts";

/** Does the next part; true when the work is over. */
export type GoOn<Kind extends Sweep["kind"]> = (
  ctx: MasterContext,
  sweep: Extract<Sweep, { readonly kind: Kind }>,
) => boolean;

/** Begins the work on agents, and leaves what is too much for one step to the timer. */
export function startSweep<Kind extends Sweep["kind"]>(
  ctx: MasterContext,
  sweep: Extract<Sweep, { readonly kind: Kind }>,
  goOn: GoOn<Kind>,
): void {
  if (goOn(ctx, sweep)) return;
  ctx.state.sweeps.push(sweep);
  setTimer(ctx, { kind: "sweep" }, 0);
}

/**
 * Visits the next agents, those left out that are gone meanwhile; true when each has had its turn.
 * `visit` returns what it cost: about how many tasks were dealt with or commands sent.
 */
export function visitAgents(
  ctx: MasterContext,
  sweep: Sweep,
  visit: (agent: AgentEntry) => number,
): boolean {
  const { agents } = sweep;
  for (let left = SWEEP_COST_PER_STEP_MAX; left > 0 && sweep.next < agents.length; ) {
    const agent = ctx.state.agents.get(must(agents[sweep.next], "agent of a sweep"));
    sweep.next += 1;
    left -= agent === undefined ? 0 : visit(agent);
  }
  return sweep.next >= agents.length;
}
