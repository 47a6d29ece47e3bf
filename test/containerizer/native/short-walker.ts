/**
 * Walks through a sandbox that is over its quota of 1 MB, with no descriptor left at first. Argument:
 * the sandbox. Prints what the container would be ended for, or `nothing` after a while.
 */
import { closeSync, openSync } from "node:fs";
import process from "node:process";
import { brand, type ContainerId } from "../../../src/base/ids.ts";
import { DiskIsolator } from "../../../src/containerizer/native/disk-isolator.ts";
import { systemClock } from "../../../src/platform/system.ts";
import { silentLog } from "../containers.ts";

const [, , directory = ""] = process.argv;
const timing = { intervalMs: 20, clock: systemClock, log: silentLog };
const isolator = new DiskIsolator({ workDir: directory, isEnforced: true, ...timing });
const containerId = brand<ContainerId>("full");
await isolator.recover([{ containerId, directory }]);
await isolator.update(containerId, [{ name: "disk", type: "SCALAR", scalar: { value: 1 } }], {});
const held: number[] = [];
try {
  for (;;) held.push(openSync("/dev/null", "r"));
} catch {
  // As many as there are.
}
isolator.watch(containerId, ({ message }) => {
  console.log(message);
  process.exit();
});
setTimeout(() => held.forEach(closeSync), 500);
setTimeout(() => {
  console.log("nothing");
  process.exit();
}, 10_000);
