/** For programs that need `dist/allot` and are started without `npm test`. */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { ROOT } from "../../build/tools.mjs";

/** Compiles what is not compiled or out of date. */
const SCRIPT = `
  import { compile, isCompiled } from "./build/compile.mjs";
  process.exitCode = isCompiled() || (await compile()) ? 0 : 1;`;

/**
 * False when it cannot be compiled, which has been said. What the compiler says belongs to stderr:
 * stdout may be read by a program. By this very runtime, as the test machine has no other.
 */
export function compileBinary(): boolean {
  const { status } = spawnSync(process.execPath, ["--eval", SCRIPT], {
    cwd: ROOT,
    stdio: ["ignore", process.stderr.fd, "inherit"],
  });
  return status === 0;
}
