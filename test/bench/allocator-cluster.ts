/** The clusters that the allocator's benchmarks work on, and the events they put to them. */
import type { Allocation, Allocator } from "../../src/allocator/allocator.ts";
import { DrfAllocator } from "../../src/allocator/drf-allocator.ts";
import { type AgentId, brand, type FrameworkId } from "../../src/base/ids.ts";
import { Bundle } from "../../src/resources/bundle.ts";
import { ResourceKinds } from "../../src/resources/kinds.ts";
import { framework, OPTIONS, resources } from "../allocator/allocator-fixtures.ts";
import { threadTimeMs } from "./thread-clock.ts";

export interface ClusterShape {
  readonly agents: number;
  readonly frameworks: number;
  readonly roles: number;
  /** No two agents have the same amounts. */
  readonly areAgentsUnlike?: boolean;
}

/** What each agent has, as in the workloads that Mesos was measured with. */
export const AGENT_CPUS: number = 24;
const MEMORY_MB = 4096;
const DISK_MB = 4096;
const PORTS = { begin: 31_000, end: 32_000 };

export class Cluster {
  readonly kinds: ResourceKinds = new ResourceKinds();
  readonly allocator: Allocator = new DrfAllocator(this.kinds, OPTIONS);
  readonly shape: ClusterShape;
  /** Virtual milliseconds; filters end by it. */
  nowMs = 0;

  constructor(shape: ClusterShape) {
    this.shape = shape;
  }

  /** Frameworks are dealt to the roles in turn. */
  addFrameworks(count: number = this.shape.frameworks): void {
    for (let index = 0; index < count; index++) this.addFramework(index);
  }

  addFramework(index: number, suppressed = false): void {
    const role = roleName(index % this.shape.roles);
    const suppressedRoles = suppressed ? [role] : [];
    const record = framework([role], { suppressedRoles });
    this.allocator.addFramework(frameworkId(index), record, new Map(), true);
  }

  addAgents(): void {
    const isUnlike = this.shape.areAgentsUnlike === true;
    const total = this.bundle(AGENT_CPUS);
    for (let index = 0; index < this.shape.agents; index++) {
      const info = { hostname: `host-${index}` };
      const own = isUnlike ? this.bundle(AGENT_CPUS, MEMORY_MB + index) : total.clone();
      this.allocator.addAgent(agentId(index), info, own, new Map());
    }
  }

  bundle(cpus: number, memoryMb: number = MEMORY_MB): Bundle {
    const scalars = resources(`cpus:${cpus};mem:${memoryMb};disk:${DISK_MB}`);
    const ports = { name: "ports", type: "RANGES", ranges: { range: [PORTS] } } as const;
    return Bundle.from(this.kinds, [...scalars, ports]);
  }

  allocate(): Allocation[] {
    return this.allocator.allocate(this.nowMs);
  }

  recover(allocation: Allocation, refuseMs: number): void {
    const { frameworkId: id, agentId: agent, resources: bundle } = allocation;
    this.allocator.recover(id, agent, bundle, refuseMs, this.nowMs);
  }

  /** Makes the next cycle look at every agent, although nothing about any of them is new. */
  touchAgents(): void {
    for (let index = 0; index < this.shape.agents; index++) {
      this.allocator.deactivateAgent(agentId(index));
      this.allocator.activateAgent(agentId(index));
    }
  }
}

/** A cluster with all its frameworks and agents, everything free and everybody hungry. */
export function idleCluster(shape: ClusterShape): Cluster {
  const cluster = new Cluster(shape);
  cluster.addFrameworks();
  cluster.addAgents();
  return cluster;
}

export function frameworkId(index: number): FrameworkId {
  return brand(`framework-${index}`);
}

export function agentId(index: number): AgentId {
  return brand(`agent-${index}`);
}

export function roleName(index: number): string {
  return `role-${index}`;
}

/**
 * Milliseconds of this thread's own processor time that the work takes: equal to the time that
 * passes on an idle machine, and the same on one that others use as well.
 */
export function timed(work: () => unknown): number {
  const startMs = threadTimeMs();
  work();
  return threadTimeMs() - startMs;
}

export function expectCount(offers: readonly Allocation[], count: number): readonly Allocation[] {
  if (offers.length !== count) throw new Error(`${offers.length} offers in place of ${count}`);
  return offers;
}
