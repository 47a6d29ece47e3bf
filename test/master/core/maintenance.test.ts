/** Maintenance of machines as operators plan, start and end it. */
import { describe, expect, test } from "bun:test";
import { must } from "../../../src/base/assert.ts";
import { type AgentId, brand, type FrameworkId } from "../../../src/base/ids.ts";
import type { Result } from "../../../src/base/result.ts";
import { getMaintenanceStatus } from "../../../src/master/core/views/policy.ts";
import type { MachineID, MaintenanceWindow } from "../../../src/protocol/v1/types.ts";
import { machineKey } from "../../../src/registry/core/registry-state.ts";
import { CpuTime } from "../../fuzz/cpu-time.ts";
import {
  eventTypes,
  forget,
  lastOffer,
  offersOf,
  resourcesOf,
  SUCCESS,
  statusesOf,
  type TestAgent,
  taskFor,
  World,
} from "./harness.ts";

const unavailability = { start: { nanoseconds: 1e18 }, duration: { nanoseconds: 1e12 } };

function schedule(world: World, ...windows: MaintenanceWindow[]): Result<void> {
  const update_maintenance_schedule = { schedule: { windows } };
  return world.operatorCall({ type: "UPDATE_MAINTENANCE_SCHEDULE", update_maintenance_schedule });
}

const start = (world: World, ...machines: MachineID[]): Result<void> =>
  world.operatorCall({ type: "START_MAINTENANCE", start_maintenance: { machines } });

const stop = (world: World, ...machines: MachineID[]): Result<void> =>
  world.operatorCall({ type: "STOP_MAINTENANCE", stop_maintenance: { machines } });

const machineOf = (agent: TestAgent): MachineID => ({ hostname: agent.hostname });

const planFor = (agent: TestAgent): MaintenanceWindow => ({
  machine_ids: [machineOf(agent)],
  unavailability,
});

const refusal = (message: string): object => ({
  ok: false,
  error: { code: "invalid", message: expect.stringContaining(message) },
});

describe("the schedule", () => {
  test("replaces offers of its machines by ones with their unavailability, and back [semantics 4.9]", () => {
    const world = new World();
    const [agent, other] = [world.addAgent(), world.addAgent()];
    const stream = world.subscribe();
    forget(stream);
    expect(schedule(world, planFor(agent))).toEqual(SUCCESS);
    world.advance(2000);
    expect(eventTypes(stream)).toContain("RESCIND");
    const offers = offersOf(stream);
    expect(offers.map(({ agent_id }) => agent_id.value)).toEqual([agent.id ?? ""]);
    expect(offers[0]?.unavailability).toEqual(unavailability);
    expect([...world.state.agents.values()].map((entry) => entry.unavailability)).toEqual([
      unavailability,
      undefined,
    ]);
    forget(stream);
    expect(schedule(world)).toEqual(SUCCESS);
    world.advance(2000);
    expect(lastOffer(stream)).not.toHaveProperty("unavailability");
    expect(other.id).toBeDefined();
  });

  test("of an agent that registers later holds for it too", () => {
    const world = new World();
    schedule(world, { machine_ids: [{ ip: "10.0.0.1" }], unavailability });
    world.addAgent();
    const stream = world.subscribe();
    expect(lastOffer(stream).unavailability).toEqual(unavailability);
  });

  test("by address follows an agent that comes back from another one", () => {
    const world = new World();
    const agent = world.addAgent();
    const stream = world.subscribe();
    schedule(world, { machine_ids: [{ ip: "10.0.0.2" }], unavailability });
    const comeFrom = (ip: string): void => {
      agent.disconnect();
      agent.link = world.openLink(ip);
      agent.register();
      world.advance(2000);
    };
    comeFrom("10.0.0.2");
    expect(lastOffer(stream).unavailability).toEqual(unavailability);
    comeFrom("10.0.0.3");
    expect(lastOffer(stream)).not.toHaveProperty("unavailability");
  });

  test("outlives the master [semantics 1.4]", () => {
    const world = new World();
    const agent = world.addAgent();
    schedule(world, planFor(agent));
    start(world, machineOf(agent));
    const next = new World({}, world.registry);
    expect(getMaintenanceStatus(next.state).status).toEqual({
      draining_machines: [],
      down_machines: [machineOf(agent)],
    });
  });

  test("that makes no sense is refused as a whole, and says why [http-api 6.2]", () => {
    const world = new World();
    const agent = world.addAgent();
    const plan = planFor(agent);
    const machine_ids = [machineOf(agent)];
    const negative = { ...unavailability, duration: { nanoseconds: -1 } };
    expect(schedule(world, plan, plan)).toMatchObject(refusal("appears more than once"));
    expect(schedule(world, { unavailability })).toMatchObject(refusal("is empty"));
    expect(schedule(world, { machine_ids: [{}], unavailability })).toMatchObject(
      refusal("Both 'hostname' and 'ip'"),
    );
    expect(schedule(world, { machine_ids, unavailability: negative })).toMatchObject(
      refusal("'duration' is negative"),
    );
    expect(schedule(world, { machine_ids: [{ ip: "ten" }], unavailability })).toMatchObject(
      refusal("is not an address"),
    );
    expect(world.state.policy.machines.size).toBe(0);
    expect(world.registry.schedule).toBeUndefined();
  });
});

describe("a machine that is taken down", () => {
  test("must be planned; its agents end, their tasks are lost, and none may register [semantics 10.68]", () => {
    const world = new World();
    const agent = world.addAgent();
    expect(start(world, machineOf(agent))).toMatchObject(refusal("is not part of a maintenance"));
    const stream = world.subscribe();
    const offer = lastOffer(stream);
    world.launch(stream, offer, taskFor(offer, "a"));
    agent.work();
    schedule(world, planFor(agent));
    expect(start(world, machineOf(agent))).toEqual(SUCCESS);
    expect(agent.link.messages.findLast(({ kind }) => kind === "shutdown")).toMatchObject({
      message: "Operator initiated 'Machine DOWN'",
    });
    expect(statusesOf(stream)).toMatchObject([
      { task_id: { value: "a" }, state: "TASK_LOST", reason: "REASON_AGENT_REMOVED" },
    ]);
    expect(world.state.agents.size).toBe(0);
    agent.connect();
    expect(agent.link.messages.at(-1)).toMatchObject({ kind: "shutdown" });
    expect(start(world, machineOf(agent))).toMatchObject(refusal("is down already"));
    expect(schedule(world)).toMatchObject(refusal("stop its maintenance before"));
  });

  for (const how of ["new", "known", "unreachable"] as const) {
    test(`keeps no ${how} agent whose registration was being written [semantics 4.9]`, () => {
      const world = new World();
      const agent = world.addAgent();
      schedule(world, planFor(agent));
      if (how === "new") world.tell(agent.link, { kind: "unregister" });
      if (how === "unreachable") {
        agent.link.answersPings = false;
        world.advance(100_000);
      }
      agent.disconnect();
      if (how === "new") agent.link = world.openLink();
      agent.id = how === "new" ? undefined : agent.id;
      agent.resources = resourcesOf("cpus:8;mem:4096");
      world.holdsCommits = true;
      const machines = [machineOf(agent)];
      const call = { type: "START_MAINTENANCE", start_maintenance: { machines } } as const;
      world.post((requestId) => ({ kind: "operatorCall", requestId, call, principal: undefined }));
      if (how === "new") agent.register();
      else agent.connect();
      expect(agent.link.messages).toEqual([]);
      world.releaseCommits();
      world.advance(0);
      expect(agent.link.messages.at(-1)).toMatchObject({ kind: "shutdown" });
      expect(world.state.agents.size).toBe(0);
      expect(world.registry.admitted.size).toBe(0);
    });
  }

  test("comes back by the end of its maintenance, out of the schedule [semantics 4.9]", () => {
    const world = new World();
    const agent = world.addAgent();
    schedule(world, planFor(agent));
    expect(stop(world, machineOf(agent))).toMatchObject(refusal("start its maintenance first"));
    start(world, machineOf(agent));
    expect(stop(world, machineOf(agent))).toEqual(SUCCESS);
    expect(world.registry.schedule).toBeUndefined();
    expect(stop(world, machineOf(agent))).toMatchObject(refusal("is not part of a maintenance"));
    agent.id = undefined;
    agent.tasks.clear();
    agent.connect();
    expect(world.state.agents.size).toBe(1);
    const stream = world.subscribe();
    expect(lastOffer(stream)).not.toHaveProperty("unavailability");
  });

  test("is all or nothing of a call [semantics 4.9]", () => {
    const world = new World();
    const agent = world.addAgent();
    schedule(world, planFor(agent));
    expect(start(world, machineOf(agent), { hostname: "other" })).toMatchObject(
      refusal("'other' is not part of a maintenance schedule"),
    );
    expect(start(world)).toMatchObject(refusal("List of machines is empty"));
    expect(world.state.agents.size).toBe(1);
    expect(getMaintenanceStatus(world.state).status.draining_machines).toHaveLength(1);
  });
});

describe("the status", () => {
  test("tells answers by machine, however it is named, at the cost of a look at each", () => {
    const world = new World();
    world.addAgent();
    const [entry] = world.state.agents.values();
    const inverse = new Map([
      [brand<FrameworkId>("f"), { status: "ACCEPT", atMs: 1000, refusedUntilMs: 0 } as const],
    ]);
    const numbers = Array.from({ length: 5000 }, (_, number) => number);
    const agents = new Map(
      numbers.map((number) => {
        const agent = must(entry, "agent");
        const info = { ...agent.info, hostname: `Host-${number}` };
        const id = brand<AgentId>(`S${number}`);
        return [id, { ...agent, id, info, remoteIp: `ip-${number}`, inverse }];
      }),
    );
    const forms = (number: number): MachineID[] => [
      { hostname: `host-${number}` },
      { ip: `ip-${number}` },
      { hostname: `host-${number}`, ip: `ip-${number}` },
      { hostname: `host-${number}`, ip: "other" },
    ];
    const machines = new Map(
      numbers.flatMap(forms).map((id) => [machineKey(id), { id, mode: "DRAINING" as const }]),
    );
    const policy = { ...world.state.policy, machines };
    const workedMs = new CpuTime().start();
    const { status } = getMaintenanceStatus({ ...world.state, agents, policy });
    expect(workedMs()).toBeLessThan(2000);
    const counts = status.draining_machines?.map(({ statuses }) => statuses?.length);
    expect(counts).toEqual(numbers.flatMap(() => [1, 1, 1, 0]));
  });
});
