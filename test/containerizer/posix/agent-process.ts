/**
 * An agent reduced to its containerizer, to be killed by tests. Arguments: root, JSON of
 * `{name: command}`, and perhaps a path: containers then get no further than making the file
 * `PATH.reached` on the way to their command, as on a very slow host, until there is one at PATH. Prints `running` once all containers are launched, and `staged NAME` when the
 * keeper of a container waits that is never told to go (commands given as null). On SIGUSR2 all
 * containers are at a limit.
 */
import process from "node:process";
import type { Isolator, Limitation } from "../../../src/containerizer/containerizer.ts";
import {
  HOST_PLACEMENT,
  type Launcher,
  type LauncherContext,
} from "../../../src/containerizer/launcher.ts";
import { PosixLauncher } from "../../../src/containerizer/posix/posix-launcher.ts";
import { posixIn, specIn } from "../containers.ts";

const [root = "", json = "{}", gate] = process.argv.slice(2);
const commands = JSON.parse(json) as Record<string, string | null>;

const limited: Limitation = {
  reason: "REASON_CONTAINER_LIMITATION_DISK",
  message: "too much",
  resources: [{ name: "disk", type: "SCALAR", scalar: { value: 2 } }],
};

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
  watch: (_containerId, onLimitation) => {
    process.on("SIGUSR2", () => onLimitation(limited));
    return () => undefined;
  },
};

const GATE_SCRIPT = ': >"$0.reached"; while [ ! -e "$0" ]; do sleep 0.05; done; exec "$@"';

/** Its containers have an init, as those with namespaces do, which stands at the gate. */
function slowLauncher(context: LauncherContext, path: string): Launcher {
  const launcher = new PosixLauncher(context);
  launcher.prepare = () =>
    Promise.resolve({ ...HOST_PLACEMENT, namespaceWords: ["/bin/sh", "-c", GATE_SCRIPT, path] });
  return launcher;
}

const containerizer = posixIn(root, {
  isolators: [halting],
  ...(gate !== undefined && { launcher: (context) => slowLauncher(context, gate) }),
});
setInterval(() => undefined, 60_000);
await Promise.all(
  Object.entries(commands).map(async ([name, command]) => {
    const launch = containerizer.launch(specIn(root, name, command ?? "touch ran"));
    if (command !== null) await launch;
  }),
);
console.log("running");
