/** Short ways to say what allocator tests need: bundles from text, frameworks, agents. */
import type { AllocatorFramework, AllocatorOptions } from "../../src/allocator/allocator.ts";
import { DrfAllocator } from "../../src/allocator/drf-allocator.ts";
import { type AgentId, brand, type FrameworkId } from "../../src/base/ids.ts";
import type { AgentInfo, Resource } from "../../src/protocol/v1/types.ts";
import { Bundle } from "../../src/resources/bundle.ts";
import { ResourceKinds } from "../../src/resources/kinds.ts";

export const OPTIONS: AllocatorOptions = {
  minAllocatable: [{ cpus: 10 }, { mem: 32_000 }],
  isGpuFiltered: true,
  fairSharingExcluded: new Set(),
  allocationIntervalMs: 1000,
  masterRegion: undefined,
};

/** `cpus:2;mem(a/b):64;cpus{REV}:1` with scalars only. */
export function resources(text: string): Resource[] {
  return text.split(";").map((part) => {
    const match = /^(\w+)(?:\(([^)]*)\))?(\{REV\})?:([\d.]+)$/.exec(part);
    if (match === null) throw new Error(`cannot read ${part}`);
    const [, name = "", role, revocable, value] = match;
    return {
      name,
      type: "SCALAR",
      scalar: { value: Number(value) },
      ...(role !== undefined && {
        reservations: role.split(",").map((each) => ({ type: "STATIC", role: each }) as const),
      }),
      ...(revocable !== undefined && { revocable: {} }),
    };
  });
}

export function framework(
  roles: readonly string[] = ["*"],
  extra: Partial<AllocatorFramework> = {},
): AllocatorFramework {
  return {
    roles,
    suppressedRoles: [],
    capabilities: new Set(),
    offerFilters: {},
    offerConstraints: undefined,
    ...extra,
  };
}

/** An allocator with words for tests: ids are bare strings, bundles are text. */
export class Bench {
  readonly kinds: ResourceKinds = new ResourceKinds();
  readonly allocator: DrfAllocator;

  constructor(options: Partial<AllocatorOptions> = {}) {
    this.allocator = new DrfAllocator(this.kinds, { ...OPTIONS, ...options });
  }

  bundle(text: string): Bundle {
    return Bundle.from(this.kinds, resources(text));
  }

  addFramework(id: string, what: AllocatorFramework = framework()): FrameworkId {
    const frameworkId = brand<FrameworkId>(id);
    this.allocator.addFramework(frameworkId, what, new Map(), true);
    return frameworkId;
  }

  addAgent(id: string, total: string, info: Partial<AgentInfo> = {}): AgentId {
    const agentId = brand<AgentId>(id);
    const agentInfo = { hostname: id, ...info };
    this.allocator.addAgent(agentId, agentInfo, this.bundle(total), new Map());
    return agentId;
  }

  /** Offers made now, as `framework/role@agent {resources}`. */
  offers(nowMs: number): string[] {
    return this.allocate(nowMs).map(
      ({ frameworkId, role, agentId, resources: bundle }) =>
        `${frameworkId}/${role}@${agentId} ${describe(bundle)}`,
    );
  }

  allocate(nowMs: number): ReturnType<DrfAllocator["allocate"]> {
    const allocations = this.allocator.allocate(nowMs);
    this.allocator.assertInvariants();
    return allocations;
  }
}

/** `cpus:2;mem:64`, names in order. */
export function describe(bundle: Bundle): string {
  return [...bundle.scalarTotals()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, milli]) => `${name}:${milli / 1000}`)
    .join(";");
}
