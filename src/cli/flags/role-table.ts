/**
 * The flags of `allot --role=master|agent|both`: allot's own ones first, then Mesos'. What depends
 * on the role or on who runs the process (ports, addresses, work folder) is decided here.
 * Source: reference/flags.md, DESIGN §2 and §11.
 */
import { ok, type Result, refuse } from "../../base/result.ts";
import { AGENT_FLAGS } from "./agent-flags.ts";
import { acts, type Flag, type FlagTable, group, type Role } from "./flag-table.ts";
import { MASTER_FLAGS } from "./master-flags.ts";
import {
  DEFAULT_CONFIG_PATH,
  type FlagInput,
  type ParsedFlags,
  parseFlags,
  settingText,
} from "./parse-flags.ts";
import { PORT_MAPPING_FLAGS } from "./port-mapping-flags.ts";
import { SHARED_FLAGS } from "./shared-flags.ts";

/** What the defaults depend on beside the role. */
export interface RoleFlagInput extends FlagInput {
  readonly isRoot: boolean;
}

/** The flags of a role's process, and the role that they name. */
export interface RoleFlags {
  /** Undefined only when `--help` or `--version` is asked for without a role. */
  readonly role: Role | undefined;
  readonly table: FlagTable;
  readonly flags: ParsedFlags;
}

/**
 * Reads the flags of a master, agent or both. Errors: invalid, with a complete message.
 */
export function readRoleFlags(input: RoleFlagInput): Result<RoleFlags> {
  const named = settingText(roleTable(undefined, input), input, "role");
  if (!named.ok) return named;
  // A bad role is no role here; reading the values below says so with its source.
  const role = asRole(named.value);
  const table = roleTable(role, input);
  const flags = parseFlags(table, input);
  if (!flags.ok) return flags;
  if (flags.value.boolean("help") || flags.value.boolean("version")) {
    return ok({ role, table, flags: flags.value });
  }
  if (role === undefined) {
    return refuse("invalid", "--role is required: write --role=both, master or agent", "role");
  }
  return ok({ role, table, flags: flags.value });
}

/** The table of one role; without a role every flag of all of them, for help. */
function roleTable(
  role: Role | undefined,
  host: Pick<RoleFlagInput, "environment" | "isRoot">,
): FlagTable {
  const flags = uniqueByName([
    ...ownFlags(role, host),
    ...SHARED_FLAGS,
    ...(role === "agent" ? [] : MASTER_FLAGS),
    ...(role === "master" ? [] : [...AGENT_FLAGS, ...PORT_MAPPING_FLAGS]),
  ]);
  return {
    flags,
    foreignNames: foreignNames(role, flags),
    environment: "all",
    isConfigRead: true,
    areArgumentsAllowed: false,
  };
}

function asRole(text: string | undefined): Role | undefined {
  return text === "master" || text === "agent" || text === "both" ? text : undefined;
}

function ownFlags(
  role: Role | undefined,
  host: Pick<RoleFlagInput, "environment" | "isRoot">,
): readonly Flag[] {
  return [
    ...group("Start", [
      acts("role", "string", undefined, "what this process is", {
        choices: ["both", "master", "agent"],
      }),
      acts("config", "path", undefined, "file of name=value lines, # starts a comment", {
        defaultText: `${DEFAULT_CONFIG_PATH} if it exists`,
      }),
      acts("help", "boolean", "false", "print this help and exit", { letter: "h" }),
      acts("version", "boolean", "false", "print the version and exit"),
    ]),
    ...group("Addresses and folders", [...addressRows(role), ...folderRows(host)]),
  ];
}

type Rows = Parameters<typeof group>[1];

function addressRows(role: Role | undefined): Rows {
  const port = { min: "0", max: "65535" };
  const isAgent = role === "agent";
  return [
    acts("ip", "string", role === "master" || isAgent ? "0.0.0.0" : "127.0.0.1", "listen address"),
    acts("port", "integer", isAgent ? "5051" : "5050", PORT_MEANINGS[role ?? "any"], port),
    ...(role === "both" || role === undefined
      ? [acts("agent_port", "integer", "5051", "listen port of the agent in role both", port)]
      : []),
    ...(isAgent || role === undefined
      ? [
          acts(
            "master",
            "string",
            undefined,
            "the master's address as HOST:PORT, or zk://HOST:PORT,…/PATH to find it",
            {
              isRequired: isAgent,
            },
          ),
        ]
      : []),
    acts("hostname", "string", undefined, "host name told to others"),
    acts("advertise_ip", "string", undefined, "address told to others"),
    acts("advertise_port", "integer", undefined, ADVERTISED_MEANINGS[role ?? "any"], port),
  ];
}

const PORT_MEANINGS: Readonly<Record<Role | "any", string>> = {
  master: "listen port",
  agent: "listen port",
  both: "listen port of the master",
  any: "listen port; 5051 for an agent",
};

const ADVERTISED_MEANINGS: Readonly<Record<Role | "any", string>> = {
  master: "port told to others",
  agent: "port told to others",
  both: "port of the master told to others",
  any: "port told to others; in role both the master's",
};

function folderRows(host: Pick<RoleFlagInput, "environment" | "isRoot">): Rows {
  const workDir = defaultWorkDir(host);
  const workDirMeaning = "folder for the registry, checkpoints and sandboxes";
  return [
    acts("work_dir", "path", workDir, workDirMeaning, { isRequired: workDir === undefined }),
    acts("runtime_dir", "path", undefined, "state kept over restarts, not reboots", {
      defaultText: "inside work_dir",
    }),
  ];
}

/** `/var/lib/allot` for root, else in the user's state folder; undefined without a home. */
function defaultWorkDir(host: Pick<RoleFlagInput, "environment" | "isRoot">): string | undefined {
  if (host.isRoot) return "/var/lib/allot";
  const { XDG_STATE_HOME: stateHome, HOME: home } = host.environment;
  if (stateHome?.startsWith("/")) return `${stateHome}/allot`;
  return home?.startsWith("/") ? `${home}/.local/state/allot` : undefined;
}

/** An earlier flag wins, so that allot's own and the shared ones stand for both roles. */
function uniqueByName(flags: readonly Flag[]): readonly Flag[] {
  const byName = new Map<string, Flag>();
  for (const flag of flags) {
    if (!byName.has(flag.name)) byName.set(flag.name, flag);
  }
  return [...byName.values()];
}

/** One configuration file may serve all roles of a site, so their flags are known everywhere. */
function foreignNames(role: Role | undefined, own: readonly Flag[]): ReadonlyMap<string, string> {
  const foreign = new Map<string, string>();
  const add = (names: readonly string[], owner: string): void => {
    for (const name of names) foreign.set(name, owner);
  };
  if (role === "agent") add(namesOf(MASTER_FLAGS), "role master");
  if (role === "master") add(namesOf([...AGENT_FLAGS, ...PORT_MAPPING_FLAGS]), "role agent");
  if (role !== "agent") add(["master"], "role agent");
  if (role === "agent" || role === "master") add(["agent_port"], "role both");
  // Somebody who works with the verbs has these in their environment.
  add(["principal", "secret"], "the client verbs");
  for (const name of namesOf(own)) foreign.delete(name);
  return foreign;
}

function namesOf(flags: readonly Flag[]): readonly string[] {
  return flags.flatMap((flag) => [flag.name, ...(flag.oldNames ?? [])]);
}
