/** Folders of persistent volumes and links of sandboxes, whatever their names are. */
import { afterEach, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { linkMember, unlinkMember } from "../../../src/agent/runtime/sandbox-links.ts";
import { createVolume, trashVolume } from "../../../src/agent/runtime/volumes.ts";
import type { Resource } from "../../../src/protocol/v1/types.ts";

const folders: string[] = [];
/** As long as an id can be. */
const LONG = `${"n".repeat(253)}ä`;

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function workDir(): string {
  const made = mkdtempSync(join(tmpdir(), "allot-volumes-"));
  folders.push(made);
  return made;
}

function volume(role: string, id: string): Resource {
  return {
    name: "disk",
    type: "SCALAR",
    scalar: { value: 1 },
    reservations: [{ type: "DYNAMIC", role }],
    disk: { persistence: { id }, volume: { mode: "RW", container_path: "data" } },
  };
}

test("volumes of several roles with one id that go at once are all in the trash [semantics 7.6]", () => {
  const work = workDir();
  const names = ["a", "b", "c"].map((role) => {
    createVolume(work, volume(role, "data"));
    writeFileSync(join(work, "volumes/roles", role, "data", "mine"), role);
    return trashVolume(work, volume(role, "data"), 1_700_000_000_000) ?? "";
  });
  expect(names.map((name) => readFileSync(join(name, "mine"), "utf8"))).toEqual(["a", "b", "c"]);
  for (const role of ["a", "b", "c"]) {
    expect(existsSync(join(work, "volumes/roles", role, "data"))).toBe(false);
  }
});

test("one whose id is as long as ids can be goes to the trash, too", () => {
  const work = workDir();
  createVolume(work, volume("a", LONG));
  expect(trashVolume(work, volume("a", LONG), 1_700_000_000_000)).toContain("/nnn");
  expect(existsSync(join(work, "volumes/roles/a", LONG))).toBe(false);
  expect(readdirSync(join(work, "volumes/trash"))).toHaveLength(1);
});

test("a task of a group has its link, however long its id is [semantics 7.5]", async () => {
  const sandbox = join(workDir(), "runs/r/containers/c");
  mkdirSync(sandbox, { recursive: true });
  for (let round = 0; round < 2; round += 1) linkMember(sandbox, LONG);
  const tasks = join(sandbox, "../../tasks");
  expect(readdirSync(tasks)).toEqual([LONG]);
  expect(readlinkSync(join(tasks, LONG))).toBe("../containers/c");
  await unlinkMember(sandbox);
  expect(readdirSync(tasks)).toEqual([]);
});
