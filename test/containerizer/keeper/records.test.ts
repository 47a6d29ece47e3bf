/**
 * Records of keepers that an agent was making or removing when it died, and lines that are half
 * written: each is seen as what it is, or not at all. Several agents share one folder.
 */
import { afterEach, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brand, type ContainerId } from "../../../src/base/ids.ts";
import { KeeperRecords, parseEnd } from "../../../src/containerizer/keeper/records.ts";
import { newRoot, removeRoots } from "../containers.ts";

const ID = brand<ContainerId>("one");
const MADE = {
  plan: "exec true\n",
  setup: ["true"],
  rootfs: undefined,
  written: [],
  privileges: [],
  seccomp: undefined,
  kept: {},
};
const BLANKS = " ".repeat(256);

afterEach(removeRoots);

function recordsIn(root: string, mark: string): KeeperRecords {
  const records = new KeeperRecords(root, mark);
  for (const folder of [records.containersFolder, records.exitsFolder]) {
    mkdirSync(folder, { recursive: true });
  }
  return records;
}

test("the end of a command is known whole or not at all [issue 4]", () => {
  for (const line of ["exited 143\n", "exited 0\n", "signaled 9\n", "aborted\n"]) {
    for (let length = 0; length < line.length; length += 1) {
      const torn = line.slice(0, length) + BLANKS.slice(length);
      expect([torn.trim(), parseEnd(torn)]).toEqual([torn.trim(), undefined]);
      expect(parseEnd(line.slice(0, length))).toBeUndefined();
    }
    expect(parseEnd(line + BLANKS.slice(line.length))).toBeDefined();
  }
});

test("who a keeper and its command are is known whole or not at all [issue 4]", () => {
  const records = recordsIn(newRoot(), "mark");
  records.create(ID, MADE);
  const stat = "4242 (dash) S 1 4242 4242 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 9 9\n";
  const line = `f00d-boot ${stat}`;
  for (let length = 0; length < line.length; length += 1) {
    writeFileSync(join(records.folderOf(ID), "keeper"), line.slice(0, length));
    writeFileSync(join(records.folderOf(ID), "task"), stat.slice(0, length));
    const { keeper, task } = records.read(ID);
    expect([length, keeper]).toEqual([length, undefined]);
    if (length < stat.length) expect([length, task]).toEqual([length, undefined]);
  }
  writeFileSync(join(records.folderOf(ID), "keeper"), line);
  const identity = { pid: 4242, startTicks: 987654 };
  expect(records.read(ID)).toMatchObject({ keeper: identity, bootId: "f00d-boot" });
});

test("what an agent was making or removing is swept, and only its own [issue 4]", async () => {
  const root = newRoot();
  const [ours, theirs] = [recordsIn(root, "ours"), recordsIn(root, "theirs")];
  const other = brand<ContainerId>("other");
  ours.create(ID, MADE);
  theirs.create(other, MADE);
  for (const mark of ["ours", "theirs"]) {
    mkdirSync(join(ours.containersFolder, `.${mark}-half`));
  }
  expect(ours.list()).toEqual([ID]);
  ours.sweep();
  expect(readdirSync(ours.containersFolder).sort()).toEqual([".theirs-half", "one", "other"]);
  await ours.remove(ID);
  await ours.remove(ID);
  expect(readdirSync(ours.containersFolder).sort()).toEqual([".theirs-half", "other"]);
  expect(readdirSync(ours.exitsFolder)).toEqual(["other"]);
});

test("a container that is removed only in part is still found [issue 4]", async () => {
  const records = recordsIn(newRoot(), "mark");
  records.create(ID, MADE);
  rmSync(join(records.exitsFolder, ID));
  expect(records.list()).toEqual([ID]);
  await records.remove(ID);
  expect(existsSync(records.folderOf(ID))).toBe(false);
});

test("what cannot be read is not taken for what is not there [issue 4]", () => {
  const records = recordsIn(newRoot(), "mark");
  records.create(ID, MADE);
  rmSync(join(records.exitsFolder, ID));
  mkdirSync(join(records.exitsFolder, ID));
  expect(() => records.readEnd(ID)).toThrow("EISDIR");
});
