/**
 * The links by which a task of a default executor is found: `runs/latest`, and below the executor's
 * run `tasks/<task>` beside the sandboxes in `containers`. Source: semantics 7.2, 7.5.
 */
import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { readdir, readlink, rm } from "node:fs/promises";
import { posix as paths } from "node:path";

/** Folder of the executor's run that the sandbox of a task lies in. */
export function runFolderOf(directory: string): string {
  return paths.dirname(paths.dirname(directory));
}

/** Makes the folder of the run, which tasks share, and the links. Throws what the system throws. */
export function linkMember(directory: string, taskId: string): void {
  const run = runFolderOf(directory);
  const tasks = paths.join(run, "tasks");
  mkdirSync(tasks, { recursive: true });
  for (const folder of [run, tasks]) chmodSync(folder, 0o755);
  link(paths.join(tasks, taskId), targetOf(directory));
  link(paths.join(run, "..", "latest"), paths.basename(run));
}

/** Removes the link to a sandbox that is gone. Rejects with what the system throws. */
export async function unlinkMember(directory: string): Promise<void> {
  const tasks = paths.join(runFolderOf(directory), "tasks");
  for (const name of await readdir(tasks)) {
    const path = paths.join(tasks, name);
    const target = await readlink(path).catch(() => undefined);
    if (target === targetOf(directory)) await rm(path, { force: true });
  }
}

function targetOf(directory: string): string {
  return `../containers/${paths.basename(directory)}`;
}

/** In one step, over whatever link is there, whose name may be as long as names can be. */
function link(path: string, target: string): void {
  const temporary = paths.join(paths.dirname(path), ".new");
  rmSync(temporary, { force: true });
  symlinkSync(target, temporary);
  renameSync(temporary, path);
}
