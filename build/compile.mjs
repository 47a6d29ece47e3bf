/**
 * Compiles `dist/allot`, one executable that needs nothing else on the machine, and prints its
 * size, the time taken and how long it takes to start. Plain Node, so that it runs before Bun is
 * known to be usable. The flags and the reasons for them: reference/stack.md sections 2, 3 and 7.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { ensureInstalled } from "./install.mjs";
import { reportStep } from "./steps.mjs";
import { BINARY, bunPath, packageManifest, ROOT } from "./tools.mjs";

const COMPILE_TIMEOUT_MS = 300_000;
const START_TIMEOUT_MS = 20_000;
const START_RUNS = 5;

/** What the executable is made from. */
const SOURCES = ["src", "build/compile.mjs", "build/generate-types.ts", "package-lock.json"];
const SOURCE_FILE = /\.(?:ts|tsx|mjs|json|sh|html|css|svg)$/;

/**
 * Generates what is generated and compiles. The new executable takes the old one's place at once,
 * also while the old one runs.
 * @returns {Promise<boolean>} false when a step failed; its output has been printed
 */
export async function compile() {
  const bun = bunPath();
  const generated = await reportStep({
    name: "generate types",
    command: bun,
    args: ["build/generate-types.ts"],
    timeoutMs: COMPILE_TIMEOUT_MS,
  });
  if (!generated.isOk) return false;

  const draft = `${BINARY}.${process.pid}.draft`;
  mkdirSync(join(ROOT, "dist"), { recursive: true });
  try {
    const compiled = await reportStep({
      name: `compile ${relative(ROOT, BINARY)}`,
      command: bun,
      args: [
        "build",
        "--compile",
        "--minify",
        "--bytecode",
        "--format=esm",
        "--no-compile-autoload-dotenv",
        "--no-compile-autoload-bunfig",
        "--external=better-sqlite3",
        "--external=cbor-extract",
        `--define=ALLOT_VERSION=${JSON.stringify(packageManifest().version)}`,
        "src/main.ts",
        `--outfile=${draft}`,
      ],
      timeoutMs: COMPILE_TIMEOUT_MS,
    });
    if (!compiled.isOk) return false;
    const startMs = medianStartMs(draft);
    if (startMs === undefined) return false;
    const megabytes = (statSync(draft).size / 1e6).toFixed(1);
    renameSync(draft, BINARY);
    console.log(
      `     ${relative(ROOT, BINARY)}: ${megabytes} MB, starts in ${startMs.toFixed(0)} ms`,
    );
    return true;
  } finally {
    rmSync(draft, { force: true });
  }
}

/** True when `dist/allot` is there and nothing it is made from is newer. */
export function isCompiled() {
  const binary = statSync(BINARY, { throwIfNoEntry: false });
  return (
    binary !== undefined && newestMs(SOURCES.map((path) => join(ROOT, path))) <= binary.mtimeMs
  );
}

/**
 * @param {readonly string[]} paths files and folders
 * @returns {number} when the newest of them changed; a removed file shows in its folder
 */
function newestMs(paths) {
  const times = paths.map((path) => {
    const stats = statSync(path);
    if (!stats.isDirectory()) return stats.mtimeMs;
    const inside = readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() || SOURCE_FILE.test(entry.name))
      .map((entry) => join(path, entry.name));
    return Math.max(stats.mtimeMs, newestMs(inside));
  });
  return Math.max(0, ...times);
}

/**
 * A process start up to the printed version: the program loads its whole bytecode for it.
 * @param {string} binary
 * @returns {number | undefined} undefined when it does not start; the reason has been printed
 */
function medianStartMs(binary) {
  const durations = [];
  for (let run = 0; run < START_RUNS; run += 1) {
    const startedMs = performance.now();
    const result = spawnSync(binary, ["--version"], {
      cwd: "/",
      encoding: "utf8",
      timeout: START_TIMEOUT_MS,
    });
    durations.push(performance.now() - startedMs);
    if (result.status !== 0) {
      const ending = result.error?.message ?? `exit status ${result.status ?? result.signal}`;
      console.log(`FAIL start the compiled program with --version (${ending})`);
      console.log(`${result.stdout ?? ""}${result.stderr ?? ""}`.trimEnd());
      return undefined;
    }
  }
  return durations.sort((a, b) => a - b)[Math.floor(START_RUNS / 2)];
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  process.exitCode = (await ensureInstalled()) && (await compile()) ? 0 : 1;
}
