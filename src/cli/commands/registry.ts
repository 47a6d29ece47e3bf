/** `allot registry`: what must outlive every master, copied, restored, checked and shown. */
import { mkdtempSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ok, type Result } from "../../base/result.ts";
import { DEFAULT_MASTER } from "../client/master-address.ts";
import { acts, group } from "../flags/flag-table.ts";
import type { RegistryContent, RegistryPlace } from "../ports.ts";
import {
  type Command,
  EXIT_DONE,
  EXIT_FAILED,
  EXIT_USAGE,
  JSON_FLAG,
  type LoneContext,
} from "./command.ts";
import { formatLines, printJson } from "./listing.ts";
import { formatTable } from "./table.ts";

type Action = "backup" | "restore" | "verify" | "show";

/** The verb. */
export const REGISTRY: Command = {
  name: "registry",
  summary: "back up, restore, check or show what the masters must not forget",
  synopsis:
    "show|verify [FILE] | backup FILE | restore FILE [--work_dir=DIR | --zk=zk://…] [--json]",
  description: [
    "show, verify and backup read the registry of a running master (--master, a follower too), of one that is stopped (--work_dir), of the log of several masters (--zk), or a FILE of an earlier backup.",
    "backup writes one file, consistent while the master runs. verify checks the database, what refers to what and, of a log, that each entry follows the one before; a file with --zk beside it is compared with that log. The exit status is 1 when something is wrong, with what it is.",
    "restore puts FILE into a stopped master (--work_dir), or in place of the log's registry (--zk) while all masters are stopped: they adopt it when they start. What is there is kept in a file of its own, and only replaced with --force. --alone restores into a master that was one of several and is to be alone from now on.",
    "show --json prints {cluster, position, hash, agents: {admitted, unreachable, gone}, weights, quotas, machines, masters}.",
  ],
  flags: [
    ...group("Where", [
      acts("work_dir", "path", undefined, "work folder of a master that is stopped"),
      acts("zk", "string", undefined, "where several masters meet: zk://host:port,…/path"),
    ]),
    ...group("Restore", [
      acts("force", "boolean", "false", "replace a registry that holds something"),
      acts("alone", "boolean", "false", "the master leaves the others"),
    ]),
    ...group("Output", [JSON_FLAG]),
  ],
  actions: ["show", "verify", "backup", "restore"],
  wordCount: 1,
  wordCountMax: 2,
  runAlone: registry,
};

async function registry(context: LoneContext): Promise<number> {
  const { console, words } = context;
  const [action = "", file] = words;
  const fault = faultOfWords(context, action, file);
  if (fault !== undefined) {
    await console.error(`allot registry: ${fault}\n`);
    return EXIT_USAGE;
  }
  const outcome = await ACTIONS[action as Action](context, file ?? "");
  if (outcome.ok) return outcome.value;
  await console.error(`allot registry: ${outcome.error.message}\n`);
  return EXIT_FAILED;
}

function faultOfWords(
  { flags }: LoneContext,
  action: string,
  file: string | undefined,
): string | undefined {
  if (!(action in ACTIONS)) return `${action} is none of ${Object.keys(ACTIONS).join(", ")}`;
  const hasFolder = flags.string("work_dir") !== undefined;
  const hasLog = flags.string("zk") !== undefined;
  const needsFile = action === "backup" || action === "restore";
  if (needsFile && file === undefined) return `name the file, as allot registry ${action} FILE`;
  if (action === "restore" && hasFolder === hasLog) {
    return "say where to restore: --work_dir=DIR of a stopped master, or --zk=zk://… of several";
  }
  if (!needsFile && file !== undefined && hasFolder) return "give a FILE or --work_dir, not both";
  return undefined;
}

const ACTIONS: Readonly<
  Record<Action, (context: LoneContext, file: string) => Promise<Result<number>>>
> = {
  show: (context, file) =>
    withPlace(context, file, async (place) => {
      const content = await context.tools.registry.read(place);
      if (!content.ok) return content;
      if (context.flags.boolean("json")) await printJson(context.console, content.value);
      else await context.console.out(formatContent(content.value));
      return ok(EXIT_DONE);
    }),
  verify: (context, file) =>
    withPlace(context, file, async (place) => {
      const faults = await context.tools.registry.verify(place, context.flags.string("zk"));
      if (!faults.ok) return faults;
      if (context.flags.boolean("json")) await printJson(context.console, { faults: faults.value });
      else if (faults.value.length === 0) await context.console.out("The registry is sound.\n");
      else await context.console.out(`${faults.value.join("\n")}\n`);
      return ok(faults.value.length === 0 ? EXIT_DONE : EXIT_FAILED);
    }),
  backup: (context, file) =>
    withPlace(context, "", async (place) => {
      const content = await context.tools.registry.backup(place, file);
      if (!content.ok) return content;
      if (context.flags.boolean("json")) await printJson(context.console, content.value);
      else await context.console.out(`${file} holds ${summaryOf(content.value)}\n`);
      return ok(EXIT_DONE);
    }),
  restore: async ({ console, flags, tools }, file) => {
    const url = flags.string("zk");
    const target: RegistryPlace =
      url === undefined
        ? { kind: "file", path: tools.registry.fileIn(flags.string("work_dir") ?? "") }
        : { kind: "log", url };
    const wish = { isForced: flags.boolean("force"), isAlone: flags.boolean("alone") };
    const restored = await tools.registry.restore(file, target, wish);
    if (!restored.ok) return restored;
    const { content, keptIn } = restored.value;
    if (flags.boolean("json")) {
      await printJson(console, { content, kept_in: keptIn ?? null });
      return ok(EXIT_DONE);
    }
    const kept = keptIn === undefined ? "" : `What was there is kept in ${keptIn}\n`;
    const next = url === undefined ? "Start the master." : "Start the masters: they adopt it.";
    await console.out(`Restored ${summaryOf(content)}\n${kept}${next}\n`);
    return ok(EXIT_DONE);
  },
};

/** Where the registry is that the words and flags name. */
async function withPlace(
  context: LoneContext,
  file: string,
  work: (place: RegistryPlace) => Promise<Result<number>>,
): Promise<Result<number>> {
  const { flags, tools } = context;
  const folder = flags.string("work_dir");
  const url = flags.string("zk");
  if (file !== "") return await work({ kind: "file", path: file });
  if (folder !== undefined)
    return await work({ kind: "file", path: tools.registry.fileIn(folder) });
  if (url !== undefined) return await work({ kind: "log", url });
  return await withFetchedCopy(context, (path) => work({ kind: "file", path }));
}

/** Works on what a running master has, in a file that is removed afterwards. */
export async function withFetchedCopy<T>(
  context: LoneContext,
  work: (path: string) => Promise<Result<T>>,
): Promise<Result<T>> {
  const temporary = mkdtempSync(join(tmpdir(), "allot-registry-"));
  try {
    const path = join(temporary, "registry.db");
    const fetched = await fetchCopy(context, path);
    return fetched.ok ? await work(path) : fetched;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

async function fetchCopy(context: LoneContext, path: string): Promise<Result<void>> {
  const { flags, tools, clientAt } = context;
  const address = await tools.findLeader(flags.string("master") ?? DEFAULT_MASTER);
  if (!address.ok) return address;
  const client = clientAt(address.value);
  if (!client.ok) return client;
  const response = await client.value.request({ method: "GET", path: "/allot/v1/registry/backup" });
  const file = await open(path, "wx", 0o600);
  try {
    for await (const chunk of client.value.stream(response)) await file.write(chunk);
  } finally {
    await file.close();
  }
  return ok(undefined);
}

/** As `3 agents, …; cluster …`. */
export function summaryOf({ agents, weights, quotas, cluster, position }: RegistryContent): string {
  const counts = [
    `${agents.admitted.length} agents`,
    `${agents.unreachable.length} unreachable`,
    `${agents.gone.length} gone`,
    `${weights.length} weights`,
    `${quotas.length} quotas`,
  ];
  const at = position === 0 ? "" : ` at entry ${position}`;
  return `${counts.join(", ")}; cluster ${cluster ?? "none"}${at}`;
}

interface AgentLine {
  readonly id: string;
  readonly hostname: string;
  readonly state: string;
}

function formatContent(content: RegistryContent): string {
  const { cluster, position, hash, agents, weights, quotas, machines, masters } = content;
  const lines: AgentLine[] = [
    ...agents.admitted.map((agent) => ({ ...agent, state: stateOf("admitted", agent) })),
    ...agents.unreachable.map((agent) => ({
      ...agent,
      state: `${stateOf("unreachable", agent)} since ${agent.since}`,
    })),
    ...agents.gone.map(({ id, since }) => ({ id, hostname: "", state: `gone since ${since}` })),
  ];
  const head = formatLines([
    ["Cluster", cluster ?? "none"],
    ["Log", position === 0 ? "a master without others" : `entry ${position}, ${hash}`],
  ]);
  const amounts = (all: Readonly<Record<string, number>>): string =>
    Object.entries(all)
      .map(([name, value]) => `${name}:${value}`)
      .join(";");
  const tables = [
    tableOf(
      lines,
      ["AGENT", (row) => row.id],
      ["HOST", (row) => row.hostname],
      ["STATE", (row) => row.state],
    ),
    tableOf(weights, ["ROLE", (row) => row.role], ["WEIGHT", (row) => String(row.weight)]),
    tableOf(
      quotas,
      ["ROLE", (row) => row.role],
      ["GUARANTEES", (row) => amounts(row.guarantees)],
      ["LIMITS", (row) => amounts(row.limits)],
    ),
    tableOf(
      machines,
      ["HOST", (row) => row.hostname ?? ""],
      ["ADDRESS", (row) => row.ip ?? ""],
      ["MODE", (row) => row.mode],
    ),
    tableOf(masters, ["MASTER", (row) => row.address], ["ID", (row) => row.id]),
  ];
  return [head, ...tables.filter((table) => table !== "")].join("\n");
}

function stateOf(
  list: string,
  { is_deactivated, drain }: { readonly is_deactivated: boolean; readonly drain: string | null },
): string {
  if (drain !== null) return `${list}, ${drain.toLowerCase()}`;
  return is_deactivated ? `${list}, deactivated` : list;
}

function tableOf<Row>(
  rows: readonly Row[],
  ...columns: readonly (readonly [string, (row: Row) => string])[]
): string {
  if (rows.length === 0) return "";
  return formatTable(
    columns.map(([heading, text]) => ({ heading, text })),
    rows,
  );
}
