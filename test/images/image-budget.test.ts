/** Which images go by age and by what all may take. */
import { expect, test } from "bun:test";
import { type ImageBudget, imagesToRemove } from "../../src/images/image-budget.ts";
import type { AgedImage } from "../../src/images/image-store.ts";

const BYTES: Readonly<Record<string, number>> = { base: 100, a: 10, b: 20, c: 30, running: 40 };

function image(name: string, usedAtMs: number, ...layers: readonly string[]): AgedImage {
  const runtime = { environment: {}, entrypoint: [], command: [], workingDirectory: undefined };
  return { name, usedAtMs, layers, runtime };
}

const unused = [
  image("newest", 900, "base", "c", "c"),
  image("oldest", 100, "base", "a"),
  image("middle", 500, "b"),
];

function removed(
  budget: Partial<ImageBudget>,
  keptLayers: ReadonlySet<string> = new Set(["running"]),
): string[] {
  const stock = { unused, keptLayers, bytesOf: (digest: string) => BYTES[digest] ?? 0 };
  const all = { maxAgeMs: undefined, maxBytes: undefined, ...budget };
  return imagesToRemove(stock, all, 1000).map(({ name }) => name);
}

test("without a budget all stay, and by age those that were not used for so long go [flags.md]", () => {
  expect(removed({})).toEqual([]);
  expect(removed({ maxAgeMs: 901 })).toEqual([]);
  expect(removed({ maxAgeMs: 900 })).toEqual(["oldest"]);
  expect(removed({ maxAgeMs: 500 }).sort()).toEqual(["middle", "oldest"]);
});

test("the longest unused go until the layers of the rest are few enough, each counted once [flags.md]", () => {
  // 100 + 10 + 20 + 30, and 40 that a container uses.
  expect(removed({ maxBytes: 200 })).toEqual([]);
  expect(removed({ maxBytes: 199 })).toEqual(["oldest"]);
  expect(removed({ maxBytes: 189 })).toEqual(["oldest", "middle"]);
  expect(removed({ maxBytes: 169 })).toEqual(["oldest", "middle", "newest"]);
  // What cannot be freed is not counted as freed.
  expect(removed({ maxBytes: 170 }, new Set(["running", "base"]))).toEqual(["oldest", "middle"]);
  expect(removed({ maxBytes: 0 }, new Set(["base"]))).toEqual(["oldest", "middle", "newest"]);
});

test("what goes by age makes room for the rest [flags.md]", () => {
  expect(removed({ maxAgeMs: 900, maxBytes: 190 })).toEqual(["oldest"]);
});
