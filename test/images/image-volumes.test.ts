/**
 * Images as volumes of native containers, in roots of their own and without. Needs root, cgroups v2,
 * overlayfs, a static busybox and docker-registry.
 */
import { afterAll, afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { Image, Volume } from "../../src/protocol/v1/types.ts";
import { failureOf, removeRoots } from "../containerizer/containers.ts";
import { OBSTACLE, removeCgroupRoots } from "../containerizer/native/native.ts";
import { findRegistry } from "../harness/docker-registry.ts";
import { BUSYBOX_OBSTACLE } from "../harness/static-busybox.ts";
import { PATIENCE_MS } from "../harness/wait.ts";
import { buildImage, busyboxLayer, pushImage } from "./image-builder.ts";
import { type ImageScene, type ImageSceneOptions, imageScene } from "./image-scene.ts";

setDefaultTimeout(PATIENCE_MS);

const obstacle = OBSTACLE ?? BUSYBOX_OBSTACLE;
const registry = obstacle === undefined ? await findRegistry("images as volumes") : undefined;
const reason = obstacle === undefined ? "" : ` (skipped: ${obstacle})`;
const scenes: ImageScene[] = [];

afterEach(async () => {
  for (const scene of scenes.splice(0)) {
    await scene.containerizer.close();
    expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(`${scene.root}/`);
  }
  await removeCgroupRoots();
  removeRoots();
});

afterAll(() => registry?.stop());

const DATA = {
  layers: [
    [
      { path: "file", content: "from the image\n" },
      { path: "gone", content: "x" },
    ],
    [{ path: ".wh.gone" }, { path: "dir/deep", content: "deep\n" }],
  ],
};

describe.skipIf(registry === undefined)(`images as volumes${reason}`, () => {
  const host = registry?.host ?? "";
  const open = (options: ImageSceneOptions = {}): ImageScene => {
    const scene = imageScene(`http://${host}`, options);
    scenes.push(scene);
    return scene;
  };

  for (const backend of ["overlay", "copy"] as const) {
    test(`are seen in the sandbox, written to where that is asked for, and go with the container: ${backend} [isolator volume/image]`, async () => {
      await pushImage(host, "data", "1", buildImage(DATA));
      const scene = open({ backend });
      const volumes = [volumeOf("ro", "RO", "data:1"), volumeOf("rw/here", "RW", "data:1")];
      const command = [
        "ls ro rw/here | tr '\\n' ' '",
        "cat ro/file rw/here/dir/deep",
        "echo new >rw/here/file; cat rw/here/file ro/file",
        "touch ro/x",
      ].join("; ");
      for (const name of ["first", "second"]) {
        const container = { type: "MESOS", volumes } as const;
        expect(await scene.run(name, "", command, { container })).toMatch(
          /^ro: dir file {2}rw\/here: dir file from the image\ndeep\nnew\nfrom the image\n.*Read-only file system\n$/,
        );
        expect(scene.left()).toEqual([]);
      }
    });
  }

  test("have absolute places in a root of their own, which may be of another image", async () => {
    await pushImage(host, "data", "2", buildImage(DATA));
    await pushImage(host, "tool", "1", buildImage({ layers: [busyboxLayer()] }));
    const { run, left } = open();
    const container = {
      type: "MESOS",
      mesos: { image: imageOf("tool:1") },
      volumes: [volumeOf("/opt/data", "RO", "data:2"), volumeOf("own", "RW", "data:2")],
    } as const;
    const command = "cat /opt/data/file own/dir/deep /mnt/mesos/sandbox/own/file";
    expect(await run("rooted", "", command, { container, user: "nobody" })).toBe(
      "from the image\ndeep\nfrom the image\n",
    );
    expect(left()).toEqual([]);
  });

  test("are kept as long as their container is, by pruning and over a restart of the agent", async () => {
    await pushImage(host, "data", "3", buildImage(DATA));
    const scene = open();
    const container = { type: "MESOS", volumes: [volumeOf("v", "RO", "data:3")] } as const;
    const spec = scene.spec("lasting", "", "until test -e go; do sleep 0.1; done; cat v/file", {
      container,
    });
    await scene.containerizer.launch(spec);
    await scene.collector.prune([]);
    await scene.provisioner.recover(new Set(["lasting"]));
    expect(scene.store.layers()).toHaveLength(2);
    expect(scene.left()).toEqual(["lasting@0"]);
    await scene.containerizer.destroy(spec.containerId);
    await scene.provisioner.recover(new Set());
    expect(scene.left()).toEqual([]);
    await scene.containerizer.cleanup(spec.containerId);
    await scene.collector.prune([]);
    expect(scene.store.layers()).toEqual([]);
  });

  test("that cannot be had fail the launch with the reason, and nothing is left [issue 4]", async () => {
    await pushImage(host, "data", "4", buildImage(DATA));
    const { containerizer, spec, left } = open();
    const refused = (name: string, ...volumes: readonly Volume[]): Promise<string> =>
      failureOf(
        containerizer.launch(spec(name, "", "true", { container: { type: "MESOS", volumes } })),
      );
    const good = volumeOf("good", "RO", "data:4");
    expect(await refused("a", good, volumeOf("x", "RO", "data:missing"))).toContain(
      "has no such image",
    );
    expect(await refused("b", good, volumeOf("../x", "RO", "data:4"))).toContain(
      "container.volumes[1].container_path",
    );
    expect(await refused("c", volumeOf("/no/such", "RO", "data:4"))).toContain("does not exist");
    const appc: Volume = {
      mode: "RO",
      container_path: "x",
      image: { type: "APPC", appc: { name: "x" } },
    };
    expect(await refused("d", appc)).toContain("no Appc images");
    expect(left()).toEqual([]);
  });
});

function imageOf(name: string): Image {
  return { type: "DOCKER", docker: { name } };
}

function volumeOf(container_path: string, mode: Volume["mode"], image: string): Volume {
  return { mode, container_path, image: imageOf(image) };
}
