/**
 * The operator API of the compiled program, in JSON and in protobuf: what it reads, what it changes,
 * its event stream, and the endpoints outside v1 that do the same.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import {
  type AllotProcess,
  makeWorkDir,
  removeWorkDir,
  startAllot,
} from "../harness/allot-process.ts";
import { type Message, OperatorClient, request } from "../harness/operator-client.ts";
import { TestFramework } from "../harness/test-framework.ts";
import { until } from "../harness/wait.ts";
import { JSON_WIRE, PROTOBUF_WIRE, type Wire } from "../harness/wire.ts";

const TIMEOUT_MS = 120_000;
const WIRES = [JSON_WIRE, PROTOBUF_WIRE] as const;
const RESOURCES = "--resources=cpus:4;mem:1024;disk:2000;ports:[31000-31009]";

const workDir = makeWorkDir();
let both: AllotProcess;
let url: string;

beforeAll(async () => {
  const flags = [RESOURCES, `--log_dir=${join(workDir, "logs")}`, "--cluster=lab"];
  both = await startAllot({ role: "both", workDir, flags });
  url = both.url;
  const operator = new OperatorClient(url, JSON_WIRE);
  await until("the agent", async () => (await agentsOf(operator)).length === 1);
}, TIMEOUT_MS);

afterAll(async () => {
  await both?.end("SIGTERM");
  await removeWorkDir(workDir);
});

async function agentsOf(operator: OperatorClient): Promise<Message[]> {
  return (await operator.call("GET_AGENTS")).body["get_agents"]?.agents ?? [];
}

async function agentId(operator: OperatorClient): Promise<Message> {
  return (await agentsOf(operator))[0]?.["agent_info"].id as Message;
}

const form = (fields: Record<string, unknown>): RequestInit => {
  const texts = Object.entries(fields).map(([name, value]) => [
    name,
    typeof value === "string" ? value : JSON.stringify(value),
  ]);
  return { method: "POST", body: new URLSearchParams(Object.fromEntries(texts)).toString() };
};

const json = (method: string, value: unknown): RequestInit => ({
  method,
  body: JSON.stringify(value),
});

/** Runs a test in both encodings. */
function inBoth(name: string, run: (operator: OperatorClient, wire: Wire) => Promise<void>): void {
  for (const wire of WIRES) {
    test(
      `${name} (${wire.name})`,
      async () => await run(new OperatorClient(url, wire), wire),
      TIMEOUT_MS,
    );
  }
}

describe("reading calls", () => {
  inBoth("each answers with its own type and payload [http-api 6.1]", async (operator) => {
    const calls = [
      "HEALTH FLAGS VERSION LOGGING_LEVEL STATE AGENTS FRAMEWORKS EXECUTORS OPERATIONS TASKS ROLES",
      "WEIGHTS MASTER MAINTENANCE_STATUS MAINTENANCE_SCHEDULE QUOTA",
    ]
      .join(" ")
      .split(" ");
    for (const name of calls) {
      const { status, body } = await operator.call(`GET_${name}`);
      const field = `get_${name.toLowerCase()}`;
      expect([name, status, body["type"], typeof body[field]]).toEqual([
        name,
        200,
        `GET_${name}`,
        "object",
      ]);
    }
    const { body } = await operator.call("GET_METRICS", { get_metrics: {} });
    const names = body["get_metrics"].metrics.map((metric: Message) => metric["name"]);
    expect(names).toContain("master/slaves_active");
    expect(names).toEqual([...names].sort());
    const { get_flags } = (await operator.call("GET_FLAGS")).body;
    expect(get_flags.flags).toContainEqual({ name: "cluster", value: "lab" });
    const { get_master } = (await operator.call("GET_MASTER")).body;
    expect(get_master).toMatchObject({ start_time: expect.any(Number) });
  });

  inBoth("the log can be listed and read in pieces [http-api 6.1, 11]", async (operator) => {
    const path = "/master/log";
    expect((await operator.call("LIST_FILES", { list_files: { path } })).status).toBe(200);
    const piece = await operator.call("READ_FILE", { read_file: { path, offset: 0, length: 20 } });
    const { size, data } = piece.body["read_file"];
    expect(Number(size)).toBeGreaterThan(20);
    expect(atob(data)).toMatch(/^\d{4}-\d\d-\d\dT/);
    expect(atob(data)).toHaveLength(20);
    const beyond = await operator.call("READ_FILE", { read_file: { path, offset: 1e9 } });
    expect(beyond.body["read_file"].data ?? "").toBe("");
    const missing = await operator.call("READ_FILE", {
      read_file: { path: "/etc/passwd", offset: 0 },
    });
    expect(missing.status).toBe(404);
  });

  inBoth(
    "the logging level is set for a while, and only to what there is [http-api 6.2]",
    async (operator) => {
      const set = async (level: number, ms: number): Promise<number> => {
        const duration = { nanoseconds: ms * 1e6 };
        const payload = { set_logging_level: { level, duration } };
        return (await operator.call("SET_LOGGING_LEVEL", payload)).status;
      };
      const level = async (): Promise<number> =>
        (await operator.call("GET_LOGGING_LEVEL")).body["get_logging_level"].level;
      expect(await set(3, 60_000)).toBe(200);
      expect(await level()).toBe(3);
      expect(await set(1, 1)).toBe(200);
      await until("the old level", async () => (await level()) === 0);
      expect(await set(1, -1)).toBe(400);
      expect(await set(1e6, 1)).toBe(400);
    },
  );

  inBoth(
    "what is missing, unknown or of a wrong type is named [http-api 2.2, 2.3]",
    async (operator, wire) => {
      const payloads = [
        "GET_METRICS SET_LOGGING_LEVEL LIST_FILES READ_FILE UPDATE_WEIGHTS RESERVE_RESOURCES",
        "UNRESERVE_RESOURCES CREATE_VOLUMES DESTROY_VOLUMES GROW_VOLUME SHRINK_VOLUME",
        "UPDATE_MAINTENANCE_SCHEDULE START_MAINTENANCE STOP_MAINTENANCE DRAIN_AGENT DEACTIVATE_AGENT",
        "REACTIVATE_AGENT UPDATE_QUOTA TEARDOWN MARK_AGENT_GONE SET_QUOTA REMOVE_QUOTA",
      ]
        .join(" ")
        .split(" ");
      for (const type of payloads) {
        const { status, text } = await operator.call(type);
        const reason = `Expecting '${type.toLowerCase()}' to be present`;
        expect([status, text]).toEqual([400, expect.stringContaining(reason)]);
      }
      expect((await operator.call("UNKNOWN")).status).toBe(501);
      const headers = { "Content-Type": wire.mediaType, Accept: "text/html" };
      const body = wire.encode("mesos.v1.master.Call", { type: "GET_HEALTH" });
      expect((await request(`${url}/api/v1`, { method: "POST", headers, body })).status).toBe(406);
      expect(await request(`${url}/api/v1`)).toMatchObject({
        status: 405,
        text: expect.stringContaining("'POST'"),
      });
    },
  );
});

describe("the event stream", () => {
  inBoth(
    "tells the state, then frameworks and tasks as they come and go [http-api 6.3]",
    async (operator, wire) => {
      const stream = await operator.subscribe();
      expect(stream.contentType).toBe(wire.mediaType);
      const { subscribed } = await stream.next("SUBSCRIBED");
      expect(subscribed.heartbeat_interval_seconds).toBe(15);
      expect(subscribed.get_state.get_agents.agents).toHaveLength(1);
      await stream.next("HEARTBEAT");
      const framework = await TestFramework.subscribe({ master: url, info: { name: "watched" } });
      const added = await stream.next("FRAMEWORK_ADDED");
      expect(added["framework_added"].framework).toMatchObject({
        framework_info: { id: { value: framework.id }, name: "watched" },
        active: true,
        connected: true,
      });
      await framework.launch(await framework.offer(), [{ id: "t", command: "true" }]);
      const task = await stream.next("TASK_ADDED");
      expect(task["task_added"].task).toMatchObject({
        task_id: { value: "t" },
        state: "TASK_STAGING",
      });
      const ended = (event: Message): boolean => event["task_updated"].state === "TASK_FINISHED";
      const updated = await stream.next("TASK_UPDATED", ended);
      expect(updated["task_updated"]).toMatchObject({
        framework_id: { value: framework.id },
        status: { task_id: { value: "t" } },
      });
      await framework.teardown();
      const removed = await stream.next("FRAMEWORK_REMOVED");
      expect(removed["framework_removed"].framework_info.id.value).toBe(framework.id);
      stream.close();
    },
  );

  inBoth(
    "tells agents as they come and go; one that drains to be gone is removed [http-api 6.3]",
    async (_, wire) => {
      const folders = [makeWorkDir(), makeWorkDir()];
      const [masterDir = "", agentDir = ""] = folders;
      const master = await startAllot({ role: "master", workDir: masterDir });
      const operator = new OperatorClient(master.url, wire);
      const stream = await operator.subscribe();
      await stream.next("SUBSCRIBED");
      const flags = [`--master=${new URL(master.url).host}`, RESOURCES];
      const agent = await startAllot({ role: "agent", workDir: agentDir, flags });
      const { agent_added: added } = await stream.next("AGENT_ADDED");
      expect(added.agent).toMatchObject({ active: true, version: "1.12.0" });
      const agent_id = added.agent.agent_info.id;
      const drained = await operator.call("DRAIN_AGENT", {
        drain_agent: { agent_id, mark_gone: true },
      });
      expect([drained.status, drained.text]).toEqual([200, ""]);
      expect(await stream.next("AGENT_REMOVED")).toMatchObject({ agent_removed: { agent_id } });
      expect(
        (await operator.call("MARK_AGENT_GONE", { mark_agent_gone: { agent_id } })).status,
      ).toBe(200);
      await until("the agent's end", () => !agent.isRunning());
      stream.close();
      await master.end("SIGTERM");
      for (const folder of folders) await removeWorkDir(folder);
    },
  );

  test(
    "beyond the limit the oldest stream ends [flag max_operator_event_stream_subscribers]",
    async () => {
      const folder = makeWorkDir();
      const flags = ["--max_operator_event_stream_subscribers=1"];
      const master = await startAllot({ role: "master", workDir: folder, flags });
      const operator = new OperatorClient(master.url, JSON_WIRE);
      const first = await operator.subscribe();
      await first.next("HEARTBEAT");
      const second = await operator.subscribe();
      await second.next("HEARTBEAT");
      await until("the end of the first stream", () => first.isOver());
      expect(second.isOver()).toBe(false);
      second.close();
      await master.end("SIGTERM");
      await removeWorkDir(folder);
    },
    TIMEOUT_MS,
  );
});

describe("reservations and volumes", () => {
  const reservations = [{ type: "DYNAMIC", role: "ops", principal: "me" }];
  const disk = (value: number): Message => ({
    name: "disk",
    type: "SCALAR",
    scalar: { value },
    reservations,
  });
  const volume = (value: number): Message => ({
    ...disk(value),
    disk: {
      persistence: { id: "data", principal: "me" },
      volume: { container_path: "data", mode: "RW" },
    },
  });
  const reserved = async (operator: OperatorClient): Promise<unknown> => {
    const [agent] = await agentsOf(operator);
    const found = (agent?.["total_resources"] ?? []).filter(
      (resource: Message) => resource["name"] === "disk" && resource["reservations"]?.length > 0,
    );
    return found.map((resource: Message) => [
      resource["scalar"].value,
      resource["disk"]?.persistence?.id ?? "",
    ]);
  };

  inBoth(
    "are made, grown, shrunk and undone by v1 calls, each accepted with 202 [http-api 6.2]",
    async (operator) => {
      const agent_id = await agentId(operator);
      const accepted = async (type: string, payload: object): Promise<void> => {
        const answer = await operator.call(type, {
          [type.toLowerCase()]: { agent_id, ...payload },
        });
        expect([type, answer.status, answer.text]).toEqual([type, 202, ""]);
      };
      await accepted("RESERVE_RESOURCES", { resources: [disk(100)] });
      await accepted("CREATE_VOLUMES", { volumes: [volume(60)] });
      expect(await reserved(operator)).toEqual(
        expect.arrayContaining([
          [40, ""],
          [60, "data"],
        ]),
      );
      await accepted("GROW_VOLUME", { volume: volume(60), addition: disk(30) });
      await accepted("SHRINK_VOLUME", { volume: volume(90), subtract: { value: 40 } });
      expect(await reserved(operator)).toEqual(
        expect.arrayContaining([
          [50, ""],
          [50, "data"],
        ]),
      );
      const tooMuch = await operator.call("RESERVE_RESOURCES", {
        reserve_resources: { agent_id, resources: [disk(1e6)] },
      });
      expect(tooMuch.status).toBe(409);
      const stranger = await operator.call("RESERVE_RESOURCES", {
        reserve_resources: { agent_id: { value: "x" }, resources: [disk(1)] },
      });
      expect([stranger.status, stranger.text]).toEqual([
        400,
        expect.stringContaining("No agent found with specified ID"),
      ]);
      await accepted("DESTROY_VOLUMES", { volumes: [volume(50)] });
      await accepted("UNRESERVE_RESOURCES", { resources: [disk(100)] });
      expect(await reserved(operator)).toEqual([]);
    },
  );

  test(
    "are made and undone by forms too [http-api 9.3]",
    async () => {
      const operator = new OperatorClient(url, JSON_WIRE);
      const slaveId = (await agentId(operator))["value"] as string;
      const post = async (path: string, fields: Record<string, unknown>): Promise<number> =>
        (await request(`${url}/master/${path}`, form(fields))).status;
      expect(await post("reserve", { slaveId, resources: [disk(10)] })).toBe(202);
      expect(await post("create-volumes", { slaveId, volumes: [volume(10)] })).toBe(202);
      const slaves = await request(`${url}/slaves`);
      expect(slaves.body["slaves"][0].reserved_resources).toMatchObject({ ops: { disk: 10 } });
      expect(await post("destroy-volumes", { slaveId, volumes: [volume(10)] })).toBe(202);
      expect(await post("unreserve", { slaveId, resources: [disk(10)] })).toBe(202);
      const wrong = [
        { fields: { resources: [disk(1)] }, reason: "Missing 'slaveId' query parameter" },
        { fields: { slaveId }, reason: "Missing 'resources' query parameter" },
        { fields: { slaveId, resources: "{" }, reason: "Error in parsing 'resources'" },
        { fields: { slaveId, resources: {} }, reason: "a JSON array of resources" },
        { fields: { slaveId, resources: [{ name: 1 }] }, reason: "Error in parsing 'resources'" },
      ];
      for (const { fields, reason } of wrong) {
        const answer = await request(`${url}/reserve`, form(fields));
        expect([answer.status, answer.text]).toEqual([400, expect.stringContaining(reason)]);
      }
    },
    TIMEOUT_MS,
  );
});

describe("agents and machines", () => {
  inBoth("an agent is deactivated, drained and taken back [http-api 6.2]", async (operator) => {
    const agent_id = await agentId(operator);
    const change = async (type: string, payload: object = {}): Promise<number> =>
      (await operator.call(type, { [type.toLowerCase()]: { agent_id, ...payload } })).status;
    expect(await change("DEACTIVATE_AGENT")).toBe(200);
    expect((await agentsOf(operator))[0]).toMatchObject({ active: false, deactivated: true });
    expect(await change("REACTIVATE_AGENT")).toBe(200);
    expect(await change("REACTIVATE_AGENT")).toBe(400);
    expect(await change("DRAIN_AGENT", { max_grace_period: { seconds: 1 } })).toBe(200);
    await until("the agent to be drained", async () => {
      const [agent] = await agentsOf(operator);
      return agent?.["drain_info"]?.state === "DRAINED";
    });
    const { slaves } = (await request(`${url}/slaves`)).body;
    expect(slaves[0]).toMatchObject({
      deactivated: true,
      drain_info: { state: "DRAINED", config: { max_grace_period: { nanoseconds: 1e9 } } },
      estimated_drain_start_time_seconds: expect.any(Number),
    });
    expect(await change("REACTIVATE_AGENT")).toBe(200);
    const unknown = { agent_id: { value: "x" } };
    expect((await operator.call("DRAIN_AGENT", { drain_agent: unknown })).status).toBe(400);
    expect((await operator.call("MARK_AGENT_GONE", { mark_agent_gone: unknown })).status).toBe(404);
  });

  test(
    "a drain's grace may come in nanoseconds, and what is no duration is refused by its field",
    async () => {
      const operator = new OperatorClient(url, JSON_WIRE);
      const drain_agent = { agent_id: await agentId(operator) };
      const drain = (max_grace_period: unknown): Promise<{ status: number; text: string }> =>
        operator.call("DRAIN_AGENT", { drain_agent: { ...drain_agent, max_grace_period } });
      const field = "drain_agent.max_grace_period";
      const wrong = [5, "5secs", { secs: 5 }, { nanoseconds: "soon" }, { nanoseconds: -1 }];
      for (const each of [...wrong, { seconds: 1, nanoseconds: 1 }]) {
        const answer = await drain(each);
        expect([each, answer.status, answer.text]).toEqual([
          each,
          400,
          expect.stringContaining(field),
        ]);
      }
      const framework = await TestFramework.subscribe({ master: url });
      const gentle = "trap 'sleep 0.3; exit 7' TERM; echo ready; while :; do sleep 0.05; done";
      await framework.launch(await framework.offer(), [{ id: "t", command: gentle }]);
      await framework.status("t", "TASK_RUNNING");
      await Bun.sleep(300);
      expect((await drain({ nanoseconds: 30_000_000_000 })).status).toBe(200);
      const [agent] = await agentsOf(operator);
      expect(agent?.["drain_info"].config.max_grace_period).toEqual({ nanoseconds: 3e10 });
      // With no grace it would have been killed at once.
      const killed = await framework.status("t", "TASK_KILLED");
      expect(killed).toMatchObject({ message: "Command exited with status 7" });
      await framework.teardown();
      await until("the agent to be drained", async () => {
        const [drained] = await agentsOf(operator);
        return drained?.["drain_info"]?.state === "DRAINED";
      });
      expect(
        (await operator.call("REACTIVATE_AGENT", { reactivate_agent: drain_agent })).status,
      ).toBe(200);
    },
    TIMEOUT_MS,
  );

  inBoth(
    "machines are scheduled, taken down and up [http-api 6.2, semantics 4.9]",
    async (operator) => {
      const machine = { hostname: "elsewhere", ip: "10.9.9.9" };
      const unavailability = { start: { nanoseconds: 1e18 }, duration: { nanoseconds: 3.6e12 } };
      const windows = [{ machine_ids: [machine], unavailability }];
      const update = async (schedule: object): Promise<number> =>
        (
          await operator.call("UPDATE_MAINTENANCE_SCHEDULE", {
            update_maintenance_schedule: { schedule },
          })
        ).status;
      const down = { start_maintenance: { machines: [machine] } };
      const up = { stop_maintenance: { machines: [machine] } };
      expect((await operator.call("START_MAINTENANCE", down)).status).toBe(400);
      expect(await update({ windows })).toBe(200);
      const { get_maintenance_schedule } = (await operator.call("GET_MAINTENANCE_SCHEDULE")).body;
      expect(get_maintenance_schedule.schedule).toMatchObject({
        windows: [{ machine_ids: [machine] }],
      });
      const status = async (): Promise<Message> =>
        (await operator.call("GET_MAINTENANCE_STATUS")).body["get_maintenance_status"].status;
      expect(await status()).toMatchObject({ draining_machines: [{ id: machine }] });
      expect((await operator.call("START_MAINTENANCE", down)).status).toBe(200);
      expect(await status()).toMatchObject({ down_machines: [machine] });
      expect(await update({})).toBe(400);
      expect((await operator.call("STOP_MAINTENANCE", up)).status).toBe(200);
      expect((await operator.call("STOP_MAINTENANCE", up)).status).toBe(400);
      expect(await update({ windows: [{ machine_ids: [], unavailability }] })).toBe(400);
    },
  );

  test(
    "the endpoints outside v1 do the same [http-api 9.2, 9.3]",
    async () => {
      const machine = { hostname: "elsewhere" };
      const windows = [
        { machine_ids: [machine], unavailability: { start: { nanoseconds: 1e18 } } },
      ];
      const path = `${url}/maintenance/schedule`;
      expect((await request(path, json("POST", { windows }))).status).toBe(200);
      expect((await request(path)).body).toEqual({ windows });
      expect((await request(`${url}/maintenance/status`)).body).toEqual({
        draining_machines: [{ id: machine }],
      });
      expect((await request(`${url}/machine/down`, json("POST", [machine]))).status).toBe(200);
      const { body: registry } = await request(`${url}/registrar(1)/registry`);
      expect(registry).toMatchObject({
        slaves: { slaves: [{ info: { hostname: expect.any(String) } }] },
        machines: { machines: [{ info: { id: machine, mode: "DOWN" } }] },
        schedules: [{ windows }],
      });
      expect((await request(`${url}/machine/up`, json("POST", [machine]))).status).toBe(200);
      expect((await request(path)).body).toEqual({});
      expect((await request(`${url}/machine/up`, json("POST", machine))).status).toBe(400);
      expect((await request(`${url}/machine/up`, json("POST", [1]))).status).toBe(400);
      expect((await request(path, { method: "POST", body: "{" })).status).toBe(400);
    },
    TIMEOUT_MS,
  );
});

describe("quota and weights", () => {
  inBoth("are set and read by v1 calls [http-api 6.1, 6.2]", async (operator) => {
    const change = async (type: string, payload: object): Promise<number> =>
      (await operator.call(type, { [type.toLowerCase()]: payload })).status;
    const config = {
      role: "v1",
      guarantees: { cpus: { value: 1 } },
      limits: { cpus: { value: 2 } },
    };
    expect(await change("UPDATE_QUOTA", { force: false, quota_configs: [config] })).toBe(200);
    const { status } = (await operator.call("GET_QUOTA")).body["get_quota"];
    expect(status.configs).toEqual([config]);
    expect(status.infos).toMatchObject([{ role: "v1", guarantee: [{ name: "cpus" }] }]);
    expect(await change("SET_QUOTA", { quota_request: { role: "v1", guarantee: [] } })).toBe(400);
    expect(await change("REMOVE_QUOTA", { role: "v1" })).toBe(200);
    expect(await change("REMOVE_QUOTA", { role: "v1" })).toBe(400);
    expect((await operator.call("GET_QUOTA")).body["get_quota"]).toEqual({ status: {} });
    const weight_infos = [{ role: "v1", weight: 2.5 }];
    expect(await change("UPDATE_WEIGHTS", { weight_infos })).toBe(200);
    expect(await change("UPDATE_WEIGHTS", { weight_infos: [{ role: "v1", weight: -1 }] })).toBe(
      400,
    );
    const { get_weights } = (await operator.call("GET_WEIGHTS")).body;
    expect(get_weights.weight_infos).toContainEqual({ role: "v1", weight: 2.5 });
    const { get_roles } = (await operator.call("GET_ROLES")).body;
    expect(get_roles.roles).toContainEqual(expect.objectContaining({ name: "v1", weight: 2.5 }));
  });

  test(
    "are set and read by the endpoints outside v1 [http-api 9.2, 9.3]",
    async () => {
      const guarantee = [{ name: "cpus", type: "SCALAR", scalar: { value: 1 } }];
      const quota = `${url}/master/quota`;
      const post = json("POST", { role: "v0", guarantee });
      expect((await request(quota, post)).status).toBe(200);
      expect((await request(quota)).body).toMatchObject({
        infos: [{ role: "v0", guarantee: [{ name: "cpus", scalar: { value: 1 } }] }],
        configs: [
          { role: "v0", guarantees: { cpus: { value: 1 } }, limits: { cpus: { value: 1 } } },
        ],
      });
      expect((await request(quota, post)).status).toBe(400);
      const large = [{ name: "cpus", type: "SCALAR", scalar: { value: 1e6 } }];
      const over = json("POST", { role: "v00", guarantee: large });
      expect((await request(quota, over)).status).toBe(409);
      expect((await request(quota, json("POST", { role: 1 }))).status).toBe(400);
      expect((await request(`${quota}/v0`, { method: "DELETE" })).status).toBe(200);
      expect((await request(quota, { method: "DELETE" })).text).toContain("expected 3 tokens");
      expect((await request(quota)).body).toEqual({});
      const weights = `${url}/weights`;
      expect((await request(weights, json("PUT", [{ role: "v0", weight: 3 }]))).status).toBe(200);
      expect((await request(weights)).body).toContainEqual({ role: "v0", weight: 3 });
      for (const wrong of [{}, [{ role: "v0" }], [{ role: "a//b", weight: 1 }], "x"]) {
        expect((await request(weights, json("PUT", wrong))).status).toBe(400);
      }
      const { roles } = (await request(`${url}/roles`)).body;
      expect(roles).toContainEqual(expect.objectContaining({ name: "v0", weight: 3 }));
    },
    TIMEOUT_MS,
  );
});

describe("frameworks", () => {
  inBoth("a framework is torn down once [http-api 6.2]", async (operator) => {
    const framework = await TestFramework.subscribe({ master: url });
    const framework_id = { value: framework.id };
    const { status } = await operator.call("TEARDOWN", { teardown: { framework_id } });
    expect(status).toBe(200);
    await until("the end of its stream", () => framework.isOver);
    const again = await operator.call("TEARDOWN", { teardown: { framework_id } });
    expect([again.status, again.text]).toEqual([
      400,
      expect.stringContaining("No framework found with specified ID"),
    ]);
  });

  test(
    "by form too [http-api 9.3]",
    async () => {
      const framework = await TestFramework.subscribe({ master: url });
      const done = await request(`${url}/master/teardown`, form({ frameworkId: framework.id }));
      expect(done.status).toBe(200);
      const missing = await request(`${url}/teardown`, form({}));
      expect([missing.status, missing.text]).toEqual([
        400,
        "Missing 'frameworkId' query parameter in the request body",
      ]);
    },
    TIMEOUT_MS,
  );
});

describe("endpoints", () => {
  test("a wrong method is answered with the right ones [http-api 9.3]", async () => {
    const allowed: Record<string, string> = {
      "/reserve": "POST",
      "/unreserve": "POST",
      "/create-volumes": "POST",
      "/destroy-volumes": "POST",
      "/teardown": "POST",
      "/machine/down": "POST",
      "/machine/up": "POST",
      "/maintenance/schedule": "GET, POST",
      "/maintenance/status": "GET",
      "/weights": "GET, PUT",
      "/quota": "GET, POST, DELETE",
    };
    for (const [path, methods] of Object.entries(allowed)) {
      const response = await fetch(`${url}/master${path}`, { method: "PATCH" });
      expect([path, response.status, response.headers.get("allow")]).toEqual([path, 405, methods]);
    }
  });

  test("reading ones answer with and without /master, with a slash at the end and as jsonp [http-api 1, 2.1]", async () => {
    const paths = [
      "state state-summary slaves frameworks tasks roles weights quota maintenance/schedule",
      "maintenance/status flags version metrics/snapshot system/stats.json files/debug",
    ]
      .join(" ")
      .split(" ");
    for (const path of paths) {
      for (const full of [`/${path}`, `/master/${path}/`]) {
        const { status, body } = await request(`${url}${full}`);
        expect([full, status, typeof body]).toEqual([full, 200, "object"]);
      }
      const response = await fetch(`${url}/${path}?jsonp=go`);
      expect(response.headers.get("content-type")).toBe("text/javascript");
      expect(await response.text()).toMatch(/^go\([[{].*\);$/s);
    }
  });

  test("files of the log, the level, the machine, and what is not there [http-api 11]", async () => {
    const log = await request(`${url}/files/read?path=/master/log&offset=0&length=4`);
    expect(log.body).toEqual({ offset: 0, data: expect.stringMatching(/^\d{4}$/) });
    expect((await request(`${url}/files/read?path=/master/log`)).body).toMatchObject({ data: "" });
    expect((await request(`${url}/files/browse?path=/master/log`)).body).toEqual([]);
    expect((await request(`${url}/files/browse`)).status).toBe(400);
    expect(await request(`${url}/files/browse?path=/x`)).toMatchObject({ status: 404, text: "" });
    expect((await request(`${url}/files/download?path=/x`)).text).toBe("404 Not Found.");
    expect((await request(`${url}/logging/toggle?level=2&duration=1hrs`)).status).toBe(200);
    expect((await request(`${url}/logging/toggle`)).text).toBe("2\n");
    expect((await request(`${url}/logging/toggle?level=0&duration=1ms`)).status).toBe(200);
    for (const query of [
      "level=1",
      "duration=1secs",
      "level=x&duration=1secs",
      "level=1&duration=x",
    ]) {
      expect((await request(`${url}/logging/toggle?${query}`)).status).toBe(400);
    }
    expect((await request(`${url}/system/stats.json`)).body).toMatchObject({
      cpus_total: expect.any(Number),
    });
    expect((await request(`${url}/metrics/snapshot?timeout=10secs`)).status).toBe(200);
    expect((await request(`${url}/metrics/snapshot?timeout=soon`)).text).toStartWith(
      "Invalid timeout 'soon': ",
    );
    for (const path of ["/state.json", "/redirect/x", "/nothing", "/master/nothing"]) {
      expect((await request(`${url}${path}`)).status).toBe(404);
    }
    expect((await request(`${url}/redirect`)).status).toBe(307);
  });

  test("/help lists every endpoint, of master and agent [http-api 1]", async () => {
    const master = (await request(`${url}/help`)).text;
    for (const path of ["/api/v1/scheduler", "/quota", "/files/read", "/allot/v1/kill"]) {
      expect(master).toContain(`>${path}</a>`);
    }
    expect((await request(`${url}/help/master/quota`)).text).not.toContain(">/weights<");
    expect((await request(`${url}/help/master/none`)).status).toBe(404);
    expect((await request(`${both.agentUrl}/help`)).text).toContain(">/monitor/statistics</a>");
  });

  test(
    "closed ones answer 403, and rules that are none stop the start [http-api 1]",
    async () => {
      const folder = makeWorkDir();
      const rules = (paths: string[]): string =>
        `--firewall_rules=${JSON.stringify({ disabled_endpoints: { paths } })}`;
      const flags = [rules(["/master/state", "/files/debug"])];
      const master = await startAllot({ role: "master", workDir: folder, flags });
      expect(await request(`${master.url}/state`)).toMatchObject({
        status: 403,
        text: "Endpoint '/master/state' is disabled",
      });
      expect((await request(`${master.url}/slaves`)).status).toBe(200);
      await master.end("SIGTERM");
      const bad = startAllot({ role: "master", workDir: folder, flags: [rules(["state"])] });
      expect(bad).rejects.toThrow("--firewall_rules: a path begins with a slash");
      await bad.catch(() => undefined);
      await removeWorkDir(folder);
    },
    TIMEOUT_MS,
  );

  test("the agent has the endpoints of a process too [http-api 10, 11]", async () => {
    const agent = both.agentUrl ?? "";
    expect((await request(`${agent}/slave(1)/files/debug`)).body).toMatchObject({
      "/slave/log": expect.any(String),
    });
    expect((await request(`${agent}/slave%281%29/logging/toggle`)).text).toMatch(/^\d+\n$/);
    const call = { type: "READ_FILE", read_file: { path: "/slave/log", offset: 0, length: 4 } };
    const headers = { "Content-Type": "application/json" };
    const bare = json("POST", { type: "SET_LOGGING_LEVEL" });
    expect(await request(`${agent}/api/v1`, { ...bare, headers })).toMatchObject({
      status: 400,
      text: expect.stringContaining("Expecting 'set_logging_level' to be present"),
    });
    const read = await request(`${agent}/api/v1`, { ...json("POST", call), headers });
    expect(read.body).toMatchObject({ type: "READ_FILE", read_file: { data: expect.any(String) } });
  });
});
