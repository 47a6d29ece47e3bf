/**
 * Runs a TypeScript file of the project with the pinned Bun: `node build/run.mjs FILE ARGUMENTS…`.
 * Ends as the file ends: same exit status, 128 + signal when killed.
 */
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { ensureInstalled } from "./install.mjs";
import { bunPath } from "./tools.mjs";

const [file, ...args] = process.argv.slice(2);
if (file === undefined) {
  console.error("usage: node build/run.mjs FILE ARGUMENTS…");
  process.exit(2);
}
if (!(await ensureInstalled())) process.exit(1);
const child = spawn(bunPath(), [file, ...args], { stdio: "inherit" });
for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) {
  process.on(signal, () => child.kill(signal));
}
child.once("close", (code, signal) => {
  process.exitCode = signal === null ? (code ?? 1) : 128 + constants.signals[signal];
});
