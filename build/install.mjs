/**
 * Installs the pinned packages when they are not there, as `npm start` and `npm test` need them on
 * a fresh clone. What is installed is compared with package-lock.json by content: times say little
 * after a checkout, and npm writes its own record last, so a broken install is seen too.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { reportStep } from "./steps.mjs";
import { ROOT } from "./tools.mjs";

const INSTALL_TIMEOUT_MS = 600_000;

/**
 * @typedef {object} LockEntry
 * @property {string} [version]
 * @property {string} [integrity]
 * @property {boolean} [optional] for another platform, perhaps
 */

/**
 * @returns {Promise<boolean>} false when npm failed; its output has been printed
 */
export async function ensureInstalled() {
  const reason = staleReason();
  if (reason === undefined) return true;
  console.log(`     ${reason}: running npm ci`);
  const npm = npmCommand();
  const result = await reportStep({
    name: "install the pinned packages",
    command: npm.command,
    // The pinned tools are development packages with one optional package per platform, so a
    // machine set to production installs must not leave them out. `npm start --silent` would
    // silence npm's errors here as well.
    args: [...npm.args, "ci", "--include=dev", "--include=optional", "--loglevel=warn"],
    timeoutMs: INSTALL_TIMEOUT_MS,
  });
  return result.isOk;
}

/** @returns {string | undefined} why an install is due */
function staleReason() {
  const wanted = lockEntries(join(ROOT, "package-lock.json"));
  if (wanted === undefined) throw new Error("package-lock.json is missing or not JSON");
  const installed = lockEntries(join(ROOT, "node_modules", ".package-lock.json"));
  if (installed === undefined) return "node_modules is missing";
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === "") continue;
    const present = installed[path];
    if (present === undefined && entry.optional) continue;
    if (present?.version !== entry.version || present?.integrity !== entry.integrity) {
      return `${path} differs from package-lock.json`;
    }
  }
  return undefined;
}

/**
 * @param {string} path
 * @returns {Record<string, LockEntry> | undefined}
 */
function lockEntries(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8")).packages;
  } catch {
    return undefined; // absent or half written: an install is due
  }
}

/** The npm that runs this script when there is one, so that versions do not mix. */
function npmCommand() {
  const path = process.env["npm_execpath"];
  if (path?.endsWith("npm-cli.js")) return { command: process.execPath, args: [path] };
  return { command: "npm", args: [] };
}
