/** The environment of executors and command tasks, source by source. */
import { expect, test } from "bun:test";
import {
  DEFAULT_PATH,
  type ExecutorEnvironmentOptions,
  executorEnvironment,
} from "../../src/executor/executor-environment.ts";

const OPTIONS: ExecutorEnvironmentOptions = {
  frameworkId: "f1",
  executorId: "e1",
  agentId: "a1",
  agentIp: "10.0.0.5",
  agentPort: 5051,
  directory: "/work/sandbox",
  sandbox: "/work/sandbox",
  isCheckpointing: false,
  executorShutdownGraceMs: 5_000,
  recoveryTimeoutMs: 900_000,
  executorReregistrationTimeoutMs: 2_000,
  isHttpCommandExecutor: false,
};

test("a plain executor gets exactly the promised variables [semantics 7.4, http-api 5]", () => {
  expect(executorEnvironment(OPTIONS)).toEqual({
    PATH: DEFAULT_PATH,
    LIBPROCESS_PORT: "0",
    MESOS_FRAMEWORK_ID: "f1",
    MESOS_EXECUTOR_ID: "e1",
    MESOS_SLAVE_ID: "a1",
    MESOS_DIRECTORY: "/work/sandbox",
    MESOS_SANDBOX: "/work/sandbox",
    MESOS_SLAVE_PID: "slave(1)@10.0.0.5:5051",
    MESOS_AGENT_ENDPOINT: "10.0.0.5:5051",
    MESOS_CHECKPOINT: "0",
    MESOS_HTTP_COMMAND_EXECUTOR: "0",
    MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD: "5secs",
  });
});

test("a checkpointing one also learns how long to wait for the agent [semantics 7.4]", () => {
  const environment = executorEnvironment({
    ...OPTIONS,
    agentIp: "::1",
    isCheckpointing: true,
    domainSocket: "/run/agent.sock",
    libprocessIp: "10.0.0.5",
  });
  expect(environment).toMatchObject({
    MESOS_CHECKPOINT: "1",
    MESOS_RECOVERY_TIMEOUT: "15mins",
    MESOS_SUBSCRIPTION_BACKOFF_MAX: "2secs",
    MESOS_AGENT_ENDPOINT: "[::1]:5051",
    MESOS_DOMAIN_SOCKET: "/run/agent.sock",
    LIBPROCESS_IP: "10.0.0.5",
  });
});

test("later sources win: flags, agent, executor, task [http-api 5]", () => {
  const variable = (name: string, value: string): { name: string; value: string } => ({
    name,
    value,
  });
  const environment = executorEnvironment({
    ...OPTIONS,
    executorEnvironmentVariables: { PATH: "/flag", MESOS_SLAVE_ID: "forged", FLAG: "flag" },
    executorCommand: {
      environment: { variables: [variable("A", "executor"), variable("B", "executor")] },
    },
    commandTask: {
      name: "t",
      task_id: { value: "t" },
      agent_id: { value: "a1" },
      resources: [{ name: "cpus", type: "SCALAR", allocation_info: { role: "web/blue" } }],
      command: {
        environment: {
          variables: [
            variable("B", "task"),
            { name: "TOKEN", type: "SECRET", secret: { type: "VALUE", value: { data: "eA==" } } },
          ],
        },
      },
    },
  });
  expect(environment).toMatchObject({
    PATH: "/flag",
    FLAG: "flag",
    MESOS_SLAVE_ID: "a1",
    A: "executor",
    B: "task",
    MESOS_ALLOCATION_ROLE: "web/blue",
    TOKEN: "x",
  });
});
