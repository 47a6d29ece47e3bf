/**
 * Durations and sizes in the text forms of the Mesos flags (reference/flags.md): `ns us ms secs
 * mins hrs days weeks` and `B KB MB GB TB` (1024-based).
 */
import { ok, type Result, refuse } from "./result.ts";

const DURATION_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  ms: 1,
  secs: 1000,
  mins: 60_000,
  hrs: 3_600_000,
  days: 86_400_000,
  weeks: 604_800_000,
};

const SIZE_BYTES: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1024,
  MB: 1024 ** 2,
  GB: 1024 ** 3,
  TB: 1024 ** 4,
};

/** Parses `15secs`, `1.5mins`, … into milliseconds. */
export function parseDurationMs(text: string): Result<number> {
  return parseQuantity(text, DURATION_MS, "duration", "10secs or 5mins");
}

/** Parses `2GB`, `512MB`, … into bytes. */
export function parseSizeBytes(text: string): Result<number> {
  return parseQuantity(text, SIZE_BYTES, "size", "512MB or 2GB");
}

const DURATIONS_DOWNWARDS = Object.entries(DURATION_MS).reverse();

/** Prints milliseconds in the largest unit that keeps the number whole, as Mesos does. */
export function formatDurationMs(ms: number): string {
  for (const [unit, factor] of DURATIONS_DOWNWARDS) {
    const count = ms / factor;
    if (count >= 1 && Number.isInteger(count)) return `${count}${unit}`;
  }
  return ms === 0 ? "0ns" : `${ms}ms`;
}

function parseQuantity(
  text: string,
  units: Readonly<Record<string, number>>,
  what: string,
  example: string,
): Result<number> {
  const match = /^(\d{1,15}(?:\.\d{1,9})?)([A-Za-z]{1,5})$/.exec(text.trim());
  const factor = match?.[2] === undefined ? undefined : units[match[2]];
  if (match?.[1] === undefined || factor === undefined) {
    const known = Object.keys(units).join(", ");
    return refuse(
      "invalid",
      `${text} is not a ${what}; write a number and one of ${known}, as ${example}`,
    );
  }
  return ok(Number(match[1]) * factor);
}
