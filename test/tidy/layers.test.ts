/**
 * Goal: imports in `src/` only go down (style section 1). Method: read every import of the real
 * tree and expect no violation; then plant each kind of violation in a temporary tree and expect
 * it to be named, so that a blind checker cannot pass.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { checkLayers, checkTable, LAYERS, type LayerReport } from "./layers.ts";

const ROOT = join(import.meta.dir, "../..");
const FILES_MIN = 40;

const roots: string[] = [];
afterAll(() => {
  for (const root of roots) rmSync(root, { recursive: true, force: true });
});

/** Checks a tree made of `files`, with a `main.ts` that imports each of them. */
function checkPlanted(files: Readonly<Record<string, string>>): LayerReport {
  const root = mkdtempSync(join(tmpdir(), "allot-layers-"));
  roots.push(root);
  const main = Object.keys(files).map((path) => `import ${JSON.stringify(`./${path}`)};\n`);
  for (const [path, text] of Object.entries({ "main.ts": main.join(""), ...files })) {
    mkdirSync(dirname(join(root, "src", path)), { recursive: true });
    writeFileSync(join(root, "src", path), text);
  }
  return checkLayers(root);
}

const B = "export const b: number = 1;\n";

describe("the tree", () => {
  const report = checkLayers(ROOT);

  test("imports only go down, to listed folders and packages, without cycles [style 1]", () => {
    expect(report.violations).toEqual([]);
  });

  test("the checker saw a plausible number of files and imports [style 7]", () => {
    const counted = [...new Bun.Glob("src/**/*.ts").scanSync(ROOT)].length;
    expect(report.fileCount).toBe(counted);
    expect(report.fileCount).toBeGreaterThanOrEqual(FILES_MIN);
    expect(report.importCount).toBeGreaterThan(report.fileCount);
  });

  test("each row of the table lists strictly lower ranks only [style 1]", () => {
    expect(checkTable(LAYERS)).toEqual([]);
    const upward = [{ folder: "a", rank: 1, isPure: true, mayImport: ["a"], packages: [] }];
    expect(checkTable(upward)).toHaveLength(1);
  });
});

describe("planted violations", () => {
  test("a tree that keeps the rules passes [style 1]", () => {
    const report = checkPlanted({
      "base/b.ts": B,
      "resources/a.ts": 'import { b } from "../base/b.ts";\nexport const a: number = b;\n',
      "http/routes.ts": 'import { Hono } from "hono";\nimport "../master/core/views.ts";\n',
      "master/core/views.ts": 'import type { b } from "../../base/b.ts";\n',
    });
    expect(report.violations).toEqual([]);
    expect(report.fileCount).toBe(5);
  });

  const upward: readonly (readonly [kind: string, text: string])[] = [
    ["import", 'import { b } from "../platform/b.ts";\n'],
    ["import type", 'import type { b } from "../platform/b.ts";\n'],
    ["inline type import", 'import { type b } from "../platform/b.ts";\n'],
    ["export from", 'export { b } from "../platform/b.ts";\n'],
    ["export type from", 'export type { b } from "../platform/b.ts";\n'],
    ["export star", 'export * from "../platform/b.ts";\n'],
    ["side effect import", 'import "../platform/b.ts";\n'],
    ["dynamic import", 'export const b = () => import("../platform/b.ts");\n'],
    ["type query import", 'export type B = typeof import("../platform/b.ts");\n'],
    ["worker address", 'new Worker(new URL("../platform/b.ts", import.meta.url));\n'],
    ["import over several lines", 'import {\n  // it\'s "b"\n  b,\n} from "../platform/b.ts";\n'],
    [
      "import after a template",
      `const t = \`\${\`"\`}\`;\nimport { b } from "../platform/b.ts";\n`,
    ],
  ];
  for (const [kind, text] of upward) {
    test(`an upward arrow is found in the form: ${kind} [style 1]`, () => {
      const { violations } = checkPlanted({ "base/a.ts": text, "platform/b.ts": B });
      expect(violations).toHaveLength(1);
      expect(violations[0]).toMatch(/^src\/base\/a\.ts:\d+: upward import: base .*platform/);
    });
  }

  test("an import in a comment or a string is no import [style 1]", () => {
    const text = [
      '// import { b } from "../platform/b.ts";',
      '/*\nimport { b } from "../platform/b.ts";\n*/',
      "export const pattern: RegExp = /[\"'`/]/;",
      'export const text: string = "\\" import (x)";',
    ].join("\n");
    const { violations } = checkPlanted({ "base/a.ts": text, "platform/b.ts": B });
    expect(violations).toEqual([]);
  });

  test("a lower folder that the row does not list is refused [style 1]", () => {
    const { violations } = checkPlanted({
      "cli/a.ts": 'import "../allocator/b.ts";\n',
      "allocator/b.ts": B,
    });
    expect(violations).toHaveLength(1);
    expect(violations[0]).toContain("unlisted import: cli (rank 8) imports allocator (rank 3)");
  });

  test("folders of equal rank do not see each other [style 1]", () => {
    const { violations } = checkPlanted({ "cli/a.ts": 'import "../http/b.ts";\n', "http/b.ts": B });
    expect(violations.join()).toContain("upward import: cli");
  });

  const packages: readonly (readonly [path: string, specifier: string, message: string])[] = [
    ["resources/a.ts", "hono", "unlisted package hono"],
    ["http/a.ts", "hono/streaming", ""],
    ["http/a.ts", "kysely", "unlisted package kysely: http may import hono"],
    ["http/a.ts", "@hono/node-server", "unlisted package @hono/node-server"],
    ["link/a.ts", "bun:sqlite", "unlisted package bun"],
    ["platform/a.ts", "bun:sqlite", ""],
    ["platform/a.ts", "better-sqlite3", ""],
    ["base/a.ts", "node:fs", "base is pure and imports node:fs"],
    ["link/a.ts", "node:fs", ""],
    ["protocol/a.ts", "cbor-x/index-no-eval", "only src/protocol/link-codec.ts may import cbor-x"],
    ["protocol/link-codec.ts", "cbor-x", "import cbor-x/index-no-eval instead of cbor-x"],
    ["protocol/link-codec.ts", "cbor-x/index-no-eval", ""],
  ];
  for (const [path, specifier, message] of packages) {
    const verdict = message === "" ? "may" : "may not";
    test(`${path} ${verdict} import ${specifier} [style 1]`, () => {
      const { violations } = checkPlanted({ [path]: `import "${specifier}";\n` });
      if (message === "") expect(violations).toEqual([]);
      else expect(violations.join("\n")).toContain(message);
    });
  }

  test("http sees the views of a core and nothing else of it [style 1]", () => {
    const { violations } = checkPlanted({
      "http/a.ts": 'import "../master/core/state-view.ts";\nimport "../master/core/state.ts";\n',
      "master/core/state-view.ts": B,
      "master/core/state.ts": B,
    });
    expect(violations).toHaveLength(1);
    expect(violations[0]).toContain("src/http/a.ts:2: unlisted import");
  });

  test("a cycle is found, through type-only imports too [style 7]", () => {
    const { violations } = checkPlanted({
      "base/a.ts": 'import type { b } from "./b.ts";\n',
      "base/b.ts": 'import type { a } from "./a.ts";\n',
    });
    expect(violations).toEqual(["import cycle: src/base/a.ts -> src/base/b.ts -> src/base/a.ts"]);
  });

  test("a file that main.ts does not lead to is found [style 7]", () => {
    const { violations } = checkPlanted({ "main.ts": "", "base/a.ts": B });
    expect(violations).toEqual(["src/base/a.ts: nobody imports it on the way from src/main.ts"]);
  });

  test("a file outside the table, a missing target and a computed import are found [style 1]", () => {
    const { violations } = checkPlanted({
      "utils/a.ts": B,
      "base/a.ts": 'import "./gone.ts";\n',
      "base/b.ts": "export const load = (path: string) => import(path);\n",
      "base/c.ts": 'export const fs = require("fs");\n',
    });
    expect(violations).toHaveLength(4);
    expect(violations.join("\n")).toContain("src/utils/a.ts: lies in no folder of the table");
    expect(violations.join("\n")).toContain("imports src/base/gone.ts, which does not exist");
    expect(violations.join("\n")).toContain("src/base/b.ts:1: write import(");
    expect(violations.join("\n")).toContain("src/base/c.ts:1: write import(");
  });
});
