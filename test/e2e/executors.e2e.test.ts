/**
 * Custom executors as processes of their own against the compiled program, in both encodings: every
 * call and event of the executor API, and what becomes of them when the agent is killed.
 */
import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type AllotProcess, hostPidOf } from "../harness/allot-process.ts";
import {
  type ExecutorOptions,
  executorInfo,
  TestExecutor,
} from "../harness/executor/test-executor.ts";
import { ownProcesses } from "../harness/own-processes.ts";
import { LASTING, type Offer, TestFramework, taskInfo } from "../harness/test-framework.ts";
import { until } from "../harness/wait.ts";
import { JSON_WIRE, PROTOBUF_WIRE } from "../harness/wire.ts";

const TIMEOUT_MS = 180_000;
const RESOURCES = "--resources=cpus:4;mem:1024;disk:1000";

const { folder, start } = ownProcesses();

interface Cluster {
  readonly master: AllotProcess;
  readonly workDir: string;
  agent: AllotProcess;
  restartAgent(): Promise<void>;
}

async function startCluster(...flags: string[]): Promise<Cluster> {
  const master = await start({ role: "master", workDir: folder() });
  const workDir = folder();
  const all = [`--master=${new URL(master.url).host}`, RESOURCES, ...flags];
  const agent = await start({ role: "agent", workDir, flags: all });
  const port = `--port=${new URL(agent.url).port}`;
  const cluster: Cluster = {
    master,
    workDir,
    agent,
    restartAgent: async () => {
      cluster.agent = await start({ role: "agent", workDir, flags: [...all, port] });
    },
  };
  return cluster;
}

interface Launched {
  readonly framework: TestFramework;
  readonly offer: Offer;
  readonly executor: TestExecutor;
}

async function launch(
  { master, workDir }: Cluster,
  options: ExecutorOptions,
  taskIds: readonly string[] = ["t"],
): Promise<Launched> {
  const framework = await TestFramework.subscribe({ master: master.url, info: LASTING });
  const offer = await launchTasks(framework, options, taskIds);
  const executor = await TestExecutor.find(workDir, framework.id, options.id);
  return { framework, offer, executor };
}

async function launchTasks(
  framework: TestFramework,
  options: ExecutorOptions,
  taskIds: readonly string[],
): Promise<Offer> {
  const offer = await framework.offer();
  const executor = executorInfo(offer, options);
  const tasks = taskIds.map((id) => ({
    id,
    command: "",
    extra: { command: undefined, executor },
  }));
  await framework.launch(offer, tasks);
  return offer;
}

describe.each([
  ["json", JSON_WIRE],
  ["protobuf", PROTOBUF_WIRE],
] as const)("a custom executor in %s", (_name, wire) => {
  test(
    "is told its tasks, kills and messages, and tells their states [http-api 5]",
    async () => {
      const cluster = await startCluster(
        '--executor_environment_variables={"GIVEN": "by the agent"}',
        "--executor_shutdown_grace_period=7secs",
      );
      const { framework, offer, executor } = await launch(cluster, { id: "e", wire }, ["a", "b"]);
      for (const id of ["a", "b"]) {
        expect(await framework.status(id, "TASK_RUNNING")).toMatchObject({
          source: "SOURCE_EXECUTOR",
          executor_id: { value: "e" },
          container_status: { container_id: { value: expect.any(String) } },
        });
      }
      const [begin] = executor.journal();
      expect(begin?.environment).toMatchObject({
        GIVEN: "by the agent",
        MESOS_FRAMEWORK_ID: framework.id,
        MESOS_EXECUTOR_ID: "e",
        MESOS_SLAVE_ID: offer.agent_id.value,
        MESOS_SLAVE_PID: `slave(1)@${new URL(cluster.agent.url).host}`,
        MESOS_AGENT_ENDPOINT: new URL(cluster.agent.url).host,
        MESOS_CHECKPOINT: "1",
        MESOS_HTTP_COMMAND_EXECUTOR: "0",
        MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD: "7secs",
        MESOS_RECOVERY_TIMEOUT: "15mins",
        MESOS_SUBSCRIPTION_BACKOFF_MAX: "2secs",
        LIBPROCESS_PORT: "0",
      });
      expect(begin?.environment?.["MESOS_EXECUTOR_AUTHENTICATION_TOKEN"]).toBeUndefined();
      // Both ways, with the bytes that they are.
      executor.order({ message: "from the executor" });
      const heard = await until("the executor's message", () =>
        framework.events.find(({ type }) => type === "MESSAGE"),
      );
      expect(heard).toMatchObject({
        message: { data: Buffer.from("from the executor").toString("base64") },
      });
      await framework.call("MESSAGE", {
        message: {
          agent_id: offer.agent_id,
          executor_id: { value: "e" },
          data: Buffer.from("to the executor").toString("base64"),
        },
      });
      const message = await executor.line("the message", ({ event }) => event === "MESSAGE");
      expect(Buffer.from(message.message?.data ?? "", "base64").toString()).toBe("to the executor");
      await framework.call("KILL", {
        kill: {
          task_id: { value: "a" },
          agent_id: offer.agent_id,
          kill_policy: { grace_period: { nanoseconds: 2e9 } },
        },
      });
      await framework.status("a", "TASK_KILLED");
      const kill = await executor.line("the kill", ({ event }) => event === "KILL");
      expect(kill.kill).toMatchObject({
        task_id: { value: "a" },
        kill_policy: { grace_period: { nanoseconds: 2e9 } },
      });
      executor.order({ task: "b", state: "TASK_FINISHED", fields: { message: "done" } });
      expect(await framework.status("b", "TASK_FINISHED")).toMatchObject({ message: "done" });
      // Lives on without tasks; the next one finds it.
      await launchTasks(framework, { id: "e", wire }, ["c"]);
      await framework.status("c", "TASK_RUNNING");
      await framework.call("SHUTDOWN", {
        shutdown: { executor_id: { value: "e" }, agent_id: offer.agent_id },
      });
      expect(await framework.status("c", "TASK_FAILED")).toMatchObject({
        reason: "REASON_EXECUTOR_TERMINATED",
        source: "SOURCE_AGENT",
      });
      expect(executor.events()).toEqual([
        ...["SUBSCRIBED", "LAUNCH", "LAUNCH", "MESSAGE", "KILL", "LAUNCH", "SHUTDOWN"],
      ]);
      const failure = await until("the executor's end", () =>
        framework.events.find(({ type }) => type === "FAILURE"),
      );
      expect(failure).toMatchObject({ failure: { executor_id: { value: "e" }, status: 0 } });
      await framework.teardown();
    },
    TIMEOUT_MS,
  );

  test(
    "gets a task group as a whole [http-api 5]",
    async () => {
      const cluster = await startCluster();
      const framework = await TestFramework.subscribe({ master: cluster.master.url });
      const offer = await framework.offer();
      const executor = executorInfo(offer, { id: "g", wire });
      const tasks = ["a", "b"].map((id) =>
        taskInfo(offer, { id, command: "", extra: { command: undefined } }),
      );
      await framework.call("ACCEPT", {
        accept: {
          offer_ids: [offer.id],
          operations: [{ type: "LAUNCH_GROUP", launch_group: { executor, task_group: { tasks } } }],
        },
      });
      for (const id of ["a", "b"]) await framework.status(id, "TASK_RUNNING");
      const found = await TestExecutor.find(cluster.workDir, framework.id, "g");
      expect(found.events()).toEqual(["SUBSCRIBED", "LAUNCH_GROUP"]);
      await framework.teardown();
    },
    TIMEOUT_MS,
  );

  test(
    "keeps what it could not tell while the agent was dead, and tells it once [semantics 7.7]",
    async () => {
      const cluster = await startCluster();
      const { framework, offer, executor } = await launch(cluster, { id: "e", wire }, ["a", "b"]);
      for (const id of ["a", "b"]) await framework.status(id, "TASK_RUNNING");
      await until(
        "all of it to be acknowledged",
        () => executor.journal().filter(({ event }) => event === "ACKNOWLEDGED").length === 2,
      );
      await cluster.agent.end("SIGKILL");
      executor.order({ task: "a", state: "TASK_FINISHED" });
      executor.order({ task: "b", state: "TASK_RUNNING", fields: { message: "still here" } });
      await executor.line(
        "a call in vain",
        ({ call, status }) => call === "UPDATE" && status === 0,
      );
      await framework.call("KILL", { kill: { task_id: { value: "b" }, agent_id: offer.agent_id } });
      await cluster.restartAgent();
      await framework.status("a", "TASK_FINISHED");
      // The kill that nobody was there to take waits for the agent.
      await framework.status("b", "TASK_KILLED");
      expect(framework.states("a")).toEqual(["TASK_RUNNING", "TASK_FINISHED"]);
      expect(framework.states("b")).toEqual(["TASK_RUNNING", "TASK_KILLED"]);
      // Told until acknowledged, so perhaps twice, but never as something new.
      expect(new Set(framework.updates.map(({ uuid }) => uuid)).size).toBe(5);
      expect(executor.events().filter((type) => type === "LAUNCH")).toHaveLength(2);
      await framework.teardown();
    },
    TIMEOUT_MS,
  );

  test(
    "that is not back in time is ended, its tasks are gone [semantics 6.3, 7.7]",
    async () => {
      const cluster = await startCluster("--executor_reregistration_timeout=1secs");
      const { framework, executor } = await launch(cluster, { id: "e", wire });
      await framework.status("t", "TASK_RUNNING");
      const pid = hostPidOf(executor.journal()[0]?.pid ?? 0, cluster.workDir);
      process.kill(pid, "SIGSTOP");
      await cluster.agent.end("SIGKILL");
      await cluster.restartAgent();
      expect(await framework.status("t", "TASK_GONE")).toMatchObject({
        reason: "REASON_EXECUTOR_REREGISTRATION_TIMEOUT",
        source: "SOURCE_AGENT",
      });
      expect(() => process.kill(pid, 0)).toThrow();
      await framework.teardown();
    },
    TIMEOUT_MS,
  );

  test(
    "that never subscribes is ended, its task has failed [semantics 6.3]",
    async () => {
      const cluster = await startCluster("--executor_registration_timeout=2secs");
      const options = { id: "e", wire, words: ["silent"] } as const;
      const { framework } = await launch(cluster, options);
      expect(await framework.status("t", "TASK_FAILED")).toMatchObject({
        reason: "REASON_EXECUTOR_REGISTRATION_TIMEOUT",
        source: "SOURCE_AGENT",
      });
      await framework.teardown();
    },
    TIMEOUT_MS,
  );

  test(
    "that does not end is ended after its grace [semantics 7.3]",
    async () => {
      const cluster = await startCluster();
      const info = { shutdown_grace_period: { nanoseconds: 1e9 } };
      const options = { id: "e", wire, words: ["stubborn"], info } as const;
      const { framework, offer, executor } = await launch(cluster, options);
      await framework.status("t", "TASK_RUNNING");
      await framework.call("SHUTDOWN", {
        shutdown: { executor_id: { value: "e" }, agent_id: offer.agent_id },
      });
      await executor.line("SHUTDOWN", ({ event }) => event === "SHUTDOWN");
      const shutMs = performance.now();
      await framework.status("t", "TASK_FAILED");
      expect(performance.now() - shutMs).toBeGreaterThan(500);
      await framework.teardown();
    },
    TIMEOUT_MS,
  );

  test(
    "is refused what it must not say, with the right status [http-api 2.2, 2.3, 5]",
    async () => {
      const cluster = await startCluster();
      const { framework, executor } = await launch(cluster, { id: "e", wire, words: ["mute"] });
      await executor.line("its task", ({ event }) => event === "LAUNCH");
      const uuid = Buffer.alloc(16, 7).toString("base64");
      const status = { task_id: { value: "t" }, state: "TASK_RUNNING", source: "SOURCE_EXECUTOR" };
      const update = (fields: object): { type: string; update: object } => ({
        type: "UPDATE",
        update: { status: { ...status, uuid, ...fields } },
      });
      const faults: readonly [Parameters<TestExecutor["answer"]>[0], number, string][] = [
        [update({ uuid: undefined }), 400, "uuid"],
        [update({ uuid: "AAAA" }), 400, "uuid"],
        [update({ source: "SOURCE_AGENT" }), 400, "SOURCE_EXECUTOR"],
        [update({ executor_id: { value: "other" } }), 400, "executor_id"],
        [update({ check_status: { type: "HTTP" } }), 400, "check_status"],
        [{ type: "UPDATE" }, 400, "Expecting 'update' to be present"],
        [{ type: "MESSAGE" }, 400, "Expecting 'message' to be present"],
        [
          { type: "MESSAGE", message: { data: "" }, framework_id: { value: "nobody" } },
          400,
          "Framework cannot be found",
        ],
        [
          { type: "MESSAGE", message: { data: "" }, executor_id: { value: "nobody" } },
          400,
          "Executor cannot be found",
        ],
      ];
      for (const [call, code, text] of faults) {
        const answer = await executor.answer(call);
        expect([answer.status, answer.text]).toEqual([code, expect.stringContaining(text)]);
      }
      const heartbeat = { type: "HEARTBEAT", executor_id: { value: "unused" } };
      expect((await executor.answer(heartbeat)).status).toBe(202);
      expect(framework.states("t")).toEqual([]);
      // Worse than a slip: such an executor is ended.
      expect((await executor.answer(update({ state: "TASK_STAGING" }))).status).toBe(400);
      await executor.line("SHUTDOWN", ({ event }) => event === "SHUTDOWN");
      await framework.teardown();
    },
    TIMEOUT_MS,
  );

  test(
    "shows its token where executors have to log in [http-api 2.2, 5]",
    async () => {
      const key = join(folder(), "key");
      writeFileSync(key, "a key of the agent", { mode: 0o600 });
      const cluster = await startCluster(
        "--authenticate_http_executors",
        `--jwt_secret_key=${key}`,
      );
      const { framework, executor } = await launch(cluster, { id: "e", wire });
      await framework.status("t", "TASK_RUNNING");
      await launchTasks(framework, { id: "f", wire }, ["u"]);
      await framework.status("u", "TASK_RUNNING");
      const foreign = { type: "MESSAGE", message: { data: "" }, executor_id: { value: "f" } };
      expect((await executor.answer(foreign)).status).toBe(403);
      const call = {
        type: "MESSAGE",
        message: { data: "" },
        framework_id: { value: framework.id },
      };
      for (const authorization of [undefined, "Bearer a.b.c", "Basic dTpw"]) {
        const response = await fetch(`${cluster.agent.url}/api/v1/executor`, {
          method: "POST",
          headers: {
            "Content-Type": wire.mediaType,
            ...(authorization === undefined ? {} : { Authorization: authorization }),
          },
          body: wire.encode("mesos.v1.executor.Call", { ...call, executor_id: { value: "e" } }),
        });
        expect(response.status).toBe(401);
        expect(response.headers.get("www-authenticate")).toBe(
          'Bearer realm="mesos-agent-executor"',
        );
      }
      await framework.teardown();
    },
    TIMEOUT_MS,
  );
});
