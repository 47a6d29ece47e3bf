/** Garbage on a real disk: what goes, when, and what stays. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  GarbageCollector,
  type GarbageOptions,
  maxAgeMs,
} from "../../../src/agent/runtime/garbage.ts";
import { FakeClock } from "../../base/fake-clock.ts";
import { MemoryLog } from "../../database/support.ts";
import { until } from "../../harness/wait.ts";

const HOUR_MS = 3_600_000;
let workDir = "";
const clock = new FakeClock();
const live = new Set<string>();

beforeEach(() => {
  workDir = mkdtempSync(join(tmpdir(), "allot-garbage-"));
  live.clear();
});

afterEach(() => rmSync(workDir, { recursive: true }));

function collector(options: Partial<GarbageOptions> = {}): GarbageCollector {
  return new GarbageCollector({
    options: {
      delayMs: 100 * HOUR_MS,
      headroom: 0,
      intervalMs: 60_000,
      areOthersCollected: false,
      trashBytes: Number.POSITIVE_INFINITY,
      ...options,
    },
    workDir,
    clock,
    log: new MemoryLog(),
    liveFolders: () => live,
  });
}

/** A folder with a file, of that age. */
function folder(path: string, ageMs: number, bytes = 1): string {
  const made = join(workDir, path);
  mkdirSync(made, { recursive: true });
  writeFileSync(join(made, "stdout"), "x".repeat(bytes));
  const modified = new Date(clock.wallMs() - ageMs);
  utimesSync(made, modified, modified);
  return made;
}

const run = (agent: string, executor: string, id: string): string =>
  `slaves/${agent}/frameworks/F/executors/${executor}/runs/${id}`;

test("the fuller the disk, the sooner garbage goes [semantics 7.6]", () => {
  const options = { delayMs: 1000, headroom: 0.1 };
  expect(maxAgeMs(options, 0)).toBeCloseTo(900);
  expect(maxAgeMs(options, 0.5)).toBeCloseTo(400);
  expect(maxAgeMs(options, 0.95)).toBe(0);
});

describe("a sandbox", () => {
  test("goes when it is old, with the folders that only it was in, of any agent", async () => {
    const old = folder(run("S0", "e", "old"), 100 * HOUR_MS);
    symlinkSync("old", join(old, "..", "latest"));
    const young = folder(run("S0", "f", "young"), 0);
    await collector().collect();
    expect(existsSync(join(workDir, "slaves/S0/frameworks/F/executors/e"))).toBe(false);
    expect(existsSync(young)).toBe(true);
    folder(run("S1", "e", "old"), 100 * HOUR_MS);
    await collector().collect();
    expect(existsSync(join(workDir, "slaves/S1"))).toBe(false);
  });

  test("that is in use, or holds one that is, stays at any age", async () => {
    const used = folder(run("S0", "e", "used"), 1000 * HOUR_MS);
    const pod = folder(run("S0", "pod", "parent"), 1000 * HOUR_MS);
    live.add(used).add(join(pod, "containers/member"));
    const garbage = collector();
    await garbage.collect();
    expect([existsSync(used), existsSync(pod)]).toEqual([true, true]);
    live.clear();
    await garbage.collect();
    expect([existsSync(used), existsSync(pod)]).toEqual([false, false]);
    expect(garbage.figures()).toMatchObject({
      "gc/path_removals_succeeded": 2,
      "gc/path_removals_pending": 0,
    });
  });

  test("is counted from its end, and a link is nobody's sandbox", async () => {
    const outside = folder("elsewhere", 1000 * HOUR_MS);
    const ended = folder(run("S0", "e", "ended"), 1000 * HOUR_MS);
    symlinkSync(outside, join(ended, "..", "link"));
    const garbage = collector();
    await garbage.ended(ended);
    await garbage.collect();
    expect([existsSync(ended), existsSync(outside)]).toEqual([true, true]);
  });

  test("of a container that a call launched goes only where that is asked for", async () => {
    const alone = folder("containers/alone", 1000 * HOUR_MS);
    await collector().collect();
    expect(existsSync(alone)).toBe(true);
    await collector({ areOthersCollected: true }).collect();
    expect(existsSync(alone)).toBe(false);
  });
});

describe("a sandbox below one that is in use", () => {
  const HOURS = 1000 * HOUR_MS;

  test("goes when the agent has told of its end, and nothing else does [semantics 7.6]", async () => {
    const parent = folder(run("S0", "e", "live"), HOURS);
    const running = folder("containers/running", HOURS);
    live.add(parent).add(running);
    const [over, before, own] = ["over", "before", "own"].map((name) =>
      folder(`${run("S0", "e", "live")}/containers/${name}`, HOURS),
    ) as [string, string, string];
    const deep = folder("containers/running/containers/deep", HOURS);
    const outside = folder("outside", HOURS);
    const swapped = join(parent, "containers/swapped");
    symlinkSync(outside, swapped);
    const tell = async (garbage: GarbageCollector): Promise<void> => {
      for (const path of [over, deep, swapped, parent]) await garbage.ended(path);
      garbage.remember(before);
    };
    const kept = collector();
    await tell(kept);
    clock.advance(HOURS);
    await kept.collect();
    expect([over, before, deep].map(existsSync)).toEqual([true, true, true]);

    const garbage = collector({ areOthersCollected: true });
    await tell(garbage);
    await garbage.collect();
    // Only what ended long ago.
    expect([over, before, deep].map(existsSync)).toEqual([true, false, true]);
    live.add(over);
    clock.advance(HOURS);
    await garbage.collect();
    expect([over, deep].map(existsSync)).toEqual([true, false]);
    live.delete(over);
    await garbage.collect();
    expect([over, own, parent, running, outside].map(existsSync)).toEqual([
      false,
      true,
      true,
      true,
      true,
    ]);
    expect(lstatSync(swapped).isSymbolicLink()).toBe(true);
    expect(garbage.figures()).toMatchObject({ "gc/path_removals_failed": 0 });
  });

  test("goes with its link when it is of a default executor's task that is over", async () => {
    const pod = run("S0", "pod", "live");
    const [over, running] = ["over", "running"].map((name) =>
      folder(`${pod}/containers/${name}`, HOURS),
    ) as [string, string];
    live.add(running);
    mkdirSync(join(workDir, pod, "tasks"));
    for (const name of ["over", "running"]) {
      symlinkSync(`../containers/${name}`, join(workDir, pod, "tasks", name));
    }
    await collector().collect();
    expect(existsSync(over)).toBe(true);
    const garbage = collector({ areOthersCollected: true });
    await garbage.ended(over);
    clock.advance(HOURS);
    await garbage.collect();
    expect([over, running].map(existsSync)).toEqual([false, true]);
    expect(readdirSync(join(workDir, pod, "tasks"))).toEqual(["running"]);
    expect(garbage.figures()).toMatchObject({ "gc/path_removals_succeeded": 1 });
  });
});

test("the trash loses what is old, and the oldest of what is too much", async () => {
  const trash = (name: string, ageMs: number): string =>
    folder(`volumes/trash/${name}`, ageMs, 1000);
  const kept = folder("volumes/roles/web/kept", 1000 * HOUR_MS);
  const [old, first, second, third] = [
    trash("old.1", 100 * HOUR_MS),
    trash("first.2", 3000),
    trash("second.3", 2000),
    trash("third.4", 1000),
  ];
  await collector().collect();
  expect([old, first, second, third].map(existsSync)).toEqual([false, true, true, true]);
  await collector({ trashBytes: 2500 }).collect();
  expect([first, second, third].map(existsSync)).toEqual([false, true, true]);
  expect(existsSync(kept)).toBe(true);
});

test("the trash counts what it takes of the disk: no holes, and no file twice", async () => {
  const trash = (name: string, ageMs: number): string =>
    folder(`volumes/trash/${name}`, ageMs, 1000);
  const [sparse, linked] = [trash("sparse.1", 2000), trash("linked.2", 1000)];
  truncateSync(join(sparse, "stdout"), 1_000_000);
  for (const name of ["again", "and-again"]) linkSync(join(linked, "stdout"), join(linked, name));
  // A file of 1,000 bytes takes a block or two.
  await collector({ trashBytes: 20_000 }).collect();
  expect([existsSync(sparse), existsSync(linked)]).toEqual([true, true]);
  await collector({ trashBytes: 1000 }).collect();
  expect([existsSync(sparse), existsSync(linked)]).toEqual([false, true]);
});

test("is looked for again and again, until it is stopped", async () => {
  const path = folder(run("S0", "e", "old"), 1000 * HOUR_MS);
  const garbage = collector();
  garbage.start();
  clock.advance(60_000);
  await until("the old one to go", () => !existsSync(path));
  await garbage.stop();
  expect(clock.pending).toBe(0);
});
