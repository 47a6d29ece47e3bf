/**
 * Starts each program that an agent speaks with, with no descriptor left. Argument: a folder. Prints a
 * JSON object that tells how each ended.
 */
import { openSync } from "node:fs";
import process from "node:process";
import { probeInNetworkOf } from "../../../src/agent/runtime/probe-helper.ts";
import { brand, type ContainerId } from "../../../src/base/ids.ts";
import { bytesBelow } from "../../../src/containerizer/disk-walk.ts";
import { findHostTools } from "../../../src/containerizer/keeper/host-tools.ts";
import { runLocked } from "../../../src/containerizer/native/network/helper-program.ts";
import { runSibling } from "../../../src/containerizer/posix/inside-command.ts";
import { systemClock } from "../../../src/platform/system.ts";

const [, , directory = ""] = process.argv;
const tools = await findHostTools();
try {
  for (;;) openSync("/dev/null", "r");
} catch {
  // As many as there are.
}
const probe = { kind: "tcp", ip: "127.0.0.1", port: 1 } as const;
const spec = {
  containerId: brand<ContainerId>("c"),
  command: { value: "true" },
  environment: {},
  directory,
  user: undefined,
  timeoutMs: 5000,
};
const host = { tools, mark: "mark", clock: systemClock, words: [], privileges: [] };
const started: Readonly<Record<string, () => Promise<unknown>>> = {
  walk: () => bytesBelow([directory]),
  check: () => runSibling(host, spec, undefined),
  probe: () => probeInNetworkOf(process.pid, ["true"], probe, new AbortController().signal),
  network: () => runLocked(systemClock, { words: ["true"], lock: `${directory}/lock` }),
};
const ends: Record<string, string> = {};
for (const [name, start] of Object.entries(started))
  ends[name] = await start().then(String, String);
console.log(JSON.stringify(ends));
process.exit();
