/**
 * Collects what was said about which flag, and where: command line, environment variables and the
 * configuration file. Values stay text here; names are checked against the table.
 * Source of the rules: reference/flags.md; the file is allot's own.
 */
import { ok, type Result, refuse } from "../../base/result.ts";
import { excerpt } from "../../base/text.ts";
import { canonicalName, type Flag, type FlagTable } from "./flag-table.ts";
import { ARGUMENT_COUNT_MAX, SHOWN_VALUE_LENGTH } from "./limits.ts";
import { nearestName } from "./nearest-name.ts";

/** One statement about one flag. */
export interface Setting {
  readonly flag: Flag;
  /** The name as it was written, to show an old one in a warning. */
  readonly name: string;
  readonly text: string;
  /** `the command line`, `ALLOT_PORT` or `/etc/allot/allot.conf:3`. */
  readonly source: string;
}

/** Everything that one source says. */
export interface Settings {
  readonly byName: ReadonlyMap<string, Setting>;
  /** Words that are no flags, in order. */
  readonly words: readonly string[];
  /** Words after `--`. */
  readonly trailing: readonly string[];
}

/** Prefix of the variables that set flags. */
const VARIABLE_PREFIX = "ALLOT_";

/** The source of what is given on it. */
export const COMMAND_LINE = "the command line";

/** Finds flags by any of their names and says what was probably meant by an unknown one. */
export class FlagIndex {
  readonly table: FlagTable;
  readonly #byName: ReadonlyMap<string, Flag>;
  readonly #byLetter: ReadonlyMap<string, Flag>;

  constructor(table: FlagTable) {
    this.table = table;
    this.#byName = new Map(
      table.flags.flatMap((flag) =>
        [flag.name, ...(flag.oldNames ?? [])].map((name) => [name, flag] as const),
      ),
    );
    this.#byLetter = new Map(
      table.flags.flatMap((flag) => (flag.letter === undefined ? [] : [[flag.letter, flag]])),
    );
  }

  find(name: string): Flag | undefined {
    return this.#byName.get(canonicalName(name));
  }

  findLetter(letter: string): Flag | undefined {
    return this.#byLetter.get(letter);
  }

  /** The role to which an unknown name belongs, as `role agent`. */
  foreignOwner(name: string): string | undefined {
    return this.table.foreignNames?.get(canonicalName(name));
  }

  /** `unknown flag --prot; did you mean --port?`, written the way of its source. */
  unknown(name: string, source: string, write: (name: string) => string): Result<never> {
    const owner = this.foreignOwner(name);
    if (owner !== undefined) {
      return refuse("invalid", `${write(name)} belongs to ${owner} (from ${source})`, name);
    }
    const nearest = nearestName(canonicalName(name), this.#byName.keys());
    const hint =
      nearest === undefined ? "see --help for the valid ones" : `did you mean ${write(nearest)}?`;
    const shown = excerpt(write(name), SHOWN_VALUE_LENGTH);
    return refuse("invalid", `unknown flag ${shown} (from ${source}); ${hint}`, name);
  }
}

/** Reads `--name=value`, `--name value`, `--name`, `--no-name`, `-n` and words. */
export function readCommandLine(index: FlagIndex, argv: readonly string[]): Result<Settings> {
  if (argv.length > ARGUMENT_COUNT_MAX) {
    return refuse("tooLarge", `the command line has over ${ARGUMENT_COUNT_MAX} words`);
  }
  const byName = new Map<string, Setting>();
  const words: string[] = [];
  for (let position = 0; position < argv.length; position++) {
    const word = argv[position] ?? "";
    if (word === "--") {
      const trailing = argv.slice(position + 1);
      return checkWords(index, { byName, words, trailing });
    }
    if (!word.startsWith("-") || word === "-") {
      words.push(word);
      continue;
    }
    const read = readFlagWord(index, word, argv[position + 1]);
    if (!read.ok) return read;
    if (read.value.isNextTaken) position++;
    const added = addSetting(byName, read.value.setting, dashed);
    if (!added.ok) return added;
  }
  return checkWords(index, { byName, words, trailing: [] });
}

/** Reads `ALLOT_NAME` variables; `MESOS_NAME` belongs to somebody else and is not read. */
export function readEnvironment(
  index: FlagIndex,
  environment: Readonly<Record<string, string | undefined>>,
): Result<Settings> {
  const byName = new Map<string, Setting>();
  const wanted = index.table.environment;
  for (const [variable, text] of Object.entries(environment)) {
    if (!variable.startsWith(VARIABLE_PREFIX) || text === undefined) continue;
    const name = variable.slice(VARIABLE_PREFIX.length).toLowerCase();
    if (wanted !== "all" && !wanted.includes(name)) continue;
    const flag = index.find(name);
    if (flag === undefined) {
      if (index.foreignOwner(name) !== undefined) continue;
      return index.unknown(name, "the environment", variableOf);
    }
    const added = addSetting(byName, { flag, name, text, source: variable }, variableOf);
    if (!added.ok) return added;
  }
  return ok({ byName, words: [], trailing: [] });
}

/** Reads a file of `name=value` lines; empty lines and lines that start with `#` are passed over. */
export function readConfig(index: FlagIndex, path: string, content: string): Result<Settings> {
  const byName = new Map<string, Setting>();
  for (const [lineIndex, line] of content.split("\n").entries()) {
    const text = line.trim();
    if (text === "" || text.startsWith("#")) continue;
    const source = `${path}:${lineIndex + 1}`;
    const setting = readConfigLine(index, text, source);
    if (!setting.ok) return setting;
    if (setting.value === undefined) continue;
    const added = addSetting(byName, setting.value, plain);
    if (!added.ok) return added;
  }
  return ok({ byName, words: [], trailing: [] });
}

function readConfigLine(
  index: FlagIndex,
  line: string,
  source: string,
): Result<Setting | undefined> {
  const [rawName = "", value] = splitOnce(line);
  const name = rawName.trim();
  if (!/^[A-Za-z][\w-]*$/.test(name)) {
    const shown = excerpt(line, SHOWN_VALUE_LENGTH);
    return refuse("invalid", `'${shown}' is not a line of the form name=value (from ${source})`);
  }
  const flag = index.find(name);
  if (flag === undefined) {
    return index.foreignOwner(name) === undefined
      ? index.unknown(name, source, plain)
      : ok(undefined);
  }
  if (value !== undefined) return ok({ flag, name, text: value.trim(), source });
  return refuse("invalid", `${name} needs a value: write ${name}=VALUE (from ${source})`, name);
}

interface FlagWord {
  readonly setting: Setting;
  readonly isNextTaken: boolean;
}

function readFlagWord(index: FlagIndex, word: string, next: string | undefined): Result<FlagWord> {
  if (!word.startsWith("--")) return readLetter(index, word);
  const [name = "", value] = splitOnce(word.slice(2));
  const flag = index.find(name);
  if (flag === undefined) return readNegation(index, name, value);
  const setting = { flag, name, source: COMMAND_LINE };
  if (value !== undefined) return ok({ setting: { ...setting, text: value }, isNextTaken: false });
  if (flag.type === "boolean") {
    return ok({ setting: { ...setting, text: "true" }, isNextTaken: false });
  }
  // A value that looks like a flag is more often a forgotten value; `--name=--x` still says it.
  if (next === undefined || next.startsWith("--")) {
    return refuse("invalid", `--${name} needs a value: write --${name}=VALUE`, name);
  }
  return ok({ setting: { ...setting, text: next }, isNextTaken: true });
}

function readNegation(index: FlagIndex, name: string, value: string | undefined): Result<FlagWord> {
  const positive = /^no[-_](.+)$/.exec(name)?.[1];
  const flag = positive === undefined ? undefined : index.find(positive);
  if (positive === undefined || flag === undefined) {
    return index.unknown(name, COMMAND_LINE, dashed);
  }
  if (flag.type !== "boolean") {
    return refuse("invalid", `--${name} makes no sense: --${positive} is not a boolean`, name);
  }
  if (value !== undefined) {
    return refuse("invalid", `--${name} takes no value; write --${positive}=${value}`, name);
  }
  const setting = { flag, name: positive, text: "false", source: COMMAND_LINE };
  return ok({ setting, isNextTaken: false });
}

function readLetter(index: FlagIndex, word: string): Result<FlagWord> {
  const flag = word.length === 2 ? index.findLetter(word.slice(1)) : undefined;
  if (flag === undefined) {
    const shown = excerpt(word, SHOWN_VALUE_LENGTH);
    return refuse("invalid", `unknown flag ${shown}; flags are written --name=VALUE, see --help`);
  }
  const setting = { flag, name: flag.name, text: "true", source: COMMAND_LINE };
  return ok({ setting, isNextTaken: false });
}

function checkWords(index: FlagIndex, settings: Settings): Result<Settings> {
  const first = settings.words[0] ?? settings.trailing[0];
  if (first === undefined || index.table.areArgumentsAllowed) return ok(settings);
  const shown = excerpt(first, SHOWN_VALUE_LENGTH);
  return refuse(
    "invalid",
    `unexpected word '${shown}'; flags are written --name=VALUE, see --help`,
  );
}

function addSetting(
  byName: Map<string, Setting>,
  setting: Setting,
  write: (name: string) => string,
): Result<undefined> {
  const earlier = byName.get(setting.flag.name);
  if (earlier === undefined) {
    byName.set(setting.flag.name, setting);
    return ok(undefined);
  }
  const [now, before] = [canonicalName(setting.name), canonicalName(earlier.name)];
  const what =
    now === before
      ? `${write(setting.name)} is given twice`
      : `${write(setting.name)} and ${write(earlier.name)} are the same flag; give one`;
  const places =
    setting.source === earlier.source ? setting.source : `${earlier.source} and ${setting.source}`;
  return refuse("invalid", `${what} (from ${places})`, setting.flag.name);
}

/** Cuts at the first `=`; without one there is no value. */
function splitOnce(text: string): [string, string?] {
  const position = text.indexOf("=");
  return position < 0 ? [text] : [text.slice(0, position), text.slice(position + 1)];
}

function dashed(name: string): string {
  return `--${name}`;
}

function variableOf(name: string): string {
  return `${VARIABLE_PREFIX}${name.toUpperCase()}`;
}

function plain(name: string): string {
  return name;
}
