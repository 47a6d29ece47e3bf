/**
 * The agent's operator API for containers against the compiled program, in both encodings: nested
 * and standalone ones, sessions with and without a terminal, and what a kill of the agent leaves.
 */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { AgentClient, type Answer, type Message, written } from "../harness/agent-client.ts";
import { processesBelow } from "../harness/allot-process.ts";
import { ownProcesses } from "../harness/own-processes.ts";
import { type Status, TestFramework } from "../harness/test-framework.ts";
import { until } from "../harness/wait.ts";
import { JSON_WIRE, PROTOBUF_WIRE, type Wire } from "../harness/wire.ts";

const TIMEOUT_MS = 180_000;
const LASTING = { checkpoint: true, failover_timeout: 3600 };

const own = ownProcesses();

interface Scene {
  readonly workDir: string;
  readonly framework: TestFramework;
  readonly agent: AgentClient;
  /** Of the agent. */
  readonly url: string;
  /** Of a task that sleeps. */
  readonly task: Message;
  restart(): Promise<void>;
}

async function scene(wire: Wire, ...flags: string[]): Promise<Scene> {
  const workDir = own.folder();
  const all = ["--resources=cpus:4;mem:1024;disk:1000", ...flags];
  const both = await own.start({ role: "both", workDir, flags: all });
  const framework = await TestFramework.subscribe({ master: both.url, info: LASTING });
  const command = {
    value: "sleep 1000",
    environment: { variables: [{ name: "OF", value: "task" }] },
  };
  await framework.launch(await framework.offer(), [{ id: "t", command: "", extra: { command } }]);
  const status: Status & Message = await framework.status("t", "TASK_RUNNING");
  const port = (url: string | undefined): string => new URL(url ?? "").port;
  return {
    workDir,
    framework,
    agent: new AgentClient(both.agentUrl ?? "", wire),
    url: both.agentUrl ?? "",
    task: status["container_status"].container_id,
    restart: async () => {
      await both.end("SIGKILL");
      const ports = [`--port=${port(both.url)}`, `--agent_port=${port(both.agentUrl)}`];
      await own.start({ role: "both", workDir, flags: [...all, ...ports] });
    },
  };
}

describe.each([
  ["json", JSON_WIRE],
  ["protobuf", PROTOBUF_WIRE],
] as const)("containers of an agent in %s", (_name, wire) => {
  test(
    "a nested one runs in its parent's sandbox until it ends, is killed, or its parent ends [http-api 7.3]",
    async () => {
      const { agent, task, framework, url } = await scene(wire);
      const nested = (value: string): Message => ({ value, parent: task });
      const launch = async (value: string, command: string): Promise<number> => {
        const launch_container = { container_id: nested(value), command: { value: command } };
        return (await agent.call("LAUNCH_CONTAINER", { launch_container })).status;
      };
      const wait = (value: string): Promise<Answer> =>
        agent.call("WAIT_CONTAINER", { wait_container: { container_id: nested(value) } });
      expect(await launch("a", "echo out; echo err >&2; pwd; sleep 0.2; exit 3")).toBe(200);
      expect(await launch("a", "true")).toBe(202);
      expect(await wait("a")).toMatchObject({
        status: 200,
        body: { type: "WAIT_CONTAINER", wait_container: { exit_status: 768 } },
      });
      // Over, but remembered as long as its parent lives.
      expect((await wait("a")).body).toMatchObject({ wait_container: { exit_status: 768 } });
      expect((await wait("b")).status).toBe(404);
      expect(await launch("b", "sleep 1000")).toBe(200);
      const listed = await agent.call("GET_CONTAINERS", { get_containers: { show_nested: true } });
      expect(listed.body["get_containers"].containers).toContainEqual(
        expect.objectContaining({ container_id: { value: "b" } }),
      );
      const kill = (value: string, signal?: number): Promise<Answer> =>
        agent.call("KILL_CONTAINER", {
          kill_container: { container_id: nested(value), ...(signal && { signal }) },
        });
      const remove = (value: string): Promise<Answer> =>
        agent.call("REMOVE_CONTAINER", { remove_container: { container_id: nested(value) } });
      const shown = async (query: string): Promise<[number, number]> => {
        const response = await fetch(`${url}/containers?${query}`);
        const list = response.status === 200 ? ((await response.json()) as unknown[]) : [];
        return [response.status, list.length];
      };
      expect(await shown("")).toEqual([200, 1]);
      expect(await shown("show_nested=true")).toEqual([200, 2]);
      expect(await shown("show_nested=true&container_id=b")).toEqual([200, 1]);
      expect(await shown(`framework_id=${framework.id}&executor_id=t`)).toEqual([200, 1]);
      expect(await shown(`framework_id=${framework.id}&executor_id=u`)).toEqual([200, 0]);
      for (const query of ["executor_id=t", "container_id=b&framework_id=f"]) {
        expect((await shown(query))[0]).toBe(400);
      }
      expect((await remove("b")).status).toBe(500);
      const ended = wait("b");
      expect((await kill("b", 15)).status).toBe(200);
      expect(await ended).toMatchObject({ body: { wait_container: { exit_status: 15 } } });
      expect(await kill("b")).toMatchObject({
        status: 404,
        text: expect.stringContaining("cannot be found (or is already killed)"),
      });
      for (const value of ["b", "b", "never"]) expect((await remove(value)).status).toBe(200);
      expect((await wait("b")).status).toBe(404);
      // The names of before.
      const old = { container_id: nested("c"), command: { value: "sleep 1000" } };
      expect(
        (await agent.call("LAUNCH_NESTED_CONTAINER", { launch_nested_container: old })).status,
      ).toBe(200);
      const below = { value: "d", parent: nested("c") };
      const deep = { container_id: below, command: { value: "sleep 1000" } };
      expect((await agent.call("LAUNCH_CONTAINER", { launch_container: deep })).status).toBe(200);
      const waits = [nested("c"), below].map((container_id) =>
        agent.call("WAIT_NESTED_CONTAINER", { wait_nested_container: { container_id } }),
      );
      await framework.call("KILL", { kill: { task_id: { value: "t" } } });
      for (const each of await Promise.all(waits)) {
        expect(each.body["type"]).toBe("WAIT_NESTED_CONTAINER");
        // With cgroups they get the TERM of their parent as well.
        expect([9, 15]).toContain(each.body["wait_nested_container"].exit_status);
      }
      await framework.status("t", "TASK_KILLED");
      await framework.teardown();
    },
    TIMEOUT_MS,
  );

  test(
    "a standalone one lives by itself and outlives the agent, as does a nested one [http-api 7.3, semantics 7.7]",
    async () => {
      const { agent, task, workDir, restart } = await scene(wire);
      const launch = async (container_id: object, value: string): Promise<number> => {
        const launch_container = { container_id, command: { value } };
        return (await agent.call("LAUNCH_CONTAINER", { launch_container })).status;
      };
      const nested = { value: "n", parent: task };
      const sign = join(workDir, "sign");
      const until_sign = `echo begun; while ! [ -e ${sign} ]; do sleep 0.05; done; exit`;
      expect(await launch({ value: "alone" }, `${until_sign} 4`)).toBe(200);
      expect(await launch(nested, `${until_sign} 5`)).toBe(200);
      expect(await launch({ value: "over" }, "exit 6")).toBe(200);
      const wait = (container_id: object): Promise<Answer> =>
        agent.call("WAIT_CONTAINER", { wait_container: { container_id } });
      expect((await wait({ value: "over" })).body["wait_container"].exit_status).toBe(6 * 256);
      const get_containers = { show_nested: true, show_standalone: true };
      const listed = await agent.call("GET_CONTAINERS", { get_containers });
      const ids = listed.body["get_containers"].containers.map(
        (each: Message) => each["container_status"].container_id,
      );
      expect(ids).toHaveLength(3);
      expect(ids).toEqual(expect.arrayContaining([task, { value: "alone" }, nested]));
      const remove = async (container_id: object): Promise<number> =>
        (await agent.call("REMOVE_CONTAINER", { remove_container: { container_id } })).status;
      expect(await remove({ value: "never", parent: { value: "alone" } })).toBe(200);
      expect(await remove({ value: "never", parent: { value: "nobody" } })).toBe(500);
      await restart();
      await Bun.write(sign, "");
      expect((await wait({ value: "alone" })).body["wait_container"].exit_status).toBe(4 * 256);
      expect((await wait(nested)).body["wait_container"].exit_status).toBe(5 * 256);
      expect((await wait({ value: "over" })).body["wait_container"].exit_status).toBe(6 * 256);
      const stdout = join(workDir, "containers/alone/stdout");
      expect(readFileSync(stdout, "utf8")).toBe("begun\n");
      expect(await remove({ value: "alone" })).toBe(200);
      await until("its sandbox to go", () => !existsSync(stdout));
    },
    TIMEOUT_MS,
  );

  test(
    "a session types into a command inside the task and goes with its connection [http-api 7.3]",
    async () => {
      const { agent, task, workDir } = await scene(wire, "--http_heartbeat_interval=200ms");
      const container_id = { value: "s", parent: task };
      const value = 'echo "$OF $OWN in $(basename "$PWD")" >&2; cat; echo "left with $?"; exit 7';
      const environment = { variables: [{ name: "OWN", value: "session" }] };
      const launch_nested_container_session = { container_id, command: { value, environment } };
      const session = await agent.stream("LAUNCH_NESTED_CONTAINER_SESSION", {
        launch_nested_container_session,
      });
      expect(session.status).toBe(200);
      expect(session.headers.get("content-type")).toBe(wire.mediaType);
      await until("its first words", () => session.stderr().endsWith("\n"));
      expect(session.stderr()).toBe(`task session in ${task["value"]}\n`);
      const input = agent.attachInput(container_id);
      input.type("one\n");
      await written(session, "one\n");
      const watcher = await agent.stream(
        "ATTACH_CONTAINER_OUTPUT",
        { attach_container_output: { container_id } },
        { Accept: "application/recordio", "Message-Accept": wire.mediaType },
      );
      expect(watcher.headers.get("content-type")).toBe("application/recordio");
      expect(watcher.headers.get("message-content-type")).toBe(wire.mediaType);
      const second = await agent.attachInput(container_id).answer;
      expect([second.status, await second.text()]).toEqual([
        409,
        "Multiple input connections are not allowed",
      ]);
      input.send({ type: "CONTROL", control: { type: "HEARTBEAT" } });
      input.type("two\n");
      await written(watcher, "two\n");
      expect(watcher.stdout()).toBe("two\n");
      input.type("");
      await until("the session to end", () => session.isOver() && watcher.isOver());
      expect(session.stdout()).toBe("one\ntwo\nleft with 0\n");
      expect(session.heartbeats()).toBeGreaterThan(0);
      expect((await input.answer).status).toBe(200);
      const ended = await agent.call("WAIT_CONTAINER", { wait_container: { container_id } });
      expect(ended.body).toMatchObject({ wait_container: { exit_status: 7 * 256 } });
      // One whose connection breaks.
      const broken = { value: "broken", parent: task };
      const doomed = await agent.stream("LAUNCH_NESTED_CONTAINER_SESSION", {
        launch_nested_container_session: {
          container_id: broken,
          command: { value: "(sleep 4321 &) ; echo here; sleep 1234" },
        },
      });
      await written(doomed, "here");
      const before = processesBelow(workDir).length;
      doomed.close();
      const gone = await agent.call("WAIT_CONTAINER", { wait_container: { container_id: broken } });
      expect(gone.body).toMatchObject({ wait_container: { exit_status: 9 } });
      expect(processesBelow(workDir).length).toBeLessThan(before);
    },
    TIMEOUT_MS,
  );

  test(
    "a session with a terminal has the size of its window [http-api 7.3]",
    async () => {
      const { agent, task } = await scene(wire);
      const container_id = { value: "tty", parent: task };
      const container = { type: "MESOS", tty_info: { window_size: { rows: 30, columns: 100 } } };
      const value = "tty; stty size; read line; echo got $line; stty size; tty >/dev/tty; read x";
      const session = await agent.stream("LAUNCH_NESTED_CONTAINER_SESSION", {
        launch_nested_container_session: { container_id, command: { value }, container },
      });
      await written(session, "30 100");
      expect(session.stdout()).toMatch(/^\/dev\/pts\/\d+\r\n30 100\r\n/);
      const input = agent.attachInput(container_id);
      const window_size = { rows: 50, columns: 132 };
      input.send({ type: "CONTROL", control: { type: "TTY_INFO", tty_info: { window_size } } });
      input.type("hello\n");
      await written(session, "50 132");
      expect(session.stdout()).toContain("got hello\r\n");
      // Control-C ends what runs in the foreground.
      input.type("\u0003");
      await until("the session to end", () => session.isOver());
      const ended = await agent.call("WAIT_CONTAINER", { wait_container: { container_id } });
      expect(ended.body["wait_container"].exit_status).toBe(2);
      expect((await input.answer).status).toBe(200);
    },
    TIMEOUT_MS,
  );

  test(
    "what is not right is refused with its status [http-api 2.2, 2.3, 7.2, 7.3]",
    async () => {
      const { agent, task } = await scene(wire);
      const command = { value: "sleep 1000" };
      const refused = async (
        type: string,
        payload: object,
        headers?: object,
      ): Promise<[number, string]> => {
        const field = type.toLowerCase();
        const { status, text } = await agent.call(type, { [field]: payload }, headers);
        return [status, text];
      };
      const container = (container_id: object, more: object = {}): object => ({
        container_id,
        command,
        ...more,
      });
      for (const value of ["", ".", "a.b", "a b", "a/b", "x".repeat(243)]) {
        const [status, text] = await refused("LAUNCH_CONTAINER", container({ value }));
        expect([status, text]).toEqual([400, expect.stringContaining("container_id")]);
      }
      const lone = { value: "lone" };
      const secretless = { variables: [{ name: "TOKEN", type: "SECRET" }] };
      const cases: readonly [string, object, number, string][] = [
        ["LAUNCH_NESTED_CONTAINER", container(lone), 400, "container_id.parent"],
        ["LAUNCH_NESTED_CONTAINER_SESSION", container(lone), 400, "container_id.parent"],
        ["KILL_NESTED_CONTAINER", { container_id: lone }, 400, "container_id.parent"],
        [
          "LAUNCH_CONTAINER",
          container({ value: "c", parent: { value: "nobody" } }),
          400,
          "does not exist",
        ],
        [
          "LAUNCH_CONTAINER",
          container(lone, { container: { type: "MESOS", linux_info: { share_cgroups: true } } }),
          400,
          "share_cgroups",
        ],
        [
          "LAUNCH_CONTAINER",
          container(lone, {
            resources: [{ name: "cpus", type: "SCALAR", scalar: { value: 1 }, revocable: {} }],
          }),
          400,
          "revocable",
        ],
        [
          "LAUNCH_NESTED_CONTAINER_SESSION",
          container(
            { value: "c", parent: task },
            { container: { type: "MESOS", linux_info: { share_cgroups: false } } },
          ),
          400,
          "share_cgroups",
        ],
        ["LAUNCH_CONTAINER", { container_id: lone }, 400, "no command"],
        [
          "LAUNCH_CONTAINER",
          container(lone, { resources: [{ name: "cpus", type: "SCALAR", scalar: { value: -3 } }] }),
          400,
          "launch_container.resources",
        ],
        [
          "LAUNCH_CONTAINER",
          container(lone, { limits: { cpus: { value: -1 } } }),
          400,
          "launch_container.limits.cpus",
        ],
        [
          "LAUNCH_CONTAINER",
          { container_id: lone, command: { value: "env", environment: secretless } },
          400,
          "'TOKEN' of type SECRET needs a secret",
        ],
        ["KILL_CONTAINER", { container_id: lone, signal: 9999 }, 400, "from 1 to 64"],
        ["WAIT_CONTAINER", { container_id: lone }, 404, "cannot be found"],
        ["KILL_CONTAINER", { container_id: lone }, 404, "cannot be found"],
        ["ATTACH_CONTAINER_OUTPUT", { container_id: lone }, 404, "cannot be found"],
        ["REMOVE_CONTAINER", { container_id: lone }, 500, "Unknown container"],
        ["ATTACH_CONTAINER_INPUT", { type: "CONTAINER_ID", container_id: lone }, 415, "recordio"],
      ];
      for (const [type, payload, code, part] of cases) {
        expect([type, ...(await refused(type, payload))]).toEqual([
          type,
          code,
          expect.stringContaining(part),
        ]);
      }
      const streamed = { Accept: "application/recordio", "Message-Accept": "application/json" };
      expect((await agent.call("GET_HEALTH", {}, streamed)).status).toBe(406);
      expect((await agent.call("GET_HEALTH", {}, { Accept: "text/html" })).status).toBe(406);
      expect((await agent.call("WAIT_CONTAINER")).text).toContain("Expecting 'wait_container'");
      const input = async (id: object, first?: object): Promise<[number, string]> => {
        const { answer, close } = agent.attachInput(id, first);
        close();
        const response = await answer;
        return [response.status, await response.text()];
      };
      expect((await input(lone))[0]).toBe(404);
      expect((await input(task))[0]).toBe(500);
      const wrong = { type: "PROCESS_IO", process_io: { type: "DATA" } };
      expect((await input(task, wrong))[0]).toBe(400);
    },
    TIMEOUT_MS,
  );

  test(
    "a task's output is followed from now on, whatever wrote it [http-api 7.3]",
    async () => {
      const { agent, framework, workDir } = await scene(wire);
      const sign = join(workDir, "sign");
      const command = `echo before; while ! [ -e ${sign} ]; do sleep 0.05; done; echo after`;
      await framework.launch(await framework.offer(), [{ id: "u", command }]);
      const status: Status & Message = await framework.status("u", "TASK_RUNNING");
      const { container_id } = status["container_status"];
      await Bun.sleep(300);
      const output = await agent.stream("ATTACH_CONTAINER_OUTPUT", {
        attach_container_output: { container_id },
      });
      await Bun.sleep(200);
      await Bun.write(sign, "");
      await until("the task's output to end", () => output.isOver());
      expect(output.stdout()).toBe("after\n");
    },
    TIMEOUT_MS,
  );

  test(
    "resource providers are refused, there being none [http-api 7.4]",
    async () => {
      const { agent, url } = await scene(wire);
      const own = async (call: object, headers: Record<string, string> = {}): Promise<string> => {
        const response = await fetch(`${url}/slave(1)/api/v1/resource_provider`, {
          method: "POST",
          headers: { "Content-Type": wire.mediaType, ...headers },
          body: wire.encode("mesos.v1.resource_provider.Call", call),
        });
        return `${response.status} ${await response.text()}`;
      };
      const resource_provider_id = { value: "p" };
      const resource_provider_info = { type: "org.example", name: "x" };
      const subscribe = { type: "SUBSCRIBE", subscribe: { resource_provider_info } };
      expect(await own(subscribe)).toStartWith("501 This agent runs no resource providers");
      expect(await own(subscribe, { "Mesos-Stream-Id": "s" })).toStartWith("400 Subscribe calls");
      expect(await own({ type: "UNKNOWN" })).toStartWith("501 ");
      const invalid = "400 Failed to validate resource_provider::Call: Expecting";
      expect(await own({})).toBe(`${invalid} 'type' to be present`);
      expect(await own({ type: "SUBSCRIBE" })).toBe(`${invalid} 'subscribe' to be present`);
      const update_state = { resource_version_uuid: { value: "AAAAAAAAAAAAAAAAAAAAAA==" } };
      const update = { type: "UPDATE_STATE", update_state };
      expect(await own(update)).toBe(`${invalid} 'resource_provider_id' to be present`);
      expect(await own({ ...update, resource_provider_id })).toBe(
        "400 Resource provider is not subscribed",
      );
      const got = await fetch(`${url}/api/v1/resource_provider`);
      expect([got.status, got.headers.get("allow")]).toEqual([405, "POST"]);
      expect((await agent.call("GET_RESOURCE_PROVIDERS")).status).toBe(200);
      expect((await agent.call("GET_OPERATIONS")).status).toBe(200);
      expect((await agent.call("PRUNE_IMAGES")).status).toBe(200);
      const info = { type: "org.apache.mesos.rp.local.storage", name: "x" };
      const add = (more: object): Promise<Answer> =>
        agent.call("ADD_RESOURCE_PROVIDER_CONFIG", {
          add_resource_provider_config: { info: { ...info, ...more } },
        });
      expect((await add({ id: { value: "given" } })).status).toBe(400);
      expect((await add({})).status).toBe(501);
      const update_resource_provider_config = { info };
      expect(
        (await agent.call("UPDATE_RESOURCE_PROVIDER_CONFIG", { update_resource_provider_config }))
          .status,
      ).toBe(409);
      const remove_resource_provider_config = info;
      expect(
        (await agent.call("REMOVE_RESOURCE_PROVIDER_CONFIG", { remove_resource_provider_config }))
          .status,
      ).toBe(200);
      const mark_resource_provider_gone = { resource_provider_id: { value: "x" } };
      expect(
        (await agent.call("MARK_RESOURCE_PROVIDER_GONE", { mark_resource_provider_gone })).status,
      ).toBe(500);
      expect((await agent.call("UNKNOWN")).status).toBe(501);
    },
    TIMEOUT_MS,
  );
});
