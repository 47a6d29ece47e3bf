/**
 * What a verb of the command line is: its flags, its help and what it does. Exit statuses: 0 done,
 * 1 refused or failed, 2 wrong use; `execute` has its own.
 */
import type { Result } from "../../base/result.ts";
import { LOGIN_FLAGS, LOGIN_VARIABLES } from "../client/login.ts";
import type { MasterClient } from "../client/master-client.ts";
import type { Console } from "../console.ts";
import { acts, type Flag, type FlagTable, group } from "../flags/flag-table.ts";
import type { ParsedFlags } from "../flags/parse-flags.ts";
import type { CommandTools } from "../ports.ts";

/** What was asked for is done. */
export const EXIT_DONE = 0;
/** It was refused or failed. */
export const EXIT_FAILED = 1;
/** The command line makes no sense. */
export const EXIT_USAGE = 2;

/** One verb: with a master to talk to, or one that looks for what it needs by itself. */
export type Command = CommandText &
  (
    | { readonly run: (context: CommandContext) => Promise<number> }
    | { readonly runAlone: (context: LoneContext) => Promise<number> }
  );

/** What help tells of it, and how its command line is read. */
interface CommandText {
  readonly name: string;
  /** One line for the list of verbs. */
  readonly summary: string;
  /** What follows the verb, as `TASK [--framework=ID]`. */
  readonly synopsis: string;
  /** Paragraphs below the usage: what `--json` prints, exit statuses, examples. */
  readonly description: readonly string[];
  readonly flags: readonly Flag[];
  /** What its first word may be, where that is one of a few; shells complete it. */
  readonly actions?: readonly string[];
  /** How many words the verb wants. */
  readonly wordCount: number;
  /** How many it takes; as many as it wants when left out. */
  readonly wordCountMax?: number;
  /** Whether words after `--` are taken. */
  readonly hasTrailing?: boolean;
  /** The exit status when the command line makes no sense or the master does not answer. */
  readonly failureStatus?: number;
}

/** What a verb works with. */
export interface LoneContext {
  readonly flags: ParsedFlags;
  readonly words: readonly string[];
  readonly trailing: readonly string[];
  readonly console: Console;
  readonly tools: CommandTools;
  /** A client of the master at that address, with the login of the flags. Errors: invalid. */
  readonly clientAt: (address: string) => Result<MasterClient>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly readFile: (path: string) => Result<string>;
}

export interface CommandContext extends LoneContext {
  readonly client: MasterClient;
}

/** Flags of every verb. */
const COMMON_FLAGS: readonly Flag[] = group("Common", [
  acts("master", "string", undefined, "the master's address as HOST:PORT", {
    defaultText: "ALLOT_MASTER, else 127.0.0.1:5050",
  }),
  acts("help", "boolean", "false", "print this help and exit", { letter: "h" }),
]);

/** For verbs that list things. */
export const JSON_FLAG: ReturnType<typeof acts> = acts(
  "json",
  "boolean",
  "false",
  "print JSON for programs instead of a table",
);

/** The table from which a verb's command line is read. */
export function commandTable(command: Command): FlagTable {
  return {
    flags: [...command.flags, ...LOGIN_FLAGS, ...COMMON_FLAGS],
    environment: ["master", ...LOGIN_VARIABLES],
    isConfigRead: false,
    areArgumentsAllowed: true,
  };
}
