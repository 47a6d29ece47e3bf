/**
 * A command beside a container's own that an agent without root cannot end, as it has given itself the
 * rights of root: by an agent of a process of its own, as another user.
 */
import { afterAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, copyFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { findProgram } from "../../../src/containerizer/keeper/host-tools.ts";
import { newRoot, removeRoots } from "../containers.ts";

const SOURCES = join(import.meta.dir, "../../..");
const NOBODY = 65_534;
const setpriv = findProgram("setpriv") ?? "";
const isRoot = process.getuid?.() === 0;

afterAll(removeRoots);

test.skipIf(!isRoot)(
  "what may not be killed when its time is over does the agent no harm",
  () => {
    const root = newRoot();
    const program = join(root, "as-root");
    copyFileSync(setpriv, program);
    chmodSync(program, 0o4755);
    chownSync(root, NOBODY, NOBODY);
    const script = `
    import { posixIn, specIn } from "${SOURCES}/test/containerizer/containers.ts";
    const containerizer = posixIn("${root}");
    const spec = specIn("${root}", "x", "exec sleep 1000");
    await containerizer.launch(spec);
    const value = "exec ${program} --reuid=0 --regid=0 --clear-groups sleep 2";
    const end = await containerizer.runInside({ ...spec, command: { value }, timeoutMs: 500 });
    await containerizer.destroy(spec.containerId);
    await containerizer.close();
    console.log(JSON.stringify(end));
    process.exit(0);
  `;
    const words = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups", process.execPath];
    const { stdout, stderr } = spawnSync(setpriv, [...words, "-e", script], { encoding: "utf8" });
    expect(`${stdout}${stderr}`).toBe('{"kind":"timedOut"}\n');
  },
  90_000,
);
