/** Disk of containers by walks: sandboxes, persistent volumes, what is nested, and what hides. */
import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { brand, type ContainerId } from "../../../src/base/ids.ts";
import type { Limitation } from "../../../src/containerizer/containerizer.ts";
import { bytesBelow } from "../../../src/containerizer/disk-walk.ts";
import { DiskIsolator } from "../../../src/containerizer/native/disk-isolator.ts";
import { systemClock } from "../../../src/platform/system.ts";
import type { Resource, ResourceDiskInfoSource } from "../../../src/protocol/v1/types.ts";
import { PATIENCE_MS } from "../../harness/wait.ts";
import { newRoot, posixIn, removeRoots, silentLog, specIn } from "../containers.ts";

setDefaultTimeout(PATIENCE_MS);

const MEGABYTE = 1024 * 1024;

afterEach(removeRoots);

const disk = (value: number): Resource => ({ name: "disk", type: "SCALAR", scalar: { value } });

const volume = (id: string, value: number, source?: ResourceDiskInfoSource): Resource => ({
  ...disk(value),
  reservations: [{ type: "DYNAMIC", role: "db/east" }],
  disk: {
    persistence: { id },
    volume: { container_path: id, mode: "RW" },
    ...(source === undefined ? {} : { source }),
  },
});

function isolatorIn(root: string, isEnforced: boolean): DiskIsolator {
  const workDir = join(root, "work");
  const options = { workDir, intervalMs: 50, isEnforced, clock: systemClock, log: silentLog };
  return new DiskIsolator(options);
}

describe("disk/du [semantics 7.13, 7.14]", () => {
  test("a task that holds more in a volume than that has is ended, and told in which", async () => {
    const root = newRoot();
    const isolator = isolatorIn(root, true);
    const containerizer = posixIn(root, { isolators: [isolator] });
    const hostPath = join(root, "work/volumes/roles/db east/data");
    mkdirSync(hostPath, { recursive: true });
    const command =
      "head -c 1000000 /dev/zero >own; head -c 5000000 /dev/zero >data/big; sleep 100";
    const spec = specIn(root, "full", command, {
      resources: [disk(3), volume("data", 2)],
      volumes: [{ hostPath, containerPath: "data" }],
    });
    await containerizer.launch(spec);
    const { limitation } = await containerizer.wait(spec.containerId);
    expect(limitation?.reason).toBe("REASON_CONTAINER_LIMITATION_DISK");
    expect(limitation?.message).toMatch(
      /^Disk usage \([\d.]+MB\) exceeds quota \(2MB\) for volume 'data'$/,
    );
    const persistence = { id: "data" };
    expect(limitation?.resources).toEqual([
      {
        name: "disk",
        type: "SCALAR",
        scalar: { value: expect.any(Number) },
        disk: { persistence, volume: { container_path: "data", mode: "RW" } },
      },
    ]);
    const { disk_limit_bytes, disk_used_bytes, disk_statistics } = await containerizer.usage(
      spec.containerId,
    );
    expect(disk_limit_bytes).toBe(3 * MEGABYTE);
    expect(disk_used_bytes).toBeLessThan(2 * MEGABYTE);
    expect(disk_statistics).toEqual([
      { persistence, limit_bytes: 2 * MEGABYTE, used_bytes: expect.any(Number) },
      { limit_bytes: 3 * MEGABYTE, used_bytes: disk_used_bytes },
    ]);
    expect(disk_statistics?.[0]?.used_bytes).toBeGreaterThan(2 * MEGABYTE);
    await containerizer.cleanup(spec.containerId);
    await containerizer.close();
  });

  test("volumes are measured where they are, after a restart too; whole disks have no limit", async () => {
    const root = newRoot();
    const [pathRoot, whole] = [join(root, "path"), join(root, "whole")];
    const source = { type: "MOUNT", mount: { root: whole } } as const;
    const resources = [
      volume("a", 1, { type: "PATH", path: { root: pathRoot } }),
      volume("b", 1, source),
    ];
    mkdirSync(join(pathRoot, "volumes/roles/db east/a"), { recursive: true });
    mkdirSync(join(root, "elsewhere"));
    symlinkSync("elsewhere", whole);
    writeFileSync(join(whole, "big"), new Uint8Array(3_000_000));
    const isolator = isolatorIn(root, true);
    const containerId = brand<ContainerId>("known");
    await isolator.recover([{ containerId, directory: root }]);
    await isolator.update(containerId, resources, {});
    const told: Limitation[] = [];
    const stop = isolator.watch(containerId, (limitation) => told.push(limitation));
    const statistics = async (): Promise<readonly unknown[]> =>
      ((await isolator.usage(containerId)).disk_statistics ?? []).map(
        ({ limit_bytes, used_bytes = 0 }) => [limit_bytes, Math.floor(used_bytes / MEGABYTE)],
      );
    while (JSON.stringify(await statistics()) !== `[[${MEGABYTE},0],[${MEGABYTE},2]]`) {
      await new Promise((wake) => setTimeout(wake, 10));
    }
    expect(told).toEqual([]);
    writeFileSync(join(pathRoot, "volumes/roles/db east/a/big"), new Uint8Array(2_000_000));
    while (told.length === 0) await new Promise((wake) => setTimeout(wake, 10));
    expect(told[0]?.message).toContain("exceeds quota (1MB) for volume 'a'");
    stop();
    await isolator.update(containerId, [], {});
    expect(await isolator.usage(containerId)).toEqual({});
  });

  test("what containers nested in one write over their images counts for it, but not the images", async () => {
    const root = newRoot();
    const folders = ["parent", "child", "grandchild"].map((name) => join(root, name));
    for (const folder of folders) {
      mkdirSync(folder);
      writeFileSync(join(folder, "big"), new Uint8Array(3 * MEGABYTE));
    }
    const [directory = "", child = "", grandchild = ""] = folders;
    const ids = ["parent", "child", "grandchild"].map((name) => brand<ContainerId>(name));
    const [parentId = brand<ContainerId>(""), childId, grandchildId] = ids;
    const spec = { ...specIn(root, "parent", "true"), directory, resources: [disk(100)] };
    const inChild = {
      ...specIn(root, "child", "true"),
      parentId,
      written: [{ path: child, imageBytes: MEGABYTE }],
    };
    const inGrandchild = {
      ...specIn(root, "grandchild", "true"),
      parentId: childId,
      written: [{ path: grandchild, imageBytes: 0 }],
    };
    const started = isolatorIn(root, false);
    for (const one of [spec, inChild, inGrandchild]) await started.prepare(one);
    const recovered = isolatorIn(root, false);
    await recovered.recover([inGrandchild, inChild, spec]);
    await recovered.update(parentId, [disk(100)], {});
    for (const isolator of [started, recovered]) {
      const stop = isolator.watch(parentId, () => undefined);
      const used = async (): Promise<number> =>
        Math.round(((await isolator.usage(parentId)).disk_used_bytes ?? 0) / MEGABYTE);
      while ((await used()) !== 8) await new Promise((wake) => setTimeout(wake, 10));
      await isolator.cleanup(grandchildId ?? parentId);
      while ((await used()) !== 5) await new Promise((wake) => setTimeout(wake, 10));
      stop();
    }
  });
});

test("an agent that was short of descriptors for a while goes on walking [semantics 7.14]", async () => {
  const root = newRoot();
  writeFileSync(join(root, "big"), new Uint8Array(3 * MEGABYTE));
  const walker = join(import.meta.dir, "short-walker.ts");
  const words = ["-c", `ulimit -n 64; exec "$0" "$@"`, process.execPath, walker, root];
  const { stdout } = spawnSync("/bin/sh", words, { encoding: "utf8" });
  expect(stdout).toMatch(/^Disk usage \(3[\d.]*MB\) exceeds quota \(1MB\)$/m);
});

test("a walk counts what it can see when there is something that it cannot", async () => {
  const root = newRoot();
  writeFileSync(join(root, "big"), new Uint8Array(2 * MEGABYTE));
  expect(await bytesBelow([root, join(root, "gone")])).toBeGreaterThanOrEqual(2 * MEGABYTE);
});
