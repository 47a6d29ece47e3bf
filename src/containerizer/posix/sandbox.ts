/**
 * Makes a sandbox: parents 0755, the folder itself 0750 and the task user's own, with its `stdout`
 * and `stderr`, the link `latest` beside it, and persistent volumes inside. Source: semantics 7.5,
 * 7.16.
 */
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fchownSync,
  fstatSync,
  openSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { lstat, lutimes, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import process from "node:process";
import { ContainerizerError, type ContainerVolume, type HostUser } from "../containerizer.ts";
import { hasCode } from "../system-errors.ts";
import { HeldFolder } from "./held-folder.ts";
import { linkInside } from "./safe-path.ts";

const OUTPUT_FILES = ["stdout", "stderr"] as const;

/**
 * Makes the folder and its output files, still the agent's own. It is given away only when the
 * keeper has opened the files, so that no process of the user can put a link in their place and
 * have a privileged keeper write elsewhere. The caller closes it. Errors: `ContainerizerError`.
 */
export function makeSandbox(directory: string): HeldFolder {
  let folder: HeldFolder | undefined;
  try {
    folder = HeldFolder.open(directory, { isMade: true });
    chmodSync(folder.path, 0o700);
    const [uid, gid] = [process.geteuid?.(), process.getegid?.()];
    if (uid !== undefined && gid !== undefined) chownSync(folder.path, uid, gid);
    for (const name of OUTPUT_FILES) makeOutputFile(join(folder.path, name));
    linkLatest(directory);
    return folder;
  } catch (cause) {
    folder?.close();
    throw sandboxError(directory, cause);
  }
}

/**
 * The sandbox may have been the user's before (files were fetched into it): a pipe in the file's
 * place would hold the agent up, and a second name of it could be anybody's file.
 */
function makeOutputFile(path: string): void {
  const { O_CREAT, O_WRONLY, O_APPEND, O_NOFOLLOW, O_NONBLOCK } = constants;
  const file = openSync(path, O_CREAT | O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK, 0o644);
  try {
    const stat = fstatSync(file);
    if (!stat.isFile() || stat.nlink !== 1) throw new Error(`${path} is no file of its own`);
  } finally {
    closeSync(file);
  }
}

/** `runs/latest` points at the newest run; replaced in one step. Other sandboxes have no such link. */
function linkLatest(directory: string): void {
  const runs = dirname(directory);
  if (basename(runs) !== "runs") return;
  const temporary = join(runs, `.latest-${basename(directory)}`);
  rmSync(temporary, { force: true });
  symlinkSync(basename(directory), temporary);
  renameSync(temporary, join(runs, "latest"));
}

/**
 * Makes the volume seen at its place in the sandbox, by a link, and gives it to the task's user.
 * Errors: `ContainerizerError` for a place outside the sandbox or taken, and a volume that is gone.
 */
export function linkVolume(
  sandbox: HeldFolder,
  volume: ContainerVolume,
  user: HostUser | undefined,
): void {
  const { hostPath, containerPath } = volume;
  const options = { field: "the volume's path", user, leadsTo: hostPath };
  try {
    giveVolume(volume, user);
    linkInside(sandbox, containerPath, options);
  } catch (cause) {
    throw sandboxError(sandbox.realPath, cause);
  }
}

/**
 * Gives the folder of a volume to the task's user, unless it is in use: a persistent volume while
 * others have it, a folder of a sandbox as soon as it is somebody's. Root needs no volume to be its
 * own. What is really open is given away, not what the path led to a moment ago. Throws for a folder
 * that is gone or leads elsewhere. Source: semantics 7.14; Mesos, isolators filesystem/linux and
 * volume/sandbox_path.
 */
export function giveVolume(
  { hostPath, within, isInUse }: ContainerVolume,
  user: HostUser | undefined,
): void {
  const follow = within === undefined ? 0 : constants.O_NOFOLLOW;
  const folder = openSync(hostPath, constants.O_RDONLY | constants.O_DIRECTORY | follow);
  try {
    const real = readlinkSync(`/proc/self/fd/${folder}`);
    if (within !== undefined && !real.startsWith(`${realpathSync(within)}/`)) {
      throw new Error(`${hostPath} leads out of ${within}`);
    }
    if (user === undefined || user.uid === 0 || isInUse === true) return;
    const isTaken = within !== undefined && fstatSync(folder).uid !== process.geteuid?.();
    if (!isTaken) fchownSync(folder, user.uid, user.gid);
  } finally {
    closeSync(folder);
  }
}

/** Gives the sandbox to the user who is to work in it. Errors: `ContainerizerError`. */
export function giveSandbox(sandbox: HeldFolder, user: HostUser | undefined): void {
  try {
    for (const name of user === undefined ? [] : OUTPUT_FILES) {
      giveFile(join(sandbox.path, name), user);
    }
    chmodSync(sandbox.path, 0o750);
    if (user !== undefined) chownSync(sandbox.path, user.uid, user.gid);
  } catch (cause) {
    throw sandboxError(sandbox.realPath, cause);
  }
}

/** Removes a sandbox with all that is in it; there may be none. Errors: what the system says. */
export async function removeSandbox(directory: string): Promise<void> {
  await inParent(directory, (path) => rm(path, { recursive: true, force: true }));
}

/** Milliseconds since the epoch; undefined when it is no folder, or there is none. Errors: as above. */
export async function sandboxModifiedAtMs(directory: string): Promise<number | undefined> {
  const stats = await inParent(directory, (path) => lstat(path));
  return stats?.isDirectory() === true ? stats.mtimeMs : undefined;
}

/** Its last change was at that time; there may be no such sandbox. Errors: as above. */
export async function touchSandbox(directory: string, atMs: number): Promise<void> {
  const time = new Date(atMs);
  await inParent(directory, (path) => lutimes(path, time, time));
}

/** The folder is reached through its parent, which is held meanwhile. Undefined: it is not there. */
async function inParent<Value>(
  directory: string,
  act: (path: string) => Promise<Value>,
): Promise<Value | undefined> {
  let parent: HeldFolder | undefined;
  try {
    parent = HeldFolder.open(dirname(directory));
    return await act(join(parent.path, basename(directory)));
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  } finally {
    parent?.close();
  }
}

function giveFile(path: string, user: HostUser | undefined): void {
  if (user === undefined) return;
  const file = openSync(path, constants.O_WRONLY | constants.O_NOFOLLOW);
  try {
    fchownSync(file, user.uid, user.gid);
  } finally {
    closeSync(file);
  }
}

function sandboxError(directory: string, cause: unknown): ContainerizerError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new ContainerizerError(`Sandbox ${directory} could not be made: ${reason}`, { cause });
}
