/**
 * A slow, obvious model of the allocation rules (semantics 2.9, 2.10, 3.5–3.7, 4.1–4.6): nothing is
 * kept sorted, cached or marked. Each run looks at every agent and every framework and counts every
 * share, quota and headroom anew. Events arrive here; `run.ts` decides.
 */
import {
  Cluster,
  frameworkOf,
  type ModelAgentFacts,
  type ModelFramework,
  type ModelOffer,
  type Vector,
} from "./cluster.ts";
import { Run } from "./run.ts";

export class Model extends Cluster {
  #runs = 0;
  #pause: { readonly agentCount: number; readonly untilMs: number } | undefined = undefined;

  /** Adds or replaces; filters of roles that it leaves are forgotten. */
  setFramework(id: string, framework: ModelFramework): void {
    this.frameworks.set(id, framework);
    this.clearRefusals((other, role) => other === id && !framework.roles.includes(role));
  }

  removeFramework(id: string): void {
    this.frameworks.delete(id);
    this.clearRefusals((other) => other === id);
    for (const { held } of this.agents.values()) {
      for (const client of [...held.keys()]) if (frameworkOf(client) === id) held.delete(client);
    }
  }

  switchFramework(id: string, isOn: boolean): void {
    this.#framework(id).isActive = isOn;
    if (!isOn) this.clearRefusals((other) => other === id);
  }

  /** No roles are all of them, here and in `revive`. */
  suppress(id: string, roles: readonly string[]): void {
    const framework = this.#framework(id);
    for (const role of roles.length === 0 ? framework.roles : roles) framework.suppressed.add(role);
  }

  revive(id: string, roles: readonly string[]): void {
    const framework = this.#framework(id);
    const revived = roles.length === 0 ? framework.roles : roles;
    for (const role of revived) framework.suppressed.delete(role);
    this.clearRefusals((other, role) => other === id && revived.includes(role));
  }

  removeAgent(id: string): void {
    this.agents.delete(id);
    this.clearRefusals((_, __, agentId) => agentId === id);
  }

  /** Other attributes make every refusal of the agent void. */
  updateFacts(id: string, facts: ModelAgentFacts): void {
    const agent = this.agent(id);
    const isSame = JSON.stringify(agent.facts.attributes) === JSON.stringify(facts.attributes);
    agent.facts = facts;
    if (!isSame) this.clearRefusals((_, __, agentId) => agentId === id);
  }

  /** Thousandths by name; undefined takes the quota away. */
  setQuota(
    role: string,
    quota: { readonly guarantees: Vector; readonly limits: Vector } | undefined,
  ): void {
    if (quota === undefined) {
      this.quotas.delete(role);
      return;
    }
    const guarantees = new Map(Object.entries(quota.guarantees));
    this.quotas.set(role, { guarantees, limits: new Map(Object.entries(quota.limits)) });
  }

  /** Waits for agents, when there are quotas at all. */
  pauseForRecovery(agentCount: number, untilMs: number): void {
    if (this.quotas.size > 0) this.#pause = { agentCount, untilMs };
  }

  /** Each cycle begins one agent later than the one before, in place of Mesos' shuffling. */
  allocate(nowMs: number): readonly ModelOffer[] {
    if (this.#pause !== undefined) {
      const { agentCount, untilMs } = this.#pause;
      if (this.agents.size < agentCount && nowMs < untilMs) return [];
      this.#pause = undefined;
    }
    const agentIds = [...this.agents.keys()];
    const start = this.#runs % Math.max(1, agentIds.length);
    this.#runs += 1;
    const inTurn = [...agentIds.slice(start), ...agentIds.slice(0, start)];
    return new Run(this, nowMs).offers(inTurn);
  }

  /** By rule, how many agents it keeps from a client; in no order. */
  explain(client: string, nowMs: number): Map<string, number> {
    const run = new Run(this, nowMs);
    const reasons = new Map<string, number>();
    for (const agentId of this.agents.keys()) {
      const why = run.why(agentId, client);
      reasons.set(why, (reasons.get(why) ?? 0) + 1);
    }
    return reasons;
  }

  #framework(id: string): ModelFramework {
    const framework = this.frameworks.get(id);
    if (framework === undefined) throw new Error(`the model has no framework ${id}`);
    return framework;
  }
}
