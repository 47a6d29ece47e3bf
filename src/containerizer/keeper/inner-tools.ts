/**
 * The few programs that start a command inside a root of its own, whose files may be of any
 * distribution or of none: copies of the host's shell, env, setpriv and setsid with their libraries, started
 * by the host's own loader, so that they fit whatever is around them.
 */
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, join, resolve } from "node:path";
import { ContainerizerError, type ContainerRootfs } from "../containerizer.ts";
import {
  findHostTools,
  findProgram,
  HELPER_PATH,
  type HostTools,
  runHelper,
} from "./host-tools.ts";

/** Where a container with a root of its own has them, read-only. */
export const INNER_FOLDER = "/.allot";

const LOADER = "loader";
/** An empty file beside them, for places where the loader would look for libraries to load first. */
export const NOTHING = "nothing";
/** Of the folder's content; to be raised with it. */
const VERSION = 2;

/** The tools as they are called inside such a root. */
export function innerTools(tools: HostTools): HostTools {
  const loader = `${INNER_FOLDER}/${LOADER}`;
  return {
    ...tools,
    shell: `${INNER_FOLDER}/shell`,
    env: `${INNER_FOLDER}/env`,
    setpriv: `${INNER_FOLDER}/setpriv`,
    setsid: `${INNER_FOLDER}/setsid`,
    argv0: tools.argv0 === "env" ? "env" : "none",
    prefix: [loader, "--library-path", INNER_FOLDER],
    // Names of groups are the host's, and mean something else in there.
    groupsOption: "--clear-groups",
  };
}

/** Words that lead into the root, for a process that may still do so. */
export function rootWords(rootfs: ContainerRootfs): string[] {
  const nsenter = findProgram("nsenter");
  if (nsenter === undefined) {
    throw new ContainerizerError(
      `The program nsenter is missing in ${HELPER_PATH}: install util-linux`,
    );
  }
  const folder = rootfs.workingDirectory ?? rootfs.sandboxPath;
  // Looked up from within: a task may have put a link in its place.
  return [nsenter, `--root=${rootfs.path}`, `--wdns=${join("/", folder)}`, "--"];
}

/**
 * Folder with the copies, made where it is missing; its name tells which versions they are of.
 * Errors: `ContainerizerError` when a program or its libraries cannot be found.
 */
export async function innerToolsFolder(runtimeDir: string): Promise<string> {
  const { shell, env, setpriv, setsid } = await findHostTools();
  if (setpriv === undefined) {
    throw new ContainerizerError(
      `The program setpriv is missing in ${HELPER_PATH}: install util-linux`,
    );
  }
  const files = new Map([
    ["shell", shell],
    ["env", env],
    ["setpriv", setpriv],
    ["setsid", setsid],
  ]);
  for (const program of [...files.values()]) {
    for (const [name, path] of await librariesOf(program)) files.set(name, path);
  }
  const folder = join(resolve(runtimeDir), `tools-${fingerprint([...files.values()])}`);
  if (existsSync(folder)) return folder;
  const fresh = `${folder}.new`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true, mode: 0o755 });
  for (const [name, path] of files) copyFileSync(path, join(fresh, name));
  writeFileSync(join(fresh, NOTHING), "", { mode: 0o644 });
  renameSync(fresh, folder);
  return folder;
}

/** Libraries by the names they are asked for, and the loader. */
async function librariesOf(program: string): Promise<Map<string, string>> {
  const ldd = findProgram("ldd");
  const output = ldd === undefined ? undefined : await runHelper(ldd, [program]);
  const files = new Map<string, string>();
  for (const line of (output ?? "").split("\n")) {
    const [, name, path] = /^\s*(\S+) => (\/\S+) \(/.exec(line) ?? [];
    if (name !== undefined && path !== undefined) files.set(basename(name), path);
    const [, loader] = /^\s*(\/\S*ld-\S+) \(/.exec(line) ?? [];
    if (loader !== undefined) files.set(LOADER, loader);
  }
  if (files.has(LOADER)) return files;
  throw new ContainerizerError(
    `The libraries of ${program} could not be found with ldd, without which no image can be run`,
  );
}

function fingerprint(paths: readonly string[]): string {
  const hash = createHash("sha256").update(`${VERSION}\n`);
  for (const path of paths) {
    const { size, mtimeMs } = statSync(path);
    hash.update(`${path} ${size} ${mtimeMs}\n`);
  }
  return hash.digest("hex").slice(0, 12);
}
