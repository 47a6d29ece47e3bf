/** Offers: what is in them, how long a no lasts, what ends them. */
import { describe, expect, test } from "bun:test";
import { must } from "../../../src/base/assert.ts";
import { brand, type StreamId } from "../../../src/base/ids.ts";
import type { MasterInput } from "../../../src/master/core/inputs.ts";
import { OFFERS_PER_STEP_MAX } from "../../../src/master/core/limits.ts";
import type { FrameworkEntry } from "../../../src/master/core/state.ts";
import type { Resource, ResourceDiskInfo } from "../../../src/protocol/v1/types.ts";
import {
  eventTypes,
  forget,
  lastOffer,
  MASTER_ID,
  offersOf,
  resourcesOf,
  SUCCESS,
  scalarsOf,
  type TestStream,
  taskFor,
  World,
} from "./harness.ts";

function frameworkOf(world: World, stream: TestStream): FrameworkEntry {
  return must(world.state.frameworks.get(stream.frameworkId as never), "framework");
}

describe("offers", () => {
  test("agents and offers are numbered [semantics 10.9]", () => {
    const world = new World();
    const agents = [world.addAgent(), world.addAgent()];
    expect(agents.map(({ id }) => id)).toEqual([`${MASTER_ID}-S0`, `${MASTER_ID}-S1`]);
    const ids = offersOf(world.subscribe()).map(({ id }) => id.value);
    expect(ids).toEqual([`${MASTER_ID}-O0`, `${MASTER_ID}-O1`]);
  });

  test("many offers go out in several events, and nobody hears of one that ended before", () => {
    const world = new World();
    const agents = Array.from({ length: OFFERS_PER_STEP_MAX + 10 }, () => world.addAgent());
    const { core, state } = world;
    // Past the harness, which lets timers fire at once.
    const events = (input: MasterInput) =>
      core.step(input, world.nowMs).flatMap((effect) => {
        return effect.kind === "sendEvent" ? [effect.event] : [];
      });
    const framework_info = { user: "nobody", name: "many" };
    const streamId = brand<StreamId>("stream-many");
    events({ kind: "subscribe", streamId, subscribe: { framework_info }, principal: undefined });
    const [first] = events({ kind: "timer", timer: { kind: "allocate" } });
    expect(first?.offers?.offers).toHaveLength(OFFERS_PER_STEP_MAX);
    const [unsent] = state.unsentOffers;
    const agent = must(
      agents.find(({ id }) => id === unsent?.agentId),
      "agent of the offer",
    );
    expect(events({ kind: "linkClosed", linkId: agent.link.id })).toEqual([]);
    const [second] = events({ kind: "timer", timer: { kind: "sendOffers" } });
    expect(second?.offers?.offers).toHaveLength(9);
    expect([state.offers.size, state.unsentOffers.size]).toEqual([OFFERS_PER_STEP_MAX + 9, 0]);
  });

  test("an offer says where the agent is and what it has [semantics 4.7]", () => {
    const world = new World();
    const agent = world.addAgent("cpus:4;mem:4096;ephemeral_ports:[40000-50000]");
    const offer = lastOffer(world.subscribe());
    expect(offer.hostname).toBe(agent.hostname);
    expect(offer.url).toEqual({
      scheme: "http",
      address: { hostname: agent.hostname, ip: "10.0.0.1", port: 5051 },
      path: "/slave(1)",
    });
    expect(scalarsOf(offer)).toEqual({ cpus: 4, mem: 4096 });
    expect((offer.resources ?? []).map(({ name }) => name)).not.toContain("ephemeral_ports");
  });

  test("a shared volume is offered while a task uses it [semantics 4.4]", () => {
    const world = new World();
    world.addAgent("cpus:4;mem:4096;disk:1000");
    const stream = world.subscribe({
      roles: ["web"],
      capabilities: [{ type: "MULTI_ROLE" }, { type: "SHARED_RESOURCES" }],
    });
    const offer = lastOffer(stream);
    const allocation_info = { role: "web" };
    const disk: Resource = {
      name: "disk",
      type: "SCALAR",
      scalar: { value: 100 },
      role: "web",
      reservation: {},
      allocation_info,
    };
    const info: ResourceDiskInfo = {
      persistence: { id: "v" },
      volume: { mode: "RW", container_path: "d" },
    };
    const volume: Resource = { ...disk, disk: info, shared: {} };
    const task = taskFor(offer, "t");
    const cpus = (task.resources ?? []).map((one) => ({ ...one, allocation_info }));
    world.accept(
      stream,
      [offer],
      [
        { type: "RESERVE", reserve: { resources: [disk] } },
        { type: "CREATE", create: { volumes: [volume] } },
        { type: "LAUNCH", launch: { task_infos: [{ ...task, resources: [...cpus, volume] }] } },
      ],
      0,
    );
    world.advance(2000);
    expect(lastOffer(stream).id).not.toEqual(offer.id);
    const offered = (lastOffer(stream).resources ?? []).filter(
      ({ shared }) => shared !== undefined,
    );
    expect(offered.map(({ disk: own }) => own?.persistence?.id)).toEqual(["v"]);
  });

  test("without MULTI_ROLE there is no allocation_info and a role instead of a stack [http-api 3.3]", () => {
    const world = new World();
    world.addAgent();
    const offer = lastOffer(world.subscribe({ role: "web" }));
    expect(offer.allocation_info).toBeUndefined();
    for (const resource of offer.resources ?? []) {
      expect(resource).toMatchObject({ role: "*" });
      expect(resource.allocation_info).toBeUndefined();
      expect(resource.reservations).toBeUndefined();
    }
  });

  test("MULTI_ROLE and RESERVATION_REFINEMENT see both [http-api 3.3]", () => {
    const world = new World();
    world.addAgent();
    const offer = lastOffer(
      world.subscribe({
        roles: ["web"],
        capabilities: [{ type: "MULTI_ROLE" }, { type: "RESERVATION_REFINEMENT" }],
      }),
    );
    expect(offer.allocation_info).toEqual({ role: "web" });
    for (const resource of offer.resources ?? []) {
      expect(resource.allocation_info).toEqual({ role: "web" });
      expect(resource.role).toBeUndefined();
    }
  });

  test("offers below both minima are not made [semantics 10.28]", () => {
    const world = new World();
    world.addAgent("cpus:0.009;mem:31");
    const stream = world.subscribe();
    expect(offersOf(stream)).toEqual([]);
    world.addAgent("cpus:0.01;mem:1");
    world.addAgent("cpus:0.001;mem:32");
    expect(offersOf(stream)).toHaveLength(2);
  });
});

describe("answers", () => {
  test("declined resources are not offered again for 5 s [semantics 10.22]", () => {
    const world = new World();
    world.addAgent();
    const stream = world.subscribe();
    world.decline(stream, offersOf(stream));
    forget(stream);
    world.advance(4_900);
    expect(offersOf(stream)).toEqual([]);
    world.advance(1_200);
    expect(offersOf(stream)).toHaveLength(1);
  });

  test("with refuse_seconds 0 they come back within the allocation interval [semantics 10.23]", () => {
    const world = new World();
    world.addAgent();
    const stream = world.subscribe();
    for (let round = 0; round < 12; round++) {
      const offer = lastOffer(stream);
      forget(stream);
      world.decline(stream, [offer], 0);
      world.advance(1000);
      expect(offersOf(stream)).toHaveLength(1);
    }
  });

  test("runs follow one another without a pause while they are cheap [DESIGN 4]", () => {
    const world = new World();
    const agent = world.addAgent("cpus:4;mem:4096");
    const stream = world.subscribe();
    const offer = lastOffer(stream);
    world.launch(
      stream,
      offer,
      taskFor(offer, "one", "cpus:1;mem:128"),
      taskFor(offer, "two", "cpus:3;mem:3968"),
    );
    agent.work();
    forget(stream);
    const startMs = world.nowMs;
    agent.update(stream, "one", "TASK_FINISHED");
    agent.update(stream, "two", "TASK_FINISHED");
    expect(offersOf(stream).map(scalarsOf)).toEqual([
      { cpus: 1, mem: 128 },
      { cpus: 3, mem: 3968 },
    ]);
    expect(world.nowMs).toBe(startMs);
  });

  test("a scheduler that hands everything straight back is slowed down to the interval", () => {
    const world = new World();
    world.addAgent();
    const stream = world.subscribe();
    const endMs = world.nowMs + 10_000;
    while (world.nowMs < endMs) {
      world.decline(stream, [lastOffer(stream)], 0);
      world.advance(1);
    }
    expect(offersOf(stream).length).toBeLessThan(30);
  });

  test("a negative refusal counts as 5 s [semantics 4.5]", () => {
    const world = new World();
    world.addAgent();
    const stream = world.subscribe();
    world.decline(stream, offersOf(stream), -1);
    forget(stream);
    world.advance(4_900);
    expect(offersOf(stream)).toEqual([]);
  });

  test("a filter does not hold back more than what was declined [semantics 10.24]", () => {
    const world = new World();
    const agent = world.addAgent("cpus:4;mem:4096");
    const stream = world.subscribe();
    const offer = lastOffer(stream);
    world.launch(stream, offer, taskFor(offer, "t", "cpus:1;mem:128"));
    agent.work();
    forget(stream);
    world.advance(1000);
    expect(offersOf(stream)).toEqual([]);
    agent.update(stream, "t", "TASK_FINISHED");
    expect(offersOf(stream).map(scalarsOf)).toEqual([{ cpus: 4, mem: 4096 }]);
  });

  test("REVIVE clears filters and offers at once [semantics 10.25]", () => {
    const world = new World();
    world.addAgent();
    const stream = world.subscribe();
    world.decline(stream, offersOf(stream), 3600);
    forget(stream);
    world.call(stream, { type: "REVIVE" });
    expect(offersOf(stream)).toHaveLength(1);
  });

  test("SUPPRESS stops new offers and leaves the outstanding one usable [semantics 10.26]", () => {
    const world = new World();
    world.addAgent();
    const stream = world.subscribe();
    const offer = lastOffer(stream);
    world.call(stream, { type: "SUPPRESS" });
    const second = world.addAgent();
    expect(offersOf(stream)).toHaveLength(1);
    world.launch(stream, offer, taskFor(offer, "t"));
    expect(frameworkOf(world, stream).tasks.size).toBe(1);
    expect(eventTypes(stream)).not.toContain("RESCIND");
    world.call(stream, { type: "REVIVE" });
    expect(offersOf(stream).some(({ agent_id }) => agent_id.value === second.id)).toBe(true);
  });

  test("a role the framework does not have drops the whole call [semantics 4.6]", () => {
    const world = new World();
    const roles = { roles: ["a"], capabilities: [{ type: "MULTI_ROLE" }] } as const;
    const stream = world.subscribe(roles);
    expect(world.call(stream, { type: "SUPPRESS", suppress: { roles: ["a", "b"] } })).toEqual(
      SUCCESS,
    );
    expect(frameworkOf(world, stream).suppressedRoles.size).toBe(0);
  });

  test("an offer that was withdrawn or belongs to another is no longer valid [semantics 4.8]", () => {
    const world = new World();
    world.addAgent();
    const owner = world.subscribe();
    const other = world.subscribe();
    const offer = lastOffer(owner);
    world.decline(other, [offer]);
    expect(world.state.offers.size).toBe(1);
    world.launch(other, offer, taskFor(offer, "t"));
    expect(world.state.offers.size).toBe(1);
    expect(frameworkOf(world, other).tasks.size).toBe(0);
  });
});

describe("withdrawal", () => {
  test("an offer is rescinded when its agent disconnects [semantics 4.7]", () => {
    const world = new World();
    const agent = world.addAgent();
    const stream = world.subscribe();
    const offer = lastOffer(stream);
    agent.disconnect();
    expect(stream.events.at(-1)?.rescind?.offer_id).toEqual(offer.id);
    agent.connect();
    expect(lastOffer(stream).id).not.toEqual(offer.id);
  });

  test("an unanswered offer is rescinded after --offer_timeout [semantics 4.7]", () => {
    const world = new World({ offerTimeoutMs: 10_000 });
    world.addAgent();
    const stream = world.subscribe();
    world.advance(9_999);
    expect(eventTypes(stream)).not.toContain("RESCIND");
    world.advance(1);
    expect(eventTypes(stream)).toContain("RESCIND");
  });

  test("new resources of an agent void its offers [semantics 4.1]", () => {
    const world = new World();
    const agent = world.addAgent("cpus:4;mem:4096");
    const stream = world.subscribe();
    const resources = resourcesOf("cpus:8;mem:4096");
    world.tell(agent.link, { kind: "resourcesChanged", resources, checkpointedResources: [] });
    expect(eventTypes(stream).slice(-2)).toEqual(["RESCIND", "OFFERS"]);
    expect(scalarsOf(lastOffer(stream))).toEqual({ cpus: 8, mem: 4096 });
  });

  test("an agent cannot take away what its tasks use", () => {
    const world = new World();
    const agent = world.addAgent("cpus:4;mem:4096");
    const stream = world.subscribe();
    world.launch(stream, lastOffer(stream), taskFor(lastOffer(stream), "t", "cpus:3;mem:100"));
    const resources = resourcesOf("cpus:2;mem:4096");
    world.tell(agent.link, { kind: "resourcesChanged", resources, checkpointedResources: [] });
    expect(world.logs).toContain("refused new resources of an agent");
  });
});
