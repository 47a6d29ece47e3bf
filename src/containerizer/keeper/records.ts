/**
 * What a keeper leaves on disk below the runtime folder, and how it is read:
 * `containers/<id>/{agent,plan,setup,rootfs,written,confinement,seccomp,kept-*,keeper,task,note,outcome}`
 * while the container exists and `exits/<id>`, one line that is written when the command has ended or will never start. Files that
 * are written at the end are there from the beginning, full of blanks, so that a disk without room
 * takes the word of a keeper all the same.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { ContainerId } from "../../base/ids.ts";
import { brand } from "../../base/ids.ts";
import type { ContainerEnd, ContainerRootfs, Limitation, WrittenFolder } from "../containerizer.ts";
import { parseProcessStat } from "../posix/process-stat.ts";
import { isAbsence } from "../system-errors.ts";

/** A process that cannot be mistaken for a later one with the same number. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Start in clock ticks since boot: field 22 of /proc/<pid>/stat. */
  readonly startTicks: number;
}

/** End of the command, or `aborted` when the agent was gone before it could start. */
export type KeeperEnd = Exclude<ContainerEnd, { kind: "unknown" }> | { readonly kind: "aborted" };

/** Everything a keeper wrote down; fields are missing that it has not come to. */
export interface KeeperRecord {
  readonly keeper: ProcessIdentity | undefined;
  readonly bootId: string | undefined;
  readonly task: ProcessIdentity | undefined;
  /** When the command was started, milliseconds since the epoch. */
  readonly startedAtMs: number | undefined;
  readonly end: KeeperEnd | undefined;
}

/** What confines the command of a container, and whatever is run beside it. */
export interface Confinement {
  /** Options of setpriv. */
  readonly privileges: readonly string[];
  /** Path of the filter of system calls; undefined for none. */
  readonly seccompPath: string | undefined;
}

const SECCOMP = "seccomp";
const LIMITATION = "limitation";
const WRITTEN = "written";

/** Container ids are names of files and of cgroups: nothing else may pass for one. */
export function isContainerName(text: string): boolean {
  return /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}$/.test(text);
}

/** More than a keeper ever writes over them. */
const BLANKS = " ".repeat(256);

/** The folders of one runtime folder. What cannot be read, rather than is not there, throws. */
export class KeeperRecords {
  readonly containersFolder: string;
  readonly exitsFolder: string;

  readonly #mark: string;

  /** `mark` names the agent: several may share a runtime folder. */
  constructor(runtimeDir: string, mark: string) {
    this.#mark = mark;
    this.containersFolder = join(runtimeDir, "containers");
    this.exitsFolder = join(runtimeDir, "exits");
  }

  folderOf(containerId: ContainerId): string {
    return join(this.containersFolder, containerId);
  }

  /**
   * Makes the folder of a container, with all that its keeper and init need. It is there with our mark
   * in it or not at all, whenever the agent dies.
   */
  create(
    containerId: ContainerId,
    {
      plan,
      setup,
      rootfs,
      written,
      privileges,
      seccomp,
      kept,
    }: {
      readonly plan: string;
      readonly setup: readonly string[];
      readonly rootfs: ContainerRootfs | undefined;
      readonly written: readonly WrittenFolder[];
      readonly privileges: readonly string[];
      readonly seccomp: Uint8Array | undefined;
      readonly kept: Readonly<Record<string, string>>;
    },
  ): void {
    const folder = this.#hiddenFolderOf(containerId);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFileSync(join(folder, "agent"), this.#mark);
    writeFileSync(join(folder, "plan"), plan, { mode: 0o600 });
    writeFileSync(join(folder, "setup"), setup.map((line) => `${line}\n`).join(""), {
      mode: 0o600,
    });
    for (const name of ["note", "outcome"]) writeFileSync(join(folder, name), BLANKS);
    writeFileSync(join(folder, "confinement"), privileges.join("\0"));
    if (seccomp !== undefined) writeFileSync(join(folder, SECCOMP), seccomp, { mode: 0o600 });
    for (const [name, text] of Object.entries(kept)) {
      writeFileSync(join(folder, `kept-${name}`), text);
    }
    if (rootfs !== undefined) {
      const { path, sandboxPath, workingDirectory } = rootfs;
      writeFileSync(join(folder, "rootfs"), [path, workingDirectory ?? sandboxPath].join("\0"));
    }
    if (written.length > 0) writeFileSync(join(folder, WRITTEN), JSON.stringify(written));
    renameSync(folder, this.folderOf(containerId));
    writeFileSync(join(this.exitsFolder, containerId), BLANKS);
  }

  /** The root of its own that a container was given; its working folder stands for the sandbox. */
  rootfsOf(containerId: ContainerId): ContainerRootfs | undefined {
    const [path, sandboxPath] =
      readText(join(this.folderOf(containerId), "rootfs"))?.split("\0") ?? [];
    if (path === undefined || sandboxPath === undefined) return undefined;
    return { path, sandboxPath };
  }

  /** As the container was launched with. */
  writtenOf(containerId: ContainerId): readonly WrittenFolder[] {
    const text = readText(join(this.folderOf(containerId), WRITTEN));
    return text === undefined ? [] : (JSON.parse(text) as readonly WrittenFolder[]);
  }

  confinementOf(containerId: ContainerId): Confinement {
    const folder = this.folderOf(containerId);
    const text = readText(join(folder, "confinement")) ?? "";
    const seccompPath = join(folder, SECCOMP);
    return {
      privileges: text === "" ? [] : text.split("\0"),
      seccompPath: existsSync(seccompPath) ? seccompPath : undefined,
    };
  }

  /** What an isolator wanted to be kept of the container; undefined when it did not. */
  keptOf(containerId: ContainerId, name: string): string | undefined {
    return readText(join(this.folderOf(containerId), `kept-${name}`));
  }

  /** In place of what was kept before; a container that is gone needs nothing. */
  keep(containerId: ContainerId, name: string, text: string): void {
    const folder = this.folderOf(containerId);
    if (existsSync(folder)) writeFileSync(join(folder, `kept-${name}`), text);
  }

  /** Why the container is about to be ended. An agent that dies over it ends it when it is back. */
  keepLimitation(containerId: ContainerId, limitation: Limitation): void {
    this.keep(containerId, LIMITATION, JSON.stringify(limitation));
  }

  limitationOf(containerId: ContainerId): Limitation | undefined {
    const text = this.keptOf(containerId, LIMITATION);
    return text === undefined ? undefined : parseLimitation(text);
  }

  /** The command runs: its plan, with whatever secrets, is no longer needed. */
  removePlan(containerId: ContainerId): void {
    for (const name of ["plan", "setup"]) {
      rmSync(join(this.folderOf(containerId), name), { force: true });
    }
  }

  /** Containers of this agent that have a folder. */
  list(): ContainerId[] {
    return namesIn(this.containersFolder)
      .map((name) => brand<ContainerId>(name))
      .filter((containerId) => this.#markOf(containerId) === this.#mark);
  }

  /** Whether the container is of another agent that shares the runtime folder. */
  isOfOther(containerId: ContainerId): boolean {
    const mark = this.#markOf(containerId);
    return mark !== undefined && mark !== this.#mark;
  }

  read(containerId: ContainerId): KeeperRecord {
    const folder = this.folderOf(containerId);
    const [bootId, ...stat] = (readText(join(folder, "keeper")) ?? "").split(" ");
    const task = identityOf(readText(join(folder, "task")) ?? "");
    return {
      keeper: identityOf(stat.join(" ")),
      bootId: stat.length === 0 ? undefined : bootId,
      task,
      startedAtMs: task === undefined ? undefined : modifiedAtMs(join(folder, "task")),
      end: this.readEnd(containerId),
    };
  }

  readEnd(containerId: ContainerId): KeeperEnd | undefined {
    const text = readText(join(this.exitsFolder, containerId));
    return text === undefined ? undefined : parseEnd(text);
  }

  /** The folder goes last, and in one stroke: as long as it is there, a recovery finds what is left. */
  async remove(containerId: ContainerId): Promise<void> {
    rmSync(join(this.exitsFolder, containerId), { force: true });
    const hidden = this.#hiddenFolderOf(containerId);
    try {
      renameSync(this.folderOf(containerId), hidden);
    } catch (error) {
      if (!isAbsence(error)) throw error;
    }
    // Most of the work, which other threads do.
    await rm(hidden, { recursive: true, force: true });
  }

  /** Removes folders that an agent was making or removing when it died. */
  sweep(): void {
    for (const name of namesIn(this.containersFolder)) {
      if (!name.startsWith(`.${this.#mark}-`)) continue;
      rmSync(join(this.containersFolder, name), { recursive: true, force: true });
    }
  }

  #markOf(containerId: ContainerId): string | undefined {
    return readText(join(this.folderOf(containerId), "agent"));
  }

  /** Its name has the mark, and no container has such an id. */
  #hiddenFolderOf(containerId: ContainerId): string {
    return join(this.containersFolder, `.${this.#mark}-${containerId}`);
  }
}

/** Reads the line of an exit file; undefined when there is none yet. */
export function parseEnd(text: string): KeeperEnd | undefined {
  const match = /^(?:(aborted)|exited (\d{1,3})|signaled (\d{1,2}))\n *$/.exec(text);
  if (match === null) return undefined;
  if (match[1] !== undefined) return { kind: "aborted" };
  if (match[2] !== undefined) return { kind: "exited", code: Number(match[2]) };
  return { kind: "signaled", signal: Number(match[3]) };
}

/** An agent that died before the whole was written has ended nothing for it. */
function parseLimitation(text: string): Limitation | undefined {
  try {
    return JSON.parse(text) as Limitation;
  } catch {
    return undefined;
  }
}

/** A line is complete only with its end; the keeper may be writing at this moment. */
function identityOf(line: string): ProcessIdentity | undefined {
  if (!line.endsWith("\n")) return undefined;
  const stat = parseProcessStat(line);
  return stat === undefined ? undefined : { pid: stat.pid, startTicks: stat.startTicks };
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    // A folder that does not exist yet holds nothing.
    if (isAbsence(error)) return [];
    throw error;
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    // Not written yet, or removed already: both mean that there is nothing to know.
    if (isAbsence(error)) return undefined;
    throw error;
  }
}

function modifiedAtMs(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs;
}
