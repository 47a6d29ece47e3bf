/** What operators read: v1 answers that encode, endpoint bodies in the words of their readers, metrics. */
import { describe, expect, test } from "bun:test";
import { tasksDocument } from "../../../src/master/core/views/endpoint-tasks.ts";
import {
  frameworksDocument,
  rolesDocument,
  slavesDocument,
  stateDocument,
  stateSummaryDocument,
} from "../../../src/master/core/views/endpoints.ts";
import {
  describeRoles,
  describeState,
  describeTasks,
  getMaster,
} from "../../../src/master/core/views/v1.ts";
import { createCodec } from "../../../src/protocol/codec.ts";
import { emptyRegistry } from "../../../src/registry/core/registry-state.ts";
import {
  AGENT_CAPABILITIES,
  lastOffer,
  lastStatus,
  MASTER_ID,
  START_MS,
  SUCCESS,
  type TestAgent,
  type TestStream,
  taskFor,
  World,
} from "./harness.ts";
import { EVERYTHING, jsonOf, messageOf } from "./views/documents.ts";

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
    const state = messageOf(describeState, world.state);
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
    const { tasks = [], completed_tasks = [] } = messageOf(describeTasks, world.state);
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
      { type: "GET_STATE", get_state: messageOf(describeState, world.state) },
      { type: "GET_ROLES", get_roles: messageOf(describeRoles, world.state) },
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
    const { roles = [] } = messageOf(describeRoles, world.state);
    expect(roles.map(({ name }) => name)).toEqual(["web", "web/api"]);
    expect(roles[1]?.frameworks).toEqual([{ value: stream.frameworkId }]);
    const cpus = roles[1]?.resources?.find(({ name }) => name === "cpus");
    expect(cpus?.scalar?.value).toBe(4);
  });
});

describe("endpoints", () => {
  test("/state has all that exporters look for [http-api 9.2]", () => {
    const { world, agent, stream } = scene();
    const state = jsonOf(stateDocument(world.state, FACTS));
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
    expect(jsonOf(slavesDocument(world.state, "x"))).toEqual({ slaves: [], recovered_slaves: [] });
    expect(jsonOf(slavesDocument(world.state, agent.id))).toMatchObject({
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
    expect(jsonOf(frameworksDocument(world.state, "x"))).toMatchObject({ frameworks: [] });
    expect(jsonOf(frameworksDocument(world.state, stream.frameworkId))).toMatchObject({
      frameworks: [{ id: stream.frameworkId }],
    });
  });

  test("/tasks pages and sorts by first status [http-api 9.2]", () => {
    const { world } = scene();
    const query = { frameworkId: undefined, taskId: undefined, limit: 100, offset: 0 } as const;
    const all = jsonOf(tasksDocument(world.state, { ...query, order: "asc" }))["tasks"] as {
      id: string;
    }[];
    expect(all.map(({ id }) => id).sort()).toEqual(["a", "b"]);
    const page = jsonOf(
      tasksDocument(world.state, { ...query, order: "desc", limit: 1, offset: 1 }),
    );
    expect(page["tasks"]).toHaveLength(1);
    expect(
      jsonOf(tasksDocument(world.state, { ...query, order: "desc", taskId: "a" })),
    ).toMatchObject({
      tasks: [{ id: "a" }],
    });
  });

  test("/roles and /state-summary count [http-api 9.2]", () => {
    const { world, agent, stream } = scene();
    expect(jsonOf(rolesDocument(world.state, EVERYTHING))).toMatchObject({
      roles: [{ name: "web" }, { name: "web/api", allocated: { cpus: 1 }, offered: { cpus: 3 } }],
    });
    expect(jsonOf(stateSummaryDocument(world.state, FACTS))).toMatchObject({
      cluster: "lab",
      slaves: [
        { id: agent.id, TASK_RUNNING: 1, TASK_FINISHED: 1, framework_ids: [stream.frameworkId] },
      ],
      frameworks: [{ id: stream.frameworkId, TASK_RUNNING: 1, slave_ids: [agent.id] }],
    });
  });
});

/** A cluster whose roles have weights and quota, and whose agent reserves and drains. */
function policyScene(): Scene {
  const registry = emptyRegistry();
  registry.weights.set("web", 2.5);
  registry.quotas.set("ops", { guarantees: { cpus: 1000 }, limits: { cpus: 2500 } });
  const world = new World({}, registry);
  for (const [role, weight] of registry.weights) world.state.policy.weights.set(role, weight);
  for (const [role, quota] of registry.quotas) world.state.policy.quotas.set(role, quota);
  const agent = world.addAgent("cpus:4;mem:1024", {
    capabilities: [...AGENT_CAPABILITIES, { type: "AGENT_DRAINING" }],
  });
  const stream = world.subscribe({ roles: ["web/api"], capabilities: [{ type: "MULTI_ROLE" }] });
  const offer = lastOffer(stream);
  world.launch(stream, offer, taskFor(offer, "a"));
  agent.work();
  return { world, agent, stream };
}

describe("policy in the views", () => {
  test("roles tell weight, quota and what counts against it, sums include the roles below [http-api 9.2]", () => {
    const { world } = policyScene();
    expect(jsonOf(rolesDocument(world.state, EVERYTHING))).toMatchObject({
      roles: [
        {
          name: "ops",
          weight: 1,
          quota: { role: "ops", guarantee: { cpus: 1 }, limit: { cpus: 2.5 }, consumed: {} },
          frameworks: [],
        },
        {
          name: "web",
          weight: 2.5,
          resources: { cpus: 0, gpus: 0, mem: 0, disk: 0 },
          allocated: { cpus: 1, mem: 128 },
          quota: { consumed: { cpus: 1, mem: 128 } },
        },
        { name: "web/api", weight: 1, resources: { cpus: 1, gpus: 0, mem: 128, disk: 0 } },
      ],
    });
    expect(
      messageOf(describeRoles, world.state).roles?.map(({ name, weight }) => [name, weight]),
    ).toEqual([
      ["ops", 1],
      ["web", 2.5],
      ["web/api", 1],
    ]);
  });

  test("with --roles only these are known [semantics 3.6]", () => {
    const world = new World({ roles: new Set(["*", "web"]) });
    expect(messageOf(describeRoles, world.state).roles?.map(({ name }) => name)).toEqual([
      "*",
      "web",
    ]);
  });

  test("an agent that drains says since when and how [http-api 6.1, 9.2]", () => {
    const { world, agent } = policyScene();
    const agent_id = { value: agent.id ?? "" };
    const drain = { agent_id, max_grace_period: { seconds: 5 }, mark_gone: false };
    expect(world.operatorCall({ type: "DRAIN_AGENT", drain_agent: drain })).toEqual(SUCCESS);
    const info = {
      state: "DRAINING",
      config: { max_grace_period: { nanoseconds: 5e9 }, mark_gone: false },
    } as const;
    expect(messageOf(describeState, world.state).get_agents?.agents).toMatchObject([
      {
        deactivated: true,
        drain_info: info,
        estimated_drain_start_time: { nanoseconds: expect.any(Number) },
      },
    ]);
    expect(jsonOf(slavesDocument(world.state, undefined))).toMatchObject({
      slaves: [{ drain_info: info, estimated_drain_start_time_seconds: world.nowMs / 1000 }],
    });
  });

  test("an inverse offer is among the offers of its framework [http-api 6.1]", () => {
    const { world, agent, stream } = policyScene();
    const unavailability = { start: { nanoseconds: START_MS * 1e6 } };
    const machine_ids = [{ hostname: agent.hostname }];
    const schedule = { windows: [{ machine_ids, unavailability }] };
    world.operatorCall({
      type: "UPDATE_MAINTENANCE_SCHEDULE",
      update_maintenance_schedule: { schedule },
    });
    expect(messageOf(describeState, world.state).get_frameworks?.frameworks).toMatchObject([
      {
        inverse_offers: [
          {
            framework_id: { value: stream.frameworkId },
            agent_id: { value: agent.id },
            unavailability,
          },
        ],
      },
    ]);
  });

  test("a status keeps of its container what these endpoints tell [http-api 9.1]", () => {
    const { world, agent, stream } = policyScene();
    agent.update(stream, "a", "TASK_RUNNING", {
      container_status: {
        container_id: { value: "c" },
        executor_pid: 7,
        network_infos: [
          {
            ip_addresses: [{ ip_address: "10.0.0.7" }],
            labels: { labels: [{ key: "k", value: "v" }] },
          },
        ],
      },
    });
    const { frameworks } = jsonOf(frameworksDocument(world.state, undefined)) as {
      frameworks: { tasks: { statuses: object[] }[] }[];
    };
    expect(frameworks[0]?.tasks[0]?.statuses.at(-1)).toMatchObject({
      container_status: {
        container_id: { value: "c" },
        network_infos: [
          { labels: [{ key: "k", value: "v" }], ip_addresses: [{ ip_address: "10.0.0.7" }] },
        ],
      },
    });
    expect(JSON.stringify(frameworks)).not.toContain("executor_pid");
  });
});

describe("metrics", () => {
  test("of single frameworks are left out on demand [flags publish_per_framework_metrics]", () => {
    const namesWith = (arePerFrameworkMetricsShown: boolean): string[] => {
      const world = new World({ arePerFrameworkMetricsShown });
      world.subscribe();
      return Object.keys(world.core.metrics(world.nowMs));
    };
    const isOfOne = (name: string): boolean => name.startsWith("master/frameworks/");
    expect(namesWith(true).some(isOfOne)).toBe(true);
    expect(namesWith(false)).toEqual(namesWith(true).filter((name) => !isOfOne(name)));
  });

  test("gauges follow the state and counters the events [reference/metrics.json]", () => {
    const { world, agent, stream } = scene();
    world.advance(1000);
    const metrics = world.core.metrics(world.nowMs);
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
    agent.disconnect();
    expect(world.core.metrics(world.nowMs)).toMatchObject({
      "master/slaves_disconnected": 1,
      "master/slaves_active": 0,
    });
  });
});
