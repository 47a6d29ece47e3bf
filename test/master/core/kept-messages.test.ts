/** Tasks and agents as a master keeps them: whole for whoever reads them, and once where equal. */
import { expect, test } from "bun:test";
import { must } from "../../../src/base/assert.ts";
import { brand, type TaskId } from "../../../src/base/ids.ts";
import type { TaskEntry } from "../../../src/master/core/state.ts";
import type { TaskStatus } from "../../../src/protocol/v1/types.ts";
import { lastOffer, type TestAgent, type TestStream, taskFor, World } from "./harness.ts";

const LABELS = { labels: [{ key: "team", value: "web" }] };

interface Scene {
  readonly world: World;
  readonly agent: TestAgent;
  readonly stream: TestStream;
}

/** A framework with the tasks `t1` and `t2`, which differ in nothing but their ids. */
function scene(): Scene {
  const world = new World();
  const agent = world.addAgent();
  const stream = world.subscribe({ checkpoint: true, failover_timeout: 60 });
  const offer = lastOffer(stream);
  const [first, second] = ["t1", "t2"].map((id) =>
    taskFor(offer, id, "cpus:1;mem:128", { labels: LABELS }),
  );
  world.launch(stream, offer, must(first, "task"), must(second, "task"));
  agent.work();
  return { world, agent, stream };
}

function entry({ world, stream }: Scene, id: string): TaskEntry {
  const framework = must(world.state.frameworks.get(brand(stream.frameworkId)), "framework");
  return must(framework.tasks.get(brand<TaskId>(id)), "task");
}

test("tasks that differ only in their ids share everything else", () => {
  const it = scene();
  const [first, second] = [entry(it, "t1"), entry(it, "t2")];
  expect(first.description.labels).toEqual(LABELS);
  expect(second.description.labels).toBe(first.description.labels as never);
  expect(second.description.resources).toBe(first.description.resources as never);
  expect(second.resources).toBe(first.resources);
  expect(second.description.agent_id).toBe(first.description.agent_id);
});

test("a status is kept whole but for its data [semantics 6.1]", () => {
  const it = scene();
  const changes = {
    data: "AAAA",
    message: "all is well",
    reason: "REASON_TASK_CHECK_STATUS_UPDATED",
    healthy: false,
    labels: LABELS,
    container_status: {
      container_id: { value: "inner", parent: { value: "outer" } },
      network_infos: [{ ip_addresses: [{ ip_address: "10.0.0.1" }] }],
      cgroup_info: { net_cls: { classid: 7 } },
    },
  } as const satisfies Partial<TaskStatus>;
  it.agent.update(it.stream, "t1", "TASK_RUNNING", changes);
  const { data: _, ...kept } = changes;
  const status = must(entry(it, "t1").statuses.at(-1), "status");
  expect(status).toMatchObject({ ...kept, state: "TASK_RUNNING", task_id: { value: "t1" } });
  expect(status.data).toBeUndefined();
});

test("a place that does not change is one object, a new one is told", () => {
  const it = scene();
  const place = (pid: number) => ({
    container_status: { container_id: { value: "c" }, executor_pid: pid },
  });
  it.agent.update(it.stream, "t1", "TASK_STARTING", place(1));
  it.agent.update(it.stream, "t1", "TASK_RUNNING", place(1));
  it.agent.update(it.stream, "t1", "TASK_KILLING", place(2));
  const places = entry(it, "t1").statuses.map((status) => status.container_status);
  expect(places.map((one) => one?.executor_pid)).toEqual([1, 1, 2]);
  expect(places[1]).toBe(places[0] as never);
});
