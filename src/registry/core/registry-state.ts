/**
 * What must outlive every master (DESIGN §5, semantics 1.4) as plain data, and the operations that
 * change it. Operations carry their own time; nothing here reads a clock.
 */
import type { AgentInfo } from "../../protocol/v1/types.ts";

export interface AdmittedAgent {
  readonly info: AgentInfo;
  readonly isDeactivated: boolean;
}

export interface UnreachableAgent {
  readonly info: AgentInfo;
  /** Wall milliseconds since the epoch. */
  readonly sinceMs: number;
  readonly isDeactivated: boolean;
}

export interface GoneAgent {
  readonly sinceMs: number;
}

/** Keys are agent ids; maps keep insertion order, which is age order for the last two. */
export interface RegistryState {
  readonly admitted: Map<string, AdmittedAgent>;
  readonly unreachable: Map<string, UnreachableAgent>;
  readonly gone: Map<string, GoneAgent>;
}

/** One change of the registry; semantics 1.5 gives the meaning and the errors of each. */
export type RegistryOperation =
  | { readonly kind: "admitAgent"; readonly info: AgentInfo }
  | { readonly kind: "updateAgent"; readonly info: AgentInfo }
  | { readonly kind: "markAgentUnreachable"; readonly agentId: string; readonly atMs: number }
  | { readonly kind: "markAgentReachable"; readonly info: AgentInfo }
  | { readonly kind: "removeAgent"; readonly agentId: string }
  | { readonly kind: "markAgentGone"; readonly agentId: string; readonly atMs: number }
  | {
      readonly kind: "prune";
      readonly unreachable: readonly string[];
      readonly gone: readonly string[];
    };

/** A registry with nothing in it. */
export function emptyRegistry(): RegistryState {
  return { admitted: new Map(), unreachable: new Map(), gone: new Map() };
}
