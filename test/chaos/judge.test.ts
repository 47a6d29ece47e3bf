/** The judge of chaos finds what is planted, and passes what may be. */
import { describe, expect, test } from "bun:test";
import type { History } from "./history.ts";
import { judge } from "./judge.ts";

function history(given: Partial<History>): History {
  return { writes: [], reads: [], epochs: [], asked: [], statuses: [], notes: [], ...given };
}

const write = (value: number, startMs: number, endMs?: number, by = "m1") => ({
  value,
  startMs,
  endMs,
  by: endMs === undefined ? undefined : by,
});
const read = (value: number, startMs: number, endMs: number) => ({
  value,
  startMs,
  endMs,
  by: "m1",
});

describe("register", () => {
  test("one after the other, some without an answer, is well", () => {
    const writes = [write(1, 0, 1), write(2, 2, 3), write(3, 4), write(4, 6, 7)];
    // 3 was not acknowledged, and may be carried out late, or never.
    expect(judge(history({ writes, reads: [read(2, 4, 5), read(4, 8, 9)] }))).toEqual([]);
    expect(judge(history({ writes, reads: [read(3, 8, 9), read(3, 9, 10)] }))).toEqual([]);
  });

  test("what overlaps may be carried out in either order", () => {
    const writes = [write(1, 0, 10), write(2, 1, 9)];
    expect(judge(history({ writes, reads: [read(1, 11, 12)] }))).toEqual([]);
    expect(judge(history({ writes, reads: [read(2, 11, 12)] }))).toEqual([]);
  });

  test.each([
    ["an acknowledged write is lost", [read(1, 4, 5)], "2 was acknowledged and is gone"],
    ["nobody wrote it", [read(9, 4, 5)], "9, which nobody wrote"],
    ["it goes back", [read(2, 4, 5), read(1, 6, 7)], "2 were both there"],
    ["it is known before", [read(2, 0.1, 0.2)], "2 before it was written"],
  ])("%s", (_, reads, problem) => {
    const writes = [write(1, 0, 1), write(2, 2, 3)];
    expect(judge(history({ writes, reads })).join("\n")).toContain(problem);
  });

  test("a write without an answer that was seen, and then is gone", () => {
    const writes = [write(1, 0, 1), write(2, 2)];
    const reads = [read(2, 4, 5), read(1, 6, 7)];
    expect(judge(history({ writes, reads }))).toHaveLength(1);
  });
});

describe("reigns", () => {
  const epochs = [
    { epoch: 1, startMs: 0, endMs: 1 },
    { epoch: 1, startMs: 10, endMs: 11 },
    { epoch: 2, startMs: 20, endMs: 21 },
    { epoch: 2, startMs: 30, endMs: 31 },
  ];

  test("one master each is well, also while the epoch changes", () => {
    const writes = [write(1, 2, 3), write(2, 11, 19, "m2"), write(3, 22, 23, "m2")];
    expect(judge(history({ writes, epochs }))).toEqual([]);
  });

  test("two masters in one reign", () => {
    const writes = [write(1, 22, 23), write(2, 24, 25, "m2")];
    expect(judge(history({ writes, epochs }))).toEqual(["epoch 2: m1 and m2 acknowledge writes"]);
  });
});

describe("tasks", () => {
  const note = (what: "start" | "end") => ({ task: "t", what });
  const told = (...states: string[]) => states.map((state) => ({ task: "t", state }));
  const ran = [note("start"), note("end")];

  test("a life, a question after its end, and a launch that got lost are well", () => {
    const asked = ["t"];
    const whole = told("TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED", "TASK_GONE");
    expect(judge(history({ asked, notes: ran, statuses: whole }))).toEqual([]);
    expect(judge(history({ asked, statuses: told("TASK_LOST") }))).toEqual([]);
    expect(judge(history({ asked, statuses: told("TASK_UNKNOWN") }))).toEqual([]);
    expect(judge(history({ asked, statuses: told("TASK_STAGING", "TASK_GONE") }))).toEqual([]);
  });

  test.each([
    ["doubled", [...ran, ...ran], told("TASK_FINISHED"), "t started 2 times"],
    ["lost", [note("start")], told("TASK_RUNNING"), "t started and ended 0 times"],
    ["told as lost", ran, told("TASK_LOST", "TASK_FINISHED"), "is told as TASK_LOST"],
    ["not told", ran, told("TASK_RUNNING"), "is told as TASK_RUNNING"],
    ["told and never started", [], told("TASK_RUNNING"), "never started"],
    ["forgotten", [], [], "never started and is told as nothing"],
    ["forgotten by the next master", [], told("TASK_STAGING"), "told as TASK_STAGING"],
  ])("%s", (_, notes, statuses, problem) => {
    expect(judge(history({ asked: ["t"], notes, statuses })).join("\n")).toContain(problem);
  });

  test("nobody asked for it", () => {
    expect(judge(history({ notes: ran })).join()).toContain("nobody asked");
  });
});
