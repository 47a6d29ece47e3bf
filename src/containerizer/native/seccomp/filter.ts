/**
 * A seccomp profile as the program that the kernel runs at every system call (classic BPF). Numbers of
 * calls are looked for by halves, so that a call costs about ten steps. Pure. Source: Linux,
 * `seccomp_filter` and `networking/filter`.
 */
import type { Action, Condition, Profile, Rule } from "./profile.ts";
import { type Architecture, systemCalls } from "./system-calls.ts";

interface Instruction {
  readonly code: number;
  readonly whenTrue: number;
  readonly whenFalse: number;
  readonly value: number;
}

const LOAD_WORD = 0x20;
const AND = 0x54;
const RETURN = 0x06;
const JUMP = 0x05;
const JUMP_EQUAL = 0x15;
const JUMP_ABOVE = 0x25;
const JUMP_FROM = 0x35;

/** Places in what the kernel hands over; arguments have 8 bytes each, the lower half first. */
const NUMBER = 0;
const ARCHITECTURE = 4;
const ARGUMENTS = 16;

/** As the kernel's audit calls them. */
const AUDIT: Readonly<Record<Architecture, number>> = {
  x86_64: 0xc000_003e,
  i386: 0x4000_0003,
  aarch64: 0xc000_00b7,
};
const KINDS: Readonly<Record<Action["kind"], number>> = {
  killProcess: 0x8000_0000,
  killThread: 0x0000_0000,
  trap: 0x0003_0000,
  errno: 0x0005_0000,
  trace: 0x7ff0_0000,
  log: 0x7ffc_0000,
  allow: 0x7fff_0000,
};
const ENOSYS = 38;
const UNKNOWN: Action = { kind: "errno", errno: ENOSYS };
/** Calls of x86_64 from here on are those of x32, which hardly a kernel has. */
const X32_NUMBERS = 0x4000_0000;
/** The kernel takes no longer program. */
const INSTRUCTIONS_MAX = 4096;

/** Bytes of the program, 8 an instruction; undefined for more than the kernel takes. */
export function seccompProgram(profile: Profile): Uint8Array | undefined {
  const instructions = [step(LOAD_WORD, ARCHITECTURE)];
  for (const architecture of profile.architectures) {
    const body = bodyOf(profile, architecture);
    instructions.push(
      step(JUMP_EQUAL, AUDIT[architecture], 1, 0),
      step(JUMP, body.length),
      ...body,
    );
  }
  instructions.push(verdict({ kind: "killProcess" }));
  if (instructions.length > INSTRUCTIONS_MAX) return undefined;
  const bytes = new DataView(new ArrayBuffer(instructions.length * 8));
  for (const [index, one] of instructions.entries()) {
    bytes.setUint16(index * 8, one.code, true);
    bytes.setUint8(index * 8 + 2, one.whenTrue);
    bytes.setUint8(index * 8 + 3, one.whenFalse);
    bytes.setUint32(index * 8 + 4, one.value, true);
  }
  return new Uint8Array(bytes.buffer);
}

/** Calls from this number on, up to the next one's. */
interface Stretch {
  readonly from: number;
  readonly block: readonly Instruction[];
}

function bodyOf(profile: Profile, architecture: Architecture): Instruction[] {
  return [step(LOAD_WORD, NUMBER), ...tree(stretchesOf(profile, architecture))];
}

function stretchesOf({ defaultAction, rules }: Profile, architecture: Architecture): Stretch[] {
  const byNumber = rulesByNumber(rules, architecture);
  const numbers = [...byNumber.keys()].sort((one, other) => one - other);
  const otherwise = [verdict(defaultAction)];
  // Programs take "there is no such call" for an answer and do without; to calls newer than the profile
  // any other error would only be a surprise.
  const isStrict = defaultAction.kind === "errno";
  const later = isStrict ? [verdict(UNKNOWN)] : otherwise;
  const stretches: Stretch[] = [{ from: 0, block: otherwise }];
  for (const number of numbers) {
    const block = blockOf(byNumber.get(number) ?? [], defaultAction);
    stretches.push({ from: number, block }, { from: number + 1, block: otherwise });
  }
  const last = numbers.at(-1);
  if (last !== undefined) stretches.push({ from: last + 1, block: later });
  if (architecture === "x86_64") stretches.push({ from: X32_NUMBERS, block: [verdict(UNKNOWN)] });
  return merged(stretches);
}

/** Of several with the same beginning the last one counts; equal neighbours are one. */
function merged(stretches: readonly Stretch[]): Stretch[] {
  const byBeginning = new Map(stretches.map((one) => [one.from, one]));
  const kept: Stretch[] = [];
  for (const stretch of [...byBeginning.values()].sort((one, other) => one.from - other.from)) {
    const before = kept.at(-1)?.block;
    if (before === undefined || !areEqual(before, stretch.block)) kept.push(stretch);
  }
  return kept;
}

function areEqual(one: readonly Instruction[], other: readonly Instruction[]): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** Rules for each number; those without conditions come first, since they leave nothing to ask. */
function rulesByNumber(
  rules: readonly Rule[],
  architecture: Architecture,
): ReadonlyMap<number, readonly Rule[]> {
  const calls = systemCalls(architecture);
  const byNumber = new Map<number, Rule[]>();
  for (const rule of rules) {
    for (const name of rule.names) {
      const number = calls.get(name);
      if (number === undefined) continue;
      const known = byNumber.get(number) ?? [];
      byNumber.set(number, rule.conditions.length === 0 ? [rule, ...known] : [...known, rule]);
    }
  }
  return byNumber;
}

function blockOf(rules: readonly Rule[], defaultAction: Action): Instruction[] {
  const block: Instruction[] = [];
  for (const { conditions, action } of rules) {
    block.push(...conditionSteps(conditions), verdict(action));
    if (conditions.length === 0) return block;
  }
  return [...block, verdict(defaultAction)];
}

/** Where a jump goes that is not to the next instruction. */
type Target = "met" | "missed" | undefined;

interface Draft {
  readonly code: number;
  readonly value: number;
  readonly whenTrue?: Target;
  readonly whenFalse?: Target;
}

/** Goes on when all hold, and behind the verdict that follows when one does not. */
function conditionSteps(conditions: readonly Condition[]): Instruction[] {
  const parts = conditions.map(draftOf);
  const total = parts.reduce((sum, part) => sum + part.length, 0);
  let begin = 0;
  return parts.flatMap((part) => {
    const end = begin + part.length;
    const from = begin;
    begin = end;
    return part.map((draft, index) => {
      const next = from + index + 1;
      const distance = (target: Target): number =>
        target === undefined ? 0 : (target === "met" ? end : total + 1) - next;
      return step(draft.code, draft.value, distance(draft.whenTrue), distance(draft.whenFalse));
    });
  });
}

/** One comparison of 64 bits in halves. */
function draftOf({ index, op, value, valueTwo }: Condition): Draft[] {
  const place = ARGUMENTS + index * 8;
  const [high, low] = [load(place + 4), load(place)];
  const [above, below] = halves(value);
  const equal = (number: number, whenTrue: Target, whenFalse: Target): Draft => {
    return { code: JUMP_EQUAL, value: number, whenTrue, whenFalse };
  };
  switch (op) {
    case "EQ":
      return [high, equal(above, undefined, "missed"), low, equal(below, undefined, "missed")];
    case "NE":
      return [high, equal(above, undefined, "met"), low, equal(below, "missed", undefined)];
    case "MASKED_EQ": {
      const [wantedAbove, wantedBelow] = halves(valueTwo);
      return [
        high,
        { code: AND, value: above },
        equal(wantedAbove, undefined, "missed"),
        low,
        { code: AND, value: below },
        equal(wantedBelow, undefined, "missed"),
      ];
    }
    case "GT":
    case "GE":
      return ordered(op === "GT" ? JUMP_ABOVE : JUMP_FROM, "met", "missed");
    case "LE":
    case "LT":
      return ordered(op === "LE" ? JUMP_ABOVE : JUMP_FROM, "missed", "met");
  }

  /** The upper halves decide unless they are equal. */
  function ordered(code: number, greater: Target, smaller: Target): Draft[] {
    return [
      high,
      { code: JUMP_ABOVE, value: above, whenTrue: greater, whenFalse: undefined },
      equal(above, undefined, smaller),
      low,
      { code, value: below, whenTrue: greater, whenFalse: smaller },
    ];
  }
}

function load(place: number): Draft {
  return { code: LOAD_WORD, value: place };
}

function halves(value: bigint): readonly [above: number, below: number] {
  return [Number(value >> 32n), Number(value & 0xffff_ffffn)];
}

/** The number is loaded; ends in a verdict whatever it is. */
function tree(stretches: readonly Stretch[]): Instruction[] {
  const [first] = stretches;
  if (stretches.length === 1 || first === undefined) return [...(first?.block ?? [])];
  const middle = stretches.length >> 1;
  const lower = tree(stretches.slice(0, middle));
  const upper = tree(stretches.slice(middle));
  const from = stretches[middle]?.from ?? 0;
  // Only this jump reaches as far as may be needed.
  return [step(JUMP_FROM, from, 0, 1), step(JUMP, lower.length), ...lower, ...upper];
}

function verdict(action: Action): Instruction {
  const errno = "errno" in action ? action.errno : 0;
  return step(RETURN, KINDS[action.kind] + errno);
}

function step(
  code: number,
  value: number,
  whenTrue: number = 0,
  whenFalse: number = 0,
): Instruction {
  return { code, value, whenTrue, whenFalse };
}
