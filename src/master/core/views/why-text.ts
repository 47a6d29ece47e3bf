/** The answers of `why.ts` in sentences, for whoever reads them on a terminal. */
import type { Reason } from "../../../allocator/explanation.ts";
import { unreachable } from "../../../base/assert.ts";
import type { WhyClient, WhyStatus, WhyTask } from "./why-answers.ts";

/** One client: a line for who it is, then a line for each thing that counts. */
export function clientLines(client: WhyClient): readonly string[] {
  const { state, suppressed, offers_outstanding: offers, starving_seconds: starving } = client;
  const lines = [
    `${client.framework_name} (${client.framework_id}) in role ${client.role}:`,
    ...(state === "active" ? [] : [`  ${state}: it has no stream to send offers to`]),
    ...(suppressed ? ["  suppressed: it asked for no offers until it sends REVIVE"] : []),
    ...(offers > 0 ? [`  offers that wait for its answer: ${offers}`] : []),
    ...(starving === null || offers > 0 ? [] : [`  wants offers and got none for ${starving} s`]),
    client.agents === 0 ? "  no agent is registered" : `  agents: ${client.agents}, of these`,
  ];
  for (const { agents, text } of client.reasons)
    lines.push(`  ${String(agents).padStart(7)}  ${text}`);
  return lines;
}

/** One task: a line for where it is, then a line for each update. */
export function taskLines(task: WhyTask, nowMs: number): readonly string[] {
  const { task_id: id, framework_id: frameworkId, agent_id: agentId, state } = task;
  return [
    `${id} of framework ${frameworkId} on agent ${agentId}: ${state}`,
    ...task.history.map((status) => statusLine(status, nowMs)),
    ...(task.awaits_acknowledgement ? ["  its framework has not acknowledged that yet"] : []),
  ];
}

function statusLine(status: WhyStatus, nowMs: number): string {
  const { state, timestamp, source, reason, message } = status;
  const age = timestamp === null ? undefined : `${seconds(nowMs - timestamp * 1000)} ago`;
  const cause = [source, reason].filter((part) => part !== null).join(", ");
  const parts = [age, state, cause === "" ? undefined : `(${cause})`, message];
  return `  ${parts.filter((part) => typeof part === "string" && part !== "").join(" ")}`;
}

/**
 * What the allocator found against an agent, as a clause that follows the number of agents; `nowMs`
 * in epoch milliseconds.
 */
export function reasonText(reason: Reason, nowMs: number): string {
  switch (reason.kind) {
    case "agentInactive":
      return "disconnected, deactivated or draining; `allot agents` says which";
    case "notWhitelisted":
      return "not in the master's --whitelist";
    case "agentCapability":
      return "too old for this framework or role: they lack a capability it needs";
    case "gpuRule":
      return "have GPUs, which only frameworks with GPU_RESOURCES are offered";
    case "remoteRegion":
      return "are in another region, which only frameworks with REGION_AWARE are offered";
    case "constraint":
      return "excluded by the framework's offer constraints";
    case "nothingFree":
      return "nothing is free: all of it is in use or offered to others";
    case "frameworkCapability":
      return "what is free is revocable, shared or refined, which the framework cannot take";
    case "reservedToOthers":
      return `what is free is reserved to ${list(reason.roles)}`;
    case "quotaLimit":
      return `the quota limit of role ${reason.role} is reached; \`allot quota\` shows it`;
    case "headroom":
      return `what is free is kept for the guarantees of ${list(reason.roles)}`;
    case "tooSmall":
      return `what is free is too small: at best ${amounts(reason.free)} on agent ${reason.nearestAgentId}, where ${reason.minimum.map(amounts).join(" or ")} is the least worth offering`;
    case "filtered":
      return `declined by the framework; the next filter ends in ${seconds(reason.earliestEndMs - nowMs)}`;
    case "possible":
      return "will be offered in the next allocation";
    default:
      return unreachable(reason, "reason of the allocator");
  }
}

function list(roles: readonly string[]): string {
  return `${roles.length === 1 ? "role" : "roles"} ${roles.join(", ")}`;
}

/** Thousandths by name, as `cpus:0.5;mem:32`. */
function amounts(milli: Readonly<Record<string, number>>): string {
  const parts = Object.entries(milli).map(([name, value]) => `${name}:${value / 1000}`);
  return parts.length === 0 ? "nothing" : parts.join(";");
}

function seconds(ms: number): string {
  return `${Math.max(0, Math.ceil(ms / 1000))} s`;
}
