/** How an agent's flags have disk isolated: by walks through sandboxes, or by quotas of XFS. */
import { mkdirSync, readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { ok, type Result, refuse } from "../base/result.ts";
import type { Isolator } from "../containerizer/containerizer.ts";
import { findProgram } from "../containerizer/keeper/host-tools.ts";
import { DiskIsolator } from "../containerizer/native/disk-isolator.ts";
import type { Isolation } from "../containerizer/native/isolation.ts";
import { XfsIsolator } from "../containerizer/native/xfs-isolator.ts";
import { xfsMountOf } from "../containerizer/native/xfs-mount.ts";
import { type ProjectRange, XfsProjects } from "../containerizer/native/xfs-projects.ts";
import { XfsQuotas } from "../containerizer/native/xfs-quota.ts";
import type { RoleContext } from "./role-context.ts";

const RANGE = "xfs_project_range";
const KILL = "xfs_kill_containers";
const DEFAULT_RANGE = "[5000-10000]";
/** The kernel's project ids have 32 bits, of which 0 is what belongs to no project. */
const PROJECT_ID_MAX = 2 ** 32 - 1;

/** Errors: `invalid`, naming the flag. */
export function diskIsolators(
  { flags, workDir, clock, log }: RoleContext,
  isolation: ReadonlySet<Isolation>,
): Result<readonly Isolator[]> {
  const isXfs = isolation.has("disk/xfs");
  const isWalked = isolation.has("disk/du");
  if (isXfs && isWalked) {
    return refuse(
      "invalid",
      "--isolation: disk/xfs and disk/du do the same; list one",
      "isolation",
    );
  }
  const intervalMs = flags.durationMs("container_disk_watch_interval") ?? 15_000;
  const isEnforced = flags.boolean("enforce_container_disk_quota");
  const range = projectRange(flags.string(RANGE) ?? DEFAULT_RANGE);
  if (!range.ok) return range;
  const isKilling = flags.boolean(KILL);
  if (isKilling && !(isXfs && isEnforced)) {
    const message = `--${KILL} needs disk/xfs in --isolation and --enforce_container_disk_quota`;
    return refuse("invalid", message, KILL);
  }
  if (isWalked) return ok([new DiskIsolator({ workDir, intervalMs, isEnforced, clock, log })]);
  if (!isXfs) return ok([]);
  mkdirSync(workDir, { recursive: true, mode: 0o755 });
  const quotas = xfsQuotas(workDir);
  if (!quotas.ok) {
    return refuse("invalid", `--isolation=disk/xfs: ${quotas.error.message}`, "isolation");
  }
  const headroomBytes = isKilling
    ? (flags.sizeBytes("xfs_quota_headroom") ?? 10 * 2 ** 20)
    : undefined;
  return ok([
    new XfsIsolator({
      quotaOf: (folder) => quotas.value.of(folder),
      projects: new XfsProjects(join(workDir, "agent", "xfs-projects"), range.value),
      range: range.value,
      workDir,
      isEnforced,
      headroomBytes,
      intervalMs,
      clock,
      log,
    }),
  ]);
}

function xfsQuotas(workDir: string): Result<XfsQuotas> {
  if (process.getuid?.() !== 0) return refuse("invalid", "the agent is not root");
  const program = findProgram("xfs_quota");
  if (program === undefined) return refuse("invalid", "xfs_quota is missing: install xfsprogs");
  const mountinfo = readFileSync("/proc/self/mountinfo", "utf8");
  const mount = xfsMountOf(mountinfo, realpathSync(workDir));
  return mount.ok ? ok(new XfsQuotas(program)) : mount;
}

/** `[5000-10000]` */
function projectRange(text: string): Result<ProjectRange> {
  const [, first = "", last = ""] = /^\[?(\d{1,10})-(\d{1,10})\]?$/.exec(text.trim()) ?? [];
  const [begin, end] = [Number(first), Number(last)];
  if (first === "" || begin < 1 || begin > end || end > PROJECT_ID_MAX) {
    const message = `--${RANGE}: '${text}' is no range of project ids such as ${DEFAULT_RANGE}`;
    return refuse("invalid", message, RANGE);
  }
  return ok({ begin, end });
}
