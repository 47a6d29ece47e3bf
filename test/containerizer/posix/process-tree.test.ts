/** Whose a process is, on made-up process tables: every rule and every trap in it. */
import { expect, test } from "bun:test";
import { brand, type ContainerId } from "../../../src/base/ids.ts";
import {
  type ProcessStat,
  parseProcessStat,
} from "../../../src/containerizer/posix/process-stat.ts";
import { markedContainer } from "../../../src/containerizer/posix/process-table.ts";
import {
  type ScannedProcess,
  sortByContainer,
  type TrackedContainer,
} from "../../../src/containerizer/posix/process-tree.ts";

const C1 = brand<ContainerId>("c1");
const C2 = brand<ContainerId>("c2");

interface Row {
  readonly pid: number;
  readonly parent?: number;
  readonly session?: number;
  readonly start?: number;
  readonly marked?: ContainerId;
  readonly earlier?: ContainerId;
}

function table(...rows: readonly Row[]): Map<number, ScannedProcess> {
  return new Map(
    rows.map((row) => {
      const stat: ProcessStat = {
        pid: row.pid,
        name: "sh",
        state: "S",
        parentPid: row.parent ?? 1,
        groupId: row.session ?? row.pid,
        sessionId: row.session ?? row.pid,
        isKernelThread: false,
        userTicks: 0,
        systemTicks: 0,
        threads: 1,
        startTicks: row.start ?? 1,
      };
      return [row.pid, { stat, markedId: row.marked, earlierId: row.earlier }];
    }),
  );
}

function container(more: Partial<TrackedContainer> = {}): TrackedContainer {
  return {
    containerId: C1,
    keeper: { pid: 10, startTicks: 1 },
    task: { pid: 11, startTicks: 1 },
    isWatched: true,
    ...more,
  };
}

const KEEPER: Row = { pid: 10, marked: C1 };
const TASK: Row = { pid: 11, parent: 10, marked: C1 };

function pidsOf(rows: readonly Row[], containers: readonly TrackedContainer[]): number[] {
  return (sortByContainer(table(...rows), containers).get(C1) ?? []).map(({ pid }) => pid);
}

test("descendants, session members and marked processes belong; the keeper and strangers do not", () => {
  const rows = [
    { pid: 1 },
    KEEPER,
    TASK,
    { pid: 12, parent: 11 },
    { pid: 13, parent: 12, session: 13 },
    { pid: 14, session: 11 },
    { pid: 15, session: 15, marked: C1 },
    { pid: 16, parent: 15, session: 16 },
    { pid: 20 },
    { pid: 21, parent: 20 },
  ];
  expect(pidsOf(rows, [container()])).toEqual([11, 12, 13, 14, 15, 16]);
});

test("a command that has not left its keeper's session yet belongs", () => {
  expect(pidsOf([KEEPER, { ...TASK, session: 10 }], [container()])).toEqual([11]);
});

test("a reused process number brings no stranger in", () => {
  const stranger = [KEEPER, { pid: 11, start: 2 }, { pid: 12, parent: 11, session: 11 }];
  expect(pidsOf(stranger, [container()])).toEqual([]);
  const otherKeeper = [
    { pid: 10, start: 2 },
    { pid: 12, parent: 10, session: 12 },
  ];
  expect(pidsOf(otherKeeper, [container()])).toEqual([]);
});

test("a session without its leader is ours only when the leader was watched to its end", () => {
  const rows = [{ pid: 14, session: 11 }];
  expect(pidsOf(rows, [container()])).toEqual([14]);
  expect(pidsOf(rows, [container({ isWatched: false })])).toEqual([]);
});

test("what was ours once stays ours without mark, parent and session", () => {
  expect(pidsOf([{ pid: 30, session: 30, earlier: C1 }], [container()])).toEqual([30]);
});

test("marked processes of containers nobody tracks are listed under their own id", () => {
  const sorted = sortByContainer(table({ pid: 40, marked: C2 }, { pid: 41, parent: 40 }), []);
  expect(sorted.get(C2)?.map(({ pid }) => pid)).toEqual([40, 41]);
});

test("a circle of parents, as torn reads can show, ends", () => {
  expect(
    pidsOf(
      [
        { pid: 50, parent: 51 },
        { pid: 51, parent: 50 },
      ],
      [container()],
    ),
  ).toEqual([]);
});

test("a stat line is read whatever the name of the program", () => {
  const fields = "S 10 11 12 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 9 0 4242 0 0";
  expect(parseProcessStat(`77 (a) b) (S 1) ${fields}\n`)).toMatchObject({
    pid: 77,
    state: "S",
    parentPid: 10,
    groupId: 11,
    sessionId: 12,
    userTicks: 12,
    systemTicks: 14,
    threads: 9,
    startTicks: 4242,
  });
  expect(parseProcessStat("")).toBeUndefined();
  expect(parseProcessStat("77 (cut off) S 1")).toBeUndefined();
});

test("only the mark of this very agent counts", () => {
  const environment = (...lines: string[]): Uint8Array =>
    new TextEncoder().encode(lines.map((line) => `${line}\0`).join(""));
  const ours = environment(
    "X_ALLOT_AGENT_MARK=other",
    "ALLOT_AGENT_MARK=ours",
    "ALLOT_CONTAINER_ID=c1",
  );
  expect(markedContainer(ours, "ours")).toBe(C1);
  expect(markedContainer(ours, "our")).toBeUndefined();
  expect(markedContainer(environment("ALLOT_CONTAINER_ID=c1"), "ours")).toBeUndefined();
  expect(markedContainer(environment("A=ALLOT_AGENT_MARK=ours"), "ours")).toBeUndefined();
  expect(markedContainer(new Uint8Array(), "ours")).toBeUndefined();
  for (const id of ["..", "../c1", "c1/leaf", "-keepers", ".ours-c1", "", "c1\n"]) {
    const sly = environment("ALLOT_AGENT_MARK=ours", `ALLOT_CONTAINER_ID=${id}`);
    expect(markedContainer(sly, "ours")).toBeUndefined();
  }
});
