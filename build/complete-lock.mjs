/**
 * Adds to package-lock.json the optional packages of other platforms that npm left out. npm drops
 * those that the registry at hand does not serve, and then every `npm ci` of that lock file fails
 * with "Missing: … from lock file". Run after each change of dependencies; repeating it is safe.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./tools.mjs";

const OPERATING_SYSTEMS = ["aix", "android", "darwin", "freebsd", "linux", "openharmony", "win32"];
/** Spelling in package names to npm's; longer ones first, since `arm` begins two others. */
const PROCESSORS = {
  arm64: "arm64",
  aarch64: "arm64",
  arm: "arm",
  ia32: "ia32",
  loong64: "loong64",
  ppc64: "ppc64",
  riscv64: "riscv64",
  s390x: "s390x",
  wasm32: "wasm32",
  x64: "x64",
};

/**
 * @typedef {object} LockEntry
 * @property {string} [version]
 * @property {boolean} [dev]
 * @property {boolean} [optional]
 * @property {string[]} [os]
 * @property {string[]} [cpu]
 * @property {string[]} [libc]
 * @property {Record<string, string>} [optionalDependencies]
 */

const path = join(ROOT, "package-lock.json");
/** @type {{ packages: Record<string, LockEntry> }} */
const lock = JSON.parse(readFileSync(path, "utf8"));
const missing = Object.values(lock.packages).flatMap((parent) =>
  Object.entries(parent.optionalDependencies ?? {})
    .filter(([name]) => lock.packages[`node_modules/${name}`] === undefined)
    .map(([name, version]) => ({ name, version, isDev: parent.dev === true })),
);
for (const { name, version, isDev } of missing) {
  if (!/^\d+\.\d+\.\d+$/.test(version)) throw new Error(`${name}: ${version} is no exact version`);
  lock.packages[`node_modules/${name}`] = {
    version,
    ...(isDev ? { dev: true } : {}),
    optional: true,
    ...platformOf(name),
  };
}
lock.packages = Object.fromEntries(
  Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, "en")),
);
if (missing.length > 0) writeFileSync(path, `${JSON.stringify(lock, undefined, 2)}\n`);
console.log(`package-lock.json: ${missing.length} packages of other platforms added`);

/**
 * What npm would read from the package's own manifest; such packages carry it in their names.
 * @param {string} name
 * @returns {Pick<LockEntry, "os" | "cpu" | "libc">}
 */
function platformOf(name) {
  const os = OPERATING_SYSTEMS.find((word) => name.includes(word));
  const cpu = Object.entries(PROCESSORS).find(([word]) => name.includes(word))?.[1];
  if (os === undefined && cpu === undefined) throw new Error(`${name} names no platform`);
  const libc = name.includes("musl") ? "musl" : /gnu|glibc/.test(name) ? "glibc" : undefined;
  return {
    ...(os === undefined ? {} : { os: [os] }),
    ...(cpu === undefined ? {} : { cpu: [cpu] }),
    ...(libc === undefined ? {} : { libc: [libc] }),
  };
}
