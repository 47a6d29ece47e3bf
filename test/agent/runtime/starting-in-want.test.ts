/** An agent that is short of descriptors goes on, and says what it could not start for that. */
import { afterEach, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { newRoot, removeRoots } from "../../containerizer/containers.ts";

afterEach(removeRoots);

test("what cannot be started for want of descriptors is an error, and not the agent's end", () => {
  const program = join(import.meta.dir, "starting-in-want.ts");
  const words = ["-c", `ulimit -n 64; exec "$0" "$@"`, process.execPath, program, newRoot()];
  const { stdout, stderr } = spawnSync("/bin/sh", words, { encoding: "utf8" });
  expect(stderr).toBe("");
  const reason = "EMFILE: too many open files, socketpair";
  expect(JSON.parse(stdout)).toEqual({
    walk: "undefined",
    check: `ContainerizerError: The command could not be started: ${reason}`,
    probe: `Error: the container's network cannot be entered: ${reason}`,
    network: `ContainerizerError: true could not be started: ${reason}`,
  });
});
