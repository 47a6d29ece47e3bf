/**
 * What both SQLite engines refuse, so that code which works on one works on the other: values that
 * an engine would bend in silence, and SQL of which an engine would run only the first part.
 */
import type { SqlValue } from "../base/ports.ts";

/** Throws `TypeError` or `RangeError`, naming the place, unless every value is stored exactly. */
export function assertParameters(parameters: readonly SqlValue[]): void {
  for (let index = 0; index < parameters.length; index++) {
    assertParameter(parameters[index], index + 1);
  }
}

/**
 * Checks and normalises one row in place: integers that lost digits are refused, blobs become plain
 * `Uint8Array`s. Returns the row.
 */
export function checkRow(row: unknown): unknown {
  const columns = row as Record<string, unknown>;
  for (const name in columns) {
    const value = columns[name];
    if (typeof value === "number") assertExact(value, `column ${name}`);
    else if (value instanceof Uint8Array && value.constructor !== Uint8Array) {
      columns[name] = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    }
  }
  return row;
}

/**
 * Throws `RangeError` for SQL the engines read differently: more than one statement, of which Bun
 * runs the first, and numbered or named parameters, which better-sqlite3 does not take in a list.
 */
export function assertPortable(sql: string): void {
  const code = sql.replace(QUOTED_OR_COMMENT, " ");
  if (!TRIGGER.test(code) && /;\s*[^;\s]/.test(code)) {
    throw new RangeError("the SQL text holds more than one statement; prepare each alone");
  }
  if (/\?\d|[:@$]\w/.test(code)) {
    throw new RangeError("the SQL text has a numbered or named parameter; write a plain ?");
  }
}

/** Literals, quoted names and comments: the places where a semicolon separates nothing. */
const QUOTED_OR_COMMENT = /'[^']*'|"[^"]*"|`[^`]*`|\[[^\]]*\]|--[^\n]*|\/\*[\s\S]*?\*\//g;
/** The body of a trigger holds statements of its own. */
const TRIGGER = /^\s*create\s+(?:temp\s+|temporary\s+)?trigger\b/i;

function assertParameter(value: unknown, place: number): void {
  if (typeof value === "string") assertText(value, place);
  else if (typeof value === "number") assertExact(value, `parameter ${place}`);
  else if (value !== null && !(value instanceof Uint8Array)) {
    const stored = "SQLite stores text, numbers, blobs and null";
    throw new TypeError(`parameter ${place} is a ${typeof value}; ${stored}`);
  }
}

/** The engines would store U+FFFD instead, and two different ids would become one. */
function assertText(value: string, place: number): void {
  if (value.isWellFormed()) return;
  throw new RangeError(
    `parameter ${place} holds half of a surrogate pair; escape it, as JSON does`,
  );
}

function assertExact(value: number, what: string): void {
  if (Math.abs(value) <= Number.MAX_SAFE_INTEGER) return;
  throw new RangeError(`${what} is not a number below 2^53; store it as text`);
}
