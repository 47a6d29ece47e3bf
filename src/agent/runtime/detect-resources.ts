/**
 * What this host offers when the operator does not say: processors, memory and disk, within the
 * cgroup the agent itself lives in. Source: semantics 2.11.
 */
import { readFile, statfs } from "node:fs/promises";
import { availableParallelism, totalmem } from "node:os";
import { posix as paths } from "node:path";
import type { Resource } from "../../protocol/v1/types.ts";

/** Scalars in the units of Mesos: cpus, and mem and disk in MB. */
export interface DetectedResources {
  readonly cpus: number;
  readonly mem: number;
  readonly disk: number;
  /** None where nobody looks after them. */
  readonly gpus?: number | undefined;
}

const MB = 1024 * 1024;
const GB_IN_MB = 1024;
/** Sizes taken when the host does not tell, and what is kept back for the system. */
const MEM = { fallbackMb: GB_IN_MB, largeMb: 2 * GB_IN_MB, keptMb: GB_IN_MB };
const DISK = { fallbackMb: 10 * GB_IN_MB, largeMb: 10 * GB_IN_MB, keptMb: 5 * GB_IN_MB };
const PORTS = { begin: 31_000, end: 32_000 };

/** Looks at the host. `workDir` is on the file system that sandboxes use. Never fails. */
export async function detectResources(workDir: string): Promise<DetectedResources> {
  const limits = await cgroupLimits("/proc/self/cgroup", "/sys/fs/cgroup");
  const memBytes = Math.min(totalmem(), limits.memBytes);
  return {
    cpus: Math.min(availableParallelism() || 1, limits.cpus),
    mem: keepBack(memBytes / MB, MEM),
    disk: keepBack(await diskMb(workDir), DISK),
  };
}

/**
 * The configured resources plus a detected one for each of cpus, mem, disk, gpus and ports whose name
 * is not in `mentioned`. A name is mentioned by any role, and also by a zero that then dropped out.
 */
export function completeResources(
  configured: readonly Resource[],
  mentioned: ReadonlySet<string>,
  detected: DetectedResources,
  defaultRole: string,
): Resource[] {
  const scalars = (["cpus", "mem", "disk"] as const).map(
    (name): Resource => ({
      name,
      type: "SCALAR",
      scalar: { value: detected[name] },
      role: defaultRole,
    }),
  );
  const gpus: Resource = {
    name: "gpus",
    type: "SCALAR",
    scalar: { value: detected.gpus ?? 0 },
    role: defaultRole,
  };
  const ports: Resource = {
    name: "ports",
    type: "RANGES",
    ranges: { range: [PORTS] },
    role: defaultRole,
  };
  const all = [...scalars, ...(gpus.scalar?.value === 0 ? [] : [gpus]), ports];
  return [...configured, ...all.filter(({ name }) => !mentioned.has(name))];
}

/** What the cgroup (v2) of a process and its ancestors allow; infinite where nothing limits. */
export async function cgroupLimits(
  membershipFile: string,
  mountPoint: string,
): Promise<{ readonly cpus: number; readonly memBytes: number }> {
  let cpus = Number.POSITIVE_INFINITY;
  let memBytes = Number.POSITIVE_INFINITY;
  const membership = await readText(membershipFile);
  const own = /^0::(\/.*)$/m.exec(membership)?.[1];
  if (own === undefined) return { cpus, memBytes };
  for (let path = own; ; path = paths.dirname(path)) {
    const folder = paths.join(mountPoint, path);
    cpus = Math.min(cpus, parseCpuMax(await readText(paths.join(folder, "cpu.max"))));
    memBytes = Math.min(memBytes, parseMax(await readText(paths.join(folder, "memory.max"))));
    if (path === "/") return { cpus, memBytes };
  }
}

/** `quota period`, or `max period`. Processors in thousandths, rounded down. */
function parseCpuMax(text: string): number {
  const [quota, period] = text.trim().split(" ");
  const cpus = Number(quota) / Number(period);
  return Number.isFinite(cpus) && cpus > 0
    ? Math.floor(cpus * 1000) / 1000
    : Number.POSITIVE_INFINITY;
}

function parseMax(text: string): number {
  const bytes = Number.parseInt(text, 10);
  return Number.isFinite(bytes) && bytes > 0 ? bytes : Number.POSITIVE_INFINITY;
}

function keepBack(
  totalMb: number,
  rule: { readonly fallbackMb: number; readonly largeMb: number; readonly keptMb: number },
): number {
  if (!Number.isFinite(totalMb) || totalMb <= 0) return rule.fallbackMb;
  return Math.floor(totalMb >= rule.largeMb ? totalMb - rule.keptMb : totalMb / 2);
}

async function diskMb(workDir: string): Promise<number> {
  try {
    const { blocks, bsize } = await statfs(workDir);
    return (blocks * bsize) / MB;
  } catch {
    return Number.NaN;
  }
}

/** A file that is not there says nothing, which is the same as an empty one. */
function readText(path: string): Promise<string> {
  return readFile(path, "utf8").catch(() => "");
}
