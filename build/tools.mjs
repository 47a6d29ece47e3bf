/**
 * Where the pinned tools are. Plain Node without dependencies, because it runs before anything is
 * installed. An install without scripts (npm 12's default, `--ignore-scripts`) leaves a stub in
 * place of Bun, so the packages that hold the real executables are looked at as well.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The top folder of the project, absolute. */
export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** The compiled program. */
export const BINARY = join(ROOT, "dist", "allot");

const MODULES = join(ROOT, "node_modules");
/** Bun's stub has 450 bytes and the real executable 100 MB. */
const EXECUTABLE_BYTES_MIN = 1_000_000;
const VERSION_TIMEOUT_MS = 20_000;

/** @type {Map<string, string | undefined>} */
const found = new Map();

/**
 * A Bun that runs here, in the version package.json pins.
 * @returns {string}
 * @throws when there is none; the message says what to do
 */
export function bunPath() {
  const path = find("bun", [
    join(MODULES, "bun/bin/bun.exe"),
    ...variants("@oven", "bun-linux-", "bin/bun"),
  ]);
  if (path !== undefined) return path;
  const host = `${process.platform} ${process.arch}`;
  throw new Error(
    `No Bun ${pin("bun")} for ${host} under node_modules; run: npm ci --include=optional`,
  );
}

/**
 * A Deno that runs here, in the version package.json pins, or undefined when its package has no
 * executable for this machine (musl, for one).
 * @returns {string | undefined}
 */
export function denoPath() {
  return find("deno", [...variants("@deno", "linux-", "deno"), join(MODULES, "deno/deno")]);
}

/**
 * package.json as data.
 * @returns {{ version: string, devDependencies: Record<string, string> }}
 */
export function packageManifest() {
  return JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
}

/**
 * @param {string} tool
 * @param {readonly string[]} candidates
 */
function find(tool, candidates) {
  if (!found.has(tool))
    found.set(
      tool,
      candidates.find((path) => isPinned(tool, path)),
    );
  return found.get(tool);
}

/**
 * One path per installed build of a tool (baseline, musl, other processors).
 * @param {string} scope
 * @param {string} prefix
 * @param {string} executable
 */
function variants(scope, prefix, executable) {
  const folder = join(MODULES, scope);
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder).filter((name) => name.startsWith(prefix));
  return names.sort().map((name) => join(folder, name, executable));
}

/**
 * Asking for the version also proves that the executable fits the processor and the C library.
 * @param {string} tool
 * @param {string} path
 */
function isPinned(tool, path) {
  if (!existsSync(path) || statSync(path).size < EXECUTABLE_BYTES_MIN) return false;
  const run = spawnSync(path, ["--version"], { encoding: "utf8", timeout: VERSION_TIMEOUT_MS });
  return run.status === 0 && run.stdout.split(/\s/).includes(pin(tool));
}

/** @param {string} tool */
function pin(tool) {
  return packageManifest().devDependencies[tool] ?? "";
}
