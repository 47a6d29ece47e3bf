/**
 * Goal: the tree keeps the rules of style sections 1, 4 and 6 that no other tool sees. Method: read
 * every file and expect no fault; then plant each fault and expect it to be named, together with a
 * text that looks like it and is allowed.
 */
import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { mask, readSources } from "./source-text.ts";
import { TIDY_RULES, tidyFaults } from "./tidy-rules.ts";

const ROOT = join(import.meta.dir, "../..");
const FILES_MIN = 60;
/** Reading everything takes seconds on a busy machine. */
const TIMEOUT_MS = 60_000;
const TEXT_ENDINGS = [".ts", ".tsx", ".mjs", ".md", ".json", ".sh", ".service", ".slice", ".conf"];

const TOP_LEVEL: ReadonlySet<string> = new Set([
  "ARCHITECTURE.md",
  "CHANGELOG.md",
  "LICENSE",
  "README.md",
  "build",
  "install.sh",
  "package-lock.json",
  "package.json",
  "src",
  "systemd",
  "test",
  "tsconfig.json",
]);
/** Made by the commands of package.json and ignored by git. */
const PRODUCED: ReadonlySet<string> = new Set(["node_modules", "dist"]);

function readRoot(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

describe("the tree", () => {
  const files = [
    ...["src", "test", "build", "systemd", ".ci"].flatMap((folder) =>
      readSources(ROOT, folder, folder === ".ci" ? [""] : TEXT_ENDINGS),
    ),
    ...readdirSync(ROOT)
      .filter((name) => /\.(?:md|sh)$/.test(name))
      .map((name) => ({ path: name, text: readRoot(name) })),
  ];

  test(
    "no file holds what is banned [style 1, 4, 6]",
    () => {
      expect(files.flatMap(tidyFaults)).toEqual([]);
    },
    TIMEOUT_MS,
  );

  test("a plausible number of files was read [style 7]", () => {
    expect(files.length).toBeGreaterThanOrEqual(FILES_MIN);
  });

  test("the top level holds what the design names and nothing else [issue 2 item 1]", () => {
    const surplus = readdirSync(ROOT).filter(
      (name) => !name.startsWith(".") && !TOP_LEVEL.has(name) && !PRODUCED.has(name),
    );
    expect(surplus).toEqual([]);
  });

  test("the lock file is complete and names no registry host [stack 1]", () => {
    const lock = JSON.parse(readRoot("package-lock.json")) as {
      readonly packages: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
    };
    const entries = Object.entries(lock.packages);
    expect(entries.length).toBeGreaterThan(10);
    expect(entries.filter(([, entry]) => "resolved" in entry).map(([path]) => path)).toEqual([]);
    // npm leaves out what its registry does not serve, and then every npm ci fails.
    const named = entries.flatMap(([, entry]) => Object.keys(entry["optionalDependencies"] ?? {}));
    const absent = named.filter((name) => !(`node_modules/${name}` in lock.packages));
    expect(absent.length === 0 ? "complete" : "run: node build/complete-lock.mjs").toBe("complete");
    expect(readRoot(".npmrc")).toContain("omit-lockfile-registry-resolved=true");
    expect(readRoot(".npmrc")).toContain("ignore-scripts=true");
    expect(readRoot(".npmrc")).not.toContain("registry=http");
  });

  test("every dependency is pinned to one version, the same in the lock file [style 7]", () => {
    type Pins = Readonly<Record<"dependencies" | "devDependencies", Record<string, string>>>;
    const wanted = JSON.parse(readRoot("package.json")) as Pins;
    const locked = JSON.parse(readRoot("package-lock.json")) as { packages: Record<"", Pins> };
    for (const kind of ["dependencies", "devDependencies"] as const) {
      const loose = Object.entries(wanted[kind]).filter(([, pin]) => !/^\d+\.\d+\.\d+$/.test(pin));
      expect(loose).toEqual([]);
      expect(locked.packages[""][kind]).toEqual(wanted[kind]);
    }
  });
});

describe("planted faults", () => {
  const HEADER = "/** The duty of this file. */\n";
  const planted: readonly (readonly [rule: string, path: string, bad: string, good: string])[] = [
    ["unfinished mark", "build/a.mjs", "// FIXME later", "// NOTE: as it is"],
    ["unfinished mark", "README.md", "XXX", "XXXL"],
    ["TODO without an issue", "src/link/a.ts", "// TODO later", "// TODO(zookeeper log)"],
    ["path of one machine", "test/a.test.ts", 'f("/home/me/x")', 'f("/nowhere/home/me")'],
    ["path of one machine", "install.sh", "cd /work/main", 'cd "$workdir/work/main"'],
    ["slave", "src/agent/core/a.ts", "const slaveId = 1;", "const agentId = 1;"],
    ["slave", "src/agent/core/a.ts", "const lostSlaves = 1;", "// Mesos: src/slave/slave.cpp x"],
    ["slave", "src/master/core/a.ts", "// master/slave", 'count("master/slave_removals");'],
    ["slave", "src/agent/core/a.ts", 'f("slave_id");', "f(`${work}/slaves/${id}`, 'slave(1)');"],
    ["focused test", "test/a.test.ts", "test.only('a', f);", "// test.only"],
    ["switched-off type check", "src/a.ts", "// @ts-ignore", "// ts ignores it"],
    ["empty catch", "src/a.ts", "try { f(); } catch {\n}", "try { f(); } catch { /* gone */ }"],
    ["code from text", "src/a.ts", "eval('1')", "model.eval('1')"],
    ["module-level mutable state", "src/a.ts", "let count = 0;", "{\n  let count = 0;\n}"],
    [
      "module-level collection that can change",
      "src/a.ts",
      "const seen = new Set<string>();",
      "const KNOWN: ReadonlySet<string> = new Set();",
    ],
    [
      "module-level collection that can change",
      "src/a.ts",
      "export const seen: Map<string, number> = new Map();",
      "const KNOWN: ReadonlyMap<string, number> = new Map();",
    ],
    ["Bun outside platform/", "src/http/a.ts", "Bun.serve({});", 'f("Bun.serve");'],
    ["clock outside platform/", "src/link/a.ts", "f(Date.now());", "f(new Date(now));"],
    ["clock outside platform/", "src/link/a.ts", "setTimeout(f, 1);", "clock.setTimeout(f, 1);"],
    ["chance outside platform/", "src/link/a.ts", "Math.random();", "rng.next();"],
    [
      "process-wide setting outside platform/, cli/ and main.ts",
      "src/link/a.ts",
      "process.exit(1);",
      "process.kill(pid, 0);",
    ],
    ["waiting in a pure folder", "src/base/a.ts", "async function f() {}", "// await nothing"],
    ["waiting in a pure folder", "src/master/core/a.ts", "let p: Promise<1>;", "let p: 1;"],
    ["locale in a pure folder", "src/base/a.ts", "a.localeCompare(b);", "a < b;"],
  ];
  for (const [rule, path, bad, good] of planted) {
    test(`${rule}: ${JSON.stringify(bad)} fails, ${JSON.stringify(good)} passes [style 7]`, () => {
      const code = /\.(?:ts|mjs)$/.test(path) ? HEADER : "";
      const found = tidyFaults({ path, text: `${code}${bad}\n` });
      expect(found.join("\n")).toContain(rule);
      const faults = tidyFaults({ path, text: `${code}${good}\n` });
      expect(faults.filter((fault) => fault.includes(`: ${rule} (`))).toEqual([]);
    });
  }

  test("each rule has a planted fault [style 7]", () => {
    const names = new Set(planted.map(([rule]) => rule));
    expect(TIDY_RULES.map((rule) => rule.name).filter((name) => !names.has(name))).toEqual([]);
  });

  test("a file without a header doc comment fails [style 4]", () => {
    const text = "// A comment.\nexport const a: number = 1;\n";
    expect(tidyFaults({ path: "src/base/a.ts", text })).toHaveLength(1);
    expect(tidyFaults({ path: "src/base/a.ts", text: `${HEADER}${text}` })).toEqual([]);
    const script = `#!/usr/bin/env node\n${HEADER}${text}`;
    expect(tidyFaults({ path: "build/a.mjs", text: script })).toEqual([]);
  });

  test("a file that nears 800 lines fails [style 4]", () => {
    const text = `${HEADER}${"// A line.\n".repeat(800)}`;
    expect(tidyFaults({ path: "src/base/a.ts", text }).join()).toContain("second subject");
  });
});

describe("masking", () => {
  const cases: readonly (readonly [text: string, code: string])[] = [
    ["a // b\nc", "a     \nc"],
    ["a /* b\n */ c", "a     \n    c"],
    ['f("a // b", c)', 'f("      ", c)'],
    ["f('\\'a', c)", "f('   ', c)"],
    ["f(`a ${ b } c`)", "f(`  ${ b }  `)"],
    ["f(`${ g({ x: `y` }) }`, c)", "f(`${ g({ x: ` ` }) }`, c)"],
    ["x = /[/'\"]/.test(y)", "x = /     /.test(y)"],
    ["x = a / b / c; // d", "x = a / b / c;     "],
    ["return /'/;", "return / /;"],
  ];
  for (const [text, code] of cases) {
    test(`${JSON.stringify(text)} keeps its code only [style 7]`, () => {
      expect(mask(text, "comments and strings")).toBe(code);
    });
  }
});
