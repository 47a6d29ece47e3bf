/** Seccomp profiles as programs, run here by the smallest of machines. Pure, on every machine. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { seccompProgram } from "../../../../src/containerizer/native/seccomp/filter.ts";
import {
  type Comparison,
  type ProfilePlace,
  parseProfile,
} from "../../../../src/containerizer/native/seccomp/profile.ts";
import { systemCalls } from "../../../../src/containerizer/native/seccomp/system-calls.ts";

const PLACE: ProfilePlace = { architecture: "x86_64", kernel: [6, 1], capabilities: undefined };
const X86_64 = 0xc000003e;
const I386 = 0x40000003;
const ALLOW = 0x7fff0000;
const KILL_PROCESS = 0x80000000;
const errno = (number: number): number => 0x00050000 + number;

type Call = readonly [name: string | number, ...args: bigint[]];

/** What the kernel would do. */
function answer(program: Uint8Array, [name, ...args]: Call, architecture: number = X86_64): number {
  const number =
    typeof name === "number"
      ? name
      : systemCalls(architecture === X86_64 ? "x86_64" : "i386").get(name);
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, number ?? Number.NaN, true);
  data.setUint32(4, architecture, true);
  for (const [index, value] of args.entries()) data.setBigUint64(16 + index * 8, value, true);
  const code = new DataView(program.buffer);
  let held = 0;
  for (let at = 0; ; at++) {
    const value = code.getUint32(at * 8 + 4, true);
    const jump = (isTrue: boolean): void => {
      at += code.getUint8(at * 8 + (isTrue ? 2 : 3));
    };
    switch (code.getUint16(at * 8, true)) {
      case 0x20:
        held = data.getUint32(value, true);
        break;
      case 0x54:
        held = (held & value) >>> 0;
        break;
      case 0x06:
        return value;
      case 0x05:
        at += value;
        break;
      case 0x15:
        jump(held === value);
        break;
      case 0x25:
        jump(held > value);
        break;
      case 0x35:
        jump(held >= value);
        break;
      default:
        throw new Error(`unknown instruction at ${at}`);
    }
  }
}

function programOf(json: object, place: ProfilePlace = PLACE): Uint8Array {
  const profile = parseProfile(json, place);
  if (!profile.ok) throw new Error(profile.error.message);
  const program = seccompProgram(profile.value);
  if (program === undefined) throw new Error("too long");
  return program;
}

const messageOf = (json: object): string => {
  const profile = parseProfile(json, PLACE);
  return profile.ok ? "" : profile.error.message;
};

describe("seccomp profiles [semantics 7.16]", () => {
  test("what is listed is allowed, all else gets the error; newer calls are told not to exist", () => {
    const program = programOf({
      defaultAction: "SCMP_ACT_ERRNO",
      syscalls: [
        { names: ["read", "write", "exit_group", "no_such_call"], action: "SCMP_ACT_ALLOW" },
        { name: "clone3", action: "SCMP_ACT_ERRNO", errnoRet: 38 },
        { names: ["ptrace"], action: "SCMP_ACT_KILL_PROCESS" },
      ],
    });
    expect(answer(program, ["read"])).toBe(ALLOW);
    expect(answer(program, ["exit_group"])).toBe(ALLOW);
    expect(answer(program, ["open"])).toBe(errno(1));
    expect(answer(program, ["clone3"])).toBe(errno(38));
    expect(answer(program, ["ptrace"])).toBe(KILL_PROCESS);
    expect(answer(program, ["mseal"])).toBe(errno(38));
    // What x32 and i386 call is not what the rules are about.
    expect(answer(program, [0x40000000])).toBe(errno(38));
    expect(answer(program, ["read"], I386)).toBe(KILL_PROCESS);
  });

  test("a list of what is forbidden cannot be got round by other architectures", () => {
    const profile = {
      defaultAction: "SCMP_ACT_ALLOW",
      archMap: [
        { architecture: "SCMP_ARCH_X86_64", subArchitectures: ["SCMP_ARCH_X86", "SCMP_ARCH_X32"] },
      ],
      syscalls: [{ names: ["mount", "umount2"], action: "SCMP_ACT_ERRNO", errnoRet: 5 }],
    };
    const program = programOf(profile);
    expect(answer(program, ["mount"])).toBe(errno(5));
    expect(answer(program, ["read"])).toBe(ALLOW);
    expect(answer(program, ["mount"], I386)).toBe(errno(5));
    expect(answer(program, ["read"], I386)).toBe(ALLOW);
    expect(answer(program, [0x40000000 + 165])).toBe(errno(38));
    expect(answer(program, [600])).toBe(ALLOW);
    const other = { ...profile, syscalls: [{ names: ["mont"], action: "SCMP_ACT_ERRNO" }] };
    expect(messageOf(other)).toBe("syscalls[0].names: there is no system call mont");
  });

  test("rules hold for their capabilities, architectures and kernels", () => {
    const profile = (more: object): object => ({
      defaultAction: "SCMP_ACT_ERRNO",
      syscalls: [{ names: ["mount"], action: "SCMP_ACT_ALLOW", ...more }],
    });
    const isAllowed = (more: object, place: Partial<ProfilePlace> = {}): boolean =>
      answer(programOf(profile(more), { ...PLACE, ...place }), ["mount"]) === ALLOW;
    const few = { capabilities: new Set(["CAP_CHOWN"]) };
    expect(isAllowed({ includes: { caps: ["CAP_SYS_ADMIN"] } })).toBe(true);
    expect(isAllowed({ includes: { caps: ["CAP_SYS_ADMIN"] } }, few)).toBe(false);
    expect(isAllowed({ excludes: { caps: ["CAP_SYS_ADMIN"] } })).toBe(false);
    expect(isAllowed({ excludes: { caps: ["CAP_SYS_ADMIN"] } }, few)).toBe(true);
    expect(isAllowed({ includes: { arches: ["amd64", "x32"] } })).toBe(true);
    expect(isAllowed({ includes: { arches: ["arm64"] } })).toBe(false);
    expect(isAllowed({ includes: { minKernel: "4.8" } })).toBe(true);
    expect(isAllowed({ includes: { minKernel: "6.2" } })).toBe(false);
    expect(isAllowed({ excludes: { minKernel: "6.1" } })).toBe(false);
  });

  test("arguments are compared in 64 bits, several of a rule all hold, several of one argument any", () => {
    const clone = programOf({
      defaultAction: "SCMP_ACT_ERRNO",
      syscalls: [
        {
          names: ["clone"],
          action: "SCMP_ACT_ALLOW",
          args: [{ index: 0, value: 2114060288, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ" }],
        },
        {
          names: ["personality"],
          action: "SCMP_ACT_ALLOW",
          args: [
            { index: 0, value: 0, op: "SCMP_CMP_EQ" },
            { index: 0, value: 4294967295, op: "SCMP_CMP_EQ" },
          ],
        },
        {
          names: ["socket"],
          action: "SCMP_ACT_ALLOW",
          args: [
            { index: 0, value: 40, op: "SCMP_CMP_NE" },
            { index: 1, value: 2, op: "SCMP_CMP_LE" },
          ],
        },
      ],
    });
    expect(answer(clone, ["clone", 0x11n])).toBe(ALLOW);
    expect(answer(clone, ["clone", 0x10000000n])).toBe(errno(1));
    expect(answer(clone, ["personality", 0n])).toBe(ALLOW);
    expect(answer(clone, ["personality", 0xffffffffn])).toBe(ALLOW);
    expect(answer(clone, ["personality", 0x1_0000_0000n])).toBe(errno(1));
    expect(answer(clone, ["socket", 2n, 1n])).toBe(ALLOW);
    expect(answer(clone, ["socket", 40n, 1n])).toBe(errno(1));
    expect(answer(clone, ["socket", 2n, 3n])).toBe(errno(1));
  });

  test("every comparison of any two numbers comes out as it should", () => {
    const number = fc.oneof(
      fc.nat({ max: 3 }).map(BigInt),
      fc.bigInt({ min: 0n, max: 2n ** 53n - 1n }),
      fc.constantFrom(2n ** 32n - 1n, 2n ** 32n, 2n ** 32n + 1n),
    );
    const holds: Readonly<
      Record<Comparison, (one: bigint, other: bigint, two: bigint) => boolean>
    > = {
      EQ: (one, other) => one === other,
      NE: (one, other) => one !== other,
      LT: (one, other) => one < other,
      LE: (one, other) => one <= other,
      GT: (one, other) => one > other,
      GE: (one, other) => one >= other,
      MASKED_EQ: (one, other, two) => (one & other) === two,
    };
    const names = Object.keys(holds) as Comparison[];
    fc.assert(
      fc.property(fc.constantFrom(...names), number, number, number, (op, argument, value, two) => {
        const args = [
          { index: 3, op: `SCMP_CMP_${op}`, value: Number(value), valueTwo: Number(two) },
        ];
        const program = programOf({
          defaultAction: "SCMP_ACT_ERRNO",
          syscalls: [{ names: ["ioctl"], action: "SCMP_ACT_ALLOW", args }],
        });
        const isMet = answer(program, ["ioctl", 0n, 0n, 0n, argument]) === ALLOW;
        expect(isMet).toBe(holds[op](argument, value, two));
      }),
    );
  });

  test("whatever calls are listed, those and no others are allowed", () => {
    const names = [...systemCalls("x86_64").keys()];
    fc.assert(
      fc.property(fc.subarray(names), (allowed) => {
        const program = programOf({
          defaultAction: "SCMP_ACT_ERRNO",
          syscalls: [{ names: ["exit", ...allowed], action: "SCMP_ACT_ALLOW" }],
        });
        const wanted = new Set(["exit", ...allowed]);
        return names.every((name) => (answer(program, [name]) === ALLOW) === wanted.has(name));
      }),
      { numRuns: 20 },
    );
  });

  test("what cannot be meant is refused by its place", () => {
    const allow = { names: ["read"], action: "SCMP_ACT_ALLOW" };
    const rule = (more: object): object => ({
      defaultAction: "SCMP_ACT_ERRNO",
      syscalls: [{ ...allow, ...more }],
    });
    expect(messageOf([])).toBe("the profile is no object");
    expect(messageOf({})).toContain("defaultAction is no action");
    expect(messageOf(rule({ action: "ALLOW" }))).toContain("syscalls[0].action is no action");
    expect(messageOf(rule({ names: [] }))).toContain("syscalls[0] names no system call");
    expect(messageOf(rule({ names: "read" }))).toContain("syscalls[0].names is no list");
    expect(messageOf(rule({ action: "SCMP_ACT_ERRNO", errnoRet: 5000 }))).toContain("errno");
    const arg = (more: object): object =>
      rule({ args: [{ index: 0, value: 1, op: "SCMP_CMP_EQ", ...more }] });
    expect(messageOf(arg({ index: 6 }))).toContain("args[0].index is no number from 0 to 5");
    expect(messageOf(arg({ op: "EQ" }))).toContain("args[0].op is none of SCMP_CMP_NE");
    expect(messageOf(arg({ value: 2 ** 60 }))).toContain("args[0].value is no whole number");
    expect(messageOf(rule({ includes: { minKernel: "six" } }))).toContain("no version such as 4.8");
  });
});
