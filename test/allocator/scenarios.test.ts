/**
 * The allocator's lines of the acceptance list (semantics 10.22–10.35), one scripted scenario each:
 * what is expected is written down, and both the allocator and the model must answer it.
 */
import { expect, test } from "bun:test";
import type { Event, Subscription } from "./events.ts";
import type { ModelAgentFacts, Vector } from "./model/cluster.ts";
import { Twins } from "./twins.ts";

/** As `--min_allocatable_resources` is by default. */
const DEFAULT_MINIMUM: readonly Vector[] = [{ cpus: 10 }, { mem: 32_000 }];
const WHOLE_AGENT = { "cpus;;": 4000, "mem;;": 64_000 };

/** A cluster with words for scenarios. Agents are called A0, A1, … as they come. */
class Scene {
  readonly #twins = new Twins(DEFAULT_MINIMUM);
  #agents = 0;

  agent(amounts: Readonly<Record<string, number>>, facts: Partial<ModelAgentFacts> = {}): void {
    const slot = this.#agents++;
    this.#apply({
      kind: "addAgent",
      slot,
      amounts: new Map(Object.entries(amounts)),
      facts: {
        hostname: `h${slot}`,
        attributes: [],
        region: undefined,
        zone: "",
        capabilities: new Set(["MULTI_ROLE", "HIERARCHICAL_ROLE"]),
        ...facts,
      },
      used: null,
    });
  }

  removeAgent(slot: number): void {
    this.#apply({ kind: "removeAgent", slot });
  }

  framework(id: string, wanted: Partial<Subscription> = {}): void {
    const subscription = {
      roles: ["*"],
      suppressed: [],
      capabilities: [],
      minimums: {},
      constraints: {},
      ...wanted,
    };
    this.#apply({ kind: "addFramework", id, subscription, isActive: true });
  }

  quota(role: string, guarantees: Vector, limits: Vector): void {
    this.#apply({ kind: "updateQuota", role, quota: { guarantees, limits } });
  }

  weigh(role: string, weight: number): void {
    this.#apply({ kind: "updateWeights", weights: { [role]: weight } });
  }

  /** All of one thing that somebody holds comes back; the first offered is number 0. */
  decline(pick: number, refuseMs: number): void {
    this.#apply({ kind: "recover", pick, isPart: false, refuseMs });
  }

  suppress(id: string): void {
    this.#apply({ kind: "suppress", id, roleIndex: null });
  }

  revive(id: string): void {
    this.#apply({ kind: "revive", id, roleIndex: null });
  }

  /** Offers of a cycle so much later, `framework role agent amounts`. */
  offers(afterMs = 0): readonly string[] {
    this.#apply({ kind: "allocate", afterMs });
    return this.#twins.lastOffers;
  }

  #apply(event: Event): void {
    this.#twins.apply(event);
  }
}

const OFFER_OF_A0 = "F0 * A0 cpus;;=4000 mem;;=64000";

test("declined resources of an agent are not offered again for 5 s [semantics 10.22]", () => {
  const scene = new Scene();
  scene.agent(WHOLE_AGENT);
  scene.framework("F0");
  expect(scene.offers()).toEqual([OFFER_OF_A0]);
  scene.decline(0, 5000);
  expect(scene.offers()).toEqual([]);
  expect(scene.offers(4999)).toEqual([]);
  expect(scene.offers(1)).toEqual([OFFER_OF_A0]);
});

test("what is declined for 0 s is offered in the next cycle [semantics 10.23]", () => {
  const scene = new Scene();
  scene.agent(WHOLE_AGENT);
  scene.framework("F0");
  scene.offers();
  scene.decline(0, 0);
  expect(scene.offers()).toEqual([OFFER_OF_A0]);
});

test("a filter does not hold back more than was declined [semantics 10.24]", () => {
  const scene = new Scene();
  scene.agent(WHOLE_AGENT);
  scene.framework("F0");
  scene.framework("F1");
  expect(scene.offers()).toEqual([OFFER_OF_A0]);
  scene.decline(0, 60_000);
  expect(scene.offers()).toEqual(["F1 * A0 cpus;;=4000 mem;;=64000"]);
  scene.agent({ ...WHOLE_AGENT, "cpus;;": 8000 });
  expect(scene.offers()).toEqual(["F0 * A1 cpus;;=8000 mem;;=64000"]);
});

test("reviving clears filters and gives an offer at once [semantics 10.25]", () => {
  const scene = new Scene();
  scene.agent(WHOLE_AGENT);
  scene.framework("F0");
  scene.offers();
  scene.decline(0, 60_000);
  expect(scene.offers(1000)).toEqual([]);
  scene.revive("F0");
  expect(scene.offers()).toEqual([OFFER_OF_A0]);
});

test("suppressing stops new offers and leaves what is outstanding [semantics 10.26]", () => {
  const scene = new Scene();
  scene.agent(WHOLE_AGENT);
  scene.framework("F0");
  scene.offers();
  scene.suppress("F0");
  scene.agent(WHOLE_AGENT);
  expect(scene.offers(10_000)).toEqual([]);
  scene.revive("F0");
  // The first agent is still held: only the second comes.
  expect(scene.offers()).toEqual(["F0 * A1 cpus;;=4000 mem;;=64000"]);
});

test("an offer is a whole agent for one role, one per agent and role [semantics 10.27]", () => {
  const scene = new Scene();
  scene.agent({ ...WHOLE_AGENT, "cpus;b;": 2000, "ports#1;;": 1 });
  scene.framework("F0", { roles: ["a", "b"] });
  expect(scene.offers()).toEqual([
    "F0 a A0 cpus;;=4000 mem;;=64000 ports#1;;=1",
    "F0 b A0 cpus;b;=2000",
  ]);
});

test("offers below both cpus 0.01 and mem 32 are not made [semantics 10.28]", () => {
  const scene = new Scene();
  scene.framework("F0");
  scene.agent({ "cpus;;": 9, "mem;;": 31_999, "disk;;": 4000 });
  expect(scene.offers()).toEqual([]);
  scene.agent({ "cpus;;": 10 });
  scene.agent({ "mem;;": 32_000 });
  expect(scene.offers()).toEqual(["F0 * A1 cpus;;=10", "F0 * A2 mem;;=32000"]);
});

test("equal frameworks alternate, and a role of weight 2 gets twice the share [semantics 10.29]", () => {
  const scene = new Scene();
  for (let agent = 0; agent < 2; agent++) scene.agent(WHOLE_AGENT);
  scene.framework("F0");
  scene.framework("F1");
  expect(scene.offers().map(whose)).toEqual(["F0 *", "F1 *"]);

  const weighted = new Scene();
  for (let agent = 0; agent < 6; agent++) weighted.agent(WHOLE_AGENT);
  weighted.framework("F0", { roles: ["a"] });
  weighted.framework("F1", { roles: ["b"] });
  weighted.weigh("b", 2);
  const roles = weighted.offers().map(whose);
  expect(roles.filter((role) => role === "F0 a")).toHaveLength(2);
  expect(roles.filter((role) => role === "F1 b")).toHaveLength(4);
});

test("equal shares are ordered by the number of allocations, then by name [semantics 10.30]", () => {
  const scene = new Scene();
  scene.agent(WHOLE_AGENT);
  scene.framework("F1");
  scene.framework("F0");
  expect(scene.offers().map(whose)).toEqual(["F0 *"]);
  scene.decline(0, 0);
  expect(scene.offers().map(whose)).toEqual(["F1 *"]);
});

test("a limit of 1 cpu makes of a 4-cpu agent an offer of 1 cpu and the rest [semantics 10.31]", () => {
  const scene = new Scene();
  scene.agent({ ...WHOLE_AGENT, "disk;;": 2000 });
  scene.framework("F0", { roles: ["a"] });
  scene.quota("a", {}, { cpus: 1000, disk: 0 });
  expect(scene.offers()).toEqual(["F0 a A0 cpus;;=1000 mem;;=64000"]);
  scene.agent(WHOLE_AGENT);
  scene.decline(0, 0);
  // The agent that comes first takes up the whole limit.
  expect(scene.offers().map((offer) => offer.replace(/ mem.*/, ""))).toEqual([
    "F0 a A0 cpus;;=1000",
    "F0 a A1",
  ]);
});

test("the guarantee of an idle role is held back from all others [semantics 10.33]", () => {
  const scene = new Scene();
  scene.agent({ "cpus;;": 4000 });
  scene.framework("F0", { roles: ["b"] });
  scene.quota("a", { cpus: 3000 }, {});
  expect(scene.offers()).toEqual(["F0 b A0 cpus;;=1000"]);
  scene.framework("F1", { roles: ["a"] });
  expect(scene.offers()).toEqual(["F1 a A0 cpus;;=3000"]);
});

test("a guarantee that is not met any more gets what was held back from all [semantics 4.3]", () => {
  const scene = new Scene();
  scene.agent({ "mem;a/b;": 64_000 });
  scene.quota("a", { mem: 64_000 }, {});
  scene.agent({ "mem;;": 64_000 });
  scene.quota("b", { mem: 48_000 }, {});
  scene.framework("F0", { roles: ["a/b/c"] });
  expect(scene.offers()).toEqual(["F0 a/b/c A0 mem;a/b;=64000"]);
  scene.removeAgent(0);
  expect(scene.offers()).toEqual(["F0 a/b/c A1 mem;;=64000"]);
});

test("an agent with gpus is kept for frameworks that know of them [semantics 10.34]", () => {
  const scene = new Scene();
  scene.agent({ ...WHOLE_AGENT, "gpus;;": 1000 });
  scene.framework("F0");
  expect(scene.offers()).toEqual([]);
  scene.framework("F1", { capabilities: ["GPU_RESOURCES"] });
  expect(scene.offers()).toEqual(["F1 * A0 cpus;;=4000 gpus;;=1000 mem;;=64000"]);
});

test("agents of another region are for REGION_AWARE frameworks only [semantics 10.35]", () => {
  const scene = new Scene();
  scene.agent(WHOLE_AGENT, { region: "there" });
  scene.agent(WHOLE_AGENT, { region: "here" });
  scene.agent(WHOLE_AGENT);
  scene.framework("F0");
  expect(scene.offers().map((offer) => offer.slice(0, 7))).toEqual(["F0 * A1", "F0 * A2"]);
  scene.framework("F1", { capabilities: ["REGION_AWARE"] });
  expect(scene.offers().map((offer) => offer.slice(0, 7))).toEqual(["F1 * A0"]);
});

function whose(offer: string): string {
  return offer.replace(/ A\d+ .*/, "");
}
