/** Which machine an agent is on, and what is planned for it. Source: semantics 4.9. */
import type { MachineInfo } from "../../../protocol/v1/types.ts";
import { machineKey } from "../../../registry/core/registry-state.ts";
import type { MasterContext } from "../context.ts";
import type { AgentEntry } from "../state.ts";

/**
 * The machine of an agent as operators named it. Differs from Mesos, where name and address must
 * both be given: one of them is enough here.
 */
export function machineOf(
  ctx: MasterContext,
  agent: { readonly hostname: string; readonly ip: string },
): MachineInfo | undefined {
  const { machines } = ctx.state.policy;
  if (machines.size === 0) return undefined;
  const { hostname, ip } = agent;
  return (
    machines.get(machineKey({ hostname, ip })) ??
    machines.get(machineKey({ hostname })) ??
    machines.get(machineKey({ ip }))
  );
}

export function machineOfAgent(ctx: MasterContext, agent: AgentEntry): MachineInfo | undefined {
  return machineOf(ctx, { hostname: agent.info.hostname, ip: agent.remoteIp });
}

export function isInSchedule(ctx: MasterContext, agent: AgentEntry): boolean {
  return machineOfAgent(ctx, agent) !== undefined;
}
