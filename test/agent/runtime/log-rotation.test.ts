/** Rotation of what tasks write, on real files under a real writer. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import {
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { LogRotation } from "../../../src/agent/runtime/log-rotation.ts";
import { FakeClock } from "../../base/fake-clock.ts";
import { MemoryLog } from "../../database/support.ts";
import { until } from "../../harness/wait.ts";

const LIMIT = 100_000;
const TIMEOUT_MS = 60_000;
let sandbox = "";

beforeEach(() => {
  sandbox = mkdtempSync(join(tmpdir(), "allot-logs-"));
});

afterEach(() => rmSync(sandbox, { recursive: true }));

function rotation(files: number, folder: string = sandbox): LogRotation {
  return new LogRotation({
    options: { maxBytes: { stdout: LIMIT, stderr: undefined }, files },
    clock: new FakeClock(),
    log: new MemoryLog(),
    sandboxes: () => [folder],
  });
}

const file = (name: string): string => join(sandbox, name);

function canCut(): boolean {
  const probe = mkdtempSync(join(tmpdir(), "allot-probe-"));
  const path = join(probe, "file");
  writeFileSync(path, "x".repeat(1_000_000));
  const args = ["--collapse-range", "--offset=0", "--length=524288", path];
  const { status } = spawnSync("fallocate", args);
  rmSync(probe, { recursive: true });
  return status === 0;
}

test("a file within its bound, or without one, is left alone", async () => {
  writeFileSync(file("stdout"), "x".repeat(LIMIT));
  writeFileSync(file("stderr"), "x".repeat(10 * LIMIT));
  await rotation(2).rotateAll();
  expect(readdirSync(sandbox).sort()).toEqual(["stderr", "stdout"]);
});

test("what is too much becomes the newest of the earlier files, of which few stay", async () => {
  const one = rotation(2);
  for (const letter of ["a", "b", "c"]) {
    writeFileSync(file("stdout"), letter.repeat(2 * LIMIT), { flag: "a" });
    await one.rotateAll();
    expect(statSync(file("stdout")).size).toBeLessThan(LIMIT);
  }
  expect(readdirSync(sandbox).sort()).toEqual(["stdout", "stdout.1", "stdout.2"]);
  expect(readFileSync(file("stdout.1"), "utf8")).toEndWith("c");
  expect(readFileSync(file("stdout.2"), "utf8")).toEndWith("b");
});

test("folders that a task has put in the places of earlier files hold nothing up, and stay", async () => {
  for (const name of ["stdout.new", "stdout.1", "stdout.2"]) {
    mkdirSync(file(name));
    writeFileSync(join(file(name), name), "");
  }
  const one = rotation(2);
  for (const letter of ["a", "b"]) {
    writeFileSync(file("stdout"), letter.repeat(2 * LIMIT), { flag: "a" });
    await one.rotateAll();
    expect(statSync(file("stdout")).size).toBeLessThan(LIMIT);
    expect(readFileSync(file("stdout.1"), "utf8")).toEndWith(letter);
  }
  const left = readdirSync(sandbox, { recursive: true }).map(String);
  for (const name of ["stdout.new", "stdout.1", "stdout.2"]) {
    expect(left.filter((path) => path.endsWith(`/${name}`))).toHaveLength(1);
  }
});

test.skipIf(process.getuid?.() !== 0)(
  "nor what its parent's user has put on the way to a nested sandbox [issue 4]",
  async () => {
    const [outer, nested] = [file("outer"), file("outer/containers/x")];
    mkdirSync(file("outer"));
    mkdirSync(file("victim/x"), { recursive: true });
    writeFileSync(file("victim/x/stdout"), "x".repeat(3 * LIMIT));
    chownSync(outer, 65_534, 65_534);
    symlinkSync(file("victim"), join(outer, "containers"));
    await rotation(2, nested).rotateAll();
    expect(readdirSync(file("victim/x"))).toEqual(["stdout"]);
    expect(statSync(file("victim/x/stdout")).size).toBe(3 * LIMIT);
  },
);

test("what a task has put in the place of a file is not followed", async () => {
  const secret = join(sandbox, "secret");
  writeFileSync(secret, "s".repeat(2 * LIMIT));
  symlinkSync(secret, file("stdout"));
  await rotation(1).rotateAll();
  expect(existsSync(file("stdout.1"))).toBe(false);
  rmSync(file("stdout"));
  writeFileSync(file("stdout"), "o".repeat(2 * LIMIT));
  for (const name of ["stdout.new", "stdout.1"]) symlinkSync(secret, file(name));
  await rotation(1).rotateAll();
  expect(lstatSync(file("stdout.1")).isFile()).toBe(true);
  expect(readFileSync(secret, "utf8")).toBe("s".repeat(2 * LIMIT));
});

test.skipIf(!canCut())(
  "under a task that writes all the time no line is lost (needs a file system that can cut)",
  async () => {
    writeFileSync(file("stdout"), "");
    const count = 'i=0; while ! [ -e stop ]; do echo "line $i"; i=$((i + 1)); done';
    const writer = spawn("sh", ["-c", `(${count}) >> stdout`], {
      cwd: sandbox,
      timeout: TIMEOUT_MS,
    });
    const one = rotation(100);
    await until("four cuts", async () => {
      await one.rotateAll();
      return existsSync(file("stdout.4"));
    });
    writeFileSync(file("stop"), "");
    await until("the writer to end", () => writer.exitCode !== null);
    const all = ["stdout.4", "stdout.3", "stdout.2", "stdout.1", "stdout"]
      .map((name) => readFileSync(file(name), "utf8"))
      .join("");
    const lines = all.split("\n").length - 1;
    expect(all).toBe(Array.from({ length: lines }, (_, line) => `line ${line}\n`).join(""));
  },
  TIMEOUT_MS,
);
