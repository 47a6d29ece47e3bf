/** Agents that give more than they have: who is offered it, and what becomes of it. Source: semantics 8. */
import { expect, test } from "bun:test";
import type { ExecutorInfo, Offer, Resource, TaskInfo } from "../../../src/protocol/v1/types.ts";
import {
  lastOffer,
  lastStatus,
  resourcesOf,
  statusesOf,
  type TestStream,
  taskFor,
  World,
} from "./harness.ts";

function revocable(value: number): Resource {
  return { name: "cpus", type: "SCALAR", scalar: { value }, revocable: {} };
}

function cpusIn(offer: Offer, isRevocable: boolean): number {
  return (offer.resources ?? [])
    .filter(({ name, revocable: mark }) => name === "cpus" && (mark !== undefined) === isRevocable)
    .reduce((sum, { scalar }) => sum + (scalar?.value ?? 0), 0);
}

function launchRevocable(world: World, stream: TestStream, id: string, value: number): void {
  const offer = lastOffer(stream);
  const role = offer.resources?.[0]?.allocation_info?.role ?? "*";
  const resources = [{ ...revocable(value), allocation_info: { role } }];
  world.launch(stream, offer, { ...taskFor(offer, id, "cpus:1"), resources });
}

const ABLE = { capabilities: [{ type: "REVOCABLE_RESOURCES" }] } as const;

test("revocable resources go to frameworks that can bear to lose them [semantics 8.3]", () => {
  const world = new World();
  const agent = world.addAgent("cpus:4;mem:4096");
  world.tell(agent.link, { kind: "oversubscribedChanged", resources: [revocable(2)] });
  const plain = world.subscribe();
  expect(cpusIn(lastOffer(plain), true)).toBe(0);
  world.hangUp(plain);
  world.advance(1000);
  const able = world.subscribe(ABLE);
  expect(cpusIn(lastOffer(able), true)).toBe(2);
});

/** A task uses 1.5 of 2 cpus that an agent has to oversubscribe. */
function oversubscribed(): {
  readonly world: World;
  readonly agent: ReturnType<World["addAgent"]>;
  readonly stream: ReturnType<World["subscribe"]>;
} {
  const world = new World();
  const agent = world.addAgent("cpus:4;mem:4096");
  const stream = world.subscribe(ABLE);
  world.tell(agent.link, { kind: "oversubscribedChanged", resources: [revocable(2)] });
  world.advance(1000);
  launchRevocable(world, stream, "t", 1.5);
  return { world, agent, stream };
}

test("a new estimate voids offers of the old one; what is in use stays counted [semantics 8.2]", () => {
  const { world, agent } = oversubscribed();
  world.advance(6000);
  // Told before the agent knew of the task: less than is in use already.
  world.tell(agent.link, { kind: "oversubscribedChanged", resources: [revocable(1)] });
  world.advance(6000);
  const entry = world.state.agents.get(agent.id as never);
  expect(entry?.total.filter(({ isRevocable }) => isRevocable).scalarMilli("cpus")).toBe(1500);
  world.tell(agent.link, { kind: "oversubscribedChanged", resources: [revocable(3)] });
  world.advance(6000);
  expect(entry?.total.scalarMilli("cpus")).toBe(7000);
});

function revocableOn(world: World, agentId: string | undefined): number | undefined {
  const entry = world.state.agents.get(agentId as never);
  return entry?.total.filter(({ isRevocable }) => isRevocable).scalarMilli("cpus");
}

test("what comes free beyond the newest estimate is not there any more [semantics 8.2]", () => {
  const { world, agent, stream } = oversubscribed();
  // The agent tells it once, and has nothing to tell when a task that it never told of ends.
  world.tell(agent.link, { kind: "oversubscribedChanged", resources: [revocable(0.5)] });
  expect(revocableOn(world, agent.id)).toBe(1500);
  agent.update(stream, "t", "TASK_FAILED");
  world.advance(6000);
  expect(revocableOn(world, agent.id)).toBe(500);
  expect(cpusIn(lastOffer(stream), true)).toBe(0.5);
});

test("a newer link that costs a framework its tasks leaves nothing of what they used", () => {
  const world = new World();
  const agent = world.addAgent("cpus:4;mem:4096");
  const stream = world.subscribe({ ...ABLE, checkpoint: false });
  world.tell(agent.link, { kind: "oversubscribedChanged", resources: [revocable(2)] });
  world.advance(1000);
  launchRevocable(world, stream, "t", 1.5);
  agent.connect({ tasks: [] });
  expect(revocableOn(world, agent.id)).toBe(0);
});

test("resources that are not revocable amounts are refused, and nothing changes", () => {
  const world = new World();
  const agent = world.addAgent("cpus:4;mem:4096");
  const { revocable: _mark, ...lasting } = revocable(1);
  world.tell(agent.link, { kind: "oversubscribedChanged", resources: [lasting] });
  expect(world.logs).toContain("refused oversubscribed resources of an agent");
  expect(world.state.agents.get(agent.id as never)?.total.scalarMilli("cpus")).toBe(4000);
});

/** An agent with 2 revocable cpus beside its own, and tasks on one or the other, both with firm mem. */
function mixed(): {
  readonly world: World;
  readonly agent: ReturnType<World["addAgent"]>;
  readonly stream: TestStream;
  readonly taskOn: (id: string, isRevocable: boolean) => TaskInfo;
} {
  const world = new World();
  const agent = world.addAgent("cpus:4;mem:4096;disk:1000");
  world.tell(agent.link, { kind: "oversubscribedChanged", resources: [revocable(2)] });
  const stream = world.subscribe(ABLE);
  const taskOn = (id: string, isRevocable: boolean): TaskInfo => {
    const task = taskFor(lastOffer(stream), id);
    return isRevocable ? { ...task, resources: [revocable(1), ...resourcesOf("mem:128")] } : task;
  };
  return { world, agent, stream, taskOn };
}

test("a task may mix revocable and other resources over different names [semantics 8.3]", () => {
  const { world, agent, stream, taskOn } = mixed();
  world.launch(stream, lastOffer(stream), taskOn("t", true));
  expect(statusesOf(stream)).toEqual([]);
  expect(agent.orders("runTask")).toHaveLength(1);
});

test("a task and its executor may not mix them for one name [semantics 8.3]", () => {
  const { world, agent, stream, taskOn } = mixed();
  const executor: ExecutorInfo = {
    executor_id: { value: "e" },
    command: { value: "run" },
    resources: resourcesOf("cpus:0.1;mem:32"),
  };
  const { command: _, ...task } = taskOn("t", true);
  world.launch(stream, lastOffer(stream), { ...task, executor });
  expect(lastStatus(stream)).toMatchObject({
    state: "TASK_ERROR",
    reason: "REASON_TASK_INVALID",
    message: "Task with its executor uses both revocable and non-revocable cpus",
  });
  expect(agent.orders("runTask")).toEqual([]);
});

test("neither may a group and its executor, also one that runs already [semantics 8.3]", () => {
  const { world, agent, stream, taskOn } = mixed();
  const executorOn = (resources: readonly Resource[]): ExecutorInfo => ({
    type: "DEFAULT",
    executor_id: { value: "e" },
    resources,
  });
  const plain = executorOn(resourcesOf("cpus:0.1;mem:32;disk:10"));
  const able = executorOn([revocable(0.1), ...resourcesOf("mem:32;disk:10")]);
  const launch = (executor: ExecutorInfo, ...tasks: readonly TaskInfo[]): string | undefined => {
    const launch_group = { executor, task_group: { tasks } };
    world.accept(stream, [lastOffer(stream)], [{ type: "LAUNCH_GROUP", launch_group }]);
    agent.work();
    world.call(stream, { type: "REVIVE" });
    return statusesOf(stream).at(-1)?.message;
  };
  const fault = "Task group with its executor uses both revocable and non-revocable cpus";
  expect(launch(plain, taskOn("a", true))).toBe(fault);
  expect(launch(able, taskOn("b", true), taskOn("c", false))).toBe(fault);
  expect(agent.orders("runTaskGroup")).toEqual([]);
  launch(able, taskOn("d", true));
  expect(agent.orders("runTaskGroup")).toHaveLength(1);
  expect(launch(plain, taskOn("f", false))).toBe(fault);
  expect(agent.orders("runTaskGroup")).toHaveLength(1);
});

test("figures tell what there is beyond what agents have, and what is used [metrics.json]", () => {
  const { world, agent, stream } = oversubscribed();
  const figures = (): readonly (number | undefined)[] => {
    const metrics = world.core.metrics(world.nowMs);
    return ["total", "used", "percent"].map((what) => metrics[`master/cpus_revocable_${what}`]);
  };
  expect(figures()).toEqual([2, 1.5, 0.75]);
  agent.update(stream, "t", "TASK_FAILED");
  expect(figures()).toEqual([2, 0, 0]);
});
