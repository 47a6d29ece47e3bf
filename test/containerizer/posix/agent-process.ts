/**
 * An agent reduced to its containerizer, to be killed by tests. Arguments: root, then JSON of
 * `{name: command}`. Prints `running` once all containers are launched, and `staged NAME` when the
 * keeper of a container waits that is never told to go (commands given as null).
 */
import process from "node:process";
import type { Isolator } from "../../../src/containerizer/containerizer.ts";
import { posixIn, specIn } from "../containers.ts";

const [root = "", json = "{}"] = process.argv.slice(2);
const commands = JSON.parse(json) as Record<string, string | null>;

/** Stands still where a keeper exists and its command does not. */
const halting: Isolator = {
  name: "test/halting",
  prepare: () => Promise.resolve({ environment: {} }),
  isolate: (containerId, pid) => {
    if (commands[containerId] !== null) return Promise.resolve();
    console.log(`staged ${containerId} ${pid}`);
    return new Promise(() => undefined);
  },
  usage: () => Promise.resolve({ timestamp: 0 }),
  update: () => Promise.resolve(),
  recover: () => Promise.resolve(),
  cleanup: () => Promise.resolve(),
  watch: () => () => undefined,
};

const containerizer = posixIn(root, { isolators: [halting] });
setInterval(() => undefined, 60_000);
await Promise.all(
  Object.entries(commands).map(async ([name, command]) => {
    const launch = containerizer.launch(specIn(root, name, command ?? "touch ran"));
    if (command !== null) await launch;
  }),
);
console.log("running");
