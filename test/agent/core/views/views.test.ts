/** What the outside sees of a core's state, in both forms of JSON, and its figures. */
import { expect, test } from "bun:test";
import { agentMetrics } from "../../../../src/agent/core/views/metrics.ts";
import { allocatedResources, stateJson } from "../../../../src/agent/core/views/v0-state.ts";
import { getState, getTasks } from "../../../../src/agent/core/views/v1-views.ts";
import {
  AGENT_ID,
  AgentHarness,
  commandTask,
  customExecutor,
  framework,
} from "../agent-harness.ts";

/** One task each: running, waiting for its executor, ended unacknowledged, and completed. */
function busyAgent(): AgentHarness {
  const agent = AgentHarness.registered();
  const info = framework("fw");
  agent.runToRunning(info, commandTask("running"));
  agent.run(info, commandTask("queued", { executor: customExecutor("e"), command: undefined }));
  for (const id of ["terminated", "completed"]) {
    agent.runToRunning(info, commandTask(id));
    agent.update("fw", id, "TASK_FINISHED");
    agent.terminated("fw", id, 0);
  }
  agent.acknowledge("fw", "completed");
  return agent;
}

const ids = (tasks: readonly { readonly task_id: { readonly value: string } }[] | undefined) =>
  (tasks ?? []).map((task) => task.task_id.value);

test("GET_TASKS sorts tasks by where they stand [http-api 7.1, item 49]", () => {
  const { get_tasks: tasks } = getTasks(busyAgent().core.state);
  expect([
    ids(tasks?.pending_tasks),
    ids(tasks?.queued_tasks),
    ids(tasks?.launched_tasks),
    ids(tasks?.terminated_tasks),
    ids(tasks?.completed_tasks),
  ]).toEqual([[], ["queued"], ["running"], ["terminated"], ["completed"]]);
});

test("GET_STATE holds tasks, executors and frameworks [http-api 7.1]", () => {
  const { get_state: state } = getState(busyAgent().core.state);
  const executors = state?.get_executors?.executors?.map(
    (each) => each.executor_info.executor_id.value,
  );
  expect(executors).toEqual(["running", "e", "terminated"]);
  expect(state?.get_executors?.completed_executors?.length).toBe(1);
  expect(state?.get_frameworks?.frameworks?.[0]?.framework_info.name).toBe("fw");
});

test("/state has the shape tools expect [http-api 10]", () => {
  const agent = busyAgent();
  const state = stateJson(agent.core.state, agent.options, {
    pid: "slave(1)@127.0.0.1:5051",
    startTime: 1000,
    masterHostname: "master.example",
    build: { build_user: "nobody" },
    flags: { work_dir: "/work" },
    containerizers: [],
  });
  expect(JSON.parse(JSON.stringify(state))).toMatchObject({
    id: AGENT_ID,
    pid: "slave(1)@127.0.0.1:5051",
    hostname: "host-1",
    master_hostname: "master.example",
    capabilities: expect.arrayContaining(["MULTI_ROLE"]),
    resources: { cpus: 4, mem: 1024, disk: 0, gpus: 0 },
    unreserved_resources_allocated: { cpus: 0.2 },
    frameworks: [
      {
        id: "fw",
        checkpoint: true,
        executors: [
          {
            id: "running",
            source: "running",
            resources: { cpus: 0.1 },
            tasks: [{ id: "running", state: "TASK_RUNNING", executor_id: "", slave_id: AGENT_ID }],
            queued_tasks: [],
          },
          { id: "e", queued_tasks: [{ id: "queued", executor_id: "e" }], tasks: [] },
          { id: "terminated", tasks: [], completed_tasks: [{ state: "TASK_FINISHED" }] },
        ],
        completed_executors: [{ id: "completed", completed_tasks: [{ id: "completed" }] }],
      },
    ],
    completed_frameworks: [],
  });
});

test("a framework that comes back is not listed twice, and keeps its history", () => {
  const agent = AgentHarness.registered();
  const finish = (id: string): void => {
    agent.runToRunning(framework("fw"), commandTask(id));
    agent.update("fw", id, "TASK_FINISHED");
    agent.terminated("fw", id, 0);
    agent.acknowledge("fw", id);
  };
  finish("a");
  finish("b");
  const completed = agent.core.state.completedFrameworks;
  expect(completed.map(({ executors }) => executors.length)).toEqual([2]);
  agent.runToRunning(framework("fw"), commandTask("c"));
  expect(completed).toEqual([]);
});

test("figures count what is there and what has ended [metrics.json]", () => {
  const metrics = agentMetrics(busyAgent().core.state, 12);
  expect(metrics).toMatchObject({
    "slave/uptime_secs": 12,
    "slave/registered": 1,
    "slave/frameworks_active": 1,
    "slave/tasks_running": 1,
    "slave/tasks_staging": 1,
    "slave/tasks_finished": 2,
    "slave/executors_registering": 1,
    "slave/executors_running": 1,
    "slave/executors_terminated": 2,
    "slave/cpus_total": 4,
    "slave/cpus_used": 0.2,
    "slave/cpus_percent": 0.05,
  });
});

test("a default executor is listed once and counts once, whatever number of tasks it has", () => {
  const agent = AgentHarness.registered();
  const cpus = { name: "cpus", type: "SCALAR", scalar: { value: 0.5 } } as const;
  const executor = { type: "DEFAULT", executor_id: { value: "e" }, resources: [cpus] } as const;
  const tasks = ["a", "b", "c"].map((id) => commandTask(id, { executor }));
  const group = { executor, taskGroup: { tasks }, launchesExecutor: true };
  agent.command({ kind: "runTaskGroup", framework: framework("fw"), ...group });
  const { get_state: state } = getState(agent.core.state);
  expect(state?.get_executors?.executors).toHaveLength(1);
  const held = allocatedResources(agent.core.state).map(({ scalar }) => scalar?.value ?? 0);
  expect(held.reduce((sum, value) => sum + value, 0)).toBeCloseTo(0.5 + 3 * 0.1);
});
