/** What tests of containerizers share: a folder of their own, short specs, and waiting for facts. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { brand, type ContainerId } from "../../src/base/ids.ts";
import type { Log } from "../../src/base/ports.ts";
import type { ContainerSpec } from "../../src/containerizer/containerizer.ts";
import {
  MesosContainerizer,
  type MesosContainerizerOptions,
} from "../../src/containerizer/mesos-containerizer.ts";
import { systemClock } from "../../src/platform/system.ts";
import type { CommandInfo } from "../../src/protocol/v1/types.ts";

export const silentLog: Log = { write: () => undefined };

/** A fresh folder with `work` and `run` inside, removed by `removeRoots`. */
export function newRoot(): string {
  const root = mkdtempSync(join(tmpdir(), "allot-containers-"));
  roots.push(root);
  return root;
}

const roots: string[] = [];

export function removeRoots(): void {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true });
}

/** An agent's containerizer below `root`. */
export function posixIn(
  root: string,
  options: Partial<MesosContainerizerOptions> = {},
): MesosContainerizer {
  return new MesosContainerizer({
    workDir: join(root, "work"),
    runtimeDir: join(root, "run"),
    clock: systemClock,
    log: silentLog,
    isolation: ["posix/cpu", "posix/mem"],
    ...options,
  });
}

/** A spec of a shell command (text) or of any other command. */
export function specIn(
  root: string,
  name: string,
  command: string | CommandInfo,
  more: Partial<ContainerSpec> = {},
): ContainerSpec {
  return {
    containerId: brand<ContainerId>(name),
    command: typeof command === "string" ? { value: command } : command,
    environment: { PATH: "/usr/local/bin:/usr/bin:/bin" },
    directory: join(root, "work", "sandboxes", name),
    user: undefined,
    resources: [],
    ...more,
  };
}

export function outputOf(spec: ContainerSpec, file: string = "stdout"): string {
  const path = join(spec.directory, file);
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

/** Waits until `fact` holds; fails with its name after half a minute. */
export async function until(what: string, fact: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 30_000;
  while (!fact()) {
    if (performance.now() > deadlineMs) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
}

/**
 * Why the promise was rejected. Bun's own `rejects` runs the event loop from within, where what
 * waits for its next turn waits for the next timer too.
 */
export async function failureOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  throw new Error("expected a rejection");
}

/** Whether a process of this host has just these words. */
export function isProgramRunning(words: string): boolean {
  return readdirSync("/proc").some((name) => {
    const path = `/proc/${name}/cmdline`;
    if (!/^\d+$/.test(name) || !existsSync(path)) return false;
    try {
      return readFileSync(path, "latin1").split("\0").join(" ").trim() === words;
    } catch {
      return false;
    }
  });
}

/** True while the process exists and is no zombie. */
export function isRunning(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return !/\) [ZX] /.test(stat);
  } catch {
    return false;
  }
}

/**
 * The process ids a task has written into its output, once there are `count` of them, as the host
 * knows them. Those of processes that have ended meanwhile are as the task knew them.
 */
export async function pidsIn(spec: ContainerSpec, count: number): Promise<number[]> {
  const read = (): number[] => (outputOf(spec).match(/\d+(?=\n)/g) ?? []).map(Number);
  await until(`${spec.containerId} has written ${count} pids`, () => read().length >= count);
  const hostPids = hostPidsOf(spec);
  return read().map((pid) => hostPids.get(pid) ?? pid);
}

/** True while a process runs whose id the task knows; its container runs. */
export function isRunningIn(spec: ContainerSpec, pid: number): boolean {
  return hasOwnPids(spec) ? hostPidsOf(spec).has(pid) : isRunning(pid);
}

function hasOwnPids(spec: ContainerSpec): boolean {
  const namespace = pidNamespaceOf(spec);
  return namespace !== undefined && namespace !== namespaceOf(process.pid);
}

/** Process ids of the host by those in the container's own process namespace, if it has one. */
function hostPidsOf(spec: ContainerSpec): ReadonlyMap<number, number> {
  const found = new Map<number, number>();
  if (!hasOwnPids(spec)) return found;
  const namespace = pidNamespaceOf(spec);
  for (const name of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    if (namespaceOf(Number(name)) !== namespace) continue;
    const numbers = /^NSpid:\s+(\d+).*\s(\d+)$/m.exec(statusOf(name));
    if (numbers !== null) found.set(Number(numbers[2]), Number(numbers[1]));
  }
  return found;
}

function statusOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    // The process has just ended.
    return "";
  }
}

function pidNamespaceOf(spec: ContainerSpec): string | undefined {
  const record = join(spec.directory, "../../..", "run/containers", spec.containerId, "task");
  if (!existsSync(record)) return undefined;
  return namespaceOf(Number.parseInt(readFileSync(record, "utf8"), 10));
}

function namespaceOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    // The process has ended.
    return undefined;
  }
}
