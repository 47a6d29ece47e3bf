/** An eye on processes that can open nothing for a while: by a process of its own, whose limit is low. */
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import process from "node:process";

const SOURCES = join(import.meta.dir, "../../../src");

test("what cannot be looked at for want of descriptors is not gone, and is looked at again [issue 4]", () => {
  const script = `
    import { closeSync, openSync } from "node:fs";
    import { LastSights } from "${SOURCES}/containerizer/docker/last-sights.ts";
    import { systemClock } from "${SOURCES}/platform/system.ts";
    const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    const child = Bun.spawn(["sleep", "1000"], { stdio: ["ignore", "ignore", "ignore"] });
    child.kill(9);
    await child.exited;
    const [there, gone] = [process.pid, child.pid].map((pid) => ({ pid, isSeen: true, goneByMs: undefined }));
    const sights = new LastSights(systemClock, () => [there, gone]);
    const files = [];
    // Again and again, as the runtime closes the descriptors of a child some time after its end.
    for (let round = 0; round < 5; round++) {
      try {
        for (;;) files.push(openSync("/dev/null", "r"));
      } catch {
        // None is left.
      }
      await sleep(50);
    }
    sights.start();
    await sleep(500);
    const before = [there.goneByMs, gone.goneByMs];
    for (const file of files) closeSync(file);
    await sleep(500);
    sights.stop();
    console.log(JSON.stringify([...before, there.goneByMs, gone.goneByMs !== undefined]));
  `;
  const words = ["-c", 'ulimit -n 64; exec "$0" -e "$1"', process.execPath, script];
  const { stdout, stderr } = spawnSync("sh", words, { encoding: "utf8" });
  expect(`${stdout}${stderr}`).toBe("[null,null,null,true]\n");
});
