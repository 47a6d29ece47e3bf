/**
 * Project quotas of XFS: what is read and written down, and with the file system itself where this
 * machine has one.
 */
import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import type { ContainerSpec, Limitation } from "../../../src/containerizer/containerizer.ts";
import { findProgram } from "../../../src/containerizer/keeper/host-tools.ts";
import {
  XfsIsolator,
  type XfsIsolatorOptions,
} from "../../../src/containerizer/native/xfs-isolator.ts";
import { xfsMountOf } from "../../../src/containerizer/native/xfs-mount.ts";
import { XfsProjects } from "../../../src/containerizer/native/xfs-projects.ts";
import {
  type ProjectUsage,
  projectUsages,
  XfsQuotas,
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

describe("disk/xfs and persistent volumes [semantics 7.13, 7.14]", () => {
  const volume = (id: string, megabytes: number, source?: object): Resource => ({
    name: "disk",
    type: "SCALAR",
    scalar: { value: megabytes },
    reservations: [{ type: "DYNAMIC", role: "db" }],
    disk: { persistence: { id }, volume: { container_path: id, mode: "RW" }, ...source },
  });
  const folderOf = (root: string, id: string): string => join(root, "volumes/roles/db", id);

  test("each has an id and a limit of its own, which it keeps; whole disks have none", async () => {
    const { isolator, root, limits, assigned } = made({
      isEnforced: true,
      headroomBytes: 5 * MEGABYTE,
    });
    const whole = join(root, "whole");
    const mount = { source: { type: "MOUNT", mount: { root: whole } } };
    const resources = [...disk(10), volume("data", 20), volume("big", 30, mount)];
    const [one, two] = ["one", "two"].map((name) => specIn(root, name, "true", { resources }));
    if (one === undefined || two === undefined) throw new Error("there are two");
    const data = folderOf(root, "data");
    for (const folder of [one.directory, two.directory, data, whole]) {
      mkdirSync(folder, { recursive: true });
    }
    await isolator.prepare(one);
    expect([...limits]).toEqual([
      [5000, [10 * MEGABYTE, 15 * MEGABYTE]],
      [5001, [20 * MEGABYTE, 25 * MEGABYTE]],
    ]);
    expect(assigned).toEqual(["one 5000", "data 5001"]);
    await isolator.update(one.containerId, [...disk(10), volume("data", 40)]);
    expect(limits.get(5001)).toEqual([40 * MEGABYTE, 45 * MEGABYTE]);
    await isolator.cleanup(one.containerId);
    await isolator.prepare(two);
    expect(assigned).toEqual(["one 5000", "data 5001", "two 5002"]);
    // In the place of the first one there is another, as after DESTROY and CREATE.
    assigned.splice(1, 1);
    await isolator.update(two.containerId, resources);
    expect(assigned).toEqual(["one 5000", "two 5002", "data 5001"]);
    expect(readdirSync(join(root, "ids")).sort()).toEqual(["5000", "5001", "5001.settled", "5002"]);
  });

  test("who holds more in one is ended for it by name, and its figures are beside the sandbox's", async () => {
    const { isolator, root, usages, clock } = made({
      isEnforced: true,
      headroomBytes: 5 * MEGABYTE,
    });
    const whole = join(root, "whole");
    const source = { type: "MOUNT", mount: { root: whole } } as const;
    const resources = [...disk(10), volume("data", 20), volume("big", 30, { source })];
    const spec = specIn(root, "full", "true", { resources });
    for (const folder of [spec.directory, folderOf(root, "data"), whole]) {
      mkdirSync(folder, { recursive: true });
    }
    await isolator.prepare(spec);
    const told: Limitation[] = [];
    const stop = isolator.watch(spec.containerId, (limitation) => told.push(limitation));
    usages.set(5000, { usedBytes: 3 * MEGABYTE, softBytes: 0, hardBytes: 0 });
    usages.set(5001, { usedBytes: 22 * MEGABYTE, softBytes: 0, hardBytes: 0 });
    clock.advance(1000);
    await new Promise((wake) => setTimeout(wake, 1));
    const persistence = { id: "data" };
    expect(told).toEqual([
      {
        reason: "REASON_CONTAINER_LIMITATION_DISK",
        message: "Disk usage (22MB) exceeds quota (20MB) for volume 'data'",
        resources: [
          {
            name: "disk",
            type: "SCALAR",
            scalar: { value: 22 },
            disk: { persistence, volume: { container_path: "data", mode: "RW" } },
          },
        ],
      },
    ]);
    const { bsize, blocks } = statfsSync(whole);
    const figures = await isolator.usage(spec.containerId);
    expect(figures).toEqual({
      disk_used_bytes: 3 * MEGABYTE,
      disk_limit_bytes: 10 * MEGABYTE,
      disk_statistics: [
        { persistence, limit_bytes: 20 * MEGABYTE, used_bytes: 22 * MEGABYTE },
        { source, persistence: { id: "big" }, used_bytes: expect.any(Number) },
      ],
    });
    const used = figures.disk_statistics?.[1]?.used_bytes ?? 0;
    expect(used).toBeGreaterThan(0);
    expect(used).toBeLessThanOrEqual(blocks * bsize);
    stop();
  });

  test("an id is free when nothing counts for it any more, wherever that was moved", async () => {
    const { isolator, root, usages } = made({ isEnforced: true, headroomBytes: undefined });
    const resources = [...disk(10), volume("data", 20)];
    const first = specIn(root, "first", "true", { resources });
    const data = folderOf(root, "data");
    for (const folder of [first.directory, data]) mkdirSync(folder, { recursive: true });
    await isolator.prepare(first);
    await isolator.cleanup(first.containerId);
    rmSync(first.directory, { recursive: true });
    renameSync(data, join(root, "trash"));
    usages.set(5001, { usedBytes: MEGABYTE, softBytes: 0, hardBytes: 0 });
    const taken: string[] = [];
    for (const name of ["a", "b", "c"]) {
      const spec = specIn(root, name, "true", { resources: disk(10) });
      mkdirSync(spec.directory, { recursive: true });
      taken.push(await isolator.prepare(spec).then(() => name, String));
    }
    expect(taken).toEqual(["a", "b", expect.stringContaining("All 3 project ids")]);
    usages.delete(5001);
    const last = specIn(root, "last", "true", { resources: disk(10) });
    mkdirSync(last.directory, { recursive: true });
    await isolator.prepare(last);
    expect(readdirSync(join(root, "ids")).sort()).toEqual(["5000", "5001", "5002"]);
  });

  test("what is left of a destroyed volume does not count for the one made in its place", async () => {
    const range = { begin: 5000, end: 5009 };
    const { isolator, root, usages, limits, assigned } = made({
      isEnforced: true,
      headroomBytes: undefined,
      range,
    });
    const data = folderOf(root, "data");
    const resources = [volume("data", 20)];
    const [one, two, three] = ["one", "two", "three"].map((name) =>
      specIn(root, name, "true", { resources }),
    );
    if (one === undefined || two === undefined || three === undefined) throw new Error("are three");
    for (const folder of [one.directory, two.directory, three.directory, data]) {
      mkdirSync(folder, { recursive: true });
    }
    await isolator.prepare(one);
    // Into the trash, where it counts for its id as before.
    renameSync(data, join(root, "trash"));
    assigned.splice(1, 1);
    usages.set(5001, { usedBytes: 20 * MEGABYTE, softBytes: 0, hardBytes: 0 });
    mkdirSync(data);
    await Promise.all([isolator.prepare(two), isolator.prepare(three)]);
    const stop = isolator.watch(two.containerId, () => undefined);
    const idOfData = new XfsProjects(join(root, "ids"), range).idOf(data);
    expect(idOfData).toBeGreaterThan(5001);
    expect(new Set(assigned.filter((line) => line.startsWith("data")))).toEqual(
      new Set([`data ${idOfData}`]),
    );
    expect(limits.get(idOfData ?? 0)).toEqual([20 * MEGABYTE, 20 * MEGABYTE]);
    stop();
    // The id is kept as long as the trash, whatever dies in between, and then goes.
    const again = new XfsProjects(join(root, "ids"), range);
    expect(again.abandoned()).toEqual([5001]);
    again.release(5001);
    expect([again.idOf(data), again.abandoned()]).toEqual([idOfData, []]);
    const names = readdirSync(join(root, "ids")).filter((name) => name.startsWith("5001"));
    expect(names).toEqual([]);
  });

  test("a volume that is made again while its id is being released gets another one", async () => {
    const range = { begin: 5000, end: 5009 };
    const { isolator, root, limits, quota, clock } = made({
      isEnforced: true,
      headroomBytes: undefined,
      range,
    });
    const data = folderOf(root, "data");
    const [one, two] = ["one", "two"].map((name) =>
      specIn(root, name, "true", { resources: [volume("data", 20)] }),
    );
    if (one === undefined || two === undefined) throw new Error("there are two");
    for (const folder of [one.directory, two.directory, data]) {
      mkdirSync(folder, { recursive: true });
    }
    await isolator.prepare(one);
    const stop = isolator.watch(one.containerId, () => undefined);
    rmSync(data, { recursive: true });
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const { promise: releasing, resolve: begin } = Promise.withResolvers<void>();
    quota.unlimit = async (ids) => {
      begin();
      await released;
      for (const id of ids) limits.set(id, [0, 0]);
    };
    clock.advance(1000);
    await releasing;
    mkdirSync(data);
    const prepared = isolator.prepare(two);
    await new Promise((wake) => setTimeout(wake, 20));
    release();
    await prepared;
    await new Promise((wake) => setTimeout(wake, 1));
    const id = new XfsProjects(join(root, "ids"), range).idOf(data);
    expect(limits.get(id ?? 0)).toEqual([20 * MEGABYTE, 20 * MEGABYTE]);
    stop();
  });

  test("quotas are looked at once in an interval, whoever comes and goes during a look", async () => {
    const { isolator, root, quota, clock } = made({ isEnforced: true, headroomBytes: undefined });
    const spec = specIn(root, "busy", "true", { resources: disk(10) });
    mkdirSync(spec.directory, { recursive: true });
    await isolator.prepare(spec);
    let looks = 0;
    let end: () => void = () => undefined;
    quota.report = () => {
      looks += 1;
      return new Promise((resolve) => {
        end = () => resolve(new Map());
      });
    };
    const turn = async (): Promise<void> => {
      await new Promise((wake) => setTimeout(wake, 1));
    };
    let stop = isolator.watch(spec.containerId, () => undefined);
    for (let interval = 1; interval <= 4; interval += 1) {
      clock.advance(1000);
      await turn();
      expect(looks).toBe(interval);
      stop();
      stop = isolator.watch(spec.containerId, () => undefined);
      end();
      await turn();
    }
    stop();
    expect(clock.pending).toBe(0);
  });

  test("a volume is not gone that is on a disk which is away", () => {
    const root = newRoot();
    const data = folderOf(join(root, "disk"), "data");
    mkdirSync(data, { recursive: true });
    const projects = new XfsProjects(join(root, "ids"), RANGE);
    projects.settle(projects.take(data), true);
    renameSync(join(root, "disk"), join(root, "away"));
    expect(projects.abandoned()).toEqual([]);
    renameSync(join(root, "away"), join(root, "disk"));
    rmSync(data, { recursive: true });
    expect(projects.abandoned()).toEqual([5000]);
  });
});

describe("disk/xfs with the file system", () => {
  testNeeding("xfs")(
    "a task is refused more than it asked for, and one that is to be ended is ended [semantics 7.14]",
    async () => {
      mounted = mountXfs();
      const root = join(mounted.path, "with blank");
      mkdirSync(root);
      const quotas = new XfsQuotas(findProgram("xfs_quota") ?? "");
      const quota = quotas.of(root);
      const projects = new XfsProjects(join(root, "ids"), RANGE);
      const settings = {
        quotaOf: (folder: string) => quotas.of(folder),
        projects,
        range: RANGE,
        workDir: join(root, "work"),
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

  testNeeding("xfs")(
    "a volume takes no more than its own size, whatever is left of the sandbox, and one made again in its place neither [semantics 7.14]",
    async () => {
      mounted = mountXfs();
      const root = mounted.path;
      const workDir = join(root, "work");
      const data = join(workDir, "volumes/roles/db/data");
      mkdirSync(data, { recursive: true });
      // From before there was an id.
      writeFileSync(join(data, "old"), new Uint8Array(2_000_000));
      const quotas = new XfsQuotas(findProgram("xfs_quota") ?? "");
      const range = { begin: 5000, end: 5009 };
      const projects = new XfsProjects(join(root, "ids"), range);
      const settings = {
        quotaOf: (folder: string) => quotas.of(folder),
        projects,
        range,
        workDir,
        isEnforced: true,
        intervalMs: 100,
        clock: systemClock,
        log: silentLog,
      };
      const resources: Resource[] = [
        ...disk(30),
        {
          ...disk(8)[0],
          name: "disk",
          type: "SCALAR",
          role: "db",
          disk: { persistence: { id: "data" }, volume: { container_path: "data", mode: "RW" } },
        },
      ];
      const fill =
        "head -c 20000000 /dev/zero >own || exit 5; head -c 20000000 /dev/zero >data/big";
      const volumes = [{ hostPath: data, containerPath: "data" }];
      const strict = posixIn(root, {
        isolators: [new XfsIsolator({ ...settings, headroomBytes: undefined })],
      });
      const held = async (): Promise<number> => {
        const usages = await quotas.of(root).report(range.begin, range.end);
        return usages.get(projects.idOf(data) ?? 0)?.usedBytes ?? 0;
      };
      mkdirSync(join(root, "trash"));
      for (const name of ["first", "second"]) {
        const spec = specIn(root, name, `${fill} || exit 7`, { resources, volumes });
        await strict.launch(spec);
        expect((await strict.wait(spec.containerId)).exit).toEqual({ kind: "exited", code: 7 });
        await strict.cleanup(spec.containerId);
        expect(await held()).toBeGreaterThan(6 * MEGABYTE);
        expect(await held()).toBeLessThanOrEqual(8 * MEGABYTE);
        expect(statSync(join(data, "big")).size).toBeLessThanOrEqual(8 * MEGABYTE);
        expect(statSync(join(data, "big")).size).toBeGreaterThan(5 * MEGABYTE);
        // As DESTROY and CREATE do.
        renameSync(data, join(root, "trash", name));
        mkdirSync(data);
      }
      await strict.close();
      const killing = posixIn(root, {
        isolators: [new XfsIsolator({ ...settings, headroomBytes: 10 * MEGABYTE })],
      });
      rmSync(join(workDir, "sandboxes"), { recursive: true });
      const hog = specIn(root, "hog", "head -c 12000000 /dev/zero >data/big; exec sleep 1000", {
        resources,
        volumes,
      });
      await killing.launch(hog);
      const { limitation } = await killing.wait(hog.containerId);
      expect(limitation?.reason).toBe("REASON_CONTAINER_LIMITATION_DISK");
      expect(limitation?.message).toMatch(/ exceeds quota \(8MB\) for volume 'data'$/);
      expect(limitation?.resources[0]?.disk?.persistence).toEqual({ id: "data" });
      const figures = await killing.usage(hog.containerId);
      expect(figures.disk_used_bytes).toBeLessThan(MEGABYTE);
      expect(figures.disk_statistics).toEqual([
        {
          persistence: { id: "data" },
          limit_bytes: 8 * MEGABYTE,
          used_bytes: expect.any(Number),
        },
      ]);
      await killing.cleanup(hog.containerId);
      await killing.close();
    },
  );
});

type Quota = { -readonly [Name in keyof Made]: Made[Name] };
type Made = ReturnType<XfsIsolatorOptions["quotaOf"]>;

function made(
  settings: Pick<XfsIsolatorOptions, "isEnforced" | "headroomBytes"> &
    Partial<Pick<XfsIsolatorOptions, "range">>,
  root: string = newRoot(),
): {
  isolator: XfsIsolator;
  root: string;
  clock: FakeClock;
  limits: Map<number, readonly [soft: number, hard: number]>;
  usages: Map<number, ProjectUsage>;
  assigned: string[];
  quota: Quota;
} {
  const { range = RANGE } = settings;
  const limits = new Map<number, readonly [soft: number, hard: number]>();
  const usages = new Map<number, ProjectUsage>();
  const assigned: string[] = [];
  const clock = new FakeClock();
  const quota: Quota = {
    assign: async (folder, id) => void assigned.push(`${basename(folder)} ${id}`),
    isAssigned: async (folder, id) => assigned.includes(`${basename(folder)} ${id}`),
    limit: async (id, soft, hard) => void limits.set(id, [soft, hard]),
    unlimit: async (ids) => {
      for (const id of ids) limits.set(id, [0, 0]);
    },
    report: () => Promise.resolve(usages),
  };
  const isolator = new XfsIsolator({
    ...settings,
    quotaOf: () => quota,
    workDir: root,
    projects: new XfsProjects(join(root, "ids"), range),
    range,
    intervalMs: 1000,
    clock,
    log: silentLog,
  });
  return { isolator, root, clock, limits, usages, assigned, quota };
}
