/**
 * What a flag is, as data. Tables of flags are plain lists of these; parsing, help, completion and
 * the warnings for what has no effect all read them. Source of the rules: reference/flags.md.
 */

/** How a value is read. `path` keeps a `file://` path; the others read the file it names. */
export type FlagType =
  | "string"
  | "boolean"
  | "duration"
  | "size"
  | "integer"
  | "float"
  | "path"
  | "json";

/** What a process of this program is. */
export type Role = "master" | "agent" | "both";

/** Whether setting the flag changes anything: now, in a later version, or never in this program. */
export type FlagEffect = "acts" | "later" | "never";

/** One flag. Texts are as a person would write them; `parseFlags` checks them like input. */
export interface Flag {
  /** With underscores; dashes are accepted for them everywhere. */
  readonly name: string;
  /** Names of earlier Mesos versions; they work and cause a warning. */
  readonly oldNames?: readonly string[];
  /** One letter for `-f`. */
  readonly letter?: string;
  readonly type: FlagType;
  /** Absent: the flag is unset unless given. */
  readonly default?: string;
  /** What help shows when there is no fixed default. */
  readonly defaultText?: string;
  readonly meaning: string;
  /** Heading under which help lists it. */
  readonly group: string;
  readonly effect: FlagEffect;
  /** Why it has no effect or what happens instead; a phrase for the warning. */
  readonly note?: string;
  /** Smallest and largest value in the flag's own text form, both allowed themselves. */
  readonly min?: string;
  readonly max?: string;
  readonly choices?: readonly string[];
  /** A value that is an absolute path is read like `file://` (Mesos: `--resources`). */
  readonly isPathRead?: boolean;
  /** Must be given, unless help or version is asked for. */
  readonly isRequired?: boolean;
  /** Kept out of `toFlagStrings`. */
  readonly isSecret?: boolean;
}

/** The flags of one program, and what else its command line may hold. */
export interface FlagTable {
  readonly flags: readonly Flag[];
  /** Names that are valid for another role: in a file or variable they are passed over. */
  readonly foreignNames?: ReadonlyMap<string, string>;
  /** Variables `ALLOT_NAME` that are read; `all` also refuses unknown ones. */
  readonly environment: "all" | readonly string[];
  /** Whether a configuration file is read; needs a flag called `config`. */
  readonly isConfigRead: boolean;
  /** Whether words that are no flags may stand on the command line, and words after `--`. */
  readonly areArgumentsAllowed: boolean;
}

type Extra = Omit<Flag, "name" | "type" | "default" | "meaning" | "group" | "effect">;
type Row = Omit<Flag, "group">;

/** A row for a flag that this version acts on; `undefined` means that it has no default. */
export function acts(
  name: string,
  type: FlagType,
  preset: string | undefined,
  meaning: string,
  extra: Extra = {},
): Row {
  return row("acts", name, type, preset, { meaning, ...extra });
}

/** A row for a flag whose feature a later version brings. */
export function later(
  name: string,
  type: FlagType,
  preset: string | undefined,
  meaning: string,
  extra: Extra = {},
): Row {
  return row("later", name, type, preset, { meaning, ...extra });
}

/** A row for a flag that is accepted for Mesos' sake and means nothing here; `note` says why. */
export function never(
  name: string,
  type: FlagType,
  preset: string | undefined,
  meaning: string,
  extra: Extra & { readonly note: string },
): Row {
  return row("never", name, type, preset, { meaning, ...extra });
}

/** Puts rows under one heading. */
export function group(heading: string, rows: readonly Row[]): readonly Flag[] {
  return rows.map((flag) => ({ ...flag, group: heading }));
}

/** The form of a name in tables: underscores. */
export function canonicalName(name: string): string {
  return name.replaceAll("-", "_");
}

function row(
  effect: FlagEffect,
  name: string,
  type: FlagType,
  preset: string | undefined,
  rest: Extra & Pick<Flag, "meaning">,
): Row {
  return preset === undefined
    ? { name, type, effect, ...rest }
    : { name, type, default: preset, effect, ...rest };
}
