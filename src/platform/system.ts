/** The real clock, chance and log of a process, the same on Bun and Deno. */
import { randomUUID } from "node:crypto";
import { openSync, writeSync } from "node:fs";
import process from "node:process";
import { setImmediate } from "node:timers";
import type { Clock, Log, LogLevel, Rng } from "../base/ports.ts";

const LEVELS: readonly LogLevel[] = ["debug", "info", "warning", "error"];
/** Longest delay `setTimeout` takes; longer ones are cut into pieces. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** Clock of this machine. */
export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  schedule: (delayMs, callback) => {
    let handle: ReturnType<typeof setTimeout>;
    const arm = (leftMs: number): void => {
      const pieceMs = Math.min(leftMs, MAX_DELAY_MS);
      handle = setTimeout(() => {
        if (leftMs > pieceMs) arm(leftMs - pieceMs);
        else callback();
      }, pieceMs);
    };
    arm(Math.max(0, delayMs));
    return () => clearTimeout(handle);
  },
  nextTurn: (callback) => void setImmediate(callback),
};

/** Chance of this machine; not for secrets. */
export const systemRng: Rng = {
  next: () => Math.random(),
  uuid: () => randomUUID(),
};

/** Writes lines to stderr, leaving out what is below `minimum`. */
export function stderrLog(minimum: LogLevel): Log {
  return lineLog(() => minimum, writeToStderr);
}

export function writeToStderr(line: string): void {
  process.stderr.write(line);
}

/**
 * Appends lines to a file, which is made when it is not there and may be moved away by nobody but
 * with a copy. Throws what the system throws.
 */
export function appendingTo(path: string): (line: string) => void {
  const file = openSync(path, "a", 0o644);
  return (line) => {
    writeSync(file, line);
  };
}

/** Writes `time level message key=value …` lines; `minimum` is asked for each. */
export function lineLog(minimum: () => LogLevel, write: (line: string) => void): Log {
  return {
    write: (level, message, fields) => {
      if (LEVELS.indexOf(level) < LEVELS.indexOf(minimum())) return;
      const pairs = Object.entries(fields ?? {})
        .filter(([, value]) => value !== undefined)
        .map(([key, value]) => ` ${key}=${printable(value)}`)
        .join("");
      write(`${new Date().toISOString()} ${level} ${message}${pairs}\n`);
    },
  };
}

/** Quoted and escaped where needed, so that a value can neither forge a line nor move a cursor. */
function printable(value: unknown): string {
  const text = value instanceof Error ? value.message : asText(value);
  if (text !== "" && !/[\s"=\p{C}]/u.test(text)) return text;
  return JSON.stringify(text).replace(/\p{C}/gu, escapeCharacter);
}

function asText(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? String(value));
}

function escapeCharacter(character: string): string {
  return `\\u{${character.codePointAt(0)?.toString(16) ?? ""}}`;
}
