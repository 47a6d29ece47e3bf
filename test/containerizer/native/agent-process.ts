/**
 * An agent reduced to its native containerizer, to be killed by tests. Arguments: root, root of its
 * cgroups, then JSON of `{name: command}`. Prints `running` once all containers are launched.
 */
import process from "node:process";
import { specIn } from "../containers.ts";
import { nativeIn } from "./native.ts";

const [root = "", cgroupRoot = "", json = "{}"] = process.argv.slice(2);
const commands = JSON.parse(json) as Record<string, string>;
const containerizer = nativeIn(root, { cgroups: { root: cgroupRoot } });
setInterval(() => undefined, 60_000);
await Promise.all(
  Object.entries(commands).map(([name, command]) =>
    containerizer.launch(specIn(root, name, command)),
  ),
);
console.log("running");
