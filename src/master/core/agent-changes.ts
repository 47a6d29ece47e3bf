/**
 * The three things that happen to an agent's entry as a whole: it comes, it changes, it goes. Here
 * they are counted for metrics and noted for readers who ask what is new.
 */
import { assert } from "../../base/assert.ts";
import type { AgentEntry, MasterState } from "./state.ts";
import { tallyAgent } from "./tally.ts";

export function addAgentEntry(state: MasterState, agent: AgentEntry): void {
  assert(!state.agents.has(agent.id), () => `agent ${agent.id} is registered once`);
  state.agents.set(agent.id, agent);
  tallyAgent(state.tally, agent, 1);
  note(state, agent);
}

/** Changes what is told of a registered agent: its link, its total, whether it may be offered. */
export function changeAgent(state: MasterState, agent: AgentEntry, change: () => void): void {
  tallyAgent(state.tally, agent, -1);
  change();
  tallyAgent(state.tally, agent, 1);
  note(state, agent);
}

export function removeAgentEntry(state: MasterState, agent: AgentEntry): void {
  tallyAgent(state.tally, agent, -1);
  state.agents.delete(agent.id);
  note(state, agent);
}

function note(state: MasterState, { id: agentId }: AgentEntry): void {
  state.changes.add({ kind: "agent", agentId });
}
