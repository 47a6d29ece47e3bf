/** Rules for devices, and the programs they become, run here by the smallest of machines. */
import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brand, type ContainerId } from "../../../src/base/ids.ts";
import { deviceProgram } from "../../../src/containerizer/native/device-filter.ts";
import { deviceAt } from "../../../src/containerizer/native/device-nodes.ts";
import {
  allowedDevices,
  COMMON_RULES,
  type DeviceRule,
  FULL_ACCESS,
} from "../../../src/containerizer/native/device-rules.ts";
import { findGpus } from "../../../src/containerizer/native/gpu-isolator.ts";
import { GpuPool } from "../../../src/containerizer/native/gpu-pool.ts";

const CHARACTER = 2;
const BLOCK = 1;
const [MKNOD, READ, WRITE] = [1, 2, 4];

/** What the kernel would say. */
function isAllowed(
  rules: readonly DeviceRule[],
  question: readonly [type: number, major: number, minor: number, access: number],
): boolean {
  const [type, major, minor, access] = question;
  const words = [(access << 16) | type, major, minor];
  const program = new DataView(deviceProgram(rules).buffer);
  const registers = new Map<number, number>();
  for (let at = 0; at < program.byteLength; at += 8) {
    const code = program.getUint8(at);
    const target = program.getUint8(at + 1) & 15;
    const source = program.getUint8(at + 1) >> 4;
    const offset = program.getInt16(at + 2, true);
    const value = program.getInt32(at + 4, true);
    const held = registers.get(target) ?? 0;
    if (code === 0x61) registers.set(target, words[offset / 4] ?? Number.NaN);
    else if (code === 0xbc) registers.set(target, registers.get(source) ?? Number.NaN);
    else if (code === 0xb7) registers.set(target, value);
    else if (code === 0x54) registers.set(target, held & value);
    else if (code === 0x74) registers.set(target, held >>> value);
    else if (code === 0x55) at += held === value ? 0 : offset * 8;
    else if (code === 0x95) return registers.get(0) === 1;
    else throw new Error(`unknown instruction ${code.toString(16)}`);
  }
  throw new Error("the program does not end");
}

describe("filters of devices [semantics 7.12]", () => {
  test("what every program expects is allowed, and nodes of all devices may be made but not opened", () => {
    expect(isAllowed(COMMON_RULES, [CHARACTER, 1, 3, READ | WRITE])).toBe(true);
    expect(isAllowed(COMMON_RULES, [CHARACTER, 136, 77, READ | WRITE])).toBe(true);
    expect(isAllowed(COMMON_RULES, [BLOCK, 8, 0, MKNOD])).toBe(true);
    expect(isAllowed(COMMON_RULES, [BLOCK, 8, 0, READ])).toBe(false);
    expect(isAllowed(COMMON_RULES, [BLOCK, 8, 0, MKNOD | READ])).toBe(false);
    expect(isAllowed(COMMON_RULES, [BLOCK, 1, 3, READ])).toBe(false);
    expect(isAllowed(COMMON_RULES, [CHARACTER, 1, 1, READ])).toBe(false);
    expect(isAllowed(COMMON_RULES, [CHARACTER, 4, 1, READ])).toBe(false);
  });

  test("a rule allows no more than its kinds of access, and the next one is asked too", () => {
    const readOnly = { read: true, write: false, mknod: false };
    const rules: DeviceRule[] = [
      { type: "block", major: 7, minor: 1, access: readOnly },
      {
        type: "block",
        major: 7,
        minor: undefined,
        access: { ...readOnly, read: false, write: true },
      },
    ];
    expect(isAllowed(rules, [BLOCK, 7, 1, READ])).toBe(true);
    expect(isAllowed(rules, [BLOCK, 7, 1, WRITE])).toBe(true);
    expect(isAllowed(rules, [BLOCK, 7, 1, READ | WRITE])).toBe(false);
    expect(isAllowed(rules, [BLOCK, 7, 2, READ])).toBe(false);
    expect(isAllowed([], [CHARACTER, 1, 3, READ])).toBe(false);
  });
});

describe("--allowed_devices [semantics 7.11]", () => {
  const nodeAt = (path: string) =>
    path === "/dev/kvm" ? { type: "character" as const, major: 10, minor: 232 } : undefined;
  const read = { read: true };

  test("devices are named by path or by number", () => {
    const list = allowedDevices(
      {
        allowed_devices: [
          { device: { path: "/dev/kvm" }, access: { read: true, write: true } },
          { device: { number: { major_number: 10, minor_number: 200 } }, access: read },
        ],
      },
      nodeAt,
    );
    expect(list.ok ? list.value : list.error).toEqual([
      {
        type: "character",
        major: 10,
        minor: 232,
        access: { read: true, write: true, mknod: false },
        path: "/dev/kvm",
      },
      ...(["character", "block"] as const).map((type) => ({
        type,
        major: 10,
        minor: 200,
        access: { read: true, write: false, mknod: false },
        path: undefined,
      })),
    ]);
  });

  test("what cannot be meant is refused by its entry", () => {
    const refusals: readonly (readonly [object, string])[] = [
      [{ device: {}, access: read }, "[0].device has neither path nor number"],
      [{ device: { path: "/dev/kvm" }, access: {} }, "[0].access allows nothing"],
      [{ device: { path: "/dev/none" }, access: read }, "/dev/none is no device on this host"],
      [{ device: { path: "/etc/passwd" }, access: read }, "no plain path below /dev"],
      [{ device: { path: "/dev/../etc/passwd" }, access: read }, "no plain path below /dev"],
      [
        { device: { number: { major_number: 4096, minor_number: 0 } }, access: read },
        "no number of a device",
      ],
    ];
    for (const [entry, message] of refusals) {
      const list = allowedDevices({ allowed_devices: [entry as never] }, nodeAt);
      expect(list.ok ? "" : list.error.message).toContain(message);
    }
  });

  test("devices are known by their nodes", () => {
    expect(deviceAt("/dev/null")).toEqual({ type: "character", major: 1, minor: 3 });
    expect([deviceAt("/etc/passwd"), deviceAt("/dev/no-such")]).toEqual([undefined, undefined]);
  });
});

describe("gpus [semantics 7.16]", () => {
  const gpus = [0, 1, 3].map((id) => ({
    id,
    device: {
      type: "character" as const,
      major: 195,
      minor: id,
      access: FULL_ACCESS,
      path: `/dev/nvidia${id}`,
    },
  }));
  const [one, other] = ["one", "other"].map((name) => brand<ContainerId>(name)) as [
    ContainerId,
    ContainerId,
  ];
  const idsOf = (result: ReturnType<GpuPool["resize"]>): unknown =>
    result.ok ? result.value.map(({ id }) => id) : result.error.message;

  test("each belongs to one container, which keeps what it has when it gets more or fewer", () => {
    const pool = new GpuPool(gpus);
    expect(idsOf(pool.resize(one, 1))).toEqual([0]);
    expect(idsOf(pool.resize(other, 1))).toEqual([1]);
    expect(idsOf(pool.resize(one, 2))).toEqual([0, 3]);
    expect(idsOf(pool.resize(other, 2))).toBe(
      "The container needs 2 gpus; of the agent's 3 there are 0 free",
    );
    expect(pool.heldBy(other).map(({ id }) => id)).toEqual([1]);
    expect(idsOf(pool.resize(one, 1))).toEqual([0]);
    expect(idsOf(pool.resize(other, 2))).toEqual([1, 3]);
    expect(idsOf(pool.resize(other, 0))).toEqual([]);
  });

  test("what a container had before a restart it has after it", () => {
    const pool = new GpuPool(gpus);
    expect(pool.recover(one, [3, 7]).map(({ id }) => id)).toEqual([3]);
    expect(idsOf(pool.resize(other, 2))).toEqual([0, 1]);
    expect(idsOf(pool.resize(one, 1))).toEqual([3]);
  });

  test("a list of gpus that are not there is refused, and without one there may be none", () => {
    const folder = mkdtempSync(join(tmpdir(), "allot-gpus-"));
    writeFileSync(join(folder, "nvidiactl"), "");
    expect(findGpus(undefined, folder)).toEqual({ ok: true, value: [] });
    const messageOf = (list: string): string => {
      const found = findGpus(list, folder);
      return found.ok ? "" : found.error.message;
    };
    expect(messageOf("0")).toContain(`there is no gpu ${folder}/nvidia0`);
    expect(messageOf("1,1")).toContain("names a gpu twice");
    expect(messageOf("GPU-1")).toContain("no list of numbers such as 0,1");
    rmSync(folder, { recursive: true });
  });
});
