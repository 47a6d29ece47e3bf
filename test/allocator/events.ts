/** What may happen to a cluster, as data that fast-check can shrink and print. */
import type { FrameworkInfoCapabilityType } from "../../src/protocol/v1/types.ts";
import type { Amounts } from "./model/amounts.ts";
import type { ModelAgentFacts, ModelConstraint, Vector } from "./model/cluster.ts";

/** What a framework says of itself. */
export interface Subscription {
  readonly roles: readonly string[];
  readonly suppressed: readonly string[];
  readonly capabilities: readonly FrameworkInfoCapabilityType[];
  readonly minimums: Readonly<Record<string, readonly Vector[]>>;
  readonly constraints: Readonly<Record<string, readonly (readonly ModelConstraint[])[]>>;
}

export type Event =
  | {
      readonly kind: "addAgent";
      readonly slot: number;
      readonly amounts: Amounts;
      readonly facts: ModelAgentFacts;
      readonly used: { readonly id: string; readonly role: string } | null;
    }
  | { readonly kind: "removeAgent"; readonly slot: number }
  | {
      readonly kind: "updateAgent";
      readonly slot: number;
      readonly amounts: Amounts;
      readonly facts: ModelAgentFacts | null;
      readonly keepsTotal: boolean;
    }
  | { readonly kind: "switchAgent"; readonly slot: number; readonly isOn: boolean }
  | {
      readonly kind: "addFramework";
      readonly id: string;
      readonly subscription: Subscription;
      readonly isActive: boolean;
    }
  | { readonly kind: "removeFramework"; readonly id: string }
  | { readonly kind: "updateFramework"; readonly id: string; readonly subscription: Subscription }
  | { readonly kind: "switchFramework"; readonly id: string; readonly isOn: boolean }
  | {
      readonly kind: "suppress" | "revive";
      readonly id: string;
      readonly roleIndex: number | null;
    }
  | {
      readonly kind: "recover";
      readonly pick: number;
      readonly isPart: boolean;
      readonly refuseMs: number;
    }
  | { readonly kind: "addUsed"; readonly slot: number; readonly id: string; readonly role: string }
  | { readonly kind: "updateWeights"; readonly weights: Readonly<Record<string, number>> }
  | {
      readonly kind: "updateQuota";
      readonly role: string;
      readonly quota: { readonly guarantees: Vector; readonly limits: Vector } | null;
    }
  | { readonly kind: "updateWhitelist"; readonly hostnames: readonly string[] | null }
  | { readonly kind: "pause"; readonly agentCount: number; readonly forMs: number }
  | { readonly kind: "allocate"; readonly afterMs: number };
