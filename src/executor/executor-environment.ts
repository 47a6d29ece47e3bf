/**
 * The environment of an executor, which a command task inherits: what Mesos promises and nothing of
 * the agent's own. Later sources win, as in Mesos. Source: semantics 7.4, http-api 5.
 */
import { decodeUtf8 } from "../base/text.ts";
import { formatDurationMs } from "../base/units.ts";
import { decodeBase64 } from "../protocol/base64.ts";
import type { CommandInfo, Environment, Secret, TaskInfo } from "../protocol/v1/types.ts";

export interface ExecutorEnvironmentOptions {
  readonly frameworkId: string;
  readonly executorId: string;
  readonly agentId: string;
  /** Address the agent's executor API answers on. */
  readonly agentIp: string;
  readonly agentPort: number;
  /** Sandbox on the host, absolute. */
  readonly directory: string;
  /** Sandbox as the process sees it; the same as `directory` without an image. */
  readonly sandbox: string;
  /** `FrameworkInfo.checkpoint`. */
  readonly isCheckpointing: boolean;
  /** `ExecutorInfo.shutdown_grace_period`, or the agent's flag. */
  readonly executorShutdownGraceMs: number;
  /** `--recovery_timeout`. */
  readonly recoveryTimeoutMs: number;
  /** `--executor_reregistration_timeout`. */
  readonly executorReregistrationTimeoutMs: number;
  /** `--http_command_executor`. */
  readonly isHttpCommandExecutor: boolean;
  /** Path of the agent's socket, when executors are to use it. */
  readonly domainSocket?: string | undefined;
  /** `LIBPROCESS_IP` of the agent's own environment, the one variable that is handed down. */
  readonly libprocessIp?: string | undefined;
  /** By which the executor shows who it is. */
  readonly token?: string | undefined;
  /** `--executor_environment_variables`. */
  readonly executorEnvironmentVariables?: Readonly<Record<string, string>> | undefined;
  /** `ExecutorInfo.command`. */
  readonly executorCommand?: CommandInfo | undefined;
  /** The command task that the container is, if it is one. */
  readonly commandTask?: TaskInfo | undefined;
}

/** Search path of executors and tasks whose framework sets none (Mesos' own default). */
export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Complete environment of an executor or command task. Secrets are left to their isolator. */
export function executorEnvironment(options: ExecutorEnvironmentOptions): Record<string, string> {
  return {
    PATH: DEFAULT_PATH,
    ...options.executorEnvironmentVariables,
    ...agentVariables(options),
    ...variablesOf(options.executorCommand?.environment),
    ...roleOf(options.commandTask),
    ...variablesOf(options.commandTask?.command?.environment),
  };
}

/** What of it is the task's own: all that a task of Docker is given (semantics 7.15). */
export function taskEnvironment(task: TaskInfo): Record<string, string> {
  return { ...roleOf(task), ...variablesOf(task.command?.environment) };
}

function roleOf(task: TaskInfo | undefined): Record<string, string> {
  const role = task?.resources?.find((resource) => resource.allocation_info?.role !== undefined)
    ?.allocation_info?.role;
  return role === undefined ? {} : { MESOS_ALLOCATION_ROLE: role };
}

function agentVariables(options: ExecutorEnvironmentOptions): Record<string, string> {
  const host = options.agentIp.includes(":") ? `[${options.agentIp}]` : options.agentIp;
  const endpoint = `${host}:${options.agentPort}`;
  const variables: Record<string, string> = {
    LIBPROCESS_PORT: "0",
    MESOS_FRAMEWORK_ID: options.frameworkId,
    MESOS_EXECUTOR_ID: options.executorId,
    MESOS_SLAVE_ID: options.agentId,
    MESOS_DIRECTORY: options.directory,
    MESOS_SANDBOX: options.sandbox,
    MESOS_SLAVE_PID: `slave(1)@${endpoint}`,
    MESOS_AGENT_ENDPOINT: endpoint,
    MESOS_CHECKPOINT: options.isCheckpointing ? "1" : "0",
    MESOS_HTTP_COMMAND_EXECUTOR: options.isHttpCommandExecutor ? "1" : "0",
    MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD: formatDurationMs(options.executorShutdownGraceMs),
  };
  if (options.isCheckpointing) {
    variables["MESOS_RECOVERY_TIMEOUT"] = formatDurationMs(options.recoveryTimeoutMs);
    variables["MESOS_SUBSCRIPTION_BACKOFF_MAX"] = formatDurationMs(
      options.executorReregistrationTimeoutMs,
    );
  }
  if (options.domainSocket !== undefined) variables["MESOS_DOMAIN_SOCKET"] = options.domainSocket;
  if (options.token !== undefined) {
    variables["MESOS_EXECUTOR_AUTHENTICATION_TOKEN"] = options.token;
  }
  if (options.libprocessIp !== undefined) variables["LIBPROCESS_IP"] = options.libprocessIp;
  return variables;
}

/** Plain variables by name; secrets are left to their isolator. */
export function variablesOf(environment: Environment | undefined): Record<string, string> {
  const values: Record<string, string> = {};
  for (const { name, value, type, secret } of environment?.variables ?? []) {
    const text = type === "SECRET" ? secretText(secret) : value;
    if (text !== undefined) values[name] = text;
  }
  return values;
}

/** Text of a secret that carries its value; references are refused before (container-host). */
function secretText(secret: Secret | undefined): string | undefined {
  const bytes = decodeBase64(secret?.value?.data ?? "");
  return secret?.value === undefined || bytes === undefined ? undefined : decodeUtf8(bytes);
}
