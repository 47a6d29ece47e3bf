/**
 * Goal: what is made, given away and removed in a task's sandbox is there and nowhere else. Method: a
 * link in place of a folder, as a task would put it there; needs root, for a task of another user.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { chownSync, existsSync, mkdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { findHostTools } from "../../../src/containerizer/keeper/host-tools.ts";
import { HeldFolder } from "../../../src/containerizer/posix/held-folder.ts";
import { HostUsers } from "../../../src/containerizer/posix/host-users.ts";
import {
  giveSandbox,
  makeSandbox,
  removeSandbox,
} from "../../../src/containerizer/posix/sandbox.ts";
import { newRoot, removeRoots } from "../containers.ts";

afterAll(removeRoots);

const NOBODY = { name: "nobody", uid: 65_534, gid: 65_534 };
const isRoot = process.getuid?.() === 0;
const reason = isRoot ? "" : " (skipped: giving folders away needs root)";

describe.skipIf(!isRoot)(`sandboxes in sandboxes${reason}`, () => {
  test("a task's link is followed neither by what makes nor by what removes one [issue 4]", async () => {
    const { task, victim } = scene();
    symlinkSync(victim, join(task, "containers"));
    const nested = join(task, "containers/x");
    expect(() => makeSandbox(nested)).toThrow("a link that is not followed");
    const open = (): unknown => HeldFolder.open(nested);
    expect(open).toThrow("a link that is not followed");
    await expect(removeSandbox(nested)).rejects.toThrow("a link that is not followed");
    expect(statSync(join(victim, "x")).uid).toBe(0);
    expect(existsSync(join(victim, "x/secret"))).toBe(true);
  });

  test("nor where the link is the sandbox itself [issue 4]", async () => {
    const { task, victim } = scene();
    mkdirSync(join(task, "containers"));
    chownSync(join(task, "containers"), NOBODY.uid, NOBODY.gid);
    const nested = join(task, "containers/x");
    symlinkSync(join(victim, "x"), nested);
    expect(() => makeSandbox(nested)).toThrow("a link that is not followed");
    await removeSandbox(nested);
    expect(existsSync(nested)).toBe(false);
    expect(existsSync(join(victim, "x/secret"))).toBe(true);
  });

  test("links that only root could put are followed, as that of a work folder", async () => {
    const { root, task } = scene();
    symlinkSync(root, join(root, "elsewhere"));
    const nested = join(root, "elsewhere/task/containers/x");
    makeSandbox(nested).use((sandbox) => giveSandbox(sandbox, NOBODY));
    expect(statSync(join(task, "containers/x")).uid).toBe(NOBODY.uid);
    expect(statSync(join(task, "containers/x/stdout")).uid).toBe(NOBODY.uid);
    await removeSandbox(nested);
    expect(existsSync(join(task, "containers/x"))).toBe(false);
  });
});

test("a user is found by name and never by number [issue 4]", async () => {
  const users = new HostUsers(await findHostTools());
  for (const name of ["0", "65534"]) {
    await expect(users.resolve(name)).rejects.toThrow("does not exist");
  }
});

/** A task's sandbox, and a folder of root's with a folder `x` and a file in it. */
function scene(): { root: string; task: string; victim: string } {
  const root = newRoot();
  const [task, victim] = [join(root, "task"), join(root, "victim")];
  makeSandbox(task).use((sandbox) => giveSandbox(sandbox, NOBODY));
  mkdirSync(join(victim, "x"), { recursive: true });
  writeFileSync(join(victim, "x/secret"), "");
  return { root, task, victim };
}
