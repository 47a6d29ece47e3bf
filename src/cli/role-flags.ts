/**
 * The command line of `allot --role=…` for the composition root: values to run with, a text to
 * print (help, version), or why it is refused.
 */
import process from "node:process";
import { ok, refuse } from "../base/result.ts";
import { formatHelp } from "./flags/flag-help.ts";
import type { FlagTable, Role } from "./flags/flag-table.ts";
import type { ParsedFlags } from "./flags/parse-flags.ts";
import { readRoleFlags } from "./flags/role-table.ts";

/** Where flags come from. `readFile` throws as Node's does. */
export interface RoleCommandLine {
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  readonly readFile: (path: string) => string;
}

/** What to do with a command line. `text` ends without a line feed, `message` without a stop. */
export type RoleAnswer =
  | { readonly kind: "run"; readonly role: Role; readonly flags: ParsedFlags }
  | { readonly kind: "print"; readonly text: string }
  | { readonly kind: "refused"; readonly message: string };

/** Reads the flags of a role; complaints name the flag and the place it came from. */
export function parseRoleFlags(commandLine: RoleCommandLine): RoleAnswer {
  const parsed = readRoleFlags({
    argv: commandLine.argv,
    environment: commandLine.environment,
    isRoot: process.getuid?.() === 0,
    readFile: (path) => readOrRefuse(path, commandLine.readFile),
  });
  if (!parsed.ok) return { kind: "refused", message: parsed.error.message };
  const { role, table, flags } = parsed.value;
  if (flags.boolean("version")) return { kind: "print", text: `allot ${commandLine.version}` };
  if (flags.boolean("help") || role === undefined) {
    return { kind: "print", text: roleHelp(table, role) };
  }
  return { kind: "run", role, flags };
}

function roleHelp(table: FlagTable, role: Role | undefined): string {
  const usage = [`allot --role=${role ?? "both|master|agent"} [--name=VALUE]…`];
  if (role === undefined) usage.push("allot VERB …        (allot help lists the verbs)");
  return formatHelp(table, {
    usage,
    introduction: [
      "Flags are written --name=VALUE or --name VALUE, with underscores or dashes. The variable ALLOT_NAME and a line name=VALUE in the configuration file mean the same; the command line wins over the variable, the variable over the file. Durations are written as 500ms, 10secs, 5mins, 2hrs, 1days or 1weeks, sizes as 64KB, 512MB or 2GB. A value file:///path stands for the content of that file.",
    ],
    closing: [],
  }).trimEnd();
}

function readOrRefuse(
  path: string,
  readFile: (path: string) => string,
): ReturnType<Parameters<typeof readRoleFlags>[0]["readFile"]> {
  try {
    return ok(readFile(path));
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const code = "code" in error ? String(error.code) : undefined;
    if (code === "ENOENT") return refuse("notFound", `there is no file ${path}`);
    return refuse("invalid", `cannot read ${path}: ${code ?? error.message}`);
  }
}
