/**
 * Goal: the closing line of `npm test` tells the truth, also when bun test writes no report. Method:
 * run the real build/test.mjs in a temporary project with planted test files and a program that
 * counts as compiled, and read its last line and exit status.
 */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { ROOT } from "../../build/tools.mjs";

const RUN_TIMEOUT_MS = 60_000;
const FUTURE_SECONDS = 4_000_000_000;

let root = "";

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "allot-runner-"));
  for (const path of ["build", "package.json", "package-lock.json"]) {
    cpSync(join(ROOT, path), join(root, path), { recursive: true });
  }
  symlinkSync(join(ROOT, "node_modules"), join(root, "node_modules"));
  plant("src/main.ts", "");
  plant("dist/allot", "");
  utimesSync(join(root, "dist/allot"), FUTURE_SECONDS, FUTURE_SECONDS);
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

function plant(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

function plantTest(path: string, code: string): void {
  plant(`test/${path}`, `import { expect, test } from "bun:test";\n${code}\n`);
}

function run(...args: readonly string[]): { status: number | null; lines: readonly string[] } {
  const result = spawnSync("node", ["build/test.mjs", ...args], { cwd: root, encoding: "utf8" });
  return { status: result.status, lines: result.stdout.trimEnd().split("\n") };
}

const PASSING = 'test("holds [a]", () => expect(1).toBe(1));';

test(
  "passed, failed and skipped add up over the groups, skips by name and reason [stack 9]",
  () => {
    plantTest("a/one.test.ts", `${PASSING}\ntest("fails [b]", () => expect(1).toBe(2));`);
    plantTest(
      "b/two.test.ts",
      'console.log("skipped: no daemon");\ntest.skip("waits [c]", () => {});',
    );
    plantTest("e2e/three.e2e.test.ts", PASSING);
    plant("test/sim/main.ts", "console.log(process.argv.slice(2));");
    const { status, lines } = run("--seed=7");
    expect(lines.at(-1)).toBe("3 passed, 1 failed, 1 skipped");
    expect(status).toBe(1);
    const text = lines.join("\n");
    expect(text).toContain("--seed=7");
    expect(text).toContain("fails [b]");
    expect(text).toContain("     skipped: waits [c]\n     because: no daemon");
  },
  RUN_TIMEOUT_MS,
);

test(
  "all passing ends with status 0 and without a skip count [stack 9]",
  () => {
    plantTest("a/one.test.ts", PASSING);
    const { status, lines } = run();
    expect(lines.at(-1)).toBe("1 passed, 0 failed");
    expect(status).toBe(0);
  },
  RUN_TIMEOUT_MS,
);

const broken: readonly (readonly [what: string, path: string, code: string])[] = [
  ["a file that does not load", "a/one.test.ts", 'import "./gone.ts";'],
  ["a test that ends the process", "a/one.test.ts", 'test("ends [d]", () => process.exit(0));'],
  ["a file without a test", "a/one.test.ts", ""],
  ["a failing simulator", "sim/main.ts", "process.exit(1);"],
];
for (const [what, path, code] of broken) {
  test(
    `${what} counts as a failure [stack 9]`,
    () => {
      plantTest(path, code);
      const { status, lines } = run();
      expect(lines.at(-1)).toMatch(/^\d+ passed, [1-9]\d* failed$/);
      expect(status).toBe(1);
    },
    RUN_TIMEOUT_MS,
  );
}

const NEEDY = `import {} from "../harness/needs.ts";\n${PASSING}`;
const REPORTS = `const outfile = process.argv.find((word) => word.startsWith("--reporter-outfile="));
await Bun.write(outfile.slice(19), '<testsuites tests="3" failures="0" skipped="1"/>');`;
const machines: readonly (readonly [what: string, machine: string, closing: string])[] = [
  [
    "what states its needs runs in the test machine and counts",
    REPORTS,
    "3 passed, 0 failed, 1 skipped",
  ],
  [
    "without a test machine it runs here",
    'console.log("no test machine: none"); process.exit(125);',
    "2 passed, 0 failed",
  ],
  ["a test machine that breaks is a failure", "process.exit(126);", "1 passed, 1 failed"],
];
for (const [what, machine, closing] of machines) {
  test(
    `${what} [issue 4]`,
    () => {
      plant("test/harness/needs.ts", "export {};");
      plant("test/appliance/main.ts", machine);
      plantTest("a/one.test.ts", PASSING);
      plantTest("a/two.test.ts", NEEDY);
      const { lines } = run("--appliance=with");
      expect(lines.at(-1)).toBe(closing);
      expect(run().lines.at(-1)).toBe("2 passed, 0 failed");
    },
    RUN_TIMEOUT_MS,
  );
}

test("a filter that matches nothing is a failure, not a silent success [stack 9]", () => {
  plantTest("a/one.test.ts", PASSING);
  const { status, lines } = run("elsewhere");
  expect(lines.at(-1)).toBe("0 passed, 1 failed");
  expect(status).toBe(1);
});
