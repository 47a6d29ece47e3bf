/** Our scripts on disk: there once, whole, and with a word on what to do where there is no room. */
import { afterEach, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { placeScript } from "../../../src/containerizer/keeper/placed-script.ts";

const folders: string[] = [];
const isRoot = process.getuid?.() === 0;

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), "allot-script-"));
  folders.push(made);
  return made;
}

test("a script has its text, also where half of it was left", () => {
  const place = folder();
  const path = placeScript(place, "keeper", "exit 0\n");
  writeFileSync(path, "exi");
  expect(placeScript(place, "keeper", "exit 0\n")).toBe(path);
  expect(readFileSync(path, "utf8")).toBe("exit 0\n");
});

test.skipIf(!isRoot)("a disk without room is named, with what to do [DESIGN 9]", () => {
  const disk = folder();
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", disk]);
  try {
    writeFileSync(join(disk, "ballast"), new Uint8Array(statfsSync(disk).bavail * 4096));
    expect(() => placeScript(disk, "keeper", "exit 0\n")).toThrow(
      new RegExp(
        `^${disk}/keeper-\\w+\\.sh could not be written: .*; free some space on that disk$`,
      ),
    );
  } finally {
    execFileSync("umount", [disk]);
  }
});
