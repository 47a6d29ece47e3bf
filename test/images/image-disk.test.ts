/**
 * What containers write over their images counts for their disk, by walks and by quotas of XFS, and the
 * images do not. Needs root, cgroups v2, overlayfs and a static busybox; XFS where it is named.
 */
import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ContainerId } from "../../src/base/ids.ts";
import type { Isolator } from "../../src/containerizer/containerizer.ts";
import { findProgram } from "../../src/containerizer/keeper/host-tools.ts";
import { DiskIsolator } from "../../src/containerizer/native/disk-isolator.ts";
import { XfsIsolator } from "../../src/containerizer/native/xfs-isolator.ts";
import { XfsProjects } from "../../src/containerizer/native/xfs-projects.ts";
import { XfsQuotas } from "../../src/containerizer/native/xfs-quota.ts";
import { systemClock } from "../../src/platform/system.ts";
import type { ContainerInfo, Resource } from "../../src/protocol/v1/types.ts";
import { newRoot, removeRoots, silentLog } from "../containerizer/containers.ts";
import { OBSTACLE, removeCgroupRoots } from "../containerizer/native/native.ts";
import { testNeeding } from "../harness/needs.ts";
import { BUSYBOX_OBSTACLE } from "../harness/static-busybox.ts";
import { PATIENCE_MS } from "../harness/wait.ts";
import { type MountedXfs, mountXfs } from "../harness/xfs.ts";
import { buildImage, busyboxLayer, savedArchive } from "./image-builder.ts";
import { type ImageScene, imageScene } from "./image-scene.ts";

setDefaultTimeout(PATIENCE_MS);

const MEGABYTE = 1024 * 1024;
const RANGE = { begin: 5000, end: 5009 };
const obstacle = OBSTACLE ?? BUSYBOX_OBSTACLE;
const reason = obstacle === undefined ? "" : ` (skipped: ${obstacle})`;
const DISK: Resource[] = [{ name: "disk", type: "SCALAR", scalar: { value: 8 } }];
const scenes: ImageScene[] = [];
let mounted: MountedXfs | undefined;

afterEach(async () => {
  for (const scene of scenes.splice(0)) await scene.containerizer.close();
  await removeCgroupRoots();
  mounted?.remove();
  mounted = undefined;
  removeRoots();
});

/** With an image `data:1` of its own programs and 20 MB. */
function open(root: string, backend: "overlay" | "copy", isolator: Isolator): ImageScene {
  const images = newRoot();
  const content = new Uint8Array(20 * MEGABYTE).fill(1);
  const image = buildImage({ layers: [busyboxLayer(), [{ path: "ballast", content }]] });
  writeFileSync(join(images, "data:1.tar"), savedArchive(image, "data:1"));
  const scene = imageScene(images, { root, backend, isolators: [isolator] });
  scenes.push(scene);
  return scene;
}

function inVolume(): ContainerInfo {
  const image = { type: "DOCKER", docker: { name: "data:1" } } as const;
  return { type: "MESOS", volumes: [{ mode: "RW", container_path: "v", image }] };
}

function walks(root: string): DiskIsolator {
  const workDir = join(root, "work");
  const timing = { intervalMs: 100, clock: systemClock, log: silentLog };
  return new DiskIsolator({ workDir, isEnforced: true, ...timing });
}

function quotas(root: string, headroomBytes?: number): XfsIsolator {
  const all = new XfsQuotas(findProgram("xfs_quota") ?? "");
  return new XfsIsolator({
    quotaOf: (folder) => all.of(folder),
    projects: new XfsProjects(join(root, "ids"), RANGE),
    range: RANGE,
    workDir: join(root, "work"),
    isEnforced: true,
    headroomBytes,
    intervalMs: 100,
    clock: systemClock,
    log: silentLog,
  });
}

for (const backend of ["overlay", "copy"] as const) {
  describe.skipIf(obstacle !== undefined)(`disk/du over images: ${backend}${reason}`, () => {
    test("who writes more than it may into its root is ended, and who writes less is not [semantics 7.14]", async () => {
      const root = newRoot();
      const { containerizer, spec } = open(root, backend, walks(root));
      // All at once: a walk in between would find a part of it.
      const write = (megabytes: number): string =>
        `busybox fallocate -l ${megabytes * MEGABYTE} /made; sleep 100`;
      const small = spec("small", "data:1", write(4), { resources: DISK });
      const big = spec("big", "data:1", write(12), { resources: DISK });
      for (const one of [small, big]) await containerizer.launch(one);
      const { limitation } = await containerizer.wait(big.containerId);
      expect(limitation?.message).toMatch(/^Disk usage \(12[\d.]*MB\) exceeds quota \(8MB\)$/);
      await usedBy(containerizer, small.containerId, 4);
      for (const { containerId } of [small, big]) {
        await containerizer.destroy(containerId);
        await containerizer.cleanup(containerId);
      }
    });

    test("so is who does into a volume that is an image, also after a restart of the agent [semantics 7.14]", async () => {
      const root = newRoot();
      const first = open(root, backend, walks(root));
      const command =
        "until test -e go; do sleep 0.1; done; head -c 12000000 /dev/zero >v/x; sleep 100";
      const spec = first.spec("volume", "", command, { container: inVolume(), resources: DISK });
      await first.containerizer.launch(spec);
      await usedBy(first.containerizer, spec.containerId, 0);
      await first.containerizer.close();
      const second = open(root, backend, walks(root));
      await second.containerizer.recover([spec]);
      await second.containerizer.update(spec.containerId, DISK);
      await usedBy(second.containerizer, spec.containerId, 0);
      writeFileSync(join(spec.directory, "go"), "");
      const { limitation } = await second.containerizer.wait(spec.containerId);
      expect(limitation?.reason).toBe("REASON_CONTAINER_LIMITATION_DISK");
      await second.containerizer.cleanup(spec.containerId);
    });
  });

  describe.skipIf(obstacle !== undefined)(`disk/xfs over images: ${backend}${reason}`, () => {
    testNeeding("xfs", "overlay")(
      "the file system takes no more than a task asked for, wherever it writes [semantics 7.14]",
      async () => {
        mounted = mountXfs();
        const root = mounted.path;
        const { containerizer, spec, run } = open(root, backend, quotas(root));
        // Its own output would have no room either. A little is taken by folders and the sandbox.
        const fill = (path: string): string => {
          const size = `$(busybox wc -c <${path})`;
          const isFull = `[ ${size} -gt 6000000 ] && [ ${size} -le ${8 * MEGABYTE} ]`;
          return `busybox head -c 12000000 /dev/zero >${path} && exit 1; ${isFull} && exit 7; exit 2`;
        };
        const seven = { kind: "exited", code: 7 } as const;
        const parent = spec("parent", "data:1", "exec sleep 1000", { resources: DISK });
        await containerizer.launch(parent);
        const nested = { parentId: parent.containerId, resources: [] };
        const cases: readonly (readonly [string, string, string, object])[] = [
          ["root", "data:1", fill("/made"), {}],
          ["over", "data:1", fill("/bin/made"), {}],
          ["volume", "", fill("v/made").replaceAll("busybox ", ""), { container: inVolume() }],
          ...(backend === "overlay" ? [["nested", "data:1", fill("/made"), nested] as const] : []),
        ];
        for (const [name, image, command, more] of cases) {
          const one = spec(name, image, command, { resources: DISK, ...more });
          await containerizer.launch(one);
          const { exit } = await containerizer.wait(one.containerId);
          expect([name, exit]).toEqual([name, seven]);
          await containerizer.cleanup(one.containerId);
        }
        await containerizer.destroy(parent.containerId);
        await containerizer.cleanup(parent.containerId);
        // Files of the image may be replaced, moved and removed as ever.
        const changes = [
          "mv /ballast /moved",
          "rm /moved",
          "mkdir /d",
          "mv /d /bin/d",
          "echo done",
        ];
        const change = changes.map((line) => line.replace(/^(mv|rm|mkdir)/, "busybox $1"));
        const resources = DISK.map((one) => ({ ...one, scalar: { value: 40 } }));
        expect(await run("change", "data:1", change.join(" && "), { resources })).toBe("done\n");
      },
    );

    testNeeding("xfs", "overlay")(
      "who passes its quota is ended where that is asked for, and the image does not count [semantics 7.14]",
      async () => {
        mounted = mountXfs();
        const root = mounted.path;
        const { containerizer, spec } = open(root, backend, quotas(root, 10 * MEGABYTE));
        const write =
          "until test -e go; do sleep 0.1; done; busybox fallocate -l 12000000 /made; sleep 100";
        const hog = spec("hog", "data:1", write, { resources: DISK });
        mkdirSync(hog.directory, { recursive: true });
        await containerizer.launch(hog);
        await usedBy(containerizer, hog.containerId, 0);
        writeFileSync(join(hog.directory, "go"), "");
        const { limitation } = await containerizer.wait(hog.containerId);
        expect(limitation?.message).toMatch(/^Disk usage \(1\d[\d.]*MB\) exceeds quota \(8MB\)$/);
        await containerizer.cleanup(hog.containerId);
      },
    );
  });
}

test("nothing of these tests is mounted any more", () => {
  expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain("allot-xfs-");
});

/** Waits until so many megabytes are counted, less than a whole one more. */
async function usedBy(
  containerizer: ImageScene["containerizer"],
  containerId: ContainerId,
  megabytes: number,
): Promise<void> {
  for (;;) {
    const { disk_used_bytes: used } = await containerizer.usage(containerId);
    if (used !== undefined && Math.floor(used / MEGABYTE) === megabytes) return;
    await new Promise((wake) => setTimeout(wake, 20));
  }
}
