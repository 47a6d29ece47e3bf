/**
 * A native containerizer for tests, where this host can have one: on a machine with cgroups v2, or
 * on one with a hybrid set-up, whose cgroups v2 hold processes but have no controllers.
 */
import { randomUUID } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import type { Containerizer } from "../../../src/containerizer/containerizer.ts";
import { NATIVE_ISOLATION } from "../../../src/containerizer/native/isolation.ts";
import {
  type CgroupSettings,
  type NativeContainerizerOptions,
  nativeContainerizer,
  nativeObstacle,
} from "../../../src/containerizer/native/native-containerizer.ts";
import { systemClock } from "../../../src/platform/system.ts";
import { silentLog, until } from "../containers.ts";

export const HIERARCHY: string =
  ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].find((path) =>
    existsSync(join(path, "cgroup.controllers")),
  ) ?? "/sys/fs/cgroup";

/** Why there is none here; undefined when there is. */
export const OBSTACLE: string | undefined = nativeObstacle(HIERARCHY);

const controllers = existsSync(join(HIERARCHY, "cgroup.controllers"))
  ? readFileSync(join(HIERARCHY, "cgroup.controllers"), "utf8").trim().split(" ")
  : [];

/** Why limits cannot be tested here. */
export const LIMITS_OBSTACLE: string | undefined =
  OBSTACLE ??
  (["cpu", "memory", "pids"].every((name) => controllers.includes(name))
    ? undefined
    : "the cgroups v2 of this machine have no controllers for cpu, memory and pids");

const made = new Set<string>();

/** Root of cgroups for one test. */
export function newCgroupRoot(): string {
  const root = `allot-test-${randomUUID().slice(0, 8)}`;
  made.add(root);
  return root;
}

/** Removes the roots; fails when a process is left in one. */
export async function removeCgroupRoots(): Promise<void> {
  for (const root of made) {
    made.delete(root);
    // The last keepers are just leaving.
    await until(`cgroup ${root} is empty`, () => removeFolder(join(HIERARCHY, root)));
  }
}

function removeFolder(folder: string): boolean {
  if (!existsSync(folder)) return true;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) removeFolder(join(folder, entry.name));
  }
  try {
    rmdirSync(folder);
    return true;
  } catch {
    return false;
  }
}

export function nativeIn(
  root: string,
  options: Partial<Omit<NativeContainerizerOptions, "cgroups">> & {
    readonly cgroups?: Partial<CgroupSettings>;
  } = {},
): Containerizer {
  return nativeContainerizer({
    workDir: join(root, "work"),
    runtimeDir: join(root, "run"),
    clock: systemClock,
    log: silentLog,
    isolation: NATIVE_ISOLATION,
    namespaces: { isPidSharingForbidden: false, isIpcSharingForbidden: false, shmBytes: undefined },
    capabilities: { effective: undefined, bounding: undefined },
    seccomp: { folder: undefined, defaultName: undefined },
    volumes: { madeBelow: [] },
    devices: { allowed: [], gpus: [] },
    ports: { intervalMs: 30_000, isEnforced: false, looked: undefined },
    networks: { configDir: undefined, pluginDirs: [], isPersistent: false },
    ...options,
    cgroups: {
      hierarchy: HIERARCHY,
      root: "allot-test",
      destroyTimeoutMs: 10_000,
      isCpuRequestHard: false,
      isRevocableCpuLow: true,
      isSwapLimited: false,
      pidsMax: 1000,
      ...options.cgroups,
    },
  });
}
