/**
 * Rules for devices as a program for the kernel (eBPF, of the type CGROUP_DEVICE), which cgroups v2
 * have in place of a list. Pure. Source: Linux, instruction set of eBPF; semantics 7.12.
 */
import type { DeviceAccess, DeviceRule } from "./device-rules.ts";

/** Registers by what they hold. */
const RESULT = 0;
const SCRATCH = 1;
const TYPE = 2;
const ACCESS = 3;
const MAJOR = 4;
const MINOR = 5;
/** The kernel hands the question over in the register that is scratch afterwards. */
const QUESTION = SCRATCH;

const LOAD_WORD = 0x61;
const MOVE_REGISTER = 0xbc;
const MOVE_NUMBER = 0xb7;
const AND_NUMBER = 0x54;
const SHIFT_RIGHT = 0x74;
const JUMP_UNLESS_EQUAL = 0x55;
const EXIT = 0x95;

/** Bits of an access, and numbers of the types, as the kernel has them. */
const ACCESS_BITS: Readonly<Record<keyof DeviceAccess, number>> = { mknod: 1, read: 2, write: 4 };
const TYPES: Readonly<Record<DeviceRule["type"], number>> = { block: 1, character: 2 };
const ALL_ACCESS = 7;

interface Instruction {
  readonly code: number;
  readonly target?: number;
  readonly source?: number;
  readonly offset?: number;
  readonly value?: number;
}

/**
 * The program: an access is granted when one of the rules allows all of it, else refused. 8 bytes an
 * instruction, in the order of bytes of x86 and ARM.
 */
export function deviceProgram(rules: readonly DeviceRule[]): Uint8Array {
  const instructions: Instruction[] = [
    // Its first word is the type below and the access above.
    { code: LOAD_WORD, target: TYPE, source: QUESTION, offset: 0 },
    { code: MOVE_REGISTER, target: ACCESS, source: TYPE },
    { code: SHIFT_RIGHT, target: ACCESS, value: 16 },
    { code: AND_NUMBER, target: TYPE, value: 0xffff },
    { code: LOAD_WORD, target: MAJOR, source: QUESTION, offset: 4 },
    { code: LOAD_WORD, target: MINOR, source: QUESTION, offset: 8 },
    ...rules.flatMap(ruleInstructions),
    { code: MOVE_NUMBER, target: RESULT, value: 0 },
    { code: EXIT },
  ];
  const bytes = new DataView(new ArrayBuffer(instructions.length * 8));
  for (const [index, one] of instructions.entries()) {
    bytes.setUint8(index * 8, one.code);
    bytes.setUint8(index * 8 + 1, (one.target ?? 0) | ((one.source ?? 0) << 4));
    bytes.setInt16(index * 8 + 2, one.offset ?? 0, true);
    bytes.setInt32(index * 8 + 4, one.value ?? 0, true);
  }
  return new Uint8Array(bytes.buffer);
}

/** Answers yes, or goes on behind itself. */
function ruleInstructions({ type, major, minor, access }: DeviceRule): Instruction[] {
  const allowed = Object.entries(ACCESS_BITS)
    .filter(([name]) => access[name as keyof DeviceAccess])
    .reduce((bits, [, bit]) => bits | bit, 0);
  const body: Instruction[] = [
    { code: JUMP_UNLESS_EQUAL, target: TYPE, value: TYPES[type] },
    { code: MOVE_REGISTER, target: SCRATCH, source: ACCESS },
    { code: AND_NUMBER, target: SCRATCH, value: ALL_ACCESS & ~allowed },
    { code: JUMP_UNLESS_EQUAL, target: SCRATCH, value: 0 },
    ...(major === undefined ? [] : [{ code: JUMP_UNLESS_EQUAL, target: MAJOR, value: major }]),
    ...(minor === undefined ? [] : [{ code: JUMP_UNLESS_EQUAL, target: MINOR, value: minor }]),
    { code: MOVE_NUMBER, target: RESULT, value: 1 },
    { code: EXIT },
  ];
  return body.map((one, index) =>
    one.code === JUMP_UNLESS_EQUAL ? { ...one, offset: body.length - index - 1 } : one,
  );
}
