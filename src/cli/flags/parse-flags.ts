/**
 * Reads a program's flags from the command line, `ALLOT_*` variables and a configuration file, in
 * this order of precedence, then defaults. Every error names the flag, the place it came from and,
 * for a mistyped name, the nearest valid one. Source of the rules: reference/flags.md.
 */
import { assert } from "../../base/assert.ts";
import { ok, type Result, refuse } from "../../base/result.ts";
import {
  COMMAND_LINE,
  FlagIndex,
  readCommandLine,
  readConfig,
  readEnvironment,
  type Setting,
  type Settings,
} from "./flag-sources.ts";
import { canonicalName, type Flag, type FlagTable } from "./flag-table.ts";
import { type FlagValue, printFlagValue, type ReadFile, readFlagValue } from "./flag-values.ts";

/** Where values come from. */
export interface FlagInput {
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly readFile: ReadFile;
}

/** Read when there is no `--config` and the file exists. */
export const DEFAULT_CONFIG_PATH = "/etc/allot/allot.conf";

/**
 * Reads and checks everything. Errors: invalid, tooLarge, or that of `readFile` for a file that was
 * named; `message` is complete for a terminal.
 */
export function parseFlags(table: FlagTable, input: FlagInput): Result<ParsedFlags> {
  const index = new FlagIndex(table);
  const sources = collect(index, input);
  if (!sources.ok) return sources;
  const entries = readEntries(table, sources.value.all, input.readFile);
  if (!entries.ok) return entries;
  const parsed = new ParsedFlags(entries.value, sources.value.argv);
  const missing = missingFlag(table, parsed);
  if (missing !== undefined) {
    return refuse("invalid", `--${missing.name} is required: ${missing.meaning}`, missing.name);
  }
  return ok(parsed);
}

/**
 * What was said about one flag, as text, before any value is read: for the flag on which the table
 * itself depends. Errors: as `parseFlags` for names, not for values.
 */
export function settingText(
  table: FlagTable,
  input: FlagInput,
  name: string,
): Result<string | undefined> {
  const sources = collect(new FlagIndex(table), input);
  return sources.ok ? ok(strongest(name, sources.value.all)?.text) : sources;
}

/** One flag with its value, if it has one. */
interface Entry {
  readonly flag: Flag;
  readonly value: FlagValue | undefined;
  /** Absent for a default. */
  readonly setting: Setting | undefined;
}

/** The values of a table's flags. Asking for a name that is not in the table is a broken invariant. */
export class ParsedFlags {
  /** Words that are no flags. */
  readonly words: readonly string[];
  /** Words after `--`. */
  readonly trailing: readonly string[];
  readonly #entries: ReadonlyMap<string, Entry>;

  constructor(entries: ReadonlyMap<string, Entry>, argv: Settings) {
    this.#entries = entries;
    this.words = argv.words;
    this.trailing = argv.trailing;
  }

  /** A text or path, or undefined when unset. */
  string(name: string): string | undefined {
    const value = this.#value(name);
    if (value === undefined) return undefined;
    assert(value.type === "string" || value.type === "path", `flag ${name} is not a text`);
    return value.value;
  }

  /** A boolean; an unset one is false. */
  boolean(name: string): boolean {
    const value = this.#value(name);
    if (value === undefined) return false;
    assert(value.type === "boolean", `flag ${name} is not a boolean`);
    return value.value;
  }

  /** A duration in milliseconds, or undefined when unset. */
  durationMs(name: string): number | undefined {
    return this.#number(name, "duration");
  }

  /** A whole number, or undefined when unset. */
  integer(name: string): number | undefined {
    return this.#number(name, "integer");
  }

  /** A size in bytes, or undefined when unset. */
  sizeBytes(name: string): number | undefined {
    return this.#number(name, "size");
  }

  /** A number, or undefined when unset. */
  float(name: string): number | undefined {
    return this.#number(name, "float");
  }

  /** A parsed JSON value, or undefined when unset. */
  json(name: string): unknown {
    const value = this.#value(name);
    if (value === undefined) return undefined;
    assert(value.type === "json", `flag ${name} is not JSON`);
    return value.value;
  }

  /** Whether somebody gave the flag, rather than its default. */
  isSet(name: string): boolean {
    return this.#entry(name).setting !== undefined;
  }

  /** Whether it was given there, rather than by a variable or a file. */
  isOnCommandLine(name: string): boolean {
    return this.#entry(name).setting?.source === COMMAND_LINE;
  }

  /** `the command line`, `ALLOT_PORT`, `/etc/allot/allot.conf:3` or `its default`. */
  source(name: string): string {
    return this.#entry(name).setting?.source ?? "its default";
  }

  /** One line for each old name in use and each flag that has no effect. */
  get warnings(): readonly string[] {
    return [...this.#entries.values()].flatMap(entryWarnings);
  }

  /** Every value as text, as `/flags` answers it; unset flags and secrets are left out. */
  toFlagStrings(): Record<string, string> {
    const texts: Record<string, string> = {};
    for (const { flag, value } of this.#entries.values()) {
      if (value !== undefined && flag.isSecret !== true) texts[flag.name] = printFlagValue(value);
    }
    return texts;
  }

  #entry(name: string): Entry {
    const entry = this.#entries.get(name);
    assert(entry !== undefined, `no flag is called ${name}`);
    return entry;
  }

  #value(name: string): FlagValue | undefined {
    return this.#entry(name).value;
  }

  #number(name: string, type: "duration" | "integer" | "size" | "float"): number | undefined {
    const value = this.#value(name);
    if (value === undefined) return undefined;
    assert(value.type === type, `flag ${name} is not of type ${type}`);
    return value.value;
  }
}

interface Sources {
  readonly argv: Settings;
  /** Strongest first. */
  readonly all: readonly Settings[];
}

function collect(index: FlagIndex, input: FlagInput): Result<Sources> {
  const argv = readCommandLine(index, input.argv);
  if (!argv.ok) return argv;
  const environment = readEnvironment(index, input.environment);
  if (!environment.ok) return environment;
  const config = loadConfig(index, [argv.value, environment.value], input.readFile);
  if (!config.ok) return config;
  return ok({ argv: argv.value, all: [argv.value, environment.value, config.value] });
}

function loadConfig(
  index: FlagIndex,
  stronger: readonly Settings[],
  readFile: ReadFile,
): Result<Settings> {
  if (!index.table.isConfigRead) return ok(NOTHING);
  const setting = strongest("config", stronger);
  const path = setting?.text.replace(/^file:\/\//, "") ?? DEFAULT_CONFIG_PATH;
  const content = readFile(path);
  if (content.ok) return readConfig(index, path, content.value);
  if (setting === undefined && content.error.code === "notFound") return ok(NOTHING);
  const origin = setting === undefined ? "its default" : setting.source;
  return refuse(content.error.code, `config: ${content.error.message} (from ${origin})`, "config");
}

const NOTHING: Settings = { byName: new Map(), words: [], trailing: [] };

function readEntries(
  table: FlagTable,
  sources: readonly Settings[],
  readFile: ReadFile,
): Result<ReadonlyMap<string, Entry>> {
  const entries = new Map<string, Entry>();
  for (const flag of table.flags) {
    const setting = strongest(flag.name, sources);
    const text = setting?.text ?? flag.default;
    if (text === undefined) {
      entries.set(flag.name, { flag, setting, value: undefined });
      continue;
    }
    const value = readFlagValue(flag, text, readFile);
    if (!value.ok) {
      const from = setting === undefined ? "its default" : setting.source;
      const message = `bad value for --${flag.name}: ${value.error.message} (from ${from})`;
      return refuse(value.error.code, message, flag.name);
    }
    entries.set(flag.name, { flag, setting, value: value.value });
  }
  return ok(entries);
}

function strongest(name: string, sources: readonly Settings[]): Setting | undefined {
  for (const source of sources) {
    const setting = source.byName.get(name);
    if (setting !== undefined) return setting;
  }
  return undefined;
}

/** Help and version answer without anything else being in order. */
function missingFlag(table: FlagTable, parsed: ParsedFlags): Flag | undefined {
  const isAsking = table.flags.some(
    ({ name }) => (name === "help" || name === "version") && parsed.boolean(name),
  );
  if (isAsking) return undefined;
  return table.flags.find((flag) => flag.isRequired === true && !parsed.isSet(flag.name));
}

function entryWarnings({ flag, setting, value }: Entry): string[] {
  if (setting === undefined || value === undefined) return [];
  const warnings: string[] = [];
  const from = `(from ${setting.source})`;
  const name = canonicalName(setting.name);
  if (name !== flag.name) {
    warnings.push(`--${name} is an old name; use --${flag.name} ${from}`);
  }
  // Saying what happens anyway needs no warning.
  if (flag.effect !== "acts" && !isDefault(flag, value)) {
    const when = flag.effect === "later" ? "has no effect yet" : "has no effect";
    const note = flag.note === undefined ? "" : `: ${flag.note}`;
    warnings.push(`--${flag.name} ${when}${note} ${from}`);
  }
  return warnings;
}

function isDefault(flag: Flag, value: FlagValue): boolean {
  if (flag.default === undefined) return value.type === "boolean" && !value.value;
  return equalsDefault(flag, value);
}

/** `60secs` is the default `1mins` too. */
function equalsDefault(flag: Flag, value: FlagValue): boolean {
  const preset = readFlagValue(flag, flag.default ?? "", () => refuse("notFound", "no file"));
  return preset.ok && printFlagValue(preset.value) === printFlagValue(value);
}
