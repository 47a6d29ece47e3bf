/**
 * Native containers with images from a real registry: layers, whiteouts, entrypoints, users, ends.
 * Needs root, cgroups v2, overlayfs, a static busybox and docker-registry.
 */
import { afterAll, afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ImageCollector, type ImageGarbageOptions } from "../../src/images/image-collector.ts";
import { systemClock } from "../../src/platform/system.ts";
import { failureOf, isRunning, removeRoots } from "../containerizer/containers.ts";
import { OBSTACLE, removeCgroupRoots } from "../containerizer/native/native.ts";
import type { TarEntry } from "../fetcher/tar-builder.ts";
import { findRegistry } from "../harness/docker-registry.ts";
import { BUSYBOX_OBSTACLE } from "../harness/static-busybox.ts";
import { PATIENCE_MS, until } from "../harness/wait.ts";
import {
  buildImage,
  busyboxLayer,
  type ImageWish,
  OCI_MANIFEST,
  pushImage,
} from "./image-builder.ts";
import { type ImageScene, type ImageSceneOptions, imageScene } from "./image-scene.ts";

setDefaultTimeout(PATIENCE_MS);

const obstacle = OBSTACLE ?? BUSYBOX_OBSTACLE;
const registry =
  obstacle === undefined ? await findRegistry("native containers with images") : undefined;
const reason = obstacle === undefined ? "" : ` (skipped: ${obstacle})`;
const scenes: ImageScene[] = [];

afterEach(async () => {
  for (const scene of scenes.splice(0)) {
    await scene.containerizer.close();
    expect(mountsBelow(scene.root)).toEqual([]);
  }
  await removeCgroupRoots();
  removeRoots();
});

afterAll(() => registry?.stop());

/** Layers that take away, hide and replace what is below them. */
const STACK: ImageWish = {
  layers: [
    busyboxLayer(),
    [
      { path: "gone", content: "x" },
      { path: "dir/", type: "5", mode: 0o755 },
      { path: "dir/old", content: "old" },
      { path: "dir/deep/below", content: "below" },
      { path: "twice/lower", content: "lower" },
      { path: "kept/one", content: "one", uid: 65534, gid: 65534, mode: 0o4711 },
      { path: "kept/same", type: "1", linkTarget: "kept/one" },
      { path: "was-file", content: "file" },
      { path: "was-dir/inside", content: "x" },
      { path: "link", type: "2", linkTarget: "/kept/one" },
    ],
    [
      { path: ".wh.gone" },
      { path: "dir/new", content: "new" },
      { path: "dir/.wh..wh..opq" },
      { path: "twice/", type: "5", mode: 0o755 },
      { path: "twice/upper", content: "upper" },
      { path: ".wh.twice" },
      { path: "was-file/", type: "5", mode: 0o755 },
      { path: "was-file/now", content: "dir" },
      { path: "was-dir", content: "file" },
    ],
  ],
  config: {
    Env: ["PATH=/bin", "GREETING=hello there", "LOST=image"],
    Entrypoint: ["/bin/sh", "-c", 'echo "$0 $GREETING in $PWD"'],
    Cmd: ["command"],
    WorkingDir: "/srv/work",
  },
};

const LOOK = [
  "ls / /dir /twice /was-file | tr '\\n' ' '",
  "cat /dir/new /twice/upper /was-dir /link",
  "stat -c '%u %g %a %h' /kept/one /kept/same",
].join("; echo; ");

describe.skipIf(registry === undefined)(`images of native containers${reason}`, () => {
  const host = registry?.host ?? "";

  function open(options: ImageSceneOptions = {}): ImageScene {
    const scene = imageScene(`http://${host}`, options);
    scenes.push(scene);
    return scene;
  }

  for (const backend of ["overlay", "copy"] as const) {
    test(`whiteouts, opaque folders, hard links, owners and modes are right: ${backend} [issue 4]`, async () => {
      await pushImage(host, "stack", "1", buildImage(STACK));
      const scene = open({ backend });
      const output = await scene.run("look", "stack:1", LOOK.replaceAll("tr ", "busybox tr "), {
        environment: { PATH: "/bin" },
      });
      const [listed, contents, ...stats] = output.split("\n");
      expect(listed).toBe(
        "/: bin dev dir etc kept link mnt proc srv sys twice was-dir was-file  /dir: new  /twice: upper  /was-file: now ",
      );
      expect(contents).toBe("newupperfileone");
      expect(stats.join(" ").trim()).toBe("65534 65534 4711 2 65534 65534 4711 2");
      expect(scene.left()).toEqual([]);
    });
  }

  for (const backend of ["overlay", "copy"] as const) {
    test(`folders that a layer only has something in look as those below it say: ${backend} [issue 4]`, async () => {
      const folder = (path: string, mode: number, uid = 0): TarEntry => ({
        path: `${path}/`,
        type: "5",
        mode,
        uid,
        gid: uid,
      });
      const file = (path: string): TarEntry => ({ path, content: "x" });
      const layers = [
        [folder(".", 0o711), ...busyboxLayer()],
        [
          ...[folder("open", 0o1777), folder("own", 0o750, 7), folder("own/deep", 0o700, 8)],
          ...[folder("emptied", 0o700, 9), folder("emptied/in", 0o700, 9), file("emptied/old")],
          ...[folder("anew", 0o700, 9), folder("link", 0o700, 9), folder("said", 0o700, 9)],
          ...[folder("hidden", 0o700, 9), folder("hidden/in", 0o700, 9)],
        ],
        [
          ...[file("open/one"), file("own/deep/only/two"), file("link/lost"), file("said/x")],
          ...[file("emptied/.wh..wh..opq"), file("emptied/in/new"), file(".wh.anew")],
          ...[file("anew/three"), file("hidden/in/lost")],
        ],
        [
          { path: "link", type: "2", linkTarget: "own" },
          folder("said", 0o755, 5),
          file(".wh.hidden"),
        ],
        [file("own/deep/four"), file("said/y")],
      ];
      await pushImage(host, "implied", "1", buildImage({ layers }));
      const look =
        "stat -c '%n %a %u' / open own own/deep own/deep/only emptied emptied/in anew said";
      const list = "ls -d hidden; ls own/deep emptied link/deep | busybox tr '\n' ' '";
      const output = await open({ backend }).run("look", "implied:1", `cd /; ${look}; ${list}`);
      expect(output.split("\n")).toEqual([
        ...["/ 711 0", "open 1777 0", "own 750 7", "own/deep 700 8", "own/deep/only 755 0"],
        ...["emptied 700 9", "emptied/in 755 0", "anew 755 0", "said 755 5"],
        "emptied: in  link/deep: four only  own/deep: four only ls: hidden: No such file or directory",
        "",
      ]);
    });
  }

  test("entrypoint, command, variables and working folder are the image's where the task is silent [isolator docker/runtime]", async () => {
    await pushImage(host, "stack", "run", buildImage(STACK, OCI_MANIFEST));
    const { run } = open();
    const bare = { shell: false } as const;
    expect(await run("bare", "stack:run", bare)).toBe("command hello there in /srv/work\n");
    const given = { shell: false, arguments: ["mine"] } as const;
    expect(await run("given", "stack:run", given)).toBe("mine hello there in /srv/work\n");
    const own = "echo $PATH $GREETING $LOST $MESOS_SANDBOX";
    const environment = { PATH: "/bin", LOST: "task", MESOS_SANDBOX: "elsewhere" };
    expect(await run("own", "stack:run", own, { environment })).toBe(
      "/bin hello there task elsewhere\n",
    );
  });

  test("layers are unpacked once and shared, and what a container writes is its own", async () => {
    await pushImage(host, "shared", "a", buildImage({ layers: [busyboxLayer()] }));
    const more = [busyboxLayer(), [{ path: "more", content: "more" }]];
    await pushImage(host, "shared", "b", buildImage({ layers: more }));
    const { run, store, log } = open();
    expect(await run("first", "shared:a", "echo mine >/made; cat /made")).toBe("mine\n");
    expect(await run("second", `${host}/shared:b`, "cat /more; cat /made")).toContain("more");
    expect(await run("third", "shared:a", "test -e /made || echo clean")).toBe("clean\n");
    expect(readdirSync(join(store.folder, "layers"))).toHaveLength(2);
    expect(log.filter((line) => line.includes("pulled an image"))).toHaveLength(2);
  });

  test("an image that is kept is used without asking; cached=false asks again [Image.cached]", async () => {
    const versioned = (content: string): ImageWish => ({
      layers: [busyboxLayer(), [{ path: "version", content }]],
    });
    await pushImage(host, "moving", "latest", buildImage(versioned("one")));
    const { run } = open();
    expect(await run("a", "moving", "cat /version")).toBe("one");
    await pushImage(host, "moving", "latest", buildImage(versioned("two")));
    expect(await run("b", "moving", "cat /version")).toBe("one");
    expect(await run("c", "moving", "cat /version", { image: { cached: false } })).toBe("two");
    expect(await run("d", "moving", "cat /version")).toBe("two");
  });

  test("nothing of a container outlives it: commands beside it, kills, nested ones with images of their own", async () => {
    await pushImage(host, "alone", "1", buildImage({ layers: [busyboxLayer()] }));
    const { containerizer, spec, left, root } = open();
    const parent = spec("parent", "alone:1", "echo $$ >started; exec sleep 1000");
    const { pid } = await containerizer.launch(parent);
    expect(mountsBelow(root)).toEqual([]);
    const child = spec("child", "alone:1", "exec sleep 1000", { parentId: parent.containerId });
    await containerizer.launch(child);
    const inside = {
      ...parent,
      command: { value: "ls /bin/busybox && exit 7" },
      timeoutMs: 30_000,
    };
    expect(await containerizer.runInside(inside)).toEqual({ kind: "exited", code: 7 });
    expect(left().sort()).toEqual(["child", "parent"]);
    for (const { containerId } of [child, parent]) {
      await containerizer.destroy(containerId);
      await containerizer.cleanup(containerId);
    }
    expect(isRunning(pid)).toBe(false);
    expect(left()).toEqual([]);
  });

  test("a task as another user has its image, and its sandbox where Mesos has it", async () => {
    await pushImage(host, "alone", "2", buildImage({ layers: [busyboxLayer()] }));
    const { run } = open();
    const look =
      "id -u; pwd; touch mine && test -O mine && echo mine; touch /no 2>/dev/null || echo no";
    expect(await run("user", "alone:2", look, { user: "nobody" })).toBe(
      "65534\n/mnt/mesos/sandbox\nmine\nno\n",
    );
  });

  test("what cannot be is refused with what to do about it", async () => {
    await pushImage(host, "alone", "3", buildImage({ layers: [busyboxLayer()] }));
    await pushImage(host, "other", "1", buildImage({ layers: [], architecture: "s390x" }));
    const { containerizer, spec, left } = open();
    const refused = (name: string, image: string, command = {}): Promise<string> =>
      failureOf(containerizer.launch(spec(name, image, { value: "true", ...command })));
    expect(await refused("a", "alone:missing")).toContain("has no such image");
    expect(await refused("b", "no image")).toContain("is no name of an image");
    expect(await refused("c", "../alone")).toContain("is no name of an image");
    expect(await refused("d", "other:1")).toContain("it is for s390x");
    expect(await refused("e", "alone:3", { shell: false, value: "" })).toContain(
      "says nothing about what to run",
    );
    const appc = spec("f", "x", "true", { image: { type: "APPC", appc: { name: "x" } } });
    expect(await failureOf(containerizer.launch(appc))).toContain("no Appc images");
    expect(left()).toEqual([]);
  });

  test("images that no container uses go when an operator says so, but those excluded [PRUNE_IMAGES]", async () => {
    const image = (content: string): ImageWish => ({
      layers: [busyboxLayer(), [{ path: "own", content }]],
    });
    for (const tag of ["used", "kept", "idle"]) {
      await pushImage(host, "prune", tag, buildImage(image(tag)));
    }
    const { containerizer, spec, run, store, collector } = open();
    const used = spec("used", "prune:used", "exec sleep 1000");
    await containerizer.launch(used);
    for (const tag of ["kept", "idle"]) await run(tag, `prune:${tag}`, "true");
    const bad = { type: "DOCKER", docker: { name: "no such: name" } } as const;
    const appc = { type: "APPC", appc: { name: "x" } } as const;
    for (const [image, field] of [
      [bad, "prune_images.excluded_images[1].docker.name"],
      [appc, "prune_images.excluded_images[1]"],
    ] as const) {
      const good = { type: "DOCKER", docker: { name: "prune:kept" } } as const;
      const refused = await collector.prune([good, image]);
      expect(refused).toMatchObject({ ok: false, error: { code: "invalid", field } });
    }
    expect(store.images()).toHaveLength(3);
    await collector.prune([{ type: "DOCKER", docker: { name: "prune:kept" } }]);
    expect(
      store
        .images()
        .map(({ name }) => name)
        .sort(),
    ).toEqual(["prune:kept", "prune:used"]);
    expect(store.layers()).toHaveLength(3);
    await containerizer.destroy(used.containerId);
    await containerizer.cleanup(used.containerId);
    await collector.prune([]);
    expect(store.images()).toEqual([]);
    expect(store.layers()).toEqual([]);
    expect(await run("again", "prune:idle", "cat /own")).toBe("idle");
  });

  test("images that no container has used for long go by themselves, and as many as are too much [flag image_gc_delay, image_store_size]", async () => {
    const big = (tag: string): ImageWish => ({
      layers: [busyboxLayer(), [{ path: "own", content: tag.repeat(100_000) }]],
    });
    for (const tag of ["a", "b", "c", "d"]) {
      await pushImage(host, "aged", tag, buildImage(big(tag)));
    }
    const { containerizer, spec, run, store, provisioner, puller } = open();
    const running = spec("running", "aged:a", "exec sleep 1000");
    await containerizer.launch(running);
    for (const tag of ["b", "c", "d"]) await run(tag, `aged:${tag}`, "true");
    const nowMs = Date.now();
    const hourMs = 3_600_000;
    const age = (tag: string, hours: number): void =>
      store.touch(`aged:${tag}`, nowMs - hours * hourMs);
    for (const [tag, hours] of [
      ["a", 9],
      ["b", 3],
      ["c", 5],
      ["d", 1],
    ] as const) {
      age(tag, hours);
    }
    const names = (): string[] =>
      store
        .images()
        .map(({ name }) => name)
        .sort();
    const collecting = async (
      budget: Pick<ImageGarbageOptions, "maxAgeMs" | "maxBytes">,
      left: readonly string[],
    ): Promise<void> => {
      const collector = new ImageCollector({
        ...{ store, provisioner, puller, excluded: [], clock: systemClock },
        garbage: { headroom: undefined, intervalMs: 10, ...budget },
        log: { write: () => undefined },
      });
      await until(`${left} are left`, () => names().join() === left.join());
      await collector.stop();
    };
    await collecting({ maxAgeMs: 4 * hourMs, maxBytes: undefined }, ["aged:a", "aged:b", "aged:d"]);
    expect(store.images().find(({ name }) => name === "aged:a")?.usedAtMs).toBeGreaterThan(
      nowMs - hourMs,
    );
    expect(store.layers()).toHaveLength(4);
    const bytes = store.layers().reduce((sum, digest) => sum + store.layerBytes(digest), 0);
    await collecting({ maxAgeMs: undefined, maxBytes: bytes - 1 }, ["aged:a", "aged:d"]);
    // To be used is to be new.
    age("d", 9);
    expect(await run("again", "aged:d", "busybox head -c 1 /own")).toBe("d");
    expect(store.images().find(({ name }) => name === "aged:d")?.usedAtMs).toBeGreaterThan(
      nowMs - hourMs,
    );
    await collecting({ maxAgeMs: undefined, maxBytes: 1 }, ["aged:a"]);
    expect(store.layers()).toHaveLength(2);
    await containerizer.destroy(running.containerId);
    await containerizer.cleanup(running.containerId);
  });
});

function mountsBelow(folder: string): string[] {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => line.includes(`${folder}/`));
}
