/**
 * Goal: what is collected is never what somebody is about to use, and goes when it has to most. Method: a
 * container begins to use a layer while others, of which there is much on disk, are on their way out; a
 * disk without room for a file. Needs root for owners and mounts.
 */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { ImageCollector } from "../../src/images/image-collector.ts";
import { ImageStore } from "../../src/images/image-store.ts";
import { Provisioner } from "../../src/images/provisioner.ts";
import { systemClock } from "../../src/platform/system.ts";
import { newRoot, removeRoots, silentLog } from "../containerizer/containers.ts";
import { tarOf } from "../fetcher/tar-builder.ts";
import { PATIENCE_MS } from "../harness/wait.ts";
import { type BuiltImage, blobOf, buildImage, OCI_MANIFEST, writeLayout } from "./image-builder.ts";
import { IMAGE_HELPER, newPuller } from "./image-scene.ts";

setDefaultTimeout(PATIENCE_MS);

afterEach(removeRoots);

const isRoot = process.getuid?.() === 0;
const reason = isRoot ? "" : " (skipped: needs root)";

test.skipIf(!isRoot)(
  `what images have left goes from a disk that has no inode left${reason} [PRUNE_IMAGES]`,
  async () => {
    const folder = newRoot();
    const mounted = join(folder, "small");
    mkdirSync(mounted);
    run("mount", "-t", "tmpfs", "-o", "nr_inodes=30", "tmpfs", mounted);
    try {
      const store = new ImageStore(join(mounted, "store"));
      const { collector } = parts(store, folder, folder);
      mkdirSync(join(store.folder, "layers", "1".repeat(64), "root"), { recursive: true });
      const fill = (): void => {
        for (let count = 0; ; count += 1) writeFileSync(join(mounted, `file-${count}`), "");
      };
      expect(fill).toThrow("ENOSPC");
      await collector.prune([]);
      expect(store.layers()).toEqual([]);
    } finally {
      run("umount", mounted);
    }
  },
);

test.skipIf(!isRoot)(
  `a layer that a container comes to use while others are removed stays${reason} [PRUNE_IMAGES]`,
  async () => {
    const root = newRoot();
    const archives = join(root, "archives");
    mkdirSync(archives);
    const layers = Array.from({ length: 6 }, (_, layer) =>
      Array.from({ length: 1500 }, (_one, file) => ({ path: `${layer}-${file}`, content: "x" })),
    );
    const add = (name: string, image: BuiltImage): void =>
      writeLayout(join(archives, name), image, "1");
    add("old", buildImage({ layers }, OCI_MANIFEST));
    const store = new ImageStore(join(root, "store"));
    const { puller, provisioner, collector } = parts(store, root, archives);
    const { signal } = new AbortController();
    const use = async (name: string, containerId: string): Promise<void> => {
      const wish = { image: `${name}:1`, isCached: true, dockerConfig: undefined };
      const held = await puller.ensure(wish, signal);
      await provisioner.provisionVolume(containerId, 0, held, signal);
      held.release();
    };
    await use("old", "first");
    await provisioner.remove("first");
    const last = store.layers().at(-1);
    const shared = layers.filter((layer) => blobOf(tarOf(layer)).digest === last);
    add("new", buildImage({ layers: shared }, OCI_MANIFEST));
    const pruned = collector.prune([]);
    await Promise.resolve();
    await use("new", "second");
    await pruned;
    expect([last, ...store.images().map(({ name }) => name)]).toEqual([...store.layers(), "new:1"]);
    await collector.prune([]);
    expect(store.layers()).toEqual([last ?? ""]);
  },
);

interface Parts {
  readonly puller: ReturnType<typeof newPuller>;
  readonly provisioner: Provisioner;
  readonly collector: ImageCollector;
}

/** What works on a store, with its containers below `folder` and images from `registry`. */
function parts(store: ImageStore, folder: string, registry: string): Parts {
  const puller = newPuller({ store, registry, log: silentLog });
  const provisioner = new Provisioner({
    folder: join(folder, "containers"),
    backend: "overlay",
    store,
    helper: IMAGE_HELPER,
  });
  const collector = new ImageCollector({
    ...{ store, provisioner, puller, excluded: [], garbage: undefined },
    clock: systemClock,
    log: silentLog,
  });
  return { puller, provisioner, collector };
}

function run(program: string, ...words: readonly string[]): void {
  const { status, stderr } = spawnSync(program, words, { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
}
