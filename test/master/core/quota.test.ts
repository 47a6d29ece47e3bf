/** Quota: what is refused, what becomes durable, and which offers make room for it. */
import { describe, expect, test } from "bun:test";
import type { QuotaQuotaConfig, Resource } from "../../../src/protocol/v1/types.ts";
import { emptyRegistry } from "../../../src/registry/core/registry-state.ts";
import {
  forget,
  lastOffer,
  offersOf,
  resourcesOf,
  SUCCESS,
  type TestStream,
  taskFor,
  World,
} from "./harness.ts";

type Amounts = Readonly<Record<string, number>>;

function config(role: string, guarantees: Amounts, limits: Amounts): QuotaQuotaConfig {
  const scalars = (amounts: Amounts): Record<string, { value: number }> =>
    Object.fromEntries(Object.entries(amounts).map(([name, value]) => [name, { value }]));
  return { role, guarantees: scalars(guarantees), limits: scalars(limits) };
}

function update(world: World, force: boolean, ...quota_configs: QuotaQuotaConfig[]): unknown {
  return world.operatorCall({ type: "UPDATE_QUOTA", update_quota: { force, quota_configs } });
}

const rescinded = (stream: TestStream): number =>
  stream.events.filter(({ type }) => type === "RESCIND").length;

describe("UPDATE_QUOTA", () => {
  test("is durable before it is answered and counts", () => {
    const world = new World();
    world.addAgent("cpus:4;mem:4096");
    expect(update(world, false, config("web", { cpus: 2 }, { cpus: 3.5, mem: 1024 }))).toEqual(
      SUCCESS,
    );
    const expected = { guarantees: { cpus: 2000 }, limits: { cpus: 3500, mem: 1_024_000 } };
    expect(world.registry.quotas.get("web")).toEqual(expected);
    expect(world.state.policy.quotas.get("web")).toEqual(expected);
    expect(update(world, false, config("web", {}, {}))).toEqual(SUCCESS);
    expect(world.registry.quotas.size).toBe(0);
    expect(world.state.policy.quotas.size).toBe(0);
  });

  test("counts resources by any name", () => {
    const world = new World();
    world.addAgent("cpus:4;mem:4096;constructor:3");
    world.addAgent("cpus:4;mem:4096;__proto__:3");
    const names = ["constructor", "__proto__", "toString"];
    const amounts = Object.fromEntries(names.map((name) => [name, 2]));
    expect(update(world, false, config("web", {}, amounts))).toEqual(SUCCESS);
    const stream = world.subscribe({ role: "web" });
    for (const offer of offersOf(stream)) {
      const held = (offer.resources ?? []).map(({ name }) => name);
      const own = names.filter((name) => held.includes(name)).map((name) => `${name}:1`);
      const task = taskFor(offer, `t-${own}`, ["cpus:1;mem:32", ...own].join(";"));
      world.launch(stream, offer, task);
    }
    const metrics = new Map(Object.entries(world.core.metrics(world.nowMs)));
    const figure = (name: string, column: string): number | undefined =>
      metrics.get(`allocator/mesos/quota/roles/web/resources/${name}/${column}`);
    expect(names.map((name) => figure(name, "guarantee"))).toEqual([0, 0, 0]);
    expect(names.map((name) => figure(name, "limit"))).toEqual([2, 2, 2]);
    expect(names.map((name) => figure(name, "consumed"))).toEqual([1, 1, 0]);
  });

  const refusals: readonly [string, QuotaQuotaConfig, string][] = [
    ["a nested role [semantics 10.32]", config("a/b", {}, { cpus: 1 }), "nested"],
    ["an invalid role", config("/a", {}, {}), "/a"],
    ["a role that is not in --roles", config("other", {}, {}), "--roles"],
    ["the default role", config("*", {}, { cpus: 1 }), "default role"],
    ["a guarantee above the limit", config("web", { cpus: 2 }, { cpus: 1 }), "above its limit"],
    ["a negative amount", config("web", { cpus: -1 }, {}), "not between 0"],
    ["no number", config("web", {}, { cpus: Number.NaN }), "not between 0"],
    ["more than an exabyte", config("web", {}, { mem: 2 ** 41 }), "not between 0"],
    ["guarantees above the cluster [semantics 10.32]", config("web", { cpus: 5 }, {}), "exceed"],
  ];
  test.each(refusals)("refuses %s", (_what, bad, text) => {
    const world = new World({ roles: new Set(["*", "web", "a", "a/b", "/a"]) });
    world.addAgent("cpus:4;mem:4096");
    const outcome = world.operatorCall({
      type: "UPDATE_QUOTA",
      update_quota: { quota_configs: [config("a", {}, { cpus: 1 }), bad] },
    });
    expect(outcome).toMatchObject({ ok: false, error: { code: "invalid" } });
    expect(outcome.ok ? "" : outcome.error.message).toContain(text);
    expect(world.registry.quotas.size).toBe(0);
  });

  test("counts the guarantees of all roles, and skips capacity with force [semantics 4.3]", () => {
    const world = new World();
    world.addAgent("cpus:4;mem:4096");
    expect(update(world, false, config("a", { cpus: 3 }, {}))).toEqual(SUCCESS);
    expect(update(world, false, config("b", { cpus: 2 }, {}))).toMatchObject({ ok: false });
    expect(update(world, true, config("b", { cpus: 2 }, {}))).toEqual(SUCCESS);
    // Replacing a guarantee counts the new one only.
    expect(update(world, false, config("a", { cpus: 2 }, {}))).toEqual(SUCCESS);
  });

  test("refuses a limit below what tasks use, unless forced; offers do not count [semantics 4.3]", () => {
    const world = new World();
    const agent = world.addAgent("cpus:4;mem:4096");
    const stream = world.subscribe({ role: "web", failover_timeout: 60 });
    world.launch(stream, lastOffer(stream), taskFor(lastOffer(stream), "t", "cpus:2;mem:10"));
    agent.work();
    world.call(stream, { type: "REVIVE" });
    expect(update(world, false, config("web", {}, { cpus: 1 }))).toMatchObject({
      error: { message: expect.stringContaining("below its consumption of 2") },
    });
    expect(update(world, false, config("web", {}, { cpus: 2 }))).toEqual(SUCCESS);
    expect(update(world, true, config("web", {}, { cpus: 1 }))).toEqual(SUCCESS);
  });

  test("withdraws offers of the role until its limits fit [semantics 4.3]", () => {
    const world = new World();
    for (let count = 0; count < 3; count++) world.addAgent("cpus:4;mem:4096");
    const stream = world.subscribe({ role: "web" });
    const other = world.subscribe({ role: "other" });
    world.call(other, { type: "SUPPRESS" });
    expect(offersOf(stream)).toHaveLength(3);
    forget(stream);
    world.call(stream, { type: "SUPPRESS" });
    expect(update(world, false, config("web", {}, { cpus: 9 }))).toEqual(SUCCESS);
    expect(rescinded(stream)).toBe(1);
    expect(update(world, false, config("web", {}, { cpus: 1 }))).toEqual(SUCCESS);
    expect(rescinded(stream)).toBe(3);
  });

  test("withdraws offers of other roles until guarantees are covered [semantics 4.3]", () => {
    const world = new World();
    for (let count = 0; count < 3; count++) world.addAgent("cpus:4;mem:4096");
    const stream = world.subscribe({ role: "batch" });
    world.call(stream, { type: "SUPPRESS" });
    expect(update(world, false, config("web", { cpus: 5 }, {}))).toEqual(SUCCESS);
    expect(rescinded(stream)).toBe(2);
  });

  test("of an empty list changes nothing", () => {
    expect(update(new World(), false)).toEqual(SUCCESS);
  });
});

describe("the older calls", () => {
  const set = (
    world: World,
    role: string,
    guarantee: readonly Resource[],
    force = false,
  ): unknown =>
    world.operatorCall({
      type: "SET_QUOTA",
      set_quota: { quota_request: { role, guarantee, force } },
    });

  test("SET_QUOTA makes guarantee and limit one, REMOVE_QUOTA takes both away [semantics 4.3]", () => {
    const world = new World();
    world.addAgent("cpus:4;mem:4096");
    expect(set(world, "web", resourcesOf("cpus:1;mem:64"))).toEqual(SUCCESS);
    const amounts = { cpus: 1000, mem: 64_000 };
    expect(world.registry.quotas.get("web")).toEqual({ guarantees: amounts, limits: amounts });
    expect(set(world, "web", resourcesOf("cpus:1"))).toMatchObject({ error: { code: "invalid" } });
    const remove = { type: "REMOVE_QUOTA", remove_quota: { role: "web" } } as const;
    expect(world.operatorCall(remove)).toEqual(SUCCESS);
    expect(world.registry.quotas.size).toBe(0);
    expect(world.operatorCall(remove)).toMatchObject({ error: { code: "invalid" } });
  });

  test("SET_QUOTA beyond the cluster is a conflict [http-api 2.3]", () => {
    const world = new World();
    world.addAgent("cpus:4;mem:4096");
    expect(set(world, "web", resourcesOf("cpus:5"))).toMatchObject({ error: { code: "conflict" } });
    expect(set(world, "web", resourcesOf("cpus:5"), true)).toEqual(SUCCESS);
  });

  const reserved: Resource = {
    name: "cpus",
    type: "SCALAR",
    scalar: { value: 1 },
    reservations: [{ type: "STATIC", role: "web" }],
  };
  test.each([
    ["nothing", []],
    ["a range", resourcesOf("ports:[1-2]")],
    ["a name twice", resourcesOf("cpus:1;cpus:2")],
    ["a reserved resource", [reserved]],
  ] as const)("SET_QUOTA refuses %s [http-api 6.2]", (_what, guarantee) => {
    const world = new World();
    world.addAgent("cpus:4;mem:4096");
    expect(set(world, "web", guarantee)).toMatchObject({ error: { code: "invalid" } });
  });
});

describe("a new master with quota", () => {
  test("makes no offer before enough agents are back [semantics 1.6 rule 2]", () => {
    const registry = emptyRegistry();
    registry.quotas.set("web", { guarantees: {}, limits: { cpus: 100_000 } });
    for (let index = 0; index < 5; index++) {
      const id = { value: `old-S${index}` };
      registry.admitted.set(id.value, {
        info: { id, hostname: `h${index}` },
        isDeactivated: false,
      });
    }
    const world = new World({}, registry);
    const stream = world.subscribe({ role: "web" });
    const back = (index: number): void => {
      const agent = world.addAgent("cpus:4;mem:4096", {
        agentInfo: {
          hostname: `h${index}`,
          id: { value: `old-S${index}` },
          resources: resourcesOf("cpus:1;mem:64"),
        },
      });
      expect(agent.id).toBe(`old-S${index}`);
    };
    for (let index = 0; index < 3; index++) back(index);
    expect(offersOf(stream)).toEqual([]);
    back(3);
    expect(offersOf(stream)).toHaveLength(4);
  });

  test("goes on after the recovery timeout in any case [semantics 1.6 rule 2]", () => {
    const registry = emptyRegistry();
    registry.quotas.set("web", { guarantees: {}, limits: { cpus: 100_000 } });
    for (const id of ["old-S0", "old-S1", "old-S2", "old-S3"]) {
      registry.admitted.set(id, {
        info: { id: { value: id }, hostname: id },
        isDeactivated: false,
      });
    }
    const world = new World({ allocatorRecoveryTimeoutMs: 60_000 }, registry);
    const stream = world.subscribe({ role: "web" });
    world.addAgent("cpus:4;mem:4096");
    expect(world.state.policy.quotas.get("web")?.limits).toEqual({ cpus: 100_000 });
    world.advance(59_000);
    expect(offersOf(stream)).toEqual([]);
    world.advance(2_000);
    expect(offersOf(stream)).toHaveLength(1);
  });
});
