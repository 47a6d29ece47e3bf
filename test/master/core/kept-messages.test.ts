/** Tasks and agents as a master keeps them: whole for whoever reads them, and once where equal. */
import { expect, test } from "bun:test";
import { must } from "../../../src/base/assert.ts";
import { brand, type TaskId } from "../../../src/base/ids.ts";
import { statusMessage } from "../../../src/master/core/kept-messages.ts";
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
    taskFor(offer, id, "cpus:1;mem:128", { name: "web", labels: LABELS }),
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
  expect(second.description).toBe(first.description);
  expect(second.resources).toBe(first.resources);
});

test("a task that differs in anything shares the rest alone", () => {
  const world = new World();
  const agent = world.addAgent();
  const stream = world.subscribe({ checkpoint: true, failover_timeout: 60 });
  const offer = lastOffer(stream);
  const [first, second] = [LABELS, { labels: [] }].map((labels, index) =>
    taskFor(offer, `t${index}`, "cpus:1;mem:128", { name: "web", labels }),
  );
  world.launch(stream, offer, must(first, "task"), must(second, "task"));
  const it = { world, agent, stream };
  const [one, other] = [entry(it, "t0"), entry(it, "t1")];
  expect(one.description.labels).toEqual(LABELS);
  expect(other.description).not.toBe(one.description);
  expect(other.description.resources).toBe(one.description.resources as never);
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
  const task = entry(it, "t1");
  const status = must(task.statuses.at(-1), "status");
  expect(status).not.toHaveProperty("data");
  const ids = { task_id: { value: "t1" }, agent_id: { value: task.agentId } };
  expect(statusMessage(task, status)).toMatchObject({ ...kept, ...ids, state: "TASK_RUNNING" });
});

test("of whom a status speaks is told as it came, whether its task says the same or not", () => {
  const it = scene();
  for (const executor_id of [undefined, { value: "t1" }, { value: "other" }]) {
    for (const source of ["SOURCE_EXECUTOR", "SOURCE_AGENT"] as const) {
      const sent = { executor_id, source, timestamp: 7, uuid: "AAAAAAAAAAAAAAAAAAAAAA==" };
      it.agent.update(it.stream, "t1", "TASK_RUNNING", sent);
      const task = entry(it, "t1");
      const status = must(task.statuses.at(-1), "status");
      expect(statusMessage(task, status)).toMatchObject({ source, timestamp: 7, uuid: sent.uuid });
      expect(statusMessage(task, status).executor_id).toEqual(executor_id);
      expect("executor_id" in status).toBe(
        executor_id?.value !== (source === "SOURCE_EXECUTOR" ? "t1" : undefined),
      );
    }
  }
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
