/**
 * Which fields the objects of the JSON endpoints have, by the lists of reference/http-api.md 9.1 and
 * 9.2: readers look them up by name, so that none may be missing and none may appear.
 */
import { beforeEach, describe, expect, test } from "bun:test";
import { tasksDocument } from "../../../../src/master/core/views/endpoint-tasks.ts";
import {
  frameworksDocument,
  rolesDocument,
  slavesDocument,
  stateDocument,
  stateSummaryDocument,
} from "../../../../src/master/core/views/endpoints.ts";
import {
  AGENT_CAPABILITIES,
  lastOffer,
  resourcesOf,
  START_MS,
  taskFor,
  World,
} from "../harness.ts";
import { EVERYTHING, jsonOf } from "./documents.ts";

type Json = Readonly<Record<string, unknown>>;

const FACTS = {
  version: {
    version: "1.12.0",
    build_date: "d",
    build_time: 1,
    build_user: "u",
    git_tag: "allot-0.1.0",
  },
  cluster: "lab",
  flags: { log_dir: "/var/log/allot", external_log_file: "/var/log/other" },
};

const domain = { fault_domain: { region: { name: "r" }, zone: { name: "z" } } };
const labels = { labels: [{ key: "k", value: "v" }] };

let world: World;

/** One of everything, with every field that a framework or an agent can give. */
beforeEach(() => {
  world = new World({
    info: { id: "m", ip: 0, port: 5050, hostname: "master", pid: "master@1.2.3.4:5050", domain },
  });
  const capabilities = [
    ...AGENT_CAPABILITIES,
    { type: "AGENT_DRAINING" },
    { type: "TASK_RESOURCE_LIMITS" },
  ] as const;
  const agentInfo = {
    hostname: "host",
    port: 5051,
    domain,
    resources: resourcesOf("cpus:4;mem:4096;ports:[31000-32000]"),
    attributes: [{ name: "rack", type: "TEXT", text: { value: "r1" } }],
  } as const;
  const agent = world.addAgent("cpus:4", { agentInfo, capabilities });
  agent.resources = [...agentInfo.resources];
  const stream = world.subscribe({
    name: "full",
    roles: ["web"],
    hostname: "h",
    principal: "p",
    webui_url: "http://ui",
    failover_timeout: 60,
    checkpoint: true,
    labels,
    capabilities: [{ type: "MULTI_ROLE" }, { type: "REGION_AWARE" }],
  });
  const offer = lastOffer(stream);
  const task = taskFor(offer, "command", "cpus:1;mem:128", {
    labels,
    discovery: { visibility: "CLUSTER", name: "d" },
    container: { type: "MESOS" },
    health_check: { type: "COMMAND", command: { value: "true" } },
    command: { value: "true", user: "u" },
    limits: { cpus: { value: 2 } },
  });
  const { command: _, ...bare } = taskFor(offer, "custom", "cpus:1;mem:128");
  const executor = {
    executor_id: { value: "e" },
    name: "executor",
    type: "CUSTOM",
    labels,
    resources: resourcesOf("cpus:0.1;mem:32"),
    command: { value: "run", uris: [{ value: "http://x", executable: true }] },
  } as const;
  world.launch(stream, offer, task, { ...bare, executor });
  agent.work();
  agent.update(stream, "command", "TASK_RUNNING", {
    healthy: true,
    labels,
    container_status: {
      container_id: { value: "c" },
      network_infos: [{ name: "n", ip_addresses: [{ protocol: "IPv4", ip_address: "10.0.0.1" }] }],
      cgroup_info: {},
    },
  });
  world.call(stream, { type: "REVIVE" });
  agent.disconnect();
  const info = { ...agentInfo, id: { value: agent.id ?? "" } };
  const executors = [{ frameworkId: stream.frameworkId, executorInfo: executor }];
  agent.connect({ agentInfo: info, capabilities, executors });
});

const first = (object: Json, ...path: string[]): Json =>
  path.reduce<Json>((found, name) => (found[name] as Json[])[0] ?? {}, object);

const keysOf = (object: Json): string[] => Object.keys(object).sort();

const words = (text: string): string[] => text.split(/\s+/).filter(Boolean).sort();

const SLAVE_INFO = "id hostname port attributes domain";
const SLAVE = `${SLAVE_INFO} pid registered_time reregistered_time resources used_resources
  offered_resources reserved_resources unreserved_resources active deactivated version capabilities`;
const FRAMEWORK_SUMMARY = `id name used_resources offered_resources capabilities hostname webui_url
  active connected recovered`;
const FRAMEWORK = `${FRAMEWORK_SUMMARY} user failover_timeout checkpoint registered_time
  unregistered_time principal resources roles tasks unreachable_tasks completed_tasks offers
  executors labels offer_constraints`;
const TASK = `id name framework_id executor_id slave_id state resources role statuses`;
const COUNTS = `TASK_STAGING TASK_STARTING TASK_RUNNING TASK_KILLING TASK_FINISHED TASK_KILLED
  TASK_FAILED TASK_LOST TASK_ERROR TASK_UNREACHABLE`;

describe("the fields of", () => {
  test("/state", () => {
    const state = jsonOf(stateDocument(world.state, FACTS));
    expect(keysOf(state)).toEqual(
      words(`version build_date build_time build_user git_tag start_time elected_time id pid
        hostname capabilities activated_slaves deactivated_slaves unreachable_slaves domain leader
        leader_info cluster log_dir external_log_file flags slaves recovered_slaves frameworks
        completed_frameworks orphan_tasks unregistered_frameworks`),
    );
    expect(state["leader"]).toBe("master@1.2.3.4:5050");
    expect(keysOf(state["leader_info"] as Json)).toEqual(words("id pid port hostname domain"));
  });

  test("an agent, in /state, /slaves and while it drains", () => {
    expect(keysOf(first(jsonOf(stateDocument(world.state, FACTS)), "slaves"))).toEqual(
      words(SLAVE),
    );
    const full = `${SLAVE} reserved_resources_full unreserved_resources_full used_resources_full
      offered_resources_full`;
    const slave = first(jsonOf(slavesDocument(world.state, undefined)), "slaves");
    expect(keysOf(slave)).toEqual(words(full));
    expect(slave).toMatchObject({
      attributes: { rack: "r1" },
      domain,
      resources: { cpus: 4, gpus: 0, mem: 4096, disk: 0, ports: "[31000-32000]" },
      registered_time: expect.any(Number),
    });
  });

  test("a framework", () => {
    const framework = first(jsonOf(frameworksDocument(world.state, undefined)), "frameworks");
    expect(keysOf(framework)).toEqual(words(FRAMEWORK));
    expect(framework).toMatchObject({ offer_constraints: {}, unregistered_time: 0 });
  });

  test("a command task with everything, and one of an executor with nothing", () => {
    const query = { frameworkId: undefined, limit: 10, offset: 0, order: "asc" } as const;
    const taskOf = (taskId: string): Json =>
      first(jsonOf(tasksDocument(world.state, { ...query, taskId })), "tasks");
    const full = taskOf("command");
    expect(keysOf(full)).toEqual(
      words(`${TASK} limits user labels discovery container health_check`),
    );
    expect(full).toMatchObject({
      executor_id: "",
      role: "web",
      limits: { cpus: 2 },
      labels: labels.labels,
    });
    const status = first(full, "statuses");
    expect(keysOf(status)).toEqual(words("state timestamp labels container_status healthy"));
    expect(keysOf(status["container_status"] as Json)).toEqual(
      words("container_id network_infos cgroup_info"),
    );
    expect(keysOf(taskOf("custom"))).toEqual(words(TASK));
    expect(taskOf("custom")).toMatchObject({ executor_id: "e" });
  });

  test("an executor and its command", () => {
    const state = jsonOf(stateDocument(world.state, FACTS));
    const executor = first(state, "frameworks", "executors");
    expect(keysOf(executor)).toEqual(
      words("executor_id name framework_id command resources role labels type slave_id"),
    );
    expect(executor["command"]).toMatchObject({
      value: "run",
      argv: [],
      uris: [{ value: "http://x", executable: true }],
    });
  });

  test("an offer", () => {
    const offer = first(jsonOf(stateDocument(world.state, FACTS)), "frameworks", "offers");
    expect(keysOf(offer)).toEqual(words("id framework_id allocation_info slave_id resources"));
    expect(offer["allocation_info"]).toEqual({ role: "web" });
  });

  test("/state-summary", () => {
    const summary = jsonOf(stateSummaryDocument(world.state, FACTS));
    expect(keysOf(summary)).toEqual(words("hostname cluster slaves frameworks"));
    expect(keysOf(first(summary, "slaves"))).toEqual(words(`${SLAVE} ${COUNTS} framework_ids`));
    expect(keysOf(first(summary, "frameworks"))).toEqual(
      words(`${FRAMEWORK_SUMMARY} ${COUNTS} slave_ids`),
    );
  });

  test("a role", () => {
    const role = first(jsonOf(rolesDocument(world.state, EVERYTHING)), "roles");
    expect(keysOf(role)).toEqual(
      words("name weight quota resources allocated offered reserved frameworks"),
    );
    expect(keysOf(role["quota"] as Json)).toEqual(words("role guarantee limit consumed"));
  });

  test("an agent that drains, and a recovered one", () => {
    const [agent] = world.state.agents.values();
    const drain_agent = { agent_id: { value: agent?.id ?? "" } };
    world.operatorCall({ type: "DRAIN_AGENT", drain_agent });
    const slave = first(jsonOf(slavesDocument(world.state, undefined)), "slaves");
    expect(slave["drain_info"]).toEqual({ state: "DRAINING", config: { mark_gone: false } });
    expect(slave["estimated_drain_start_time_seconds"]).toBeGreaterThanOrEqual(START_MS / 1000);
    const successor = new World({}, world.registry);
    const recovered = first(jsonOf(stateDocument(successor.state, FACTS)), "recovered_slaves");
    expect(keysOf(recovered)).toEqual(words(SLAVE_INFO));
  });
});
