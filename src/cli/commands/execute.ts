/**
 * `allot execute`: runs one command on the cluster as if it ran here. Flags as mesos-execute has
 * them (reference/flags.md) as far as they can work; the others are refused, since a task that
 * runs differently from what was asked for is worse than none.
 */
import { hostname, userInfo } from "node:os";
import process from "node:process";
import { ok, type Result, refuse } from "../../base/result.ts";
import type {
  CommandInfo,
  ContainerInfo,
  EnvironmentVariable,
  FrameworkInfo,
  FrameworkInfoCapabilityType,
  Resource,
} from "../../protocol/v1/types.ts";
import { parseResources } from "../../resources/parse.ts";
import { principalOf } from "../client/login.ts";
import { ConsoleClosedError } from "../console.ts";
import { FAILOVER_SECONDS, RECONNECT_MS_MAX, TASK_ID_LENGTH } from "../execute/limits.ts";
import { readContainer } from "../execute/read-container.ts";
import { NEVER_RAN } from "../execute/task-ending.ts";
import { TaskRun, type TaskRunOptions } from "../execute/task-run.ts";
import { acts, type Flag, group, later } from "../flags/flag-table.ts";
import type { ParsedFlags } from "../flags/parse-flags.ts";
import type { Command, CommandContext } from "./command.ts";

/** What the shell says of a process that wrote to a closed pipe: 128 + SIGPIPE. */
const CLOSED_PIPE_STATUS = 141;

const INTERRUPTS: readonly (readonly [NodeJS.Signals, number])[] = [
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
];

const CAPABILITIES: readonly FrameworkInfoCapabilityType[] = [
  "REVOCABLE_RESOURCES",
  "TASK_KILLING_STATE",
  "GPU_RESOURCES",
  "SHARED_RESOURCES",
  "PARTITION_AWARE",
  "MULTI_ROLE",
  "RESERVATION_REFINEMENT",
  "REGION_AWARE",
];

const FLAGS: readonly Flag[] = [
  ...group("Task", [
    acts("name", "string", undefined, "name and id of the task", {
      defaultText: "the command's first word",
    }),
    acts("command", "string", undefined, "shell line, or with --no-shell the program to run"),
    acts("shell", "boolean", "true", "the command is a line for the shell"),
    acts("resources", "string", "cpus:1;mem:128", "what the task gets, as cpus:0.5;mem:64"),
    acts("env", "json", undefined, 'variables of the task, as {"NAME": "value"}', {
      isPathRead: true,
    }),
    acts("user", "string", undefined, "run the task as this user", {
      defaultText: "the user who calls",
    }),
    acts("kill_after", "duration", undefined, "kill the task when it has run for this long"),
  ]),
  ...group("Container", [
    acts("docker_image", "string", undefined, "image that the task runs in, as alpine:3.20"),
    acts("containerizer", "string", "mesos", "who runs the image", {
      choices: ["mesos", "docker"],
    }),
    acts("networks", "string", undefined, "networks of the container, comma separated"),
    acts("volumes", "json", undefined, "volumes of the container, a JSON list", {
      isPathRead: true,
    }),
  ]),
  ...group("Framework", [
    acts("role", "string", "*", "role whose resources are used"),
    acts("checkpoint", "boolean", "false", "keep the task while this command is cut off or dead"),
    acts("partition_aware", "boolean", "true", "wait for an agent that lost contact"),
    acts("framework_capabilities", "string", undefined, "more capabilities, comma separated"),
    acts("content_type", "string", "protobuf", "encoding on the wire", {
      choices: ["json", "protobuf"],
    }),
  ]),
  ...group("Output", [acts("verbose", "boolean", "false", "tell each step", { letter: "v" })]),
  ...group("Not available yet", [
    later("task", "string", undefined, "TaskInfo JSON or file"),
    later("task_group", "string", undefined, "TaskGroupInfo JSON or file"),
    later("hadoop", "string", "hadoop", "hadoop script"),
    later("hdfs", "string", "localhost:9000", "namenode address"),
    later("package", "string", undefined, "file to upload and fetch"),
    later("overwrite", "boolean", "false", "overwrite package in HDFS"),
    later("appc_image", "string", undefined, "Appc image"),
    later("effective_capabilities", "string", undefined, "effective capabilities JSON"),
    later("bounding_capabilities", "string", undefined, "bounding capabilities JSON"),
    later("rlimits", "string", undefined, "rlimits JSON"),
    later("tty", "boolean", "false", "allocate a TTY"),
  ]),
];

/** The verb. */
export const EXECUTE: Command = {
  name: "execute",
  summary: "run a command on the cluster and show its output",
  synopsis: "[--name=NAME] --command='SHELL LINE' | -- PROGRAM [ARGUMENT]…",
  description: [
    "Waits for an offer with enough resources, runs the command there and copies its stdout and stderr to the same streams here. Ctrl-C ends the task; a second time at once, a third time leaves without waiting.",
    "Exit status: that of the command; 128 + the number of the signal that ended it, so 137 when it took more memory or disk than it may; 125 when it never ran (also for a wrong command line); 1 when its end is unknown.",
    "Example: allot execute --resources='cpus:0.1;mem:32' --command='echo hello from $(hostname)'",
  ],
  flags: FLAGS,
  wordCount: 0,
  hasTrailing: true,
  failureStatus: NEVER_RAN,
  run: execute,
};

async function execute(context: CommandContext): Promise<number> {
  const { console, flags } = context;
  const plan = readPlan(context);
  if (!plan.ok) {
    await console.error(`allot execute: ${plan.error.message}\n`);
    return NEVER_RAN;
  }
  let isReaderGone = false;
  let said: Promise<void> = Promise.resolve();
  const say = (text: string): void => {
    said = said.then(() => console.error(`allot: ${text}\n`)).catch(() => undefined);
  };
  const run = new TaskRun({
    ...plan.value,
    notice: say,
    detail: flags.boolean("verbose") ? say : () => undefined,
    writeErrors: (bytes) => console.error(bytes).catch(ignoreClosed),
    writeOutput: async (bytes) => {
      if (isReaderGone) return;
      await console.out(bytes).catch((error: unknown) => {
        ignoreClosed(error);
        isReaderGone = true;
        run.interrupt(CLOSED_PIPE_STATUS);
      });
    },
  });
  const stopListening = onInterrupt((status) => run.interrupt(status));
  try {
    const { exitStatus, notice } = await run.run();
    if (notice !== undefined) say(notice);
    return isReaderGone ? CLOSED_PIPE_STATUS : exitStatus;
  } finally {
    stopListening();
    await said;
  }
}

function ignoreClosed(error: unknown): void {
  if (!(error instanceof ConsoleClosedError)) throw error;
}

function onInterrupt(act: (status: number) => void): () => void {
  const listeners = INTERRUPTS.map(([signal, status]) => {
    const listener = (): void => act(status);
    process.on(signal, listener);
    return () => process.removeListener(signal, listener);
  });
  return () => {
    for (const remove of listeners) remove();
  };
}

type Plan = Omit<TaskRunOptions, "notice" | "detail" | "writeOutput" | "writeErrors">;

function readPlan(context: CommandContext): Result<Plan> {
  const { client, flags, trailing } = context;
  const unavailable = FLAGS.find(({ effect, name }) => effect !== "acts" && isUsed(flags, name));
  if (unavailable !== undefined) {
    return refuse("notImplemented", `--${unavailable.name} is not available yet; leave it out`);
  }
  const container = readContainer(flags);
  if (!container.ok) return container;
  const command = readCommand(flags, trailing, container.value);
  if (!command.ok) return command;
  const resources = readResources(flags.string("resources") ?? "");
  if (!resources.ok) return resources;
  const framework = readFramework(context, command.value.name, resources.value);
  if (!framework.ok) return framework;
  const { name, info } = command.value;
  return ok({
    client,
    mediaType:
      flags.string("content_type") === "json" ? "application/json" : "application/x-protobuf",
    framework: framework.value,
    task: {
      name,
      task_id: { value: taskIdOf(name) },
      command: info,
      ...(container.value === undefined ? {} : { container: container.value }),
    },
    resources: resources.value,
    killAfterMs: flags.durationMs("kill_after"),
    reconnectMsMax: flags.boolean("checkpoint") ? FAILOVER_SECONDS * 1000 : RECONNECT_MS_MAX,
  });
}

/** `--no-tty` and `--containerizer=mesos` ask for what happens anyway. */
function isUsed(flags: ParsedFlags, name: string): boolean {
  const preset = FLAGS.find((flag) => flag.name === name)?.default;
  return flags.isSet(name) && flags.toFlagStrings()[name] !== preset;
}

function readCommand(
  flags: ParsedFlags,
  trailing: readonly string[],
  container: ContainerInfo | undefined,
): Result<{ readonly name: string; readonly info: CommandInfo }> {
  const line = flags.string("command");
  const words = line === undefined ? trailing : [line, ...trailing];
  const [program] = words;
  const isDocker = container?.type === "DOCKER";
  const isImageEnough = container !== undefined && program === undefined;
  if (!isImageEnough && (program === undefined || program.trim() === "")) {
    return refuse("invalid", "what to run? write --command='SHELL LINE' or -- PROGRAM ARGUMENT…");
  }
  const isShell = line !== undefined && flags.boolean("shell");
  if (isShell && trailing.length > 0) {
    return refuse("invalid", "words after -- need --no-shell, or leave out --command");
  }
  const environment = readEnvironment(flags.json("env"));
  if (!environment.ok) return environment;
  const user = flags.string("user");
  const info: CommandInfo = {
    shell: isShell,
    ...(program === undefined ? {} : { value: program }),
    // The first word is the name of the program too, but for Docker, which adds it itself.
    ...(isShell || program === undefined ? {} : { arguments: isDocker ? words.slice(1) : words }),
    ...(environment.value.length === 0 ? {} : { environment: { variables: environment.value } }),
    ...(user === undefined ? {} : { user }),
  };
  const firstWord = program?.trim().split(/\s/)[0] ?? "";
  return ok({ name: flags.string("name") ?? firstWord.split("/").at(-1) ?? "task", info });
}

function readEnvironment(value: unknown): Result<readonly EnvironmentVariable[]> {
  if (value === undefined) return ok([]);
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  const entries: readonly [string, unknown][] = isObject ? Object.entries(value) : [];
  const variables = entries.flatMap(([name, text]) =>
    typeof text === "string" ? [{ name, value: text }] : [],
  );
  if (isObject && variables.length === entries.length) return ok(variables);
  return refuse("invalid", 'bad value for --env: write an object of texts, as {"NAME": "value"}');
}

function readResources(text: string): Result<readonly Resource[]> {
  const resources = parseResources(text, "*");
  if (!resources.ok) {
    return refuse("invalid", `bad value for --resources: ${resources.error.message}`);
  }
  if (resources.value.length > 0) return resources;
  return refuse("invalid", "bad value for --resources: name at least one, as cpus:0.1;mem:32");
}

function readFramework(
  { client, flags }: CommandContext,
  taskName: string,
  resources: readonly Resource[],
): Result<FrameworkInfo> {
  const asked = (flags.string("framework_capabilities") ?? "")
    .split(",")
    .filter((name) => name !== "");
  const unknown = asked.find((name) => !CAPABILITIES.some((known) => known === name));
  if (unknown !== undefined) {
    const known = CAPABILITIES.join(", ");
    return refuse(
      "invalid",
      `bad value for --framework_capabilities: ${unknown} is none of ${known}`,
    );
  }
  const principal = principalOf(flags, client.principal);
  const needed = new Set<string>(["MULTI_ROLE", "TASK_KILLING_STATE", "RESERVATION_REFINEMENT"]);
  if (flags.boolean("partition_aware")) needed.add("PARTITION_AWARE");
  if (resources.some((resource) => resource.name === "gpus")) needed.add("GPU_RESOURCES");
  for (const name of asked) needed.add(name);
  const isCheckpointing = flags.boolean("checkpoint");
  return ok({
    name: `allot execute ${taskName}`,
    user: flags.string("user") ?? callerName(),
    hostname: hostname(),
    roles: [flags.string("role") ?? "*"],
    checkpoint: isCheckpointing,
    failover_timeout: isCheckpointing ? FAILOVER_SECONDS : 0,
    capabilities: CAPABILITIES.filter((type) => needed.has(type)).map((type) => ({ type })),
    ...(principal === undefined ? {} : { principal }),
  });
}

/** A name with characters that an id may not have loses them. */
function taskIdOf(name: string): string {
  const id = name.replace(/[^\w.-]/g, "_").slice(0, TASK_ID_LENGTH);
  return /^\.{0,2}$/.test(id) ? `task${id}` : id;
}

/** Bun knows the caller's name only from variables, which services and `env -i` do not set. */
function callerName(): string {
  return process.getuid?.() === 0 ? "root" : userInfo().username;
}
