/** Inverse offers: who is asked, how often, and what becomes of the question. */
import { describe, expect, test } from "bun:test";
import { must } from "../../../src/base/assert.ts";
import { ok } from "../../../src/base/result.ts";
import type { MasterInput } from "../../../src/master/core/inputs.ts";
import {
  INVERSE_LOOKS_PER_STEP_MAX,
  INVERSE_OFFER_LOOKS,
} from "../../../src/master/core/limits.ts";
import type { InverseOffer } from "../../../src/protocol/v1/types.ts";
import { forget, lastOffer, TestAgent, type TestStream, taskFor, World } from "./harness.ts";

interface Scene {
  readonly world: World;
  readonly agent: TestAgent;
  readonly stream: TestStream;
}

/** A framework with a task on an agent whose machine is planned to be away. */
function scene(options: ConstructorParameters<typeof World>[0] = {}): Scene {
  const world = new World(options);
  const agent = world.addAgent();
  const stream = world.subscribe({ checkpoint: true, failover_timeout: 60 });
  world.launch(stream, lastOffer(stream), taskFor(lastOffer(stream), "t"));
  agent.work();
  plan(world, agent.hostname);
  return { world, agent, stream };
}

function plan(world: World, hostname: string): void {
  const unavailability = { start: { nanoseconds: (world.nowMs + 3_600_000) * 1e6 } };
  const windows = [{ machine_ids: [{ hostname }], unavailability }];
  world.operatorCall({
    type: "UPDATE_MAINTENANCE_SCHEDULE",
    update_maintenance_schedule: { schedule: { windows } },
  });
}

function planAll(world: World, hostnames: readonly string[], nanoseconds: number): void {
  const machine_ids = hostnames.map((hostname) => ({ hostname }));
  const windows = [{ machine_ids, unavailability: { start: { nanoseconds } } }];
  world.operatorCall({
    type: "UPDATE_MAINTENANCE_SCHEDULE",
    update_maintenance_schedule: { schedule: { windows } },
  });
}

function asked(stream: TestStream): InverseOffer[] {
  return stream.events.flatMap(({ inverse_offers: event }) => event?.inverse_offers ?? []);
}

function answer(
  { world, stream }: Scene,
  kind: "ACCEPT" | "DECLINE",
  refuse_seconds: number,
): void {
  const inverse_offer_ids = asked(stream).map(({ id }) => id);
  const payload = { inverse_offer_ids, filters: { refuse_seconds } };
  forget(stream);
  if (kind === "ACCEPT") {
    world.call(stream, { type: "ACCEPT_INVERSE_OFFERS", accept_inverse_offers: payload });
  } else world.call(stream, { type: "DECLINE_INVERSE_OFFERS", decline_inverse_offers: payload });
}

describe("inverse offers", () => {
  test("ask who holds something on the agent, once, without resources [semantics 4.9]", () => {
    const at = scene();
    const idle = at.world.subscribe({ name: "idle" });
    at.world.advance(10_000);
    const [offer, ...more] = asked(at.stream);
    expect(more).toEqual([]);
    expect(offer).toMatchObject({ agent_id: { value: at.agent.id }, resources: [] });
    expect(offer?.url?.address.hostname).toBe(at.agent.hostname);
    expect(offer?.unavailability.start.nanoseconds).toBeGreaterThan(0);
    const holders = asked(idle).length > 0;
    expect(holders).toBe(
      [...at.world.state.offers.values()].some(
        ({ frameworkId }) => frameworkId === idle.frameworkId,
      ),
    );
  });

  test("are asked again when the answer's filter ends [semantics 4.9]", () => {
    const at = scene();
    answer(at, "ACCEPT", 60);
    at.world.advance(59_000);
    expect(asked(at.stream)).toEqual([]);
    at.world.advance(2_000);
    expect(asked(at.stream)).toHaveLength(1);
    const framework = at.world.state.frameworks.get(at.stream.frameworkId as never);
    const [agent] = at.world.state.agents.values();
    expect(agent?.inverse.get(framework?.id as never)?.status).toBe("ACCEPT");
  });

  test("are not asked again within the allocation interval [semantics 4.5]", () => {
    const at = scene();
    answer(at, "DECLINE", 0);
    at.world.advance(900);
    expect(asked(at.stream)).toEqual([]);
    at.world.advance(200);
    expect(asked(at.stream)).toHaveLength(1);
  });

  test("are asked again at once after REVIVE [semantics 4.5]", () => {
    const at = scene();
    answer(at, "DECLINE", 600);
    at.world.call(at.stream, { type: "REVIVE" });
    expect(asked(at.stream)).toHaveLength(1);
  });

  test("are withdrawn and asked anew after --offer_timeout [semantics 4.9]", () => {
    const at = scene({ offerTimeoutMs: 10_000 });
    const [first] = asked(at.stream);
    forget(at.stream);
    at.world.advance(10_500);
    const rescinded = at.stream.events.flatMap(({ rescind_inverse_offer: event }) => event ?? []);
    expect(rescinded).toEqual([{ inverse_offer_id: first?.id } as never]);
    expect(asked(at.stream)).toHaveLength(1);
  });

  test("are withdrawn with the plan [semantics 4.9]", () => {
    const at = scene();
    forget(at.stream);
    at.world.operatorCall({
      type: "UPDATE_MAINTENANCE_SCHEDULE",
      update_maintenance_schedule: { schedule: {} },
    });
    expect(at.stream.events.map(({ type }) => type)).toContain("RESCIND_INVERSE_OFFER");
    at.world.advance(10_000);
    expect(asked(at.stream)).toEqual([]);
  });

  test("leave nothing behind of a framework that is over", () => {
    const at = scene();
    at.world.advance(1000);
    answer(at, "ACCEPT", 5);
    const [agent] = at.world.state.agents.values();
    expect(agent?.inverse.size).toBe(1);
    at.world.call(at.stream, { type: "TEARDOWN" });
    expect(agent?.inverse.size).toBe(0);
  });

  test("reach a framework in one event for all its agents [http-api 4.4]", () => {
    const at = scene();
    const other = at.world.addAgent();
    at.world.launch(at.stream, lastOffer(at.stream), taskFor(lastOffer(at.stream), "u"));
    other.work();
    forget(at.stream);
    const unavailability = { start: { nanoseconds: 1e18 } };
    const machine_ids = [{ hostname: at.agent.hostname }, { hostname: other.hostname }];
    at.world.operatorCall({
      type: "UPDATE_MAINTENANCE_SCHEDULE",
      update_maintenance_schedule: { schedule: { windows: [{ machine_ids, unavailability }] } },
    });
    const events = at.stream.events.filter(({ type }) => type === "INVERSE_OFFERS");
    expect(events).toHaveLength(1);
    expect(asked(at.stream)).toHaveLength(2);
  });

  test("reach a scheduler that comes back, though it wants no offers [semantics 4.9]", () => {
    const at = scene();
    at.world.hangUp(at.stream);
    const id = { value: at.stream.frameworkId };
    const again = at.world.subscribe(
      { id, checkpoint: true, failover_timeout: 60 },
      { suppressed_roles: ["*"] },
    );
    at.world.advance(1100);
    expect(asked(again)).toHaveLength(1);
    expect(again.events[0]?.type).toBe("SUBSCRIBED");
  });

  test("are asked again of a scheduler that comes back, whatever was refused [semantics 4.5]", () => {
    const at = scene();
    answer(at, "DECLINE", 3600);
    at.world.hangUp(at.stream);
    const [agent] = at.world.state.agents.values();
    expect([...(agent?.inverse.values() ?? [])].map(({ status }) => status)).toEqual(["DECLINE"]);
    const id = { value: at.stream.frameworkId };
    const again = at.world.subscribe({ id, checkpoint: true, failover_timeout: 60 });
    at.world.advance(1100);
    expect(asked(again)).toHaveLength(1);
  });

  test("are asked about an agent that comes back, though nobody wants offers [semantics 4.9]", () => {
    const at = scene();
    at.world.call(at.stream, { type: "SUPPRESS", suppress: {} });
    at.world.advance(2000);
    at.agent.disconnect();
    forget(at.stream);
    at.agent.connect();
    at.world.advance(1100);
    expect(asked(at.stream)).toHaveLength(1);
  });

  test("are asked by the next master too, though nobody wants offers [semantics 1.6]", () => {
    const at = scene();
    const next = new World({}, at.world.registry);
    const id = { value: at.stream.frameworkId };
    const again = next.subscribe(
      { id, checkpoint: true, failover_timeout: 60 },
      { suppressed_roles: ["*"] },
    );
    next.advance(2000);
    const agent = new TestAgent(next, at.agent.hostname, at.agent.resources);
    agent.id = at.agent.id;
    agent.epoch = "another master's";
    for (const [key, info] of at.agent.frameworks) agent.frameworks.set(key, info);
    for (const [key, task] of at.agent.tasks) agent.tasks.set(key, task);
    agent.connect();
    next.advance(1100);
    expect(asked(again)).toHaveLength(1);
  });

  test("of many agents go out in several steps, and those of an older plan are void at once", () => {
    const world = new World();
    const count = INVERSE_LOOKS_PER_STEP_MAX / (INVERSE_OFFER_LOOKS + 1) + 10;
    const hostnames = Array.from({ length: count }, () => world.addAgent().hostname);
    const stream = world.subscribe();
    planAll(world, hostnames, 1e18);
    world.advance(2000);
    const old = asked(stream);
    expect(new Set(old.map(({ agent_id }) => agent_id?.value)).size).toBe(hostnames.length);
    expect(stream.events.filter(({ type }) => type === "INVERSE_OFFERS").length).toBeGreaterThan(1);
    forget(stream);
    const { core, state, nowMs } = world;
    // Past the harness, which lets timers fire at once.
    const events = (input: MasterInput) =>
      core.step(input, nowMs).flatMap((effect) => {
        return effect.kind === "sendEvent" ? [effect.event] : [];
      });
    const schedule = { windows: [] };
    const call = {
      type: "UPDATE_MAINTENANCE_SCHEDULE",
      update_maintenance_schedule: { schedule },
    } as const;
    core.step({ kind: "operatorCall", requestId: 1, call, principal: undefined }, nowMs);
    const [token] = must([...state.commits].at(-1), "commit of the plan");
    const first = events({ kind: "registryCommitted", token, results: [ok(true)] });
    const rescinded = first.filter(({ type }) => type === "RESCIND_INVERSE_OFFER");
    expect(rescinded.length).toBeLessThan(hostnames.length);
    const last = must([...state.inverseOffers.values()].at(-1), "inverse offer that is left");
    const answers = { inverse_offer_ids: [{ value: last.id }] };
    const framework_id = { value: stream.frameworkId };
    const late = {
      framework_id,
      type: "ACCEPT_INVERSE_OFFERS",
      accept_inverse_offers: answers,
    } as const;
    const { id: streamId } = stream;
    events({ kind: "schedulerCall", requestId: 2, call: late, streamId, principal: undefined });
    expect(state.agents.get(last.agentId)?.inverse.size).toBe(0);
    const second = events({ kind: "timer", timer: { kind: "inverseOffers" } });
    expect(
      second.map(({ rescind_inverse_offer: event }) => event?.inverse_offer_id.value),
    ).toContain(last.id);
    expect(state.inverseOffers.size).toBe(0);
  });
});
