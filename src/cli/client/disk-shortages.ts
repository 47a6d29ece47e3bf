/** Which agents take no tasks for want of room, read from the list of those that are inactive. */
import { isObject } from "../../base/json.ts";

export interface DiskShortage {
  readonly hostname: string;
  /** In the agent's words. */
  readonly why: string;
}

/** Of an answer of `/allot/v1/agents`; what is not of its form is passed over. */
export function diskShortagesIn(answer: unknown): readonly DiskShortage[] {
  const agents = isObject(answer) && Array.isArray(answer["agents"]) ? answer["agents"] : [];
  return agents.flatMap((agent: unknown) => {
    if (!isObject(agent) || typeof agent["disk_shortage"] !== "string") return [];
    const info = agent["agent_info"];
    const hostname = isObject(info) ? String(info["hostname"]) : "?";
    return [{ hostname, why: agent["disk_shortage"] }];
  });
}
