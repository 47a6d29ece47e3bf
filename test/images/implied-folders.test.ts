/**
 * Goal: an image with many folders that no layer says anything of holds up nobody else. Needs root for
 * owners.
 */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type { UnpackedLayer } from "../../src/images/helper-jobs.ts";
import { prepareOverlay } from "../../src/images/overlay.ts";
import { newRoot, removeRoots } from "../containerizer/containers.ts";
import { PATIENCE_MS } from "../harness/wait.ts";

setDefaultTimeout(PATIENCE_MS);

afterEach(removeRoots);

const isRoot = process.getuid?.() === 0;

test.skipIf(!isRoot)(
  `the agent goes on while a root is made of such an image${isRoot ? "" : " (skipped: needs root)"} [issue 4]`,
  async () => {
    const root = newRoot();
    const implied = Array.from({ length: 5000 }, (_, index) => `d${index}`);
    const layers = ["lower", "upper"].map((name): UnpackedLayer => {
      const folder = join(root, name);
      for (const path of implied) mkdirSync(join(folder, path), { recursive: true });
      return { root: folder, whiteouts: [], opaques: [], implied };
    });
    const container = join(root, "container");
    mkdirSync(container);
    let turns = 0;
    let isOver = false;
    const count = (): void => {
      turns += 1;
      if (!isOver) setImmediate(count);
    };
    count();
    await prepareOverlay(container, layers);
    isOver = true;
    expect(turns).toBeGreaterThan(15);
  },
);
