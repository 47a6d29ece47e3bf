/** An operator who acts at random: takes agents out of service and back, reserves for roles. */
import type { AgentEntry } from "../../src/master/core/state.ts";
import type { MasterCall } from "../../src/protocol/v1/types.ts";
import type { SimMaster } from "./sim-master.ts";
import type { World } from "./world.ts";

export class SimOperator {
  readonly #world: World;
  readonly #master: SimMaster;

  constructor(world: World, master: SimMaster) {
    this.#world = world;
    this.#master = master;
  }

  act(): void {
    const { dice } = this.#world;
    const agent = dice.pick([...(this.#master.core?.state.agents.values() ?? [])]);
    if (agent === undefined) return;
    const choice = dice.next();
    if (choice < 0.25) this.#call("deactivates", deactivate(agent));
    else if (choice < 0.55) this.#call("reactivates", reactivate(agent));
    else if (choice < 0.75) this.#call("drains", this.#drain(agent));
    else this.#call("reserves on", reserve(agent, dice.pick(["web", "batch"]) ?? "web"));
  }

  /** Every agent that can be is offered again. */
  reactivateAll(): void {
    const { state } = this.#master.core ?? {};
    for (const agent of state?.agents.values() ?? []) {
      if (agent.isDeactivated) this.#call("reactivates", reactivate(agent));
    }
  }

  #drain(agent: AgentEntry): MasterCall {
    const seconds = this.#world.dice.below(20);
    return {
      type: "DRAIN_AGENT",
      drain_agent: { agent_id: { value: agent.id }, max_grace_period: { seconds } },
    };
  }

  #call(what: string, call: MasterCall): void {
    this.#world.log(`operator ${what} ${JSON.stringify(call)}`);
    this.#master.operatorCall(call);
  }
}

function deactivate({ id }: AgentEntry): MasterCall {
  return { type: "DEACTIVATE_AGENT", deactivate_agent: { agent_id: { value: id } } };
}

function reactivate({ id }: AgentEntry): MasterCall {
  return { type: "REACTIVATE_AGENT", reactivate_agent: { agent_id: { value: id } } };
}

/** Often more than is free, which withdraws offers and may be refused. */
function reserve({ id }: AgentEntry, role: string): MasterCall {
  const cpus = { name: "cpus", type: "SCALAR", scalar: { value: 0.5 } } as const;
  const resources = [{ ...cpus, reservations: [{ type: "DYNAMIC", role }] }] as const;
  return { type: "RESERVE_RESOURCES", reserve_resources: { agent_id: { value: id }, resources } };
}
