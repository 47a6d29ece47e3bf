/**
 * The boundary of the allocator: facts go in by method, offers to make come out of `allocate`. It
 * decides how much each framework is offered and nothing else. Pure; time is passed in.
 * Source: semantics 4.1–4.6.
 */
import type { AgentId, FrameworkId } from "../base/ids.ts";
import type { AgentInfo, FrameworkInfoCapabilityType, OfferFilters } from "../protocol/v1/types.ts";
import type { Bundle } from "../resources/bundle.ts";

export interface AllocatorFramework {
  readonly roles: readonly string[];
  readonly suppressedRoles: readonly string[];
  readonly capabilities: ReadonlySet<FrameworkInfoCapabilityType>;
  /** Per role: smallest resources worth offering; replaces the global minimum. */
  readonly offerFilters: Readonly<Record<string, OfferFilters>>;
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
  /** `used` by framework, allocated form; frameworks not yet known may appear. */
  addAgent(
    id: AgentId,
    info: AgentInfo,
    total: Bundle,
    used: ReadonlyMap<FrameworkId, Bundle>,
  ): void;
  updateAgent(id: AgentId, info: AgentInfo, total: Bundle): void;
  removeAgent(id: AgentId): void;
  activateAgent(id: AgentId): void;
  deactivateAgent(id: AgentId): void;
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
  /** True when something happened since the last cycle that could make an offer possible. */
  isDirty(): boolean;
  /** Earliest time at which a filter ends and new offers may be possible; Infinity when none. */
  nextWakeMs(): number;
  /** Decides the offers that can be made now and counts them as allocated. */
  allocate(nowMs: number): Allocation[];
  /** offered + allocated ≤ total on every agent, shares equal a full recount. Costs a full scan. */
  assertInvariants(): void;
}
