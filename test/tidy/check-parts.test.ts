/**
 * Goal: `npm run check` really fails on an upward import, an `any` and an unused export. Method:
 * copy the tree to a temporary folder, plant one file per fault, run the check there once, and
 * expect the step in charge to fail and to name the planted file.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { appendFileSync, cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "../../build/tools.mjs";

const CHECK_TIMEOUT_MS = 180_000;
const COPIED = [
  "src",
  "test",
  "build",
  "package.json",
  "package-lock.json",
  "tsconfig.json",
  ".npmrc",
];

const root = mkdtempSync(join(tmpdir(), "allot-check-"));
let output = "";
let exitCode: number | null = null;

beforeAll(async () => {
  for (const path of COPIED) cpSync(join(ROOT, path), join(root, path), { recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(root, "node_modules"));
  const plant = (path: string, code: string): void => {
    writeFileSync(join(root, path), `/** A planted fault. */\n${code}`);
    appendFileSync(join(root, "src/main.ts"), `import "./${path.slice("src/".length)}";\n`);
  };
  plant("src/platform/planted-target.ts", "export interface Planted {\n  readonly a: number;\n}\n");
  plant(
    "src/base/planted-upward.ts",
    'import type { Planted } from "../platform/planted-target.ts";\n\nexport type P = Planted;\n',
  );
  plant("src/base/planted-any.ts", "export function planted(value: any): void {\n  value();\n}\n");
  plant("src/base/planted-unused.ts", "export const plantedUnused: number = 1;\n");
  const check = Bun.spawn(["node", "build/check.mjs"], {
    cwd: root,
    env: { ...process.env, NO_COLOR: "1" },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "ignore",
  });
  output = await new Response(check.stdout).text();
  exitCode = await check.exited;
}, CHECK_TIMEOUT_MS);

afterAll(() => rmSync(root, { recursive: true, force: true }));

/** The output of one step; empty when the step passed, since only failures print theirs. */
function failureOf(step: string): string {
  const start = output.indexOf(`FAIL ${step}, `);
  if (start === -1) return "";
  const next = /\n(?:ok {3}|FAIL |check failed)/.exec(output.slice(start + 1))?.index;
  return output.slice(start, next === undefined ? undefined : start + 1 + next);
}

describe("npm run check", () => {
  test("fails on an import that goes upwards [issue 2]", () => {
    expect(exitCode).toBe(1);
    expect(failureOf("layers, tidy and generated types")).toMatch(
      /src\/base\/planted-upward\.ts:2: upward import: base \(rank 0\) imports platform/,
    );
  });

  test("fails on any [issue 2]", () => {
    expect(exitCode).toBe(1);
    expect(failureOf("lint and format")).toMatch(
      /src\/base\/planted-any\.ts:2:\d+ lint\/suspicious\/noExplicitAny/,
    );
  });

  test("fails on an unused export [issue 2]", () => {
    expect(exitCode).toBe(1);
    expect(failureOf("unused files, exports and packages")).toMatch(
      /plantedUnused\s.*src\/base\/planted-unused\.ts/,
    );
  });
});
