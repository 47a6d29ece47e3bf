/**
 * The plan of a container: a few lines of shell that its keeper feeds to a shell which already runs
 * as the task's user. Only there does the task's environment apply, so that no variable a framework
 * chooses (LD_PRELOAD, say) ever reaches a process with more rights than the task.
 */
import type { CommandInfo } from "../../protocol/v1/types.ts";
import { ContainerizerError } from "../containerizer.ts";
import { ARGUMENT_BYTES_MAX } from "../limits.ts";
import type { HostTools } from "./host-tools.ts";

export interface LaunchPlan {
  readonly command: CommandInfo;
  readonly environment: Readonly<Record<string, string>>;
  readonly tools: HostTools;
  /** Where input comes from and output goes, in shell; from nowhere unless told. */
  readonly redirections?: string | undefined;
  /** Programs that become the command, in front of it. */
  readonly leaders?: readonly string[] | undefined;
}

/** Variables by which a process tells whose it is; a task cannot set them for itself. */
export const CONTAINER_VARIABLE = "ALLOT_CONTAINER_ID";
export const AGENT_VARIABLE = "ALLOT_AGENT_MARK";

/** What shells put into the environment of their own accord; taken out unless the task asks. */
const SHELL_VARIABLES = ["PWD", "OLDPWD", "SHLVL", "_", "PATH"];

/** Names some shell computes or forbids to set; `env` sets them, as it does what is no identifier. */
const SPECIAL_NAME =
  /^(?:_|U?ID|EUID|GID|GROUPS|PPID|OPTIND|OPTARG|LINENO|RANDOM|SECONDS|EPOCH\w*|SHELLOPTS|SHLVL|OLDPWD|PWD|DIRSTACK|FUNCNAME|HIST\w*|IFS|PS[0-9]|POSIXLY_CORRECT|BASH\w*|COMP_\w*|LC_\w*|LANG)$/;

/** The text of a plan. Errors: `ContainerizerError` naming the part that no process can be given. */
export function planText(plan: LaunchPlan): string {
  const exports: string[] = [];
  const assignments: string[] = [];
  const dropped = SHELL_VARIABLES.filter((name) => plan.environment[name] === undefined);
  for (const [name, value] of Object.entries(plan.environment)) {
    if (name === CONTAINER_VARIABLE || name === AGENT_VARIABLE) continue;
    checkVariable(name, value);
    if (/^[A-Za-z_]\w*$/.test(name) && !SPECIAL_NAME.test(name)) {
      exports.push(`export ${name}=${quote(value)}`);
    } else {
      assignments.push(quote(`${name}=${value}`));
    }
  }
  const { options, words } = commandWords(plan.command, plan.tools);
  const line = [
    ...(plan.leaders ?? []),
    ...[...plan.tools.prefix, plan.tools.env].map(quote),
    ...dropped.flatMap((name) => ["-u", name]),
    ...(plan.tools.canResetSignals ? ["--default-signal"] : []),
    ...options,
    "--",
    ...assignments,
    ...words,
  ];
  return `${exports.join("\n")}\nexec ${line.join(" ")} ${plan.redirections ?? "</dev/null"}\n`;
}

/** What `env` is to run, quoted, and the options it needs for that. */
function commandWords(
  command: CommandInfo,
  tools: HostTools,
): { readonly options: readonly string[]; readonly words: readonly string[] } {
  const value = command.value;
  if (value === undefined || value === "") {
    throw new ContainerizerError("The command has no value: set command.value to what is to run");
  }
  if (command.shell ?? true) return { options: [], words: ["/bin/sh", "-c", checked(value)] };
  const [name, ...rest] = command.arguments ?? [];
  const words = [checked(value), ...rest.map(checked)];
  if (name === undefined || name === value || tools.argv0 === "none") {
    return { options: [], words: executable(value, words) };
  }
  // Only a few programs can give a process a first argument that is not its own path.
  if (tools.argv0 === "env") {
    return { options: [`--argv0=${checked(name)}`], words: executable(value, words) };
  }
  const script = quote('exec -a "$0" -- "$@"');
  return { options: [], words: [quote(tools.bash), "-c", script, checked(name), ...words] };
}

/** `env` would take a path with an equals sign for a variable; a shell in between does not. */
function executable(value: string, words: readonly string[]): string[] {
  return value.includes("=") ? ["/bin/sh", "-c", quote('exec "$0" "$@"'), ...words] : [...words];
}

function checkVariable(name: string, value: string): void {
  if (name === "" || name.includes("=")) {
    throw new ContainerizerError(
      `Environment variable ${JSON.stringify(name)} has a name no process can be given`,
    );
  }
  checkBytes(`${name}=${value}`, `Environment variable ${JSON.stringify(name)}`);
}

function checked(argument: string): string {
  checkBytes(argument, "An argument of the command");
  return quote(argument);
}

function checkBytes(text: string, what: string): void {
  if (text.includes("\0")) throw new ContainerizerError(`${what} contains a zero byte`);
  if (Buffer.byteLength(text) >= ARGUMENT_BYTES_MAX) {
    throw new ContainerizerError(
      `${what} is longer than the ${ARGUMENT_BYTES_MAX - 1} bytes Linux allows`,
    );
  }
}

/** One word of shell, whatever it contains. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
