/**
 * Reading sandboxes: browse, read and tail under the virtual paths of http-api 11. Only what lies
 * in the sandbox of an executor this agent knows is ever opened; a link that leads out of it, a
 * pipe or a device is refused, also when a task swaps files while they are being read.
 */
import { constants } from "node:fs";
import {
  type FileHandle,
  lstat,
  open,
  opendir,
  readFile,
  readlink,
  realpath,
} from "node:fs/promises";
import { posix as paths } from "node:path";
import type { Clock } from "../../base/ports.ts";
import { ok, type Refusal, type Result, refuse } from "../../base/result.ts";
import type { ExecutorInfo, FileInfo, FrameworkInfo, Task } from "../../protocol/v1/types.ts";
import type { AgentState, CompletedExecutor } from "../core/state.ts";
import {
  BROWSE_ENTRIES,
  FILE_CHUNK_BYTES,
  FILE_READ_BYTES,
  PATH_CHARACTERS,
  TAIL_POLL_MS,
} from "./limits.ts";
import { runFolderOf } from "./sandbox-links.ts";

/** A piece of a file. */
export interface FilePiece {
  readonly offset: number;
  readonly data: Uint8Array<ArrayBuffer>;
  /** Of the whole file, bytes, when it was read. */
  readonly size: number;
}

/** A file cannot be streamed; the refusal says why. */
export class FileError extends Error {
  override readonly name: string = "FileError";
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(refusal.message);
    this.refusal = refusal;
  }
}

/** See the header. Knows sandboxes from the core's state at the time of each call. */
export class SandboxFiles {
  readonly #state: () => AgentState;
  readonly #clock: Clock;

  constructor(state: () => AgentState, clock: Clock) {
    this.#state = state;
    this.#clock = clock;
  }

  /** The user whose sandbox it is; undefined for one that is not known. O(executors). */
  ownerOf(path: string): { readonly user: string | undefined } {
    return { user: this.#rootOf(path)?.user };
  }

  /** Virtual path to real path of every sandbox. O(executors). */
  debug(): Readonly<Record<string, string>> {
    return Object.fromEntries([...this.#roots()].map(([path, root]) => [path, root.directory]));
  }

  /**
   * Entries of a folder, sorted by path; none for a file. At most `BROWSE_ENTRIES`. Refuses with
   * `notFound`, or `invalid` when the path leads out of its sandbox.
   */
  async browse(path: string): Promise<Result<readonly FileInfo[]>> {
    const opened = await this.#openFolder(path);
    if (!opened.ok) return opened;
    const handle = opened.value;
    if (handle === undefined) return ok([]);
    try {
      return ok(await entriesOf(path, `/proc/self/fd/${handle.fd}`));
    } catch {
      return notFound(path);
    } finally {
      await handle.close();
    }
  }

  /**
   * Up to `length` bytes (64 KiB at most) from `offset`; without an offset only the size is told.
   * Refuses as `browse`, and with `invalid` for a folder or a bad number.
   */
  async read(
    path: string,
    offset: number | undefined,
    length: number | undefined,
  ): Promise<Result<FilePiece>> {
    if (!isCount(offset)) return refuse("invalid", `Negative offset ${offset} in query`, "offset");
    if (!isCount(length)) return refuse("invalid", `Negative length ${length} in query`, "length");
    const opened = await this.#open(path);
    if (!opened.ok) return opened;
    const handle = opened.value;
    try {
      const { size } = await handle.stat();
      if (offset === undefined) return ok({ offset: size, data: new Uint8Array(0), size });
      const wanted = Math.min(length ?? FILE_READ_BYTES, FILE_READ_BYTES);
      return ok({ offset, data: await readPiece(handle, offset, wanted), size });
    } finally {
      await handle.close();
    }
  }

  /**
   * The file from `offset` (negative: that many bytes before its end) on. With `follow`, waits for
   * the file to appear and to grow until the executor is over, or `over` aborts, and everything is
   * read; a file that became shorter is read from its start. Throws `FileError`.
   */
  async *tail(
    path: string,
    offset: number,
    follow: boolean,
    signal: AbortSignal,
    over?: AbortSignal,
  ): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
    const isLast = (): boolean => !follow || over?.aborted === true || this.#isOver(path);
    const handle = await this.#openWhenThere(path, isLast, signal);
    if (handle === undefined) return;
    try {
      let position = await startOf(handle, offset);
      while (!signal.aborted) {
        // Asked before reading: what the executor wrote before its end is then read for certain.
        const isOver = isLast();
        const data = await readPiece(handle, position, FILE_CHUNK_BYTES);
        if (data.length > 0) {
          position += data.length;
          yield data;
          continue;
        }
        if ((await handle.stat()).size < position) {
          position = 0;
          continue;
        }
        if (isOver) return;
        await this.#pause(signal);
      }
    } finally {
      await handle.close();
    }
  }

  async #openWhenThere(
    path: string,
    isLast: () => boolean,
    signal: AbortSignal,
  ): Promise<FileHandle | undefined> {
    while (!signal.aborted) {
      const isOver = isLast();
      const opened = await this.#open(path);
      if (opened.ok) return opened.value;
      if (isOver || opened.error.code !== "notFound") throw new FileError(opened.error);
      await this.#pause(signal);
    }
    return undefined;
  }

  /** True once nothing can be written to the file any more, as far as the agent knows. */
  #isOver(path: string): boolean {
    return this.#rootOf(path)?.isOver ?? true;
  }

  async #open(path: string): Promise<Result<FileHandle>> {
    const target = await this.#resolve(path);
    if (!target.ok) return target;
    let handle: FileHandle;
    try {
      // Without NONBLOCK opening a pipe would wait for a writer that may never come.
      const flags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW;
      handle = await open(target.value.path, flags);
    } catch (error) {
      return codeOf(error) === "ELOOP" ? inaccessible(path) : notFound(path);
    }
    const fault = await faultOf(handle, path, target.value.root);
    if (fault === undefined) return ok(handle);
    await handle.close();
    return { ok: false, error: fault };
  }

  /** Held open, so that a link that takes its place meanwhile leads nowhere; undefined for a file. */
  async #openFolder(path: string): Promise<Result<FileHandle | undefined>> {
    const target = await this.#resolve(path);
    if (!target.ok) return target;
    let handle: FileHandle;
    try {
      const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
      handle = await open(target.value.path, flags);
    } catch (error) {
      return codeOf(error) === "ENOTDIR" ? ok(undefined) : notFound(path);
    }
    if (await isOpenInside(handle, target.value.root)) return ok(handle);
    await handle.close();
    return inaccessible(path);
  }

  async #resolve(path: string): Promise<Result<{ readonly path: string; readonly root: string }>> {
    if (path.length > PATH_CHARACTERS || path.includes("\0")) {
      return refuse("invalid", "'path' is not a path of this system", "path");
    }
    const root = this.#rootOf(path);
    if (root === undefined) return notFound(path);
    try {
      const realRoot = await realpath(root.directory);
      const real = await realpath(paths.join(root.directory, root.rest));
      return isInside(real, realRoot) ? ok({ path: real, root: realRoot }) : inaccessible(path);
    } catch {
      // Gone, or never there: both are told the same, so that probing teaches nothing.
      return notFound(path);
    }
  }

  #rootOf(path: string): (Root & { readonly rest: string }) | undefined {
    const clean = paths.normalize(path);
    const parts = clean.split("/");
    const roots = this.#roots();
    for (let count = parts.length; count > 1; count--) {
      const root = roots.get(parts.slice(0, count).join("/"));
      if (root !== undefined) return { ...root, rest: parts.slice(count).join("/") };
    }
    return undefined;
  }

  #roots(): Map<string, Root> {
    const roots = new Map<string, Root>();
    const add = (
      framework: FrameworkInfo,
      executor: Pick<CompletedExecutor, "info" | "directory" | "isCommandExecutor">,
      tasks: readonly TaskOwner[],
      isOver: boolean,
    ): void => {
      const { info, directory, isCommandExecutor } = executor;
      const isPlain = isCommandExecutor && info.type !== "DEFAULT";
      // A task of a default executor runs as its own command says.
      const own = isCommandExecutor && !isPlain ? tasks[0]?.user : undefined;
      const root = { directory, user: own ?? userOf(framework, info), isOver };
      const latest = `/frameworks/${framework.id?.value ?? ""}/executors/${info.executor_id.value}/runs/latest`;
      roots.set(directory, root);
      if (isCommandExecutor && !isPlain) {
        // Tasks of a default executor have sandboxes of their own, all in that of its run.
        const run = runFolderOf(directory);
        const shared = { directory: run, user: userOf(framework, info), isOver };
        for (const path of [run, paths.join(run, "..", "latest"), latest]) roots.set(path, shared);
        for (const { taskId } of tasks) {
          roots.set(`${run}/tasks/${taskId}`, root);
          roots.set(`${latest}/tasks/${taskId}`, root);
        }
        roots.set(`${latest}/containers/${paths.basename(directory)}`, root);
        return;
      }
      roots.set(paths.join(directory, "..", "latest"), root);
      roots.set(latest, root);
      if (isPlain) return;
      // Those of a custom one share its.
      for (const { taskId } of tasks) roots.set(`${latest}/tasks/${taskId}`, root);
    };
    const state = this.#state();
    for (const { info, executors } of state.completedFrameworks) {
      for (const executor of executors) add(info, executor, ownersOf(executor.tasks), true);
    }
    for (const { info, completedExecutors, executors } of state.frameworks.values()) {
      for (const executor of completedExecutors)
        add(info, executor, ownersOf(executor.tasks), true);
      for (const executor of executors.values()) {
        const live = [...executor.tasks.values()].map(({ taskId, info: task }) => ({
          taskId,
          user: task.command?.user,
        }));
        const tasks = [...ownersOf(executor.completedTasks), ...live];
        add(info, executor, tasks, executor.phase === "terminated");
      }
    }
    return roots;
  }

  #pause(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const finish = (): void => {
        cancel();
        signal.removeEventListener("abort", finish);
        resolve();
      };
      const cancel = this.#clock.schedule(TAIL_POLL_MS, finish);
      signal.addEventListener("abort", finish);
    });
  }
}

function userOf(framework: FrameworkInfo, { command }: ExecutorInfo): string {
  return command?.user ?? framework.user;
}

interface Root {
  readonly directory: string;
  /** Whose processes write there. */
  readonly user: string;
  readonly isOver: boolean;
}

/** What is really open decides, not what the path led to a moment ago. */
async function faultOf(
  handle: FileHandle,
  path: string,
  root: string,
): Promise<Refusal | undefined> {
  if (!(await isOpenInside(handle, root))) return inaccessible(path).error;
  const stats = await handle.stat();
  if (stats.isFile()) return undefined;
  const message = stats.isDirectory() ? "Cannot read a directory." : "Cannot read a special file.";
  return { code: "invalid", message, field: "path" };
}

async function isOpenInside(handle: FileHandle, root: string): Promise<boolean> {
  return isInside(await readlink(`/proc/self/fd/${handle.fd}`), root);
}

/** `folder` as it is told, `place` where it is found. */
async function entriesOf(folder: string, place: string): Promise<FileInfo[]> {
  const names: string[] = [];
  for await (const entry of await opendir(place)) {
    names.push(entry.name);
    if (names.length >= BROWSE_ENTRIES) break;
  }
  const owners = await OwnerNames.load();
  const entries = await Promise.all(
    names.sort().map((name) => describe(folder, place, name, owners)),
  );
  return entries.filter((entry) => entry !== undefined);
}

async function readPiece(
  handle: FileHandle,
  offset: number,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const buffer = new Uint8Array(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(buffer, filled, length - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled === length ? buffer : buffer.slice(0, filled);
}

async function startOf(handle: FileHandle, offset: number): Promise<number> {
  if (offset >= 0) return offset;
  return Math.max(0, (await handle.stat()).size + offset);
}

async function describe(
  folder: string,
  realFolder: string,
  name: string,
  owners: OwnerNames,
): Promise<FileInfo | undefined> {
  try {
    const stats = await lstat(paths.join(realFolder, name));
    return {
      path: paths.join(folder, name),
      nlink: stats.nlink,
      size: stats.size,
      mtime: { nanoseconds: Math.round(stats.mtimeMs) * 1e6 },
      mode: stats.mode,
      uid: owners.user(stats.uid),
      gid: owners.group(stats.gid),
    };
  } catch {
    // It went away between listing and looking, which is no error of anyone.
    return undefined;
  }
}

/** Names of users and groups, as `ls -l` shows them. */
class OwnerNames {
  readonly #users: ReadonlyMap<number, string>;
  readonly #groups: ReadonlyMap<number, string>;

  private constructor(users: ReadonlyMap<number, string>, groups: ReadonlyMap<number, string>) {
    this.#users = users;
    this.#groups = groups;
  }

  static async load(): Promise<OwnerNames> {
    const [users, groups] = await Promise.all([readNames("/etc/passwd"), readNames("/etc/group")]);
    return new OwnerNames(users, groups);
  }

  user(id: number): string {
    return this.#users.get(id) ?? String(id);
  }

  group(id: number): string {
    return this.#groups.get(id) ?? String(id);
  }
}

/** `name:password:id:…` lines. */
async function readNames(file: string): Promise<Map<number, string>> {
  const names = new Map<number, string>();
  const text = await readFile(file, "utf8").catch(() => "");
  for (const line of text.split("\n")) {
    const [name, , id] = line.split(":");
    if (name !== undefined && id !== undefined) names.set(Number(id), name);
  }
  return names;
}

function isInside(path: string, root: string): boolean {
  return path === root || path.startsWith(`${root}/`);
}

function isCount(value: number | undefined): boolean {
  return value === undefined || (Number.isSafeInteger(value) && value >= 0);
}

function notFound(path: string): { readonly ok: false; readonly error: Refusal } {
  return refuse("notFound", `${path} is not found`, "path");
}

function inaccessible(path: string): { readonly ok: false; readonly error: Refusal } {
  return refuse("invalid", `'${path}' is inaccessible.`, "path");
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

interface TaskOwner {
  readonly taskId: string;
  readonly user: string | undefined;
}

function ownersOf(tasks: readonly Task[]): TaskOwner[] {
  return tasks.map(({ task_id: id, user }) => ({ taskId: id.value, user }));
}
