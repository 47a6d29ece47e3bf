/**
 * The client verbs: finds the verb, reads its flags, runs it and turns what goes wrong into one
 * line and an exit status (0 done, 1 refused or failed, 2 wrong use).
 */
import { ok, type Result } from "../base/result.ts";
import { ClientError } from "./client/client-error.ts";
import { loginOf } from "./client/login.ts";
import { DEFAULT_MASTER, parseMasterAddress } from "./client/master-address.ts";
import { type FindMaster, MasterClient } from "./client/master-client.ts";
import { AGENTS } from "./commands/agents.ts";
import {
  type Command,
  commandTable,
  EXIT_DONE,
  EXIT_FAILED,
  EXIT_USAGE,
} from "./commands/command.ts";
import { DEACTIVATE, DRAIN, GONE, REACTIVATE } from "./commands/drain.ts";
import { EVENTS } from "./commands/events.ts";
import { EXEC } from "./commands/exec.ts";
import { EXECUTE } from "./commands/execute.ts";
import { FRAMEWORKS } from "./commands/frameworks.ts";
import { JOIN_ENSEMBLE } from "./commands/join-ensemble.ts";
import { KILL } from "./commands/kill.ts";
import { LEADER } from "./commands/leader.ts";
import { LOGS } from "./commands/logs.ts";
import { MAINTENANCE } from "./commands/maintenance.ts";
import { QUOTA } from "./commands/quota.ts";
import { REGISTRY } from "./commands/registry.ts";
import { RESERVE, UNRESERVE } from "./commands/reserve.ts";
import { ROLES } from "./commands/roles.ts";
import { STATUS } from "./commands/status.ts";
import { TASKS } from "./commands/tasks.ts";
import { TEARDOWN } from "./commands/teardown.ts";
import { WEIGHTS } from "./commands/weights.ts";
import { WHY } from "./commands/why.ts";
import { completionScript } from "./completion.ts";
import { type Console, ConsoleClosedError, processConsole } from "./console.ts";
import { formatHelp } from "./flags/flag-help.ts";
import { nearestName } from "./flags/nearest-name.ts";
import { type ParsedFlags, parseFlags } from "./flags/parse-flags.ts";
import { readTextFile } from "./flags/read-text-file.ts";
import type { CommandTools } from "./ports.ts";

const COMMANDS: readonly Command[] = [
  EXECUTE,
  STATUS,
  LEADER,
  REGISTRY,
  JOIN_ENSEMBLE,
  AGENTS,
  FRAMEWORKS,
  TASKS,
  ROLES,
  EXEC,
  KILL,
  LOGS,
  QUOTA,
  WEIGHTS,
  WHY,
  RESERVE,
  UNRESERVE,
  TEARDOWN,
  DRAIN,
  DEACTIVATE,
  REACTIVATE,
  GONE,
  MAINTENANCE,
  EVENTS,
];

type Environment = Readonly<Record<string, string | undefined>>;

/** Runs `allot VERB …`; resolves with the exit status. */
export async function runCommand(
  argv: readonly string[],
  environment: Environment,
  tools: CommandTools,
): Promise<number> {
  const console = processConsole();
  const [verb = "", ...rest] = argv;
  if (verb === "help") {
    await console.out(helpText());
    return EXIT_DONE;
  }
  if (verb === "completion") return await printCompletion(console, rest);
  const command = COMMANDS.find(({ name }) => name === verb);
  if (command !== undefined) return await run(command, rest, { environment, console, tools });
  const near = nearestName(verb, [...COMMANDS.map(({ name }) => name), "completion", "help"]);
  const hint = near === undefined ? "`allot help` lists the verbs" : `did you mean ${near}?`;
  await console.error(`allot: there is no verb ${verb}; ${hint}\n`);
  return EXIT_USAGE;
}

async function run(
  command: Command,
  argv: readonly string[],
  {
    environment,
    console,
    tools,
  }: {
    readonly environment: Environment;
    readonly console: Console;
    readonly tools: CommandTools;
  },
): Promise<number> {
  const complain = async (message: string, status: number): Promise<number> => {
    await console.error(`allot ${command.name}: ${message}\n`);
    return command.failureStatus ?? status;
  };
  const table = commandTable(command);
  // What stands after `--` is somebody else's command line.
  const end = argv.indexOf("--");
  const own = end < 0 ? argv : argv.slice(0, end);
  const isHelpWanted = own.includes("--help") || own.includes("-h");
  if (isHelpWanted) {
    await console.out(commandHelp(command));
    return EXIT_DONE;
  }
  const parsed = parseFlags(table, { argv, environment, readFile: readTextFile });
  if (!parsed.ok) return await complain(parsed.error.message, EXIT_USAGE);
  const fault = wordFault(command, parsed.value);
  if (fault !== undefined) return await complain(fault, EXIT_USAGE);
  const login = loginOf(parsed.value);
  if (!login.ok) return await complain(login.error.message, EXIT_USAGE);
  const { credential, warning } = login.value;
  if (warning !== undefined) await console.error(`allot ${command.name}: ${warning}\n`);
  const clientAt = (address: string, find?: FindMaster): Result<MasterClient> => {
    const root = parseMasterAddress(address);
    return root.ok ? ok(new MasterClient(root.value, { credential, find })) : root;
  };
  const { words, trailing } = parsed.value;
  const context = { flags: parsed.value, words, trailing, console, tools, clientAt, environment };
  try {
    if ("runAlone" in command) {
      return await command.runAlone({ ...context, readFile: readTextFile });
    }
    const master = parsed.value.string("master") ?? DEFAULT_MASTER;
    const address = await tools.findLeader(master);
    if (!address.ok) return await complain(address.error.message, EXIT_FAILED);
    const client = clientAt(address.value, async () => {
      const found = await tools.findLeader(master);
      return found.ok ? parseMasterAddress(found.value) : found;
    });
    if (!client.ok) return await complain(client.error.message, EXIT_USAGE);
    return await command.run({ ...context, client: client.value, readFile: readTextFile });
  } catch (error) {
    if (error instanceof ConsoleClosedError) return EXIT_FAILED;
    if (error instanceof ClientError) return await complain(error.message, EXIT_FAILED);
    throw error;
  }
}

function wordFault(command: Command, flags: ParsedFlags): string | undefined {
  const usage = `usage: allot ${command.name} ${command.synopsis}`;
  if (flags.words.length < command.wordCount) return usage;
  const wordCountMax = command.wordCountMax ?? command.wordCount;
  if (flags.words.length > wordCountMax) {
    return `${flags.words[wordCountMax]} is one word too many; ${usage}`;
  }
  if (flags.trailing.length > 0 && command.hasTrailing !== true) return usage;
  return undefined;
}

function commandHelp(command: Command): string {
  return formatHelp(commandTable(command), {
    usage: [`allot ${command.name} ${command.synopsis}`],
    introduction: [command.summary, ...command.description],
    closing: [],
  });
}

function helpText(): string {
  const lines = COMMANDS.map(({ name, summary }) => `  ${name.padEnd(15)}${summary}`);
  return [
    "Usage: allot VERB …            a client of a running cluster",
    "       allot --role=both …     run a master, an agent or both (allot --help)",
    "",
    "Verbs:",
    ...lines,
    "  completion     print completion for bash, zsh or fish",
    "",
    "`allot VERB --help` says more. The master is --master, else ALLOT_MASTER, else 127.0.0.1:5050.",
    "",
  ].join("\n");
}

async function printCompletion(console: Console, words: readonly string[]): Promise<number> {
  const script = completionScript(words[0] ?? "", COMMANDS);
  if (script === undefined) {
    await console.error("allot completion: say for which shell: bash, zsh or fish\n");
    return EXIT_USAGE;
  }
  await console.out(script);
  return EXIT_DONE;
}
