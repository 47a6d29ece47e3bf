/**
 * From a task's container to the body of the call that creates it: a pure function, so that every
 * rule can be looked at alone. Source: semantics 7.15.
 */
import type { CommandInfo, ContainerInfo } from "../../protocol/v1/types.ts";
import { ContainerizerError, type ContainerSpec } from "../containerizer.ts";
import type { LogBounds } from "../log-bounds.ts";
import { type LimitRules, limitSettings } from "./limit-options.ts";
import { applyLogBounds } from "./log-options.ts";
import { applyNetwork } from "./network-options.ts";
import { RunBody, type Settings } from "./run-body.ts";
import { applyParameters } from "./run-parameters.ts";
import { applyVolumes } from "./volume-options.ts";

/** Names of the labels by which allot knows its containers. */
export const LABELS = {
  agent: "allot.agent_mark",
  container: "allot.container_id",
  framework: "allot.framework_id",
  executor: "allot.executor_id",
  task: "allot.task_id",
} as const;

export interface RunSettings extends LimitRules {
  /** Tells this agent's containers from another's. */
  readonly mark: string;
  /** Where a container sees its sandbox (`--sandbox_directory`). */
  readonly sandboxPath: string;
  /** Where its cgroup is to be (`--docker_cgroup_parent`), unless its task says otherwise. */
  readonly cgroupParent?: string | undefined;
  readonly logBounds: LogBounds;
  /** What the Engine logs with by default; undefined while that is not known. */
  readonly logDriver?: string | undefined;
}

export interface RunPlan {
  readonly name: string;
  readonly body: Settings;
  /** Folders to make in the sandbox before the container is created; absolute. */
  readonly folders: readonly string[];
}

/** Name of a container at the Engine. */
export function containerName(containerId: string): string {
  return `mesos-${containerId}`;
}

/** Errors: `ContainerizerError` naming the field to blame. `image` is the full name. */
export function runPlan(spec: ContainerSpec, image: string, settings: RunSettings): RunPlan {
  try {
    return planOf(spec, image, settings);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ContainerizerError(`Failed to create docker run options: ${reason}`, { cause });
  }
}

function planOf(spec: ContainerSpec, image: string, settings: RunSettings): RunPlan {
  const name = containerName(spec.containerId);
  const container: ContainerInfo = spec.container ?? { type: "DOCKER" };
  const body = new RunBody();
  body.config["Image"] = image;
  applyCommand(body, spec.command);
  applyEnvironment(body, spec, name, settings);
  Object.assign(body.host, limitSettings(spec, settings));
  if (settings.cgroupParent !== undefined) body.host["CgroupParent"] = settings.cgroupParent;
  if (container.docker?.privileged === true) body.host["Privileged"] = true;
  applyNetwork(body, container, spec.resources);
  const volumes = { ...spec, container, sandboxPath: settings.sandboxPath };
  const folders = applyVolumes(body, volumes);
  applyParameters(body, container.docker?.parameters ?? []);
  applyLogBounds(body, settings.logBounds, settings.logDriver);
  for (const label of labelsOf(spec, settings.mark)) body.put(body.config, "Labels", label);
  return { name, body: body.toJson(), folders };
}

/** Unlike in Mesos containers, the first of `arguments` is a real one. */
function applyCommand(body: RunBody, command: CommandInfo): void {
  const { value, arguments: more = [] } = command;
  if (command.shell ?? true) {
    if (value === undefined) {
      throw new Error(
        "command.value is missing, which a shell command needs; set shell to false to run the image's own command",
      );
    }
    body.config["Entrypoint"] = ["/bin/sh"];
    body.config["Cmd"] = ["-c", value];
    return;
  }
  const words = value === undefined ? more : [value, ...more];
  // Without words the image's own command runs.
  if (words.length > 0) body.config["Cmd"] = [...words];
}

function applyEnvironment(
  body: RunBody,
  spec: ContainerSpec,
  name: string,
  { sandboxPath }: RunSettings,
): void {
  const environment: Readonly<Record<string, string>> = {
    ...spec.environment,
    MESOS_SANDBOX: sandboxPath,
    MESOS_CONTAINER_NAME: name,
  };
  body.config["Env"] = Object.entries(environment).map(([key, value]) => {
    if (key === "" || key.includes("=")) {
      throw new Error(`environment variable ${JSON.stringify(key)} has a name that cannot be set`);
    }
    if (value.includes("\0")) throw new Error(`environment variable ${key} contains a zero byte`);
    return `${key}=${value}`;
  });
}

function labelsOf(spec: ContainerSpec, mark: string): [string, string][] {
  const { origin } = spec;
  const labels: [string, string][] = [
    [LABELS.agent, mark],
    [LABELS.container, spec.containerId],
  ];
  if (origin === undefined) return labels;
  labels.push([LABELS.framework, origin.frameworkId], [LABELS.executor, origin.executorId]);
  if (origin.taskId !== undefined) labels.push([LABELS.task, origin.taskId]);
  return labels;
}
