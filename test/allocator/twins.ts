/** Allocator and model, led through the same events and compared after each. */
import { expect } from "bun:test";
import type { Allocation, Allocator } from "../../src/allocator/allocator.ts";
import { DrfAllocator } from "../../src/allocator/drf-allocator.ts";
import { type AgentId, brand, type FrameworkId } from "../../src/base/ids.ts";
import { Bundle } from "../../src/resources/bundle.ts";
import { ResourceKinds } from "../../src/resources/kinds.ts";
import { toAgentInfo, toAllocatorFramework, toAmounts, toBundle } from "./conversion.ts";
import type { Event, Subscription } from "./events.ts";
import {
  type Amounts,
  addTo,
  INDIVISIBLE_ORDER,
  partOf,
  prefixesOf,
  wholeOf,
} from "./model/amounts.ts";
import {
  frameworkOf,
  type ModelAgent,
  type ModelOffer,
  roleOf,
  type Vector,
} from "./model/cluster.ts";
import { Model } from "./model/model.ts";
import { Promises } from "./model/promises.ts";
import { shareOfFramework, shareOfRole } from "./model/ranking.ts";

const MINIMUM = [{ cpus: 1000 }, { mem: 2000 }];
const INTERVAL_MS = 1000;
/** Of the master. */
const REGION = "here";

type EventOf<Kind extends Event["kind"]> = Extract<Event, { readonly kind: Kind }>;

export class Twins {
  readonly #kinds = new ResourceKinds();
  readonly #real: DrfAllocator;
  /** The same, by its interface. */
  readonly #allocator: Allocator;
  readonly #model: Model;
  #nowMs = 0;
  #agentNumber = 0;
  readonly #agentInSlot = new Map<number, string>();

  /** Offers of the last cycle, as `framework role agent key=milli …`, in order of the text. */
  lastOffers: readonly string[] = [];

  /** `minimum` is the general one, thousandths. */
  constructor(minimum: readonly Vector[] = MINIMUM) {
    const excluded = new Set(["gpus"]);
    this.#real = new DrfAllocator(this.#kinds, {
      minAllocatable: minimum,
      isGpuFiltered: true,
      fairSharingExcluded: excluded,
      allocationIntervalMs: INTERVAL_MS,
      masterRegion: REGION,
    });
    this.#allocator = this.#real;
    this.#model = new Model({
      minimum,
      intervalMs: INTERVAL_MS,
      excluded,
      isGpuFiltered: true,
      region: REGION,
    });
    // Makes the kinds whose order counts known in that order.
    for (const key of INDIVISIBLE_ORDER) toBundle(this.#kinds, new Map([[key, wholeOf(key)]]));
  }

  /** Lets it happen to both, and compares what they hold and how they rank. */
  apply(what: Event): void {
    this.#perform(what);
    this.#model.forgetCounts();
    this.#real.assertInvariants();
    for (const agentId of this.#model.agents.keys()) this.#model.free(agentId);
    this.#compareRanks();
  }

  #compareRanks(): void {
    const roles = new Set<string>();
    for (const client of this.#model.clients()) {
      const role = roleOf(client);
      for (const path of prefixesOf(role)) roles.add(path);
      const share = shareOfFramework(this.#model, frameworkOf(client), role);
      expect(this.#real.frameworkShare(brand(frameworkOf(client)), role)).toBe(share);
    }
    for (const role of roles) {
      expect(this.#real.roleShare(role)).toBe(shareOfRole(this.#model, role));
      expect(this.#real.quotaConsumed(role)).toEqual(this.#model.consumed(role));
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
      case "updateWeights":
      case "updateQuota":
      case "updateWhitelist":
      case "pause":
        this.#changePolicy(what);
        return;
      case "allocate":
        this.#allocate(what.afterMs);
        return;
    }
  }

  #addAgent(what: EventOf<"addAgent">): void {
    if (this.#agentInSlot.has(what.slot)) return;
    const name = `A${this.#agentNumber++}`;
    this.#agentInSlot.set(what.slot, name);
    const agent = { total: what.amounts, facts: what.facts, isActive: true };
    this.#model.agents.set(name, { ...agent, held: new Map() });
    const used = new Map<FrameworkId, Bundle>();
    const part = usedPart(what.amounts);
    if (what.used !== null && part.size > 0) {
      this.#model.hold(name, `${what.used.id} ${what.used.role}`, part);
      used.set(brand(what.used.id), toBundle(this.#kinds, part).withAllocation(what.used.role));
    }
    const total = toBundle(this.#kinds, what.amounts);
    const { facts } = what;
    this.#allocator.addAgent(brand(name), toAgentInfo(facts), total, used, facts.capabilities);
  }

  #changeAgent(what: EventOf<"removeAgent" | "updateAgent" | "switchAgent">): void {
    const name = this.#agentInSlot.get(what.slot);
    const agent = this.#model.agents.get(name ?? "");
    if (name === undefined || agent === undefined) return;
    const agentId = brand<AgentId>(name);
    if (what.kind === "removeAgent") {
      this.#agentInSlot.delete(what.slot);
      this.#model.removeAgent(name);
      this.#real.removeAgent(agentId);
    } else if (what.kind === "switchAgent") {
      agent.isActive = what.isOn;
      if (what.isOn) this.#real.activateAgent(agentId);
      else this.#real.deactivateAgent(agentId);
    } else {
      const facts = what.facts ?? agent.facts;
      this.#model.updateFacts(name, facts);
      if (!what.keepsTotal) agent.total = withHeld(what.amounts, agent);
      const total = toBundle(this.#kinds, agent.total);
      this.#allocator.updateAgent(agentId, toAgentInfo(facts), total, facts.capabilities);
    }
  }

  #addFramework(what: EventOf<"addFramework">): void {
    if (this.#model.frameworks.has(what.id)) return;
    this.#setFramework(what.id, what.subscription, what.isActive);
    // What agents told of it already may be named again or left out.
    const used = new Map<AgentId, Bundle>();
    if (what.isActive) {
      for (const [agentId, { held }] of this.#model.agents) {
        const sum = Bundle.empty(this.#kinds);
        for (const [client, own] of held) {
          if (frameworkOf(client) !== what.id) continue;
          sum.add(toBundle(this.#kinds, own).withAllocation(roleOf(client)));
        }
        if (!sum.isEmpty()) used.set(brand(agentId), sum);
      }
    }
    const framework = toAllocatorFramework(what.subscription);
    this.#real.addFramework(brand(what.id), framework, used, what.isActive);
  }

  #changeFramework(
    what: EventOf<
      "removeFramework" | "updateFramework" | "switchFramework" | "suppress" | "revive"
    >,
  ): void {
    const framework = this.#model.frameworks.get(what.id);
    const frameworkId = brand<FrameworkId>(what.id);
    if (framework === undefined) return;
    switch (what.kind) {
      case "removeFramework":
        this.#model.removeFramework(what.id);
        this.#real.removeFramework(frameworkId);
        return;
      case "updateFramework":
        this.#setFramework(what.id, what.subscription, framework.isActive);
        this.#real.updateFramework(frameworkId, toAllocatorFramework(what.subscription));
        return;
      case "switchFramework":
        this.#model.switchFramework(what.id, what.isOn);
        if (what.isOn) this.#real.activateFramework(frameworkId);
        else this.#real.deactivateFramework(frameworkId);
        return;
      default: {
        const role = framework.roles[what.roleIndex ?? framework.roles.length];
        const roles = role === undefined ? [] : [role];
        if (what.kind === "suppress") {
          this.#model.suppress(what.id, roles);
          this.#real.suppress(frameworkId, roles);
        } else {
          this.#model.revive(what.id, roles);
          this.#real.revive(frameworkId, roles);
        }
      }
    }
  }

  #recover(what: EventOf<"recover">): void {
    const holdings: ModelOffer[] = [];
    for (const [agentId, { held }] of this.#model.agents) {
      for (const [client, own] of held) {
        const amounts = what.isPart ? halfOf(own) : new Map(own);
        holdings.push({ frameworkId: frameworkOf(client), role: roleOf(client), agentId, amounts });
      }
    }
    const holding = holdings[what.pick % Math.max(1, holdings.length)];
    if (holding === undefined) return;
    const { frameworkId, agentId, role } = holding;
    this.#model.recover(holding, what.refuseMs, this.#nowMs);
    const resources = toBundle(this.#kinds, holding.amounts).withAllocation(role);
    this.#real.recover(brand(frameworkId), brand(agentId), resources, what.refuseMs, this.#nowMs);
  }

  #addUsed(what: EventOf<"addUsed">): void {
    const agentId = this.#agentInSlot.get(what.slot);
    if (agentId === undefined) return;
    const part = usedPart(this.#model.free(agentId));
    if (part.size === 0) return;
    this.#model.hold(agentId, `${what.id} ${what.role}`, part);
    const resources = toBundle(this.#kinds, part).withAllocation(what.role);
    this.#real.addUsed(brand(what.id), brand(agentId), resources);
  }

  #changePolicy(
    what: EventOf<"updateWeights" | "updateQuota" | "updateWhitelist" | "pause">,
  ): void {
    if (what.kind === "updateWeights") {
      const weights = Object.entries(what.weights).map(([role, weight]) => ({ role, weight }));
      for (const { role, weight } of weights) this.#model.weights.set(role, weight);
      this.#real.updateWeights(weights);
    } else if (what.kind === "updateQuota") {
      this.#model.setQuota(what.role, what.quota ?? undefined);
      this.#real.updateQuota(what.role, what.quota ?? undefined);
    } else if (what.kind === "updateWhitelist") {
      const hostnames = what.hostnames === null ? undefined : new Set(what.hostnames);
      this.#model.whitelist = hostnames;
      this.#real.updateWhitelist(hostnames);
    } else {
      const untilMs = this.#nowMs + what.forMs;
      this.#model.pauseForRecovery(what.agentCount, untilMs);
      this.#real.pauseForRecovery(what.agentCount, untilMs);
    }
  }

  #allocate(afterMs: number): void {
    this.#nowMs += afterMs;
    const isPossible = this.#real.isDirty() || this.#real.nextWakeMs() <= this.#nowMs;
    this.#compareReasons();
    const promises = new Promises(this.#model);
    const real = this.#real.allocate(this.#nowMs).map(printAllocation);
    const offers = this.#model.allocate(this.#nowMs);
    const model = offers.map(print);
    expect(real.sort()).toEqual(model.sort());
    this.lastOffers = real;
    if (model.length > 0) expect(isPossible).toBe(true);
    expect(this.#real.isDirty()).toBe(false);
    expect(this.#real.nextWakeMs()).toBeGreaterThan(this.#nowMs);
    promises.check(offers);
    // A cycle is the answer to the whole state: asked again it has nothing to add.
    expect(this.#real.allocate(this.#nowMs)).toEqual([]);
    expect(this.#model.allocate(this.#nowMs)).toEqual([]);
    this.#compareReasons();
  }

  /** Why each framework gets no more than it has. */
  #compareReasons(): void {
    for (const [id, { roles }] of this.#model.frameworks) {
      for (const role of roles) {
        const { reasons, agentCount } = this.#real.explain(brand(id), role, this.#nowMs);
        const found = new Map<string, number>(reasons.map(({ kind, agents }) => [kind, agents]));
        expect(found).toEqual(this.#model.explain(`${id} ${role}`, this.#nowMs));
        expect(agentCount).toBe(this.#model.agents.size);
      }
    }
  }

  #setFramework(name: string, wanted: Subscription, isActive: boolean): void {
    const { roles, suppressed, capabilities, minimums, constraints } = wanted;
    this.#model.setFramework(name, {
      roles,
      suppressed: new Set(suppressed),
      capabilities: new Set(capabilities),
      minimums: new Map(Object.entries(minimums)),
      constraints: new Map(Object.entries(constraints)),
      isActive,
    });
  }
}

function printAllocation({ frameworkId, role, agentId, resources }: Allocation): string {
  expect(resources.allocationRoles()).toEqual([role]);
  return print({ frameworkId, role, agentId, amounts: toAmounts(resources) });
}

function print({ frameworkId, role, agentId, amounts }: ModelOffer): string {
  const parts = [...amounts].map(([key, milli]) => `${key}=${milli}`).sort();
  return `${frameworkId} ${role} ${agentId} ${parts.join(" ")}`;
}

/** What somebody uses of what there is: half of what can be halved, and every shared volume. */
function usedPart(from: Amounts): Map<string, number> {
  const part = halfOf(from);
  for (const key of from.keys()) if (partOf(key).isShared) part.set(key, wholeOf(key));
  return part;
}

/** `from` and all that is held: an agent may lose only what nobody holds. */
function withHeld(from: Amounts, agent: ModelAgent): Amounts {
  const total = new Map(from);
  for (const held of agent.held.values()) {
    addTo(total, held);
  }
  for (const key of total.keys()) {
    const { unitMilli, port } = partOf(key);
    if (unitMilli !== undefined || port !== undefined) total.set(key, wholeOf(key));
  }
  return total;
}

/** Half of each amount, in whole steps of 500; what cannot be halved stays out. */
export function halfOf(from: Amounts): Map<string, number> {
  const half = new Map<string, number>();
  for (const [key, milli] of from) {
    const part = Math.floor(milli / 1000) * 500;
    const { name, unitMilli } = partOf(key);
    if (part > 0 && name !== "gpus" && unitMilli === undefined) half.set(key, part);
  }
  return half;
}
