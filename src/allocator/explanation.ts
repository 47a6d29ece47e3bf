/**
 * Why a framework is offered nothing (more) for a role, as data. Each agent stands under exactly one
 * reason: the first rule that keeps it from being offered, in the order of the kinds below.
 */
import type { AgentId } from "../base/ids.ts";

/** Thousandths by scalar name. */
export type Amounts = Readonly<Record<string, number>>;

export type Finding =
  | { readonly kind: "agentInactive" }
  | { readonly kind: "notWhitelisted" }
  /** It lacks MULTI_ROLE or HIERARCHICAL_ROLE. */
  | { readonly kind: "agentCapability" }
  | { readonly kind: "gpuRule" }
  | { readonly kind: "remoteRegion" }
  | { readonly kind: "constraint" }
  | { readonly kind: "nothingFree" }
  /** What is free is revocable, shared or refined, and the framework cannot take that. */
  | { readonly kind: "frameworkCapability" }
  /** All roles that something is reserved to on these agents. */
  | { readonly kind: "reservedToOthers"; readonly roles: readonly string[] }
  /** The agent that comes nearest to one entry of the minimum, with what is free there. */
  | {
      readonly kind: "tooSmall";
      readonly nearestAgentId: AgentId;
      readonly free: Amounts;
      readonly minimum: readonly Amounts[];
    }
  /** The top-level role whose limit is reached. */
  | { readonly kind: "quotaLimit"; readonly role: string }
  /** Roles whose guarantee is not reached yet. */
  | { readonly kind: "headroom"; readonly roles: readonly string[] }
  /** When the first of the filters ends, epoch milliseconds. */
  | { readonly kind: "filtered"; readonly earliestEndMs: number }
  /** Nothing stands against it: offered in the next cycle, unless others come first. */
  | { readonly kind: "possible" };

/** A finding and the number of agents that it stands for. */
export type Reason = Finding & { readonly agents: number };

export interface Explanation {
  readonly isSuppressed: boolean;
  /** Since when it has been hungry without an offer, milliseconds; undefined while it is not. */
  readonly starvingSinceMs: number | undefined;
  /** The sum of `agents` over all reasons. */
  readonly agentCount: number;
  /** One for each kind that was found, in the order of the kinds. */
  readonly reasons: readonly Reason[];
}
