/**
 * The boundary of the allocator: facts go in by method, offers to make come out of `allocate`. It
 * decides how much each framework is offered and nothing else. Pure; time is passed in. Where Mesos
 * shuffles, allot follows the rules below, from which a model can be written that makes the same
 * offers. Source: semantics 2.9, 2.10, 3.5–3.7, 4.1–4.6.
 *
 * **Clients.** A client is a framework in one of its roles. It is known while the framework
 * subscribes to the role or holds something for it, and then forgotten with its count. It is hungry
 * while the framework is active, subscribes to the role and has not suppressed it.
 *
 * **Order of clients.** Roles are a tree by path component; a role's own frameworks are one more
 * child of it, the leaf `role/.`. At each level siblings are served by lowest share, then lowest
 * count, then lowest path as strings (for the frameworks in a leaf: the framework id), depth first.
 * - share = (largest of held / total over all scalar names that are not excluded and whose total is
 *   above 0) / weight. `held` is what all clients of the subtree hold, offered or used, reserved and
 *   revocable too, each shared volume once per agent; `total` that of all agents, active or not.
 *   Thousandths in doubles: one division, the maximum, then the division by the weight. Weights are
 *   those of the role's path, 1 where none is set; `role/.` and frameworks have weight 1.
 * - count = how often something was taken by a client of the subtree since the node is known: 1 for
 *   each allocation, and for each role in each `addUsed` and in each entry of `used` that was not
 *   known before. It never goes down.
 *
 * **Order of agents.** As added (an agent that was removed and comes back is last), turned: the n-th
 * call of `allocate` (from 0, those during a pause left out) starts at the agent at place
 * n mod (number of all agents). Agents that are inactive or not whitelisted are passed over.
 *
 * **A cycle** is `allocate`. It repeats passes until one has made no offer; each pass is stage 1
 * over all agents and then stage 2 over all agents. The order of clients is taken when an agent's
 * turn begins in a stage, and stays until its turn ends. Everything else counts as it is at the
 * moment: what is free, consumed, held back. A cycle is always the answer to the whole state, so
 * repeating it changes nothing until an event or a filter's end does. That is without a budget; with
 * one, agents whose turns did not come are the agents of the next call, which is a cycle of its own.
 *
 * **What a client may have of an agent.** Nothing when
 * - `isGpuFiltered`, the agent's total has `gpus` and the framework lacks GPU_RESOURCES;
 * - agent and master have a region, they differ, and the framework lacks REGION_AWARE;
 * - the framework has MULTI_ROLE and the agent has not; or the role has a `/` and the agent lacks
 *   HIERARCHICAL_ROLE;
 * - the framework's offer constraints for the role exclude the agent.
 *
 * Otherwise of all that is free on the agent, and of its shared volumes (which stay free) that were
 * in no offer on this agent in this pass, those kinds that
 * - are unreserved, or whose topmost reservation is for the role or an ancestor of it;
 * - if revocable, meet REVOCABLE_RESOURCES; if shared, SHARED_RESOURCES; if reserved more than once,
 *   RESERVATION_REFINEMENT in the framework.
 *
 * **Quota.** Set for top-level roles only, each with the subtree below it. Unreserved, not revocable
 * scalars are *quota scalars*; all amounts are by scalar name.
 * - consumed(role) = everything reserved to the role or below on any agent (topmost reservation;
 *   used or not, revocable left out), and the quota scalars that clients of the subtree hold.
 * - unsatisfied(role) = guarantee − consumed, where above 0.
 * - available = quota scalars free on all agents that are active and whitelisted;
 *   required = sum of unsatisfied over all roles; slack = available − required, at least 0.
 * - shrinking resources to an amount takes, for each name apart, divisible kinds in order of kind
 *   until the amount is reached, then whole copies of indivisible kinds in order of kind, as many of
 *   each as still fit. A name without an amount has 0 of it, in limits: as much as you like.
 *
 * Stage 1 serves clients whose top-level role (the role itself included) is unsatisfied in any name.
 *   guaranteed = the client's quota scalars, shrunk to unsatisfied; nothing is offered when empty.
 *   extra = the rest of them, shrunk to the smaller of limit − consumed − guaranteed, and slack.
 * Stage 2 serves all clients.
 *   extra = the client's quota scalars, shrunk to the smaller of limit − consumed, and slack.
 * Without any guarantee slack covers everything. In both stages the offer is guaranteed + extra +
 * everything that is no quota scalar. It is made unless
 * - it has nothing that is not shared;
 * - the minimum of the framework for this role, or else the general one, is a list that is not empty
 *   and of which the offer covers no entry; all scalars of a name count together;
 * - a live filter of this framework, role and agent contains all of it.
 *
 * Differs from Mesos: a guarantee serves the whole subtree and not only frameworks in the top-level
 * role itself; headroom is what can be offered now, so that agents which are not active do not count
 * as kept for a guarantee; what a guarantee received in stage 2 is no longer held back.
 *
 * **Filters.** `recover` with `refuseMs` > 0 makes one if the framework is active and subscribes to
 * the role: per role the recovered resources, live while `nowMs` < time of recovery +
 * max(allocation interval, `refuseMs`). Beyond 32 per client and agent the one that ends first goes.
 * They go when the client is revived or leaves its role, the framework is deactivated or removed,
 * the agent is removed or its attributes change.
 */
import type { AgentId, FrameworkId } from "../base/ids.ts";
import type {
  AgentInfo,
  AgentInfoCapabilityType,
  FrameworkInfoCapabilityType,
  OfferFilters,
  SchedulerOfferConstraints,
} from "../protocol/v1/types.ts";
import type { Bundle } from "../resources/bundle.ts";
import type { Explanation } from "./explanation.ts";

export interface AllocatorFramework {
  readonly roles: readonly string[];
  readonly suppressedRoles: readonly string[];
  readonly capabilities: ReadonlySet<FrameworkInfoCapabilityType>;
  /** Per role: smallest resources worth offering; replaces the global minimum. */
  readonly offerFilters: Readonly<Record<string, OfferFilters>>;
  /** Which agents may be offered, per role; validated, so that every regular expression compiles. */
  readonly offerConstraints: SchedulerOfferConstraints | undefined;
}

/** One offer to make: everything `resources` says, on one agent, for one role of a framework. */
export interface Allocation {
  readonly frameworkId: FrameworkId;
  readonly role: string;
  readonly agentId: AgentId;
  /** Allocated form: every resource carries `allocation_info.role`. Owned by the receiver. */
  readonly resources: Bundle;
}

export interface AllocatorOptions {
  /** Any one of these is enough to be worth offering (`--min_allocatable_resources`), thousandths. */
  readonly minAllocatable: readonly Readonly<Record<string, number>>[];
  readonly isGpuFiltered: boolean;
  /** Resource names that do not count for shares. */
  readonly fairSharingExcluded: ReadonlySet<string>;
  /** Shortest life of a filter, milliseconds (`--allocation_interval`). */
  readonly allocationIntervalMs: number;
  /** Region of the master's fault domain (`--domain`). */
  readonly masterRegion: string | undefined;
}

/** How much one call of `allocate` may do; the last turn of an agent is finished beyond it. */
export interface CycleBudget {
  /** Offers made. */
  readonly offers: number;
  /** Turns of agents and clients they are shown to, not in stage 1; filters whose end is noticed. */
  readonly looks: number;
}

/** Thousandths by scalar name. A name without a limit is unlimited, without a guarantee has 0. */
export interface RoleQuota {
  readonly guarantees: Readonly<Record<string, number>>;
  readonly limits: Readonly<Record<string, number>>;
}

/** All ids must have been added before they are named; breaking that is an assertion. */
export interface Allocator {
  /** `used` is what the framework already holds per agent (allocated form), for failover. */
  addFramework(
    id: FrameworkId,
    framework: AllocatorFramework,
    used: ReadonlyMap<AgentId, Bundle>,
    isActive: boolean,
  ): void;
  updateFramework(id: FrameworkId, framework: AllocatorFramework): void;
  /** Forgets the framework; what it held returns to the agents. */
  removeFramework(id: FrameworkId): void;
  activateFramework(id: FrameworkId): void;
  /** No more offers; its filters are forgotten. */
  deactivateFramework(id: FrameworkId): void;
  /**
   * `used` by framework, allocated form; frameworks not yet known may appear. An agent whose
   * `capabilities` are left out has all of them.
   */
  addAgent(
    id: AgentId,
    info: AgentInfo,
    total: Bundle,
    used: ReadonlyMap<FrameworkId, Bundle>,
    capabilities?: ReadonlySet<AgentInfoCapabilityType>,
  ): void;
  /**
   * Anything may have changed, the revocable part of the total too; `total` covers what is held.
   * Capabilities that are left out stay as they are.
   */
  updateAgent(
    id: AgentId,
    info: AgentInfo,
    total: Bundle,
    capabilities?: ReadonlySet<AgentInfoCapabilityType>,
  ): void;
  removeAgent(id: AgentId): void;
  activateAgent(id: AgentId): void;
  deactivateAgent(id: AgentId): void;
  /** Only agents with these host names are offered; undefined lets all of them be. */
  updateWhitelist(hostnames: ReadonlySet<string> | undefined): void;
  /** Weights are above 0; roles that are not named keep theirs. Takes effect in the next cycle. */
  updateWeights(weights: readonly { readonly role: string; readonly weight: number }[]): void;
  /** Replaces the quota of a top-level role; guarantees are at most the limits. */
  updateQuota(role: string, quota: RoleQuota | undefined): void;
  /**
   * What counts for the quota of a role, thousandths by scalar name, names with 0 left out: all
   * reservations of the subtree, used or not, and what its clients hold of unreserved, not revocable
   * scalars. Offers count as held. Costs O(names), for nested roles O(subtree).
   */
  quotaConsumed(role: string): ReadonlyMap<string, number>;
  /** Dominant share of a role with all below it; 0 when nothing is known of it. */
  roleShare(role: string): number;
  /**
   * After a failover: if any quota is set, offers nothing until `agentCount` agents are known or
   * `untilMs` has come, since what quotas have consumed is not known before. Source: semantics 1.6.2.
   */
  pauseForRecovery(agentCount: number, untilMs: number): void;
  /** Empty roles mean all of the framework's. */
  suppress(id: FrameworkId, roles: readonly string[]): void;
  revive(id: FrameworkId, roles: readonly string[]): void;
  /** Resources come back: task ended, offer declined or rescinded. A filter lasts `refuseMs` > 0. */
  recover(
    frameworkId: FrameworkId,
    agentId: AgentId,
    resources: Bundle,
    refuseMs: number,
    nowMs: number,
  ): void;
  /** A returning agent or framework already uses these: take them without an offer. */
  addUsed(frameworkId: FrameworkId, agentId: AgentId, resources: Bundle): void;
  /** True when something happened since the last cycle that could make an offer possible. O(1). */
  isDirty(): boolean;
  /**
   * Earliest time at which a filter or a pause ends and new offers may be possible; Infinity when
   * none does. O(log filters).
   */
  nextWakeMs(): number;
  /**
   * Decides the offers that can be made now and counts them as held. With a budget it may stop before
   * the end of the cycle; then it stays dirty, and the next call goes on with what was left.
   */
  allocate(nowMs: number, budget?: CycleBudget): Allocation[];
  /** How often the last cycle looked at an agent for a client: a measure of its cost. O(1). */
  lastCycleLooks(): number;
  /**
   * Why a framework gets nothing (more) for one of its roles, by rule and number of agents. Changes
   * nothing. O(agents).
   */
  explain(id: FrameworkId, role: string, nowMs: number): Explanation;
  /** offered + allocated ≤ total on every agent, shares equal a full recount. Costs a full scan. */
  assertInvariants(): void;
}
