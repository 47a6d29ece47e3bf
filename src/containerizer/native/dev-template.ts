/**
 * What every /dev of a container begins as: nodes and links in a folder of the agent's, from where they
 * are copied at once, and the table of what is mounted, so that a container costs few processes.
 */
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
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
  /** Nodes and links, and empty folders `pts` and `shm`. */
  readonly nodes: string;
  /** In the form of /etc/fstab: mounts the beginnings of a /dev at `place`. */
  readonly table: string;
  /** A folder that stays empty on the host. */
  readonly place: string;
}

export const DEV_OPTIONS = "nosuid,noexec,mode=0755,size=64k";
export const PTS_OPTIONS = "newinstance,ptmxmode=0666,mode=0620";

const LINKS: readonly (readonly [name: string, target: string])[] = [
  ["ptmx", "pts/ptmx"],
  ["fd", "/proc/self/fd"],
  ["stdin", "/proc/self/fd/0"],
  ["stdout", "/proc/self/fd/1"],
  ["stderr", "/proc/self/fd/2"],
];

/** Makes it where it is missing. Errors: `ContainerizerError` when nodes cannot be made there. */
export async function devTemplate(runtimeDir: string): Promise<DevTemplate> {
  const folder = join(resolve(runtimeDir), "dev");
  const template = {
    nodes: join(folder, "nodes"),
    table: join(folder, "table"),
    place: join(folder, "place"),
  };
  if (existsSync(folder)) return template;
  mkdirSync(resolve(runtimeDir), { recursive: true });
  // Of its own, as agents may share a runtime folder.
  const fresh = mkdtempSync(`${folder}.new-`);
  const nodes = join(fresh, "nodes");
  chmodSync(fresh, 0o755);
  for (const name of ["place", "nodes/pts", "nodes/shm"]) {
    mkdirSync(join(fresh, name), { recursive: true, mode: 0o755 });
  }
  const cp = findProgram("cp");
  const sources = COMMON_NODES.map((name) => `/dev/${name}`);
  if (cp === undefined || (await runHelper(cp, ["-a", "--", ...sources, nodes])) === undefined) {
    rmSync(fresh, { recursive: true, force: true });
    throw new ContainerizerError(
      `Devices could not be made in ${nodes}: see that cp is in ${HELPER_PATH} and choose a --runtime_dir that takes them`,
    );
  }
  for (const [name, target] of LINKS) symlinkSync(target, join(nodes, name));
  writeFileSync(join(fresh, "table"), tableText(template.place));
  try {
    renameSync(fresh, folder);
  } catch (error) {
    rmSync(fresh, { recursive: true, force: true });
    // Another agent has just made it.
    if (!existsSync(folder)) throw error;
  }
  return template;
}

/** Terminals of its own, and the host's shm as long as the container has none. */
function tableText(place: string): string {
  const at = (name: string): string =>
    join(place, name).replace(
      /[\s\\]/g,
      (one) => `\\${one.charCodeAt(0).toString(8).padStart(3, "0")}`,
    );
  return [
    `tmpfs ${at("")} tmpfs ${DEV_OPTIONS} 0 0`,
    `devpts ${at("pts")} devpts ${PTS_OPTIONS},X-mount.mkdir 0 0`,
    `/dev/shm ${at("shm")} none rbind,X-mount.mkdir 0 0`,
    "",
  ].join("\n");
}

/** The host's log, which is a link and no device; undefined where it is neither. */
export function hostLog(): string | undefined {
  const path = "/dev/log";
  const isLink = lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
  return isLink ? path : undefined;
}
