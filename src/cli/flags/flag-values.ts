/**
 * From the text of a flag's value to the value: one reader per type, the flag's own bounds, and
 * the `file://` rule. Source: reference/flags.md.
 */
import { ok, type Result, refuse } from "../../base/result.ts";
import { excerpt } from "../../base/text.ts";
import { formatDurationMs, parseDurationMs, parseSizeBytes } from "../../base/units.ts";
import type { Flag, FlagType } from "./flag-table.ts";
import { SHOWN_VALUE_LENGTH } from "./limits.ts";

/**
 * A read value: durations in milliseconds, sizes in bytes, JSON parsed, the rest as it says.
 */
export type FlagValue =
  | { readonly type: "string" | "path"; readonly value: string }
  | { readonly type: "boolean"; readonly value: boolean }
  | { readonly type: "duration" | "size" | "integer" | "float"; readonly value: number }
  | { readonly type: "json"; readonly value: unknown; readonly text: string };

/** Reads a whole text file; `notFound` when there is none. */
export type ReadFile = (path: string) => Result<string>;

const FILE_SCHEME = "file://";

/** Reads a value and holds it against the flag's bounds. The error does not name the flag. */
export function readFlagValue(flag: Flag, text: string, readFile: ReadFile): Result<FlagValue> {
  const content = resolveFile(flag, text, readFile);
  if (!content.ok) return content;
  const value = parseValue(flag.type, content.value);
  if (!value.ok) return value;
  const complaint = boundsComplaint(flag, value.value);
  return complaint === undefined ? value : refuse("invalid", complaint);
}

/** The text of a value as `/flags` shows it. */
export function printFlagValue(value: FlagValue): string {
  switch (value.type) {
    case "duration":
      return formatDurationMs(value.value);
    case "size":
      return formatSizeBytes(value.value);
    case "json":
      return value.text;
    default:
      return String(value.value);
  }
}

const SIZE_UNITS: readonly (readonly [string, number])[] = [
  ["TB", 1024 ** 4],
  ["GB", 1024 ** 3],
  ["MB", 1024 ** 2],
  ["KB", 1024],
  ["B", 1],
];

/** The largest unit that keeps the number whole. */
function formatSizeBytes(bytes: number): string {
  for (const [unit, factor] of SIZE_UNITS) {
    const count = bytes / factor;
    if (count >= 1 && Number.isInteger(count)) return `${count}${unit}`;
  }
  return `${Math.round(bytes)}B`;
}

function resolveFile(flag: Flag, text: string, readFile: ReadFile): Result<string> {
  const isUrl = text.startsWith(FILE_SCHEME);
  if (!isUrl && !(flag.isPathRead === true && text.startsWith("/"))) return ok(text);
  const path = isUrl ? text.slice(FILE_SCHEME.length) : text;
  if (flag.type === "path") return ok(path);
  const content = readFile(path);
  if (!content.ok) return content;
  return ok(content.value.replace(/\n$/, ""));
}

function parseValue(type: FlagType, text: string): Result<FlagValue> {
  switch (type) {
    case "string":
      return ok({ type, value: text });
    case "path":
      return text === "" ? complain(text, "a path") : ok({ type, value: text });
    case "boolean":
      return parseBoolean(text);
    case "duration":
      return numeric(type, parseDurationMs(text));
    case "size":
      return numeric(type, parseSizeBytes(text));
    case "integer":
      return /^-?\d{1,15}$/.test(text)
        ? ok({ type, value: Number(text) })
        : complain(text, "a whole number");
    case "float":
      return /^-?\d{1,15}(?:\.\d{1,15})?$/.test(text)
        ? ok({ type, value: Number(text) })
        : complain(text, "a number");
    case "json":
      return parseJson(text);
  }
}

function numeric(type: "duration" | "size", number: Result<number>): Result<FlagValue> {
  return number.ok ? ok({ type, value: number.value }) : number;
}

function parseBoolean(text: string): Result<FlagValue> {
  if (text === "true" || text === "1") return ok({ type: "boolean", value: true });
  if (text === "false" || text === "0") return ok({ type: "boolean", value: false });
  return complain(text, "true or false");
}

function parseJson(text: string): Result<FlagValue> {
  try {
    return ok({ type: "json", value: JSON.parse(text) as unknown, text });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return refuse("invalid", `not valid JSON: ${excerpt(reason, SHOWN_VALUE_LENGTH)}`);
  }
}

function complain(text: string, expected: string): Result<never> {
  return refuse("invalid", `'${excerpt(text, SHOWN_VALUE_LENGTH)}' is not ${expected}`);
}

function boundsComplaint(flag: Flag, value: FlagValue): string | undefined {
  if (flag.choices !== undefined && typeof value.value === "string") {
    if (flag.choices.includes(value.value)) return undefined;
    const shown = excerpt(value.value, SHOWN_VALUE_LENGTH);
    return `'${shown}' is none of ${flag.choices.join(", ")}`;
  }
  if (typeof value.value !== "number") return undefined;
  const shown = printFlagValue(value);
  if (flag.min !== undefined && value.value < boundOf(flag, flag.min)) {
    return `${shown} is below the smallest allowed value ${flag.min}`;
  }
  if (flag.max !== undefined && value.value > boundOf(flag, flag.max)) {
    return `${shown} is above the largest allowed value ${flag.max}`;
  }
  return undefined;
}

function boundOf(flag: Flag, text: string): number {
  const bound = parseValue(flag.type, text);
  return bound.ok && typeof bound.value.value === "number" ? bound.value.value : Number.NaN;
}
