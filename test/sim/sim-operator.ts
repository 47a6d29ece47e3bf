/**
 * An operator who acts at random: takes agents out of service and back, writes them off, plans and
 * does maintenance, reserves for roles, sets quotas and weights.
 */
import { brand } from "../../src/base/ids.ts";
import type { AgentEntry } from "../../src/master/core/state.ts";
import type { MachineID, MasterCall } from "../../src/protocol/v1/types.ts";
import type { Judge } from "./judge.ts";
import type { Masters } from "./masters.ts";
import { isVolume } from "./operation-judge.ts";
import type { World } from "./world.ts";

/** Roles that have weights and quota. */
export const OPERATOR_ROLES: readonly string[] = ["web", "batch"];

export class SimOperator {
  readonly #world: World;
  readonly #judge: Judge;
  readonly #master: Masters;
  readonly #machines: readonly MachineID[];
  #nextVolume = 0;

  constructor(world: World, judge: Judge, master: Masters, machines: readonly MachineID[]) {
    this.#world = world;
    this.#judge = judge;
    this.#master = master;
    this.#machines = machines;
  }

  act(): void {
    const { dice } = this.#world;
    const choice = dice.next();
    if (choice < 0.25) this.#maintain();
    else if (choice < 0.45) this.setPolicy();
    else {
      const agent = dice.pick([...(this.#master.core?.state.agents.values() ?? [])]);
      if (agent !== undefined) this.#handle(agent);
    }
  }

  /** Every agent that can be is offered again, and nothing holds back what there is. */
  reactivateAll(): void {
    const { state } = this.#master.core ?? {};
    for (const agent of state?.agents.values() ?? []) {
      if (agent.isDeactivated) this.#call("reactivates", reactivate(agent));
    }
    for (const role of state?.policy.quotas.keys() ?? []) {
      const quota_configs = [{ role, guarantees: {}, limits: {} }];
      this.#call("lifts", { type: "UPDATE_QUOTA", update_quota: { force: true, quota_configs } });
    }
  }

  /** A framework that nobody will come back for is over. */
  tearDown(frameworkId: string): void {
    if (this.#master.core?.state.frameworks.has(brand(frameworkId)) !== true) return;
    this.#call("ends", { type: "TEARDOWN", teardown: { framework_id: { value: frameworkId } } });
  }

  /** All machines are up, and none is planned to be away. */
  endMaintenance(): void {
    const down = this.#machinesIn("DOWN");
    if (down.length > 0) {
      this.#call("stops", { type: "STOP_MAINTENANCE", stop_maintenance: { machines: down } });
    }
    this.#call("plans", schedule([], 0));
  }

  #handle(agent: AgentEntry): void {
    const { dice } = this.#world;
    const choice = dice.next();
    if (choice < 0.2) this.#call("deactivates", deactivate(agent));
    else if (choice < 0.45) this.#call("reactivates", reactivate(agent));
    else if (choice < 0.6) this.#call("drains", this.#drain(agent));
    else if (choice < 0.65) this.#call("writes off", markGone(agent));
    else if (choice < 0.8)
      this.#call("reserves on", reserve(agent, dice.pick(OPERATOR_ROLES) ?? "web"));
    else this.#changeVolume(agent);
  }

  #maintain(): void {
    const { dice } = this.#world;
    const choice = dice.next();
    const planned = this.#machinesIn("DRAINING");
    const down = this.#machinesIn("DOWN");
    if (choice < 0.35 && down.length > 0) {
      this.#call("stops", { type: "STOP_MAINTENANCE", stop_maintenance: { machines: down } });
    } else if (choice < 0.6 && planned.length > 0) {
      this.#call("starts", { type: "START_MAINTENANCE", start_maintenance: { machines: planned } });
    } else {
      const machines = this.#machines.filter(() => dice.chance(0.4));
      this.#call("plans", schedule(machines, this.#world.time.nowMs));
    }
  }

  #machinesIn(mode: string): MachineID[] {
    const machines = [...(this.#master.core?.state.policy.machines.values() ?? [])];
    return machines.filter((machine) => machine.mode === mode).map(({ id }) => id);
  }

  /** A role gets another weight, or other bounds. */
  setPolicy(): void {
    const { dice } = this.#world;
    const role = dice.pick(OPERATOR_ROLES) ?? "web";
    if (dice.chance(0.3)) {
      const weight_infos = [{ role, weight: (1 + dice.below(500)) / 100 }];
      this.#call("weighs", { type: "UPDATE_WEIGHTS", update_weights: { weight_infos } });
      return;
    }
    const guarantee = dice.pick([0, 0, 0.5, 1]) ?? 0;
    const limit = guarantee + (dice.pick([0, 0.5, 1, 2]) ?? 0);
    const quota_configs = [
      {
        role,
        guarantees: guarantee === 0 ? {} : { cpus: { value: guarantee } },
        limits: dice.chance(0.3) ? {} : { cpus: { value: limit } },
      },
    ];
    const update_quota = { force: dice.chance(0.5), quota_configs };
    this.#call("bounds", { type: "UPDATE_QUOTA", update_quota });
  }

  #drain(agent: AgentEntry): MasterCall {
    const { dice } = this.#world;
    const seconds = dice.below(20);
    return {
      type: "DRAIN_AGENT",
      drain_agent: {
        agent_id: { value: agent.id },
        max_grace_period: { seconds },
        mark_gone: dice.chance(0.15),
      },
    };
  }

  /** Makes a volume on disk that is reserved, or destroys one. */
  #changeVolume(agent: AgentEntry): void {
    const { dice } = this.#world;
    const agent_id = { value: agent.id };
    const resource = dice.pick(
      agent.total.toResources().filter((one) => one.name === "disk" && one.reservations?.length),
    );
    if (resource === undefined) return;
    if (isVolume(resource)) {
      const destroy = { volumes: [resource] };
      this.#judge.operations.asked(agent.id, { type: "DESTROY", destroy });
      this.#call("destroys", {
        type: "DESTROY_VOLUMES",
        destroy_volumes: { agent_id, ...destroy },
      });
    } else {
      const persistence = { id: `operator-${this.#nextVolume++}` };
      const disk = { persistence, volume: { mode: "RW", container_path: "data" } } as const;
      const create_volumes = { agent_id, volumes: [{ ...resource, disk }] };
      this.#call("creates", { type: "CREATE_VOLUMES", create_volumes });
    }
  }

  #call(what: string, call: MasterCall): void {
    this.#world.log(`operator ${what} ${JSON.stringify(call)}`);
    this.#master.operatorCall(call);
  }
}

function schedule(machine_ids: readonly MachineID[], nowMs: number): MasterCall {
  const unavailability = {
    start: { nanoseconds: nowMs * 1e6 },
    duration: { nanoseconds: 60e9 },
  };
  const windows = machine_ids.length === 0 ? [] : [{ machine_ids, unavailability }];
  return {
    type: "UPDATE_MAINTENANCE_SCHEDULE",
    update_maintenance_schedule: { schedule: { windows } },
  };
}

function deactivate({ id }: AgentEntry): MasterCall {
  return { type: "DEACTIVATE_AGENT", deactivate_agent: { agent_id: { value: id } } };
}

function reactivate({ id }: AgentEntry): MasterCall {
  return { type: "REACTIVATE_AGENT", reactivate_agent: { agent_id: { value: id } } };
}

function markGone({ id }: AgentEntry): MasterCall {
  return { type: "MARK_AGENT_GONE", mark_agent_gone: { agent_id: { value: id } } };
}

/** Often more than is free, which withdraws offers and may be refused. */
function reserve({ id }: AgentEntry, role: string): MasterCall {
  const reservations = [{ type: "DYNAMIC", role }] as const;
  const resources = [
    { name: "cpus", type: "SCALAR", scalar: { value: 0.5 }, reservations },
    { name: "disk", type: "SCALAR", scalar: { value: 64 }, reservations },
  ] as const;
  return { type: "RESERVE_RESOURCES", reserve_resources: { agent_id: { value: id }, resources } };
}
