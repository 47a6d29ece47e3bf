/**
 * What concerns more agents than one step deals with: the rest follows in later steps, and what was
 * decided holds from the first one on. Steps are taken past the harness, which lets timers fire at
 * once.
 */
import { describe, expect, test } from "bun:test";
import { must } from "../../../src/base/assert.ts";
import type { MasterEffect } from "../../../src/master/core/effects.ts";
import type { MasterInput, MasterTimer } from "../../../src/master/core/inputs.ts";
import {
  OFFER_ENDS_PER_STEP_MAX,
  SWEEP_COST_PER_STEP_MAX,
} from "../../../src/master/core/limits.ts";
import type { SchedulerCall } from "../../../src/protocol/v1/types.ts";
import { forget, offersOf, type TestStream, taskFor, World } from "./harness.ts";

const OFFERS = OFFER_ENDS_PER_STEP_MAX + 10;

/** As many agents as that, all of them offered to a framework. */
function offered(count: number, roles: readonly string[] = ["a"]): [World, TestStream] {
  const world = new World();
  const invariants = world.core.assertInvariants;
  // Looking at everything after each step takes long with so many.
  world.core.assertInvariants = () => undefined;
  for (let number = 0; number < count; number += 1) world.addAgent();
  const stream = world.subscribe({
    roles: [...roles],
    capabilities: [{ type: "MULTI_ROLE" }],
    failover_timeout: 60,
  });
  world.advance(2000);
  world.core.assertInvariants = invariants;
  return [world, stream];
}

function take(world: World, input: MasterInput): MasterEffect[] {
  const effects = world.core.step(input, world.nowMs);
  world.core.assertInvariants();
  return effects;
}

function call(world: World, stream: TestStream, more: Partial<SchedulerCall>): MasterEffect[] {
  const { id: streamId, frameworkId } = stream;
  const made = { framework_id: { value: frameworkId }, ...more };
  return take(world, {
    kind: "schedulerCall",
    requestId: 1,
    call: made,
    streamId,
    principal: undefined,
  });
}

function timers(effects: readonly MasterEffect[]): MasterTimer["kind"][] {
  return effects.flatMap((effect) => (effect.kind === "setTimer" ? [effect.timer.kind] : []));
}

function eventTypes(effects: readonly MasterEffect[]): (string | undefined)[] {
  return effects.flatMap((effect) => (effect.kind === "sendEvent" ? [effect.event.type] : []));
}

const fire = (world: World, kind: "endOffers" | "sweep" | "allocate"): MasterEffect[] =>
  take(world, { kind: "timer", timer: { kind } });

describe("many offers", () => {
  test("declined in one call are void at once, and nothing is allocated before all are back", () => {
    const [world, stream] = offered(OFFERS);
    const offer_ids = offersOf(stream).map(({ id }) => id);
    const decline = { offer_ids, filters: { refuse_seconds: 3600 } };
    const effects = call(world, stream, { type: "DECLINE", decline });
    expect(world.state.doomedOffers.size).toBe(10);
    expect(timers(effects)).toEqual(["endOffers"]);
    const last = must(offersOf(stream).at(-1), "last offer");
    const launch = { task_infos: [taskFor(last, "late")] };
    const late = call(world, stream, {
      type: "ACCEPT",
      accept: { offer_ids: [last.id], operations: [{ type: "LAUNCH", launch }] },
    });
    expect(eventTypes(late)).toEqual(["UPDATE"]);
    fire(world, "endOffers");
    expect(world.state.offers.size).toBe(0);
    forget(stream);
    world.advance(10_000);
    expect(offersOf(stream)).toEqual([]);
  });

  test("declined and then revived are offered again, those that were not yet back too", () => {
    const [world, stream] = offered(OFFERS);
    const offer_ids = offersOf(stream).map(({ id }) => id);
    const decline = { offer_ids, filters: { refuse_seconds: 3600 } };
    call(world, stream, { type: "DECLINE", decline });
    call(world, stream, { type: "REVIVE" });
    expect(timers(fire(world, "endOffers"))).toEqual(["allocate"]);
    fire(world, "allocate");
    expect(world.state.offers.size).toBe(OFFERS);
  });

  test("of a moment ago make the next run wait for more, and a lone one does not [DESIGN 4]", () => {
    const dueMs = [1, 100].map((agents) => {
      const world = new World();
      for (let number = 0; number < agents; number += 1) world.addAgent();
      const stream = world.subscribe();
      const offer_ids = offersOf(stream).map(({ id }) => id);
      const effects = call(world, stream, { type: "DECLINE", decline: { offer_ids } });
      const timer = must(
        effects.find((effect) => effect.kind === "setTimer"),
        "a run",
      );
      return timer.atMs - world.nowMs;
    });
    expect(dueMs).toEqual([0, 100]);
  });

  test("do not wait for longer because more happens before they are made", () => {
    const [world, stream] = offered(1);
    const offer_ids = offersOf(stream).map(({ id }) => id);
    const decline = call(world, stream, { type: "DECLINE", decline: { offer_ids } });
    expect(timers(decline)).toEqual(["allocate"]);
    world.nowMs += 10;
    expect(timers(call(world, stream, { type: "REVIVE" }))).toEqual([]);
  });

  test("of a role that is left are rescinded; the rest silently when the framework hangs up", () => {
    const [world, stream] = offered(OFFERS);
    const { info } = must([...world.state.frameworks.values()][0], "framework");
    const framework_info = { ...info, roles: ["b"] };
    const effects = call(world, stream, {
      type: "UPDATE_FRAMEWORK",
      update_framework: { framework_info },
    });
    const rescinds = eventTypes(effects).filter((type) => type === "RESCIND");
    expect(rescinds).toHaveLength(OFFER_ENDS_PER_STEP_MAX);
    const end = take(world, { kind: "streamClosed", streamId: stream.id });
    expect(eventTypes(end)).toEqual([]);
    expect(world.state.offers.size).toBe(0);
  });
});

describe("a framework with many tasks", () => {
  test("is over for everybody while its agents are gone through", () => {
    const [world, stream] = offered(2);
    const [first, second] = offersOf(stream);
    const offer = must(first, "offer");
    const count = SWEEP_COST_PER_STEP_MAX;
    const task = (name: string) => {
      const resources = taskFor(offer, name).resources?.map((resource) => ({
        ...resource,
        scalar: { value: resource.name === "cpus" ? 0.001 : 1 },
      }));
      return { ...taskFor(offer, name), resources };
    };
    world.launch(stream, offer, ...Array.from({ length: count }, (_, index) => task(`t${index}`)));
    const other = must(second, "offer");
    world.launch(stream, other, taskFor(other, "last"));
    const effects = call(world, stream, { type: "TEARDOWN" });
    expect(timers(effects)).toContain("sweep");
    const framework = must([...world.state.frameworks.values()][0], "framework");
    expect([...framework.tasks.keys()]).toEqual(["last" as never]);
    const again = world.subscribe({ id: { value: stream.frameworkId } });
    expect(again.events).toMatchObject([
      { type: "ERROR", error: { message: "Framework has been removed" } },
    ]);
    expect(world.operatorTeardown(stream.frameworkId).ok).toBe(false);
    fire(world, "sweep");
    expect(world.state.frameworks.size).toBe(0);
    expect([...world.state.completedFrameworks.keys()]).toEqual([stream.frameworkId as never]);
  });
});
