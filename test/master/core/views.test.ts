/** What operators read: v1 answers that encode, endpoint bodies in the words of their readers, metrics. */
import { describe, expect, test } from "bun:test";
import {
  frameworksView,
  rolesView,
  slavesView,
  stateSummaryView,
  stateView,
  tasksView,
} from "../../../src/master/core/views/endpoints.ts";
import { metricsSnapshot } from "../../../src/master/core/views/metrics.ts";
import { getMaster, getRoles, getState, getTasks } from "../../../src/master/core/views/v1.ts";
import { createCodec } from "../../../src/protocol/codec.ts";
import {
  lastOffer,
  lastStatus,
  MASTER_ID,
  START_MS,
  type TestAgent,
  type TestStream,
  taskFor,
  World,
} from "./harness.ts";

const FACTS = { version: { version: "0.1.0" }, cluster: "lab", flags: { port: "5050" } };

interface Scene {
  readonly world: World;
  readonly agent: TestAgent;
  readonly stream: TestStream;
}

/** One running and one completed task of a framework in role web/api, the rest offered. */
function scene(): Scene {
  const world = new World();
  const agent = world.addAgent("cpus:4;mem:1024;ports:[31000-32000]");
  const stream = world.subscribe({ role: "web/api", checkpoint: true, failover_timeout: 60 });
  const offer = lastOffer(stream);
  world.launch(stream, offer, taskFor(offer, "a"), taskFor(offer, "b"));
  agent.work();
  agent.update(stream, "a", "TASK_RUNNING");
  agent.update(stream, "b", "TASK_FINISHED");
  const { task_id, uuid = "" } = lastStatus(stream);
  const agent_id = { value: agent.id ?? "" };
  world.call(stream, { type: "ACKNOWLEDGE", acknowledge: { agent_id, task_id, uuid } });
  world.call(stream, { type: "REVIVE" });
  return { world, agent, stream };
}

describe("v1", () => {
  test("GET_STATE says who runs what where, in endpoint format [http-api 6.1]", () => {
    const { world, agent, stream } = scene();
    const state = getState(world.state);
    const [entry] = state.get_agents?.agents ?? [];
    expect(entry).toMatchObject({
      agent_info: { id: { value: agent.id ?? "" } },
      active: true,
      version: "1.12.0",
    });
    const cpusOf = (
      resources: typeof entry extends undefined
        ? never
        : readonly { name: string; scalar?: { value: number } | undefined }[] | undefined,
    ) => (resources ?? []).find(({ name }) => name === "cpus")?.scalar?.value;
    expect(cpusOf(entry?.total_resources)).toBe(4);
    expect(cpusOf(entry?.allocated_resources)).toBe(1);
    expect(cpusOf(entry?.offered_resources)).toBe(3);
    const [framework] = state.get_frameworks?.frameworks ?? [];
    expect(framework?.framework_info.id?.value).toBe(stream.frameworkId);
    expect(framework).toMatchObject({ active: true, connected: true, recovered: false });
    const { tasks = [], completed_tasks = [] } = getTasks(world.state);
    expect(tasks.map(({ task_id, state }) => [task_id.value, state])).toEqual([
      ["a", "TASK_RUNNING"],
    ]);
    expect(completed_tasks.map(({ task_id }) => task_id.value)).toEqual(["b"]);
    expect(tasks[0]?.resources?.[0]).toMatchObject({ role: "*" });
  });

  test("every answer encodes in both forms and reads back", async () => {
    const { world } = scene();
    const codec = await createCodec();
    const responses = [
      { type: "GET_STATE", get_state: getState(world.state) },
      { type: "GET_ROLES", get_roles: getRoles(world.state) },
      { type: "GET_MASTER", get_master: getMaster(world.state) },
    ] as const;
    for (const response of responses) {
      for (const mediaType of ["application/json", "application/x-protobuf"] as const) {
        const bytes = codec.encode("mesos.v1.master.Response", mediaType, response);
        const decoded = codec.decode("mesos.v1.master.Response", mediaType, bytes);
        expect(decoded.ok).toBe(true);
      }
    }
  });

  test("ancestors of a role in use are known roles [semantics 3.6]", () => {
    const { world, stream } = scene();
    const { roles = [] } = getRoles(world.state);
    expect(roles.map(({ name }) => name)).toEqual(["web", "web/api"]);
    expect(roles[1]?.frameworks).toEqual([{ value: stream.frameworkId }]);
    const cpus = roles[1]?.resources?.find(({ name }) => name === "cpus");
    expect(cpus?.scalar?.value).toBe(4);
  });
});

describe("endpoints", () => {
  test("/state has all that exporters look for [http-api 9.2]", () => {
    const { world, agent, stream } = scene();
    const state = stateView(world.state, FACTS);
    expect(state).toMatchObject({
      version: "0.1.0",
      id: MASTER_ID,
      cluster: "lab",
      activated_slaves: 1,
      deactivated_slaves: 0,
      unreachable_slaves: 0,
      flags: { port: "5050" },
      orphan_tasks: [],
      slaves: [
        {
          id: agent.id,
          hostname: agent.hostname,
          active: true,
          resources: { cpus: 4, gpus: 0, mem: 1024, disk: 0, ports: "[31000-32000]" },
          used_resources: { cpus: 1, mem: 128 },
          offered_resources: { cpus: 3, mem: 896 },
          reserved_resources: {},
        },
      ],
      frameworks: [
        {
          id: stream.frameworkId,
          role: "web/api",
          checkpoint: true,
          failover_timeout: 60,
          tasks: [
            {
              id: "a",
              state: "TASK_RUNNING",
              executor_id: "",
              slave_id: agent.id,
              role: "web/api",
            },
          ],
          completed_tasks: [{ id: "b", state: "TASK_FINISHED" }],
        },
      ],
      completed_frameworks: [],
    });
    expect(JSON.stringify(state)).not.toContain("agent_id");
  });

  test("/slaves adds the full resources and takes one id [http-api 9.2]", () => {
    const { world, agent } = scene();
    expect(slavesView(world.state, "x")).toEqual({ slaves: [], recovered_slaves: [] });
    expect(slavesView(world.state, agent.id)).toMatchObject({
      slaves: [
        {
          unreserved_resources_full: [
            { name: "cpus", role: "*" },
            { name: "mem" },
            { name: "ports" },
          ],
        },
      ],
    });
  });

  test("/frameworks takes one id [http-api 9.2]", () => {
    const { world, stream } = scene();
    expect(frameworksView(world.state, "x")).toMatchObject({ frameworks: [] });
    expect(frameworksView(world.state, stream.frameworkId)).toMatchObject({
      frameworks: [{ id: stream.frameworkId }],
    });
  });

  test("/tasks pages and sorts by first status [http-api 9.2]", () => {
    const { world } = scene();
    const query = { frameworkId: undefined, taskId: undefined, limit: 100, offset: 0 } as const;
    const all = tasksView(world.state, { ...query, order: "asc" })["tasks"] as { id: string }[];
    expect(all.map(({ id }) => id).sort()).toEqual(["a", "b"]);
    const page = tasksView(world.state, { ...query, order: "desc", limit: 1, offset: 1 });
    expect(page["tasks"]).toHaveLength(1);
    expect(tasksView(world.state, { ...query, order: "desc", taskId: "a" })).toMatchObject({
      tasks: [{ id: "a" }],
    });
  });

  test("/roles and /state-summary count [http-api 9.2]", () => {
    const { world, agent, stream } = scene();
    expect(rolesView(world.state)).toMatchObject({
      roles: [{ name: "web" }, { name: "web/api", allocated: { cpus: 1 }, offered: { cpus: 3 } }],
    });
    expect(stateSummaryView(world.state, FACTS)).toMatchObject({
      cluster: "lab",
      slaves: [
        { id: agent.id, TASK_RUNNING: 1, TASK_FINISHED: 1, framework_ids: [stream.frameworkId] },
      ],
      frameworks: [{ id: stream.frameworkId, TASK_RUNNING: 1, slave_ids: [agent.id] }],
    });
  });
});

describe("metrics", () => {
  test("gauges follow the state and counters the events [reference/metrics.json]", () => {
    const { world, agent, stream } = scene();
    world.advance(1000);
    const metrics = metricsSnapshot(world.state, world.nowMs);
    expect(metrics).toMatchObject({
      "master/elected": 1,
      "master/uptime_secs": (world.nowMs - START_MS) / 1000,
      "master/slaves_active": 1,
      "master/frameworks_connected": 1,
      "master/tasks_running": 1,
      "master/tasks_finished": 1,
      "master/outstanding_offers": 1,
      "master/cpus_total": 4,
      "master/cpus_used": 1,
      "master/cpus_percent": 0.25,
      "master/valid_status_updates": 2,
      [`master/frameworks/test/${stream.frameworkId}/offers/accepted`]: 1,
      [`master/frameworks/test/${stream.frameworkId}/calls/revive`]: 1,
    });
    expect(Object.keys(metrics)).toEqual(Object.keys(metrics).sort());
    agent.disconnect();
    expect(metricsSnapshot(world.state, world.nowMs)).toMatchObject({
      "master/slaves_disconnected": 1,
      "master/slaves_active": 0,
    });
  });
});
