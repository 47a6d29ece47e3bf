/**
 * The incremental allocator against the slow model of model.ts, over random events: same offers,
 * same shares, nothing promised twice, and never an offer that `isDirty` and `nextWakeMs` hid.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import type { AllocatorFramework } from "../../src/allocator/allocator.ts";
import { DrfAllocator } from "../../src/allocator/drf-allocator.ts";
import { type AgentId, brand, type FrameworkId } from "../../src/base/ids.ts";
import type {
  AgentInfo,
  FrameworkInfoCapabilityType,
  Resource,
} from "../../src/protocol/v1/types.ts";
import { Bundle } from "../../src/resources/bundle.ts";
import { ResourceKinds } from "../../src/resources/kinds.ts";
import { toMilli } from "../../src/resources/milli.ts";
import { type Amounts, Model, type ModelAgent, type ModelOffer } from "./model.ts";

const ROLES = ["*", "a", "a/b", "a/b/c", "ab"];
const KEYS = ["cpus;;", "mem;;", "cpus;a;", "mem;a/b;", "cpus;a,a/b;", "cpus;;r", "gpus;;"];
const CAPABILITIES: FrameworkInfoCapabilityType[] = [
  "REVOCABLE_RESOURCES",
  "RESERVATION_REFINEMENT",
  "GPU_RESOURCES",
];
const MINIMUM = [{ cpus: 1000 }, { mem: 2000 }];
const INTERVAL_MS = 1000;

const amounts: fc.Arbitrary<Amounts> = fc
  .uniqueArray(fc.tuple(fc.constantFrom(...KEYS), fc.constantFrom(500, 1000, 2000, 4000)), {
    minLength: 1,
    maxLength: 4,
    selector: ([key]) => key,
  })
  .map((pairs) => new Map(pairs));

const subscription = fc.record({
  roles: fc.uniqueArray(fc.constantFrom(...ROLES), { maxLength: 3 }),
  suppressed: fc.subarray(ROLES, { maxLength: 1 }),
  capabilities: fc.subarray(CAPABILITIES),
  minimums: fc.dictionary(
    fc.constantFrom(...ROLES),
    fc.constantFrom([], [{ cpus: 500 }], [{ cpus: 4000 }, { mem: 500 }]),
    { maxKeys: 1 },
  ),
});
type Subscription = typeof subscription extends fc.Arbitrary<infer T> ? T : never;

const slot = fc.nat(4);
const id = fc.nat(3).map((n) => `F${n}`);
const event = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("addAgent" as const),
      slot,
      amounts,
      used: fc.option(fc.record({ id, role: fc.constantFrom(...ROLES) })),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("removeAgent" as const), slot }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("updateAgent" as const),
      slot,
      amounts,
      attributes: fc.constantFrom("x", "y"),
      keepsTotal: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("switchAgent" as const), slot, isOn: fc.boolean() }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("addFramework" as const),
      id,
      subscription,
      isActive: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("removeFramework" as const), id }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("updateFramework" as const), id, subscription }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("switchFramework" as const), id, isOn: fc.boolean() }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom("suppress" as const, "revive" as const),
      id,
      roleIndex: fc.option(fc.nat(2)),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("recover" as const),
      pick: fc.nat(50),
      isPart: fc.boolean(),
      refuseMs: fc.constantFrom(0, 500, 3000, 10_000),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("addUsed" as const),
      slot,
      id,
      role: fc.constantFrom(...ROLES),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("allocate" as const),
      afterMs: fc.constantFrom<number>(0, 1, 999, 1000, 3000, 10_000),
    }),
  },
);
type Event = typeof event extends fc.Arbitrary<infer T> ? T : never;

test("offers and shares are those of the slow model, whatever happens [semantics 4.1–4.6]", () => {
  fc.assert(
    fc.property(fc.array(event, { minLength: 5, maxLength: 80, size: "max" }), (events) => {
      const twins = new Twins();
      for (const each of events) twins.apply(each);
      twins.apply({ kind: "allocate", afterMs: 20_000 });
    }),
    { numRuns: 400 },
  );
});

/** Allocator and model, led through the same events. */
class Twins {
  readonly #kinds = new ResourceKinds();
  readonly #real: DrfAllocator;
  readonly #model: Model;
  #nowMs = 0;
  #agentNumber = 0;
  readonly #agentInSlot = new Map<number, string>();

  constructor() {
    const excluded = new Set(["gpus"]);
    this.#real = new DrfAllocator(this.#kinds, {
      minAllocatable: MINIMUM,
      isGpuFiltered: true,
      fairSharingExcluded: excluded,
      allocationIntervalMs: INTERVAL_MS,
      masterRegion: undefined,
    });
    this.#model = new Model({ minimum: MINIMUM, intervalMs: INTERVAL_MS, excluded });
  }

  apply(what: Event): void {
    this.#perform(what);
    this.#model.forgetCounts();
    this.#real.assertInvariants();
    for (const agentId of this.#model.agents.keys()) this.#model.free(agentId);
    for (const role of ROLES) {
      expect(this.#real.roleShare(role)).toBe(this.#model.shareOfRole(role));
      for (const name of ["F0", "F1", "F2", "F3"]) {
        const share = this.#model.shareOfFramework(name, role);
        expect(this.#real.frameworkShare(brand(name), role)).toBe(share);
      }
    }
  }

  #perform(what: Event): void {
    switch (what.kind) {
      case "addAgent":
        this.#addAgent(what);
        return;
      case "removeAgent":
      case "updateAgent":
      case "switchAgent":
        this.#changeAgent(what);
        return;
      case "addFramework":
        this.#addFramework(what);
        return;
      case "removeFramework":
      case "updateFramework":
      case "switchFramework":
      case "suppress":
      case "revive":
        this.#changeFramework(what);
        return;
      case "recover":
        this.#recover(what);
        return;
      case "addUsed":
        this.#addUsed(what);
        return;
      case "allocate":
        this.#allocate(what.afterMs);
        return;
    }
  }

  #addAgent(what: Extract<Event, { kind: "addAgent" }>): void {
    if (this.#agentInSlot.has(what.slot)) return;
    const agentId = `A${this.#agentNumber++}`;
    this.#agentInSlot.set(what.slot, agentId);
    this.#model.agents.set(agentId, {
      total: what.amounts,
      attributes: "",
      isActive: true,
      held: new Map(),
    });
    const used = new Map<FrameworkId, Bundle>();
    const half = halfOf(what.amounts);
    if (what.used !== null && half.size > 0) {
      this.#model.hold(agentId, what.used.id, what.used.role, half);
      used.set(brand(what.used.id), this.#bundle(half).withAllocation(what.used.role));
    }
    this.#real.addAgent(brand(agentId), infoOf(""), this.#bundle(what.amounts), used);
  }

  #changeAgent(
    what: Extract<Event, { kind: "removeAgent" | "updateAgent" | "switchAgent" }>,
  ): void {
    const name = this.#agentInSlot.get(what.slot);
    const agent = this.#model.agents.get(name ?? "");
    if (name === undefined || agent === undefined) return;
    const agentId = brand<AgentId>(name);
    if (what.kind === "removeAgent") {
      this.#agentInSlot.delete(what.slot);
      this.#model.agents.delete(name);
      this.#model.clearRefusals((_, __, other) => other === name);
      this.#real.removeAgent(agentId);
    } else if (what.kind === "switchAgent") {
      agent.isActive = what.isOn;
      if (what.isOn) this.#real.activateAgent(agentId);
      else this.#real.deactivateAgent(agentId);
    } else {
      if (what.attributes !== agent.attributes) {
        this.#model.clearRefusals((_, __, other) => other === name);
      }
      agent.attributes = what.attributes;
      if (!what.keepsTotal) agent.total = withHeld(what.amounts, agent);
      this.#real.updateAgent(agentId, infoOf(what.attributes), this.#bundle(agent.total));
    }
  }

  #addFramework(what: Extract<Event, { kind: "addFramework" }>): void {
    if (this.#model.frameworks.has(what.id)) return;
    this.#setFramework(what.id, what.subscription, what.isActive);
    const framework = allocatorFramework(what.subscription);
    // What agents told of it already may be named again or left out.
    const used = new Map<AgentId, Bundle>();
    if (what.isActive) {
      for (const [agentId, { held }] of this.#model.agents) {
        const sum = Bundle.empty(this.#kinds);
        for (const [client, own] of held) {
          const [holder, role = ""] = client.split(" ");
          if (holder === what.id) sum.add(this.#bundle(own).withAllocation(role));
        }
        if (!sum.isEmpty()) used.set(brand(agentId), sum);
      }
    }
    this.#real.addFramework(brand(what.id), framework, used, what.isActive);
  }

  #changeFramework(
    what: Extract<
      Event,
      { kind: "removeFramework" | "updateFramework" | "switchFramework" | "suppress" | "revive" }
    >,
  ): void {
    const framework = this.#model.frameworks.get(what.id);
    const frameworkId = brand<FrameworkId>(what.id);
    if (framework === undefined) return;
    const clear = (roles: readonly string[]): void =>
      this.#model.clearRefusals((other, role) => other === what.id && roles.includes(role));
    switch (what.kind) {
      case "removeFramework":
        this.#model.frameworks.delete(what.id);
        clear(ROLES);
        for (const { held } of this.#model.agents.values()) {
          for (const client of [...held.keys()]) {
            if (client.startsWith(`${what.id} `)) held.delete(client);
          }
        }
        this.#real.removeFramework(frameworkId);
        return;
      case "updateFramework":
        this.#setFramework(what.id, what.subscription, framework.isActive);
        clear(ROLES.filter((role) => !what.subscription.roles.includes(role)));
        this.#real.updateFramework(frameworkId, allocatorFramework(what.subscription));
        return;
      case "switchFramework":
        framework.isActive = what.isOn;
        if (!what.isOn) clear(ROLES);
        if (what.isOn) this.#real.activateFramework(frameworkId);
        else this.#real.deactivateFramework(frameworkId);
        return;
      default: {
        const role = framework.roles[what.roleIndex ?? framework.roles.length];
        const named = role === undefined ? [] : [role];
        const meant = role === undefined ? framework.roles : named;
        for (const each of meant) {
          if (what.kind === "suppress") framework.suppressed.add(each);
          else framework.suppressed.delete(each);
        }
        if (what.kind === "suppress") {
          this.#real.suppress(frameworkId, named);
          return;
        }
        clear(meant);
        this.#real.revive(frameworkId, named);
      }
    }
  }

  #recover(what: Extract<Event, { kind: "recover" }>): void {
    const holdings: ModelOffer[] = [];
    for (const [agentId, { held }] of this.#model.agents) {
      for (const [client, own] of held) {
        const [frameworkId = "", role = ""] = client.split(" ");
        const part = what.isPart ? halfOf(own) : new Map(own);
        holdings.push({ frameworkId, role, agentId, amounts: part });
      }
    }
    const holding = holdings[what.pick % Math.max(1, holdings.length)];
    if (holding === undefined) return;
    const { frameworkId, agentId, role } = holding;
    this.#model.recover(holding, what.refuseMs, this.#nowMs);
    const resources = this.#bundle(holding.amounts).withAllocation(role);
    this.#real.recover(brand(frameworkId), brand(agentId), resources, what.refuseMs, this.#nowMs);
  }

  #addUsed(what: Extract<Event, { kind: "addUsed" }>): void {
    const agentId = this.#agentInSlot.get(what.slot);
    if (agentId === undefined) return;
    const part = halfOf(this.#model.free(agentId));
    if (part.size === 0) return;
    this.#model.hold(agentId, what.id, what.role, part);
    const resources = this.#bundle(part).withAllocation(what.role);
    this.#real.addUsed(brand(what.id), brand(agentId), resources);
  }

  #allocate(afterMs: number): void {
    this.#nowMs += afterMs;
    const isPossible = this.#real.isDirty() || this.#real.nextWakeMs() <= this.#nowMs;
    const real = this.#real.allocate(this.#nowMs).map(({ resources, ...offer }) => {
      expect(resources.allocationRoles()).toEqual([offer.role]);
      return print(offer, this.#amountsOf(resources));
    });
    const model = this.#model.allocate(this.#nowMs).map((offer) => print(offer, offer.amounts));
    expect(real.sort()).toEqual(model.sort());
    if (model.length > 0) expect(isPossible).toBe(true);
    expect(this.#real.isDirty()).toBe(false);
    expect(this.#real.nextWakeMs()).toBeGreaterThan(this.#nowMs);
  }

  #setFramework(name: string, wanted: Subscription, isActive: boolean): void {
    const { roles, suppressed, capabilities, minimums } = wanted;
    this.#model.frameworks.set(name, {
      roles,
      suppressed: new Set(suppressed),
      capabilities: new Set(capabilities),
      minimums: new Map(Object.entries(minimums)),
      isActive,
    });
  }

  #bundle(from: Amounts): Bundle {
    return Bundle.from(
      this.#kinds,
      [...from].map(([key, milli]): Resource => {
        const [name = "", stack = "", revocable = ""] = key.split(";");
        const reservations = (stack === "" ? [] : stack.split(",")).map((role, index) => ({
          type: index === 0 ? ("STATIC" as const) : ("DYNAMIC" as const),
          role,
        }));
        return {
          name,
          type: "SCALAR",
          scalar: { value: milli / 1000 },
          ...(reservations.length > 0 && { reservations }),
          ...(revocable === "r" && { revocable: {} }),
        };
      }),
    );
  }

  #amountsOf(bundle: Bundle): Amounts {
    const found = new Map<string, number>();
    for (const { name, reservations, revocable, scalar } of bundle.toResources()) {
      const stack = (reservations ?? []).map(({ role }) => role).join(",");
      const key = `${name};${stack};${revocable === undefined ? "" : "r"}`;
      found.set(key, toMilli(scalar?.value ?? 0));
    }
    return found;
  }
}

function print(
  { frameworkId, role, agentId }: { frameworkId: string; role: string; agentId: string },
  from: Amounts,
): string {
  const parts = [...from].map(([key, milli]) => `${key}=${milli}`).sort();
  return `${frameworkId} ${role} ${agentId} ${parts.join(" ")}`;
}

function allocatorFramework(wanted: Subscription): AllocatorFramework {
  const offerFilters = Object.fromEntries(
    Object.entries(wanted.minimums).map(([role, vectors]) => [
      role,
      {
        min_allocatable_resources: {
          quantities: vectors.map((vector) => ({
            quantities: Object.fromEntries(
              Object.entries(vector).map(([name, milli]) => [name, { value: milli / 1000 }]),
            ),
          })),
        },
      },
    ]),
  );
  return {
    roles: wanted.roles,
    suppressedRoles: wanted.suppressed,
    capabilities: new Set(wanted.capabilities),
    offerFilters,
    offerConstraints: undefined,
  };
}

function infoOf(attributes: string): AgentInfo {
  if (attributes === "") return { hostname: "host" };
  return {
    hostname: "host",
    attributes: [{ name: "n", type: "TEXT", text: { value: attributes } }],
  };
}

/** `from` and all that is held: an agent may lose only what nobody holds. */
function withHeld(from: Amounts, agent: ModelAgent): Amounts {
  const total = new Map(from);
  for (const held of agent.held.values()) {
    for (const [key, milli] of held) total.set(key, (total.get(key) ?? 0) + milli);
  }
  return total;
}

/** Half of each amount, in whole steps of 500; what is too small to halve stays out. */
function halfOf(from: Amounts): Map<string, number> {
  const half = new Map<string, number>();
  for (const [key, milli] of from) {
    const part = Math.floor(milli / 1000) * 500;
    const isWhole = !key.startsWith("gpus");
    if (part > 0 && isWhole) half.set(key, part);
  }
  return half;
}
