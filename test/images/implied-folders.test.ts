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
    const implied = Array.from({ length: 3000 }, (_, index) => `d${index}`);
    const [lower, upper] = ["lower", "upper"].map((name): UnpackedLayer => {
      const folder = join(root, name);
      for (const path of implied) mkdirSync(join(folder, path), { recursive: true });
      return { root: folder, whiteouts: [], opaques: [], implied };
    });
    if (lower === undefined || upper === undefined) throw new Error("there are two");
    const turnsWith = async (name: string, layers: readonly UnpackedLayer[]): Promise<number> => {
      const container = join(root, name);
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
      return turns;
    };
    expect(await turnsWith("silent", [lower, upper])).toBeGreaterThan(20);
    // Each of them is laid over the layers.
    expect(await turnsWith("said", [{ ...lower, implied: [] }, upper])).toBeGreaterThan(60);
  },
);
