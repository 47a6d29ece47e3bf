/**
 * What every /dev of a container begins as: nodes and links in a folder of the agent's, from where they
 * are copied at once, and the table of what is mounted where a container is content with them, so
 * that it costs one process.
 */
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { ContainerizerError } from "../containerizer.ts";
import { findProgram, HELPER_PATH, runHelper } from "../keeper/host-tools.ts";
import { COMMON_NODES } from "./device-rules.ts";

export interface DevTemplate {
  /** Nodes and links, and empty folders `pts` and `shm`; for a root of its own. */
  readonly nodes: string;
  /** The same for the host's root, with what only the host has. */
  readonly hostNodes: string;
  /** In the form of /etc/fstab: makes a /dev of them in the host's root, which is read-only. */
  readonly table: string;
  /** A folder that stays empty on the host. */
  readonly place: string;
}

export const DEV_OPTIONS = "nosuid,noexec,mode=0755,size=64k";
export const PTS_OPTIONS = "newinstance,ptmxmode=0666,mode=0620";

/** Nodes may be used although the folder may be on a file system that allows none. */
const TABLE_FORM = `\
/dev/shm NODES/shm none rbind 0 0
devpts NODES/pts devpts ${PTS_OPTIONS} 0 0
NODES /dev none rbind,ro,nosuid,noexec,dev 0 0
`;

const LINKS: readonly (readonly [name: string, target: string])[] = [
  ["ptmx", "pts/ptmx"],
  ["fd", "/proc/self/fd"],
  ["stdin", "/proc/self/fd/0"],
  ["stdout", "/proc/self/fd/1"],
  ["stderr", "/proc/self/fd/2"],
];

/**
 * Makes it where it is missing; the folder's name tells what it holds. Errors: `ContainerizerError`
 * when nodes cannot be made there.
 */
export async function devTemplate(runtimeDir: string): Promise<DevTemplate> {
  const hostLinks = [...LINKS, ...hostLog()];
  const hash = createHash("sha256").update(JSON.stringify([COMMON_NODES, hostLinks, TABLE_FORM]));
  const folder = join(resolve(runtimeDir), `dev-${hash.digest("hex").slice(0, 12)}`);
  const template = {
    nodes: join(folder, "nodes"),
    hostNodes: join(folder, "host-nodes"),
    table: join(folder, "table"),
    place: join(folder, "place"),
  };
  if (existsSync(folder)) return template;
  mkdirSync(resolve(runtimeDir), { recursive: true });
  // Of its own, as agents may share a runtime folder.
  const fresh = mkdtempSync(`${folder}.new-`);
  chmodSync(fresh, 0o755);
  mkdirSync(join(fresh, "place"), { mode: 0o755 });
  try {
    await makeNodes(join(fresh, "nodes"), LINKS);
    await makeNodes(join(fresh, "host-nodes"), hostLinks);
  } catch (error) {
    rmSync(fresh, { recursive: true, force: true });
    throw error;
  }
  writeFileSync(join(fresh, "table"), tableText(template.hostNodes));
  try {
    renameSync(fresh, folder);
  } catch (error) {
    rmSync(fresh, { recursive: true, force: true });
    // Another agent has just made it.
    if (!existsSync(folder)) throw error;
  }
  return template;
}

/** Fills a new folder. Errors: `ContainerizerError`. */
async function makeNodes(
  folder: string,
  links: readonly (readonly [name: string, target: string])[],
): Promise<void> {
  for (const name of ["pts", "shm"]) {
    mkdirSync(join(folder, name), { recursive: true, mode: 0o755 });
  }
  const cp = findProgram("cp");
  const sources = COMMON_NODES.map((name) => `/dev/${name}`);
  if (cp === undefined || (await runHelper(cp, ["-a", "--", ...sources, folder])) === undefined) {
    throw new ContainerizerError(
      `Devices could not be made in ${folder}: see that cp is in ${HELPER_PATH} and choose a --runtime_dir that takes them`,
    );
  }
  for (const [name, target] of links) symlinkSync(target, join(folder, name));
}

/** The table for nodes in the folder: terminals of its own, the host's shm, and over the host's /dev. */
function tableText(nodes: string): string {
  const escaped = nodes.replace(
    /[\s\\]/g,
    (one) => `\\${one.charCodeAt(0).toString(8).padStart(3, "0")}`,
  );
  return TABLE_FORM.replaceAll("NODES", () => escaped);
}

/** The host's log, where it is a link and no socket of its own: a link with its target. */
function hostLog(): (readonly [name: string, target: string])[] {
  const path = "/dev/log";
  const isLink = lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
  return isLink ? [["log", readlinkSync(path)]] : [];
}
