/**
 * Which devices containers may use: what every program may expect, what `--allowed_devices` adds, and
 * what a container was given (gpus). Source: semantics 7.11, 7.12; flags.md.
 */
import { ok, type Result, refuse } from "../../base/result.ts";
import type { DeviceWhitelist } from "../../protocol/v1/types.ts";

export interface DeviceAccess {
  readonly read: boolean;
  readonly write: boolean;
  readonly mknod: boolean;
}

/** Undefined numbers stand for all. */
export interface DeviceRule {
  readonly type: "block" | "character";
  readonly major: number | undefined;
  readonly minor: number | undefined;
  readonly access: DeviceAccess;
}

/** A device with its node on the host, absolute. */
export interface GrantedDevice extends DeviceRule {
  readonly path: string | undefined;
}

/** What a node on the host is. */
export interface DeviceNode {
  readonly type: DeviceRule["type"];
  readonly major: number;
  readonly minor: number;
}

export const FULL_ACCESS: DeviceAccess = { read: true, write: true, mknod: true };
const MAKING: DeviceAccess = { read: false, write: false, mknod: true };

/** Greatest numbers that the kernel has. */
const MAJOR_MAX = 0xfff;
const MINOR_MAX = 0xf_ffff;

/** Nodes of every /dev, with their numbers. */
const COMMON: readonly (readonly [name: string, major: number, minor: number])[] = [
  ["null", 1, 3],
  ["zero", 1, 5],
  ["full", 1, 7],
  ["random", 1, 8],
  ["urandom", 1, 9],
  ["tty", 5, 0],
];
export const COMMON_NODES: readonly string[] = COMMON.map(([name]) => name);

/**
 * What is allowed everywhere: making nodes, which alone opens nothing, and terminals. Differs from
 * Mesos: the host's console, its screens and net/tun take an --allowed_devices.
 */
export const COMMON_RULES: readonly DeviceRule[] = [
  { type: "character", major: undefined, minor: undefined, access: MAKING },
  { type: "block", major: undefined, minor: undefined, access: MAKING },
  ...COMMON.map(([, major, minor]) => characterRule(major, minor)),
  characterRule(5, 2),
  characterRule(136, undefined),
];

function characterRule(major: number, minor: number | undefined): DeviceRule {
  return { type: "character", major, minor, access: FULL_ACCESS };
}

/**
 * Reads `--allowed_devices`. `nodeAt` tells what is at a path; undefined for what is no device.
 * Errors: `invalid`, naming the entry.
 */
export function allowedDevices(
  { allowed_devices: entries = [] }: DeviceWhitelist,
  nodeAt: (path: string) => DeviceNode | undefined,
): Result<readonly GrantedDevice[]> {
  const devices: GrantedDevice[] = [];
  for (const [index, { device, access }] of entries.entries()) {
    const field = `allowed_devices[${index}]`;
    const { path, number } = device;
    const granted = {
      read: access.read === true,
      write: access.write === true,
      mknod: access.mknod === true,
    };
    if (!Object.values(granted).includes(true)) return invalid(`${field}.access allows nothing`);
    if (path === undefined) {
      if (number === undefined) return invalid(`${field}.device has neither path nor number`);
      const numbers = { major: number.major_number, minor: number.minor_number };
      if (numbers.major > MAJOR_MAX || numbers.minor > MINOR_MAX) {
        return invalid(`${field}.device.number is no number of a device`);
      }
      // A number alone does not say of which kind.
      for (const type of ["character", "block"] as const) {
        devices.push({ type, ...numbers, access: granted, path: undefined });
      }
      continue;
    }
    if (!/^\/dev\/[^\0]+$/.test(path) || path.split("/").some((part) => /^\.\.?$/.test(part))) {
      return invalid(`${field}.device.path ${path} is no plain path below /dev`);
    }
    const node = nodeAt(path);
    if (node === undefined)
      return invalid(`${field}.device.path ${path} is no device on this host`);
    devices.push({ ...node, access: granted, path });
  }
  return ok(devices);
}

function invalid(message: string): Result<never> {
  return refuse("invalid", `--allowed_devices: ${message}`, "allowed_devices");
}
