/** Weights: what is refused, what becomes durable, when offers are made anew, `--weights`. */
import { describe, expect, test } from "bun:test";
import type { WeightInfo } from "../../../src/protocol/v1/types.ts";
import { emptyRegistry } from "../../../src/registry/core/registry-state.ts";
import { SUCCESS, type TestStream, World } from "./harness.ts";

function update(world: World, ...weight_infos: WeightInfo[]): unknown {
  return world.operatorCall({ type: "UPDATE_WEIGHTS", update_weights: { weight_infos } });
}

const rescinded = (stream: TestStream): number =>
  stream.events.filter(({ type }) => type === "RESCIND").length;

describe("UPDATE_WEIGHTS", () => {
  test("trims roles and is durable [semantics 4.10]", () => {
    const world = new World();
    expect(update(world, { role: " a/b ", weight: 2.5 })).toEqual(SUCCESS);
    expect(world.registry.weights).toEqual(new Map([["a/b", 2.5]]));
    expect(world.state.policy.weights).toEqual(new Map([["a/b", 2.5]]));
    expect(update(world)).toEqual(SUCCESS);
  });

  test.each([
    [{ role: "a", weight: 0 }, "must be a number above 0"],
    [{ role: "a", weight: -1 }, "must be a number above 0"],
    [{ role: "a", weight: Number.POSITIVE_INFINITY }, "must be a number above 0"],
    [{ weight: 1 }, "must not be empty"],
    [{ role: "other", weight: 1 }, "--roles"],
  ])("refuses %j [http-api 6.2]", (info, text) => {
    const world = new World({ roles: new Set(["a", "b"]) });
    const outcome = update(world, { role: "b", weight: 3 }, info);
    expect(outcome).toMatchObject({ error: { code: "invalid" } });
    expect(outcome).toMatchObject({ error: { message: expect.stringContaining(text) } });
    expect(world.registry.weights.size).toBe(0);
  });

  test("makes all offers anew when the role has frameworks [semantics 4.10]", () => {
    const world = new World();
    world.addAgent();
    world.addAgent();
    const stream = world.subscribe({ role: "a" });
    expect(update(world, { role: "b", weight: 2 })).toEqual(SUCCESS);
    expect(rescinded(stream)).toBe(0);
    expect(update(world, { role: "a", weight: 2 })).toEqual(SUCCESS);
    expect(rescinded(stream)).toBe(2);
    expect(update(world, { role: "a", weight: 2 })).toEqual(SUCCESS);
    expect(rescinded(stream)).toBe(2);
  });
});

describe("--weights", () => {
  test("is written to a registry without weights [semantics 1.6 rule 1]", () => {
    const world = new World({ weights: new Map([["a", 3]]) });
    expect(world.registry.weights).toEqual(new Map([["a", 3]]));
    expect(world.state.policy.weights).toEqual(new Map([["a", 3]]));
  });

  test("gives way to the registry, with a warning [semantics 1.6 rule 1]", () => {
    const registry = emptyRegistry();
    registry.weights.set("a", 5);
    const world = new World({ weights: new Map([["b", 3]]) }, registry);
    expect(world.state.policy.weights).toEqual(new Map([["a", 5]]));
    expect(world.registry.weights).toEqual(new Map([["a", 5]]));
    expect(world.logs).toContain("ignored --weights: the registry has weights already");
  });
});
