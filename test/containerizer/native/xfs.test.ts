/**
 * Project quotas of XFS: what is read and written down, and with the file system itself where this
 * machine has one.
 */
import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { ContainerSpec } from "../../../src/containerizer/containerizer.ts";
import { findProgram } from "../../../src/containerizer/keeper/host-tools.ts";
import { XfsIsolator } from "../../../src/containerizer/native/xfs-isolator.ts";
import { xfsMountOf } from "../../../src/containerizer/native/xfs-mount.ts";
import { XfsProjects } from "../../../src/containerizer/native/xfs-projects.ts";
import {
  type ProjectUsage,
  projectUsages,
  XfsQuota,
} from "../../../src/containerizer/native/xfs-quota.ts";
import { systemClock } from "../../../src/platform/system.ts";
import type { Resource } from "../../../src/protocol/v1/types.ts";
import { FakeClock } from "../../base/fake-clock.ts";
import { testNeeding } from "../../harness/needs.ts";
import { PATIENCE_MS } from "../../harness/wait.ts";
import { type MountedXfs, mountXfs } from "../../harness/xfs.ts";
import { failureOf, newRoot, posixIn, removeRoots, silentLog, specIn } from "../containers.ts";

setDefaultTimeout(PATIENCE_MS);

const MEGABYTE = 1024 * 1024;
const RANGE = { begin: 5000, end: 5002 };
const disk = (megabytes: number): Resource[] => [
  { name: "disk", type: "SCALAR", scalar: { value: megabytes } },
];

let mounted: MountedXfs | undefined;

afterEach(() => {
  mounted?.remove();
  mounted = undefined;
  removeRoots();
});

describe("mounts of XFS", () => {
  const mountinfo = [
    "21 1 254:0 / / rw,relatime - ext4 /dev/vda rw",
    "40 21 7:0 / /var/lib rw,relatime shared:1 - xfs /dev/loop0 rw,attr2,inode64,prjquota",
    "41 21 7:1 / /var/lib/with\\040blank rw - xfs /dev/loop1 rw,attr2,noquota",
    "42 40 0:30 / /var/lib/other rw - tmpfs tmpfs rw",
    "",
  ].join("\n");
  const answer = (path: string): string => {
    const found = xfsMountOf(mountinfo, path);
    return found.ok ? found.value : found.error.message;
  };

  test("the nearest one counts, and has to have project quotas", () => {
    expect(answer("/var/lib/allot")).toBe("/var/lib");
    expect(answer("/var/lib")).toBe("/var/lib");
    expect(answer("/var/library")).toContain("is on ext4 and not on XFS");
    expect(answer("/var/lib/other/x")).toContain("is on tmpfs and not on XFS");
    expect(answer("/var/lib/with blank/x")).toContain("mount it with the option prjquota");
  });
});

test("a report of xfs_quota is read line by line", () => {
  const text = [
    "#5000               1024          0          0     00 [--------]",
    "#5001              12288      10240      20480     00 [-none-]",
    "",
  ].join("\n");
  expect([...projectUsages(text)]).toEqual([
    [5000, { usedBytes: MEGABYTE, softBytes: 0, hardBytes: 0 }],
    [5001, { usedBytes: 12 * MEGABYTE, softBytes: 10 * MEGABYTE, hardBytes: 20 * MEGABYTE }],
  ]);
});

describe("project ids [semantics 7.14]", () => {
  test("an id belongs to one sandbox until that has gone, whoever looks", () => {
    const root = newRoot();
    const sandboxes = ["one", "two", "three", "four"].map((name) => join(root, name));
    const [one = "", two = "", three = "", four = ""] = sandboxes;
    for (const sandbox of sandboxes) mkdirSync(sandbox);
    const first = new XfsProjects(join(root, "ids"), RANGE);
    expect([first.take(one), first.take(two), first.take(one)]).toEqual([5000, 5001, 5000]);
    const second = new XfsProjects(join(root, "ids"), RANGE);
    expect([second.idOf(two), second.idOf(three)]).toEqual([5001, undefined]);
    expect(second.take(three)).toBe(5002);
    expect(second.isExhausted).toBe(true);
    expect(() => second.take(four)).toThrow("All 3 project ids of --xfs_project_range");
    expect(second.abandoned()).toEqual([]);
    rmSync(one, { recursive: true });
    expect(second.abandoned()).toEqual([5000]);
    second.release(5000);
    expect(second.take(four)).toBe(5000);
    expect(readdirSync(join(root, "ids")).sort()).toEqual(["5000", "5001", "5002"]);
  });
});

describe("disk/xfs with a quota that is made up [semantics 7.14]", () => {
  test("limits are those asked for where that is enforced, and ids are released with their sandboxes", async () => {
    const { isolator, root, limits } = made({ isEnforced: true, headroomBytes: undefined });
    const sandboxed = (name: string): ContainerSpec => {
      const spec = specIn(root, name, "true", { resources: disk(10) });
      mkdirSync(spec.directory, { recursive: true });
      return spec;
    };
    const [a, b, c, d] = [sandboxed("a"), sandboxed("b"), sandboxed("c"), sandboxed("d")];
    for (const spec of [a, b, c]) await isolator.prepare(spec);
    expect(limits.get(5000)).toEqual([10 * MEGABYTE, 10 * MEGABYTE]);
    await isolator.update(a.containerId, disk(20));
    expect(limits.get(5000)).toEqual([20 * MEGABYTE, 20 * MEGABYTE]);
    await isolator.update(a.containerId, []);
    expect(limits.get(5000)).toEqual([0, 0]);
    expect(await failureOf(isolator.prepare(d))).toContain("All 3 project ids");
    await isolator.cleanup(b.containerId);
    rmSync(b.directory, { recursive: true });
    await isolator.prepare(d);
    expect(limits.get(5001)).toEqual([10 * MEGABYTE, 10 * MEGABYTE]);
  });

  test("who passes the quota is ended where that is asked for, and usage is that of the last look", async () => {
    const { isolator, root, limits, usages, clock } = made({
      isEnforced: true,
      headroomBytes: 5 * MEGABYTE,
    });
    const spec = specIn(root, "full", "true", { resources: disk(10) });
    mkdirSync(spec.directory, { recursive: true });
    await isolator.prepare(spec);
    expect(limits.get(5000)).toEqual([10 * MEGABYTE, 15 * MEGABYTE]);
    const told: string[] = [];
    const stop = isolator.watch(spec.containerId, ({ message }) => told.push(message));
    expect(await isolator.usage(spec.containerId)).toEqual({});
    usages.set(5000, { usedBytes: 12 * MEGABYTE, softBytes: 0, hardBytes: 0 });
    clock.advance(1000);
    await new Promise((wake) => setTimeout(wake, 1));
    expect(told).toEqual(["Disk usage (12MB) exceeds quota (10MB)"]);
    expect(await isolator.usage(spec.containerId)).toEqual({
      disk_used_bytes: 12 * MEGABYTE,
      disk_limit_bytes: 10 * MEGABYTE,
    });
    stop();
  });

  test("after a restart a container has the id of its sandbox", async () => {
    const first = made({ isEnforced: true, headroomBytes: undefined });
    const spec = specIn(first.root, "kept", "true", { resources: disk(10) });
    mkdirSync(spec.directory, { recursive: true });
    await first.isolator.prepare(spec);
    const second = made({ isEnforced: true, headroomBytes: undefined }, first.root);
    await second.isolator.recover([spec]);
    await second.isolator.update(spec.containerId, disk(30));
    expect(second.limits.get(5000)).toEqual([30 * MEGABYTE, 30 * MEGABYTE]);
  });
});

describe("disk/xfs with the file system", () => {
  testNeeding("xfs")(
    "a task is refused more than it asked for, and one that is to be ended is ended [semantics 7.14]",
    async () => {
      mounted = mountXfs();
      const root = join(mounted.path, "with blank");
      mkdirSync(root);
      const quota = new XfsQuota(findProgram("xfs_quota") ?? "", mounted.path);
      const projects = new XfsProjects(join(root, "ids"), RANGE);
      const settings = {
        quota,
        projects,
        range: RANGE,
        isEnforced: true,
        intervalMs: 100,
        clock: systemClock,
        log: silentLog,
      };
      const strict = posixIn(root, {
        isolators: [new XfsIsolator({ ...settings, headroomBytes: undefined })],
      });
      // Its own output would have no room either.
      const full = specIn(root, "full", "head -c 20000000 /dev/zero >big || exit 7", {
        resources: disk(8),
      });
      await strict.launch(full);
      expect((await strict.wait(full.containerId)).exit).toEqual({ kind: "exited", code: 7 });
      const held = (await quota.report(RANGE.begin, RANGE.end)).get(5000);
      expect(held?.usedBytes).toBeGreaterThan(6 * MEGABYTE);
      expect(held?.usedBytes).toBeLessThanOrEqual(8 * MEGABYTE);
      await strict.cleanup(full.containerId);
      await strict.close();
      const killing = posixIn(root, {
        isolators: [new XfsIsolator({ ...settings, headroomBytes: 10 * MEGABYTE })],
      });
      const hog = specIn(root, "hog", "head -c 12000000 /dev/zero >big; exec sleep 1000", {
        resources: disk(8),
      });
      await killing.launch(hog);
      const { limitation } = await killing.wait(hog.containerId);
      expect(limitation?.reason).toBe("REASON_CONTAINER_LIMITATION_DISK");
      expect(limitation?.message).toMatch(/^Disk usage \([\d.]+MB\) exceeds quota \(8MB\)$/);
      await killing.cleanup(hog.containerId);
      // Closed first: its own look for numbers that nobody uses would come in between.
      await killing.close();
      rmSync(full.directory, { recursive: true });
      rmSync(hog.directory, { recursive: true });
      expect(projects.abandoned()).toEqual([5000, 5001]);
      await quota.unlimit([5000, 5001]);
      const left = await quota.report(RANGE.begin, RANGE.end);
      expect([...left.values()].filter(({ hardBytes }) => hardBytes > 0)).toEqual([]);
      expect(existsSync(join(root, "ids/5000"))).toBe(true);
    },
  );
});

function made(
  settings: { readonly isEnforced: boolean; readonly headroomBytes: number | undefined },
  root: string = newRoot(),
): {
  isolator: XfsIsolator;
  root: string;
  clock: FakeClock;
  limits: Map<number, readonly [soft: number, hard: number]>;
  usages: Map<number, ProjectUsage>;
} {
  const limits = new Map<number, readonly [soft: number, hard: number]>();
  const usages = new Map<number, ProjectUsage>();
  const clock = new FakeClock();
  const isolator = new XfsIsolator({
    ...settings,
    quota: {
      assign: () => Promise.resolve(),
      limit: async (id, soft, hard) => void limits.set(id, [soft, hard]),
      unlimit: async (ids) => {
        for (const id of ids) limits.set(id, [0, 0]);
      },
      report: () => Promise.resolve(usages),
    },
    projects: new XfsProjects(join(root, "ids"), RANGE),
    range: RANGE,
    intervalMs: 1000,
    clock,
    log: silentLog,
  });
  return { isolator, root, clock, limits, usages };
}
