/**
 * Regular expressions of offer constraints: RE2's syntax and matching in linear time, so that no
 * scheduler can stall the master with one. Source: semantics 3.7; flags offer_constraints_re2_*.
 */
import { RE2JS } from "re2js";
import { ok, type Result, refuse } from "../base/result.ts";
import { excerpt } from "../base/text.ts";
import { REGEX_LENGTH_MAX, REGEX_REFUSED_FACTOR } from "./limits.ts";

/** What one expression may cost (`--offer_constraints_re2_*`). */
export interface RegexLimits {
  /** Bytes; RE2 gives two thirds of them to the program. */
  readonly memoryBytes: number;
  /** Instructions of the compiled program. */
  readonly programSize: number;
}

export interface ConstraintRegex {
  /** True when the whole text matches. O(length × program). */
  matches(text: string): boolean;
}

/** Bytes of one instruction of RE2's programs. */
const INSTRUCTION_BYTES = 16;

/**
 * Compiles an expression. Errors: `invalid` for what RE2 does not accept and for what is beyond the
 * limits; nothing that would be far beyond is compiled.
 */
export function compileConstraintRegex(
  pattern: string,
  { memoryBytes, programSize }: RegexLimits,
): Result<ConstraintRegex> {
  const shown = excerpt(pattern, SHOWN_LENGTH);
  const limit = Math.min(programSize, Math.floor((memoryBytes * 2) / 3 / INSTRUCTION_BYTES));
  const tooLarge = refuse(
    "invalid",
    `Regular expression '${shown}' is too large; a program of ${limit} instructions is allowed`,
  );
  if (pattern.length > REGEX_LENGTH_MAX) return tooLarge;
  if (sizeOf(pattern) > limit * REGEX_REFUSED_FACTOR) return tooLarge;
  const compiled = compile(pattern);
  if (!compiled.ok) {
    return refuse("invalid", `Regular expression '${shown}' is not valid: ${compiled.error}`);
  }
  return compiled.value.programSize() > limit ? tooLarge : ok(compiled.value);
}

/** Characters of an expression shown in a refusal. */
const SHOWN_LENGTH = 80;

function compile(pattern: string): Result<RE2JS, string> {
  try {
    return ok(RE2JS.compile(pattern));
  } catch (error) {
    return { ok: false, error: error instanceof Error ? error.message : String(error) };
  }
}

/**
 * About how many instructions an expression expands to, from its repetitions alone: a guard against
 * the cost of compiling, not the size of the program.
 */
function sizeOf(pattern: string): number {
  const open: number[] = [];
  let sum = 0;
  let last = 0;
  for (const [token, least, most] of pattern.matchAll(TOKENS)) {
    if (token === "(") {
      open.push(sum);
      sum = 0;
      last = 0;
    } else if (token === ")") {
      last = sum;
      sum += open.pop() ?? 0;
    } else if (least !== undefined) {
      const times = Math.max(1, Number(least), Number(most ?? 0));
      sum += last * (times - 1);
      last *= times;
    } else {
      last = 1;
      sum += 1;
    }
  }
  return sum;
}

/** A repetition, a class, an escaped character, or any other one. */
const TOKENS = /\{(\d{1,6})(?:,(\d{0,6}))?\}|\[\]?[^\]]*\]|\\.|[\s\S]/g;
