/** Maintenance of machines: planned, started, ended. Source: semantics 4.9. */
import { must } from "../../../base/assert.ts";
import type { Result } from "../../../base/result.ts";
import type { MachineID, MaintenanceSchedule, Unavailability } from "../../../protocol/v1/types.ts";
import { machineKey } from "../../../registry/core/registry-state.ts";
import { removeAgent } from "../agent-loss.ts";
import type { MasterContext } from "../context.ts";
import { sendInverseOffers } from "../inverse-offers.ts";
import { doomOffer, endDoomedOffers, RESCINDED } from "../offers.ts";
import type { AgentEntry } from "../state.ts";
import { type GoOn, startSweep, visitAgents } from "../sweeps.ts";
import { machineOfAgent } from "./machines.ts";
import { type OperatorRequest, settlePolicy } from "./settle.ts";

/** Refusals as the registry's `updateSchedule`. */
export function updateSchedule(
  ctx: MasterContext,
  schedule: MaintenanceSchedule,
  request: OperatorRequest,
): Result<void> | "later" {
  const operation = { kind: "updateSchedule", schedule } as const;
  return settlePolicy(ctx, operation, request, { kind: "schedule" });
}

export function startMaintenance(
  ctx: MasterContext,
  machines: readonly MachineID[],
  request: OperatorRequest,
): Result<void> | "later" {
  const operation = { kind: "startMaintenance", machines } as const;
  return settlePolicy(ctx, operation, request, { kind: "machinesDown", machines });
}

export function stopMaintenance(
  ctx: MasterContext,
  machines: readonly MachineID[],
  request: OperatorRequest,
): Result<void> | "later" {
  const operation = { kind: "stopMaintenance", machines } as const;
  return settlePolicy(ctx, operation, request, { kind: "machinesUp" });
}

/** Durable: offers are made anew, with or without the unavailability. */
export function scheduleCommitted(ctx: MasterContext): void {
  const agents = [...ctx.state.agents.keys()];
  startSweep(ctx, { kind: "schedule", agents, next: 0 }, goOnPlanning);
}

/** The next agents take over what is planned for them now; who is concerned is asked at the end. */
export const goOnPlanning: GoOn<"schedule"> = (ctx, sweep) => {
  const isOver = visitAgents(ctx, sweep, (agent) => {
    const unavailability = machineOfAgent(ctx, agent)?.unavailability;
    if (isSame(agent.unavailability, unavailability)) return LOOK_COST;
    agent.unavailability = unavailability;
    // What was asked before is withdrawn as inverse offers are looked through.
    agent.inverse.clear();
    for (const offerId of agent.offers) {
      const offer = must(ctx.state.offers.get(offerId), "offer of an agent");
      doomOffer(ctx, offer, RESCINDED);
    }
    return LOOK_COST;
  });
  endDoomedOffers(ctx);
  if (isOver) sendInverseOffers(ctx);
  return isOver;
};

/** Durable: agents on these machines end, and are removed. */
export function machinesDown(ctx: MasterContext, machines: readonly MachineID[]): void {
  const sweep = {
    kind: "machinesDown",
    machines: new Set(machines.map(machineKey)),
    agents: [...ctx.state.agents.keys()],
    next: 0,
  } as const;
  startSweep(ctx, sweep, goOnShuttingDown);
}

/** Of a machine that is up again meanwhile the agents stay. */
export const goOnShuttingDown: GoOn<"machinesDown"> = (ctx, sweep) =>
  visitAgents(ctx, sweep, (agent) => {
    const machine = machineOfAgent(ctx, agent);
    if (machine === undefined || !sweep.machines.has(machineKey(machine.id))) return LOOK_COST;
    return endIfDown(ctx, agent) ? REMOVAL_COST : LOOK_COST;
  });

/** Ends an agent whose machine is down, also one that was on its way in as it went down. */
export function endIfDown(ctx: MasterContext, agent: AgentEntry): boolean {
  if (machineOfAgent(ctx, agent)?.mode !== "DOWN") return false;
  shutDown(ctx, agent);
  removeAgent(ctx, agent, "Operator initiated 'Machine DOWN'");
  return true;
}

/** As `visitAgents` counts. */
const LOOK_COST = 0.1;
const REMOVAL_COST = 2;

function isSame(one: Unavailability | undefined, other: Unavailability | undefined): boolean {
  return (
    one?.start.nanoseconds === other?.start.nanoseconds &&
    one?.duration?.nanoseconds === other?.duration?.nanoseconds
  );
}

function shutDown(ctx: MasterContext, { linkId }: AgentEntry): void {
  if (linkId === undefined) return;
  const message = "Operator initiated 'Machine DOWN'";
  ctx.effects.push({ kind: "send", linkId, message: { kind: "shutdown", message } });
}
