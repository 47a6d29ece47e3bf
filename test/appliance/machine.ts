/**
 * One run of the test machine: Debian with systemd as process 1 in user-mode Linux, which carries
 * out one command as root and is gone afterwards. What it writes to its disk goes with it. The
 * machine is a process group of its own on the host, so that its end is the end of all of it.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { BOOT_MS_MAX, CONSOLE_CHARS_MAX, HALT_MS_MAX, LOOK_EVERY_MS } from "./limits.ts";

/** Where the project's folder is in the machine. */
export const SOURCE: string = "/src";
/** In the machine: a folder of this run that the host reads afterwards. */
export const JOB: string = "/run/job";

export interface Run {
  /** The folder that image.sh printed. */
  readonly image: string;
  /** A library that the kernel is started with. */
  readonly preloaded: string | undefined;
  /** Shell text, carried out by `sh` in the project's folder. */
  readonly command: string;
  /** The project's folder on this host. */
  readonly source: string;
  readonly mode: "ro" | "rw";
  readonly memoryMib: number;
  /** For the command, from its start; the machine's start and end have bounds of their own. */
  readonly commandMsMax: number;
  readonly stdout: Writable;
  readonly stderr: Writable;
  /** Called before the folder of the run goes, with its path on the host. */
  readonly onEnd?: (jobFolder: string) => void;
}

/** How a run ended: the command's status, or why there is none. */
export type Outcome =
  | { readonly kind: "ended"; readonly status: number; readonly bootMs: number }
  | { readonly kind: "no machine" | "broken" | "timed out"; readonly message: string };

/** Boots, runs, stops; never rejects for what the machine does. Leaves no process and no file. */
export async function runInMachine(run: Run): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), "allot-appliance-"));
  const job = join(folder, "job");
  mkdirSync(job);
  writeFileSync(join(job, "command"), run.command);
  const unfit = [run.source, folder, run.image].find((path) => !/^[\w./+-]+$/.test(path));
  if (unfit !== undefined) {
    rmSync(folder, { recursive: true });
    return { kind: "no machine", message: `${unfit} holds a character the machine cannot take` };
  }
  const machine = start(run, folder, job);
  const stop = (): void => end(machine.child);
  const onSignal = (signal: NodeJS.Signals): void => {
    stop();
    rmSync(folder, { recursive: true, force: true });
    process.exit(signal === "SIGINT" ? 130 : 143);
  };
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  try {
    return await follow(machine, run, job);
  } finally {
    stop();
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
    run.onEnd?.(job);
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Machine {
  readonly child: ChildProcess;
  readonly console: () => string;
  readonly closed: Promise<void>;
  readonly isClosed: () => boolean;
}

function start(run: Run, folder: string, job: string): Machine {
  const kernel = [
    join(run.image, "linux"),
    `ubd0=${join(folder, "disk")},${join(run.image, "disk")}`,
    "root=/dev/ubda rw panic=-1 quiet audit=0 apparmor=0 selinux=0",
    "systemd.unified_cgroup_hierarchy=1 systemd.show_status=0",
    `mem=${run.memoryMib}M uml_dir=${folder}/ umid=machine`,
    "con=null ssl=null con0=null,fd:2 con1=null,fd:3 con2=null,fd:4",
    `appliance.job=${job} appliance.source=${run.source} appliance.mode=${run.mode}`,
  ].join(" ");
  // The machine's memory is a file in /dev/shm that must have room and be executable; containers
  // often offer neither, so the machine gets a /dev/shm of its own, which goes when it ends.
  const script = `mount -t tmpfs -o size=${run.memoryMib + 64}m none /dev/shm && exec ${kernel}`;
  const child = spawn("unshare", ["--mount", "sh", "-c", script], {
    detached: true,
    env: {
      PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
      TMPDIR: "/dev/shm",
      ...(run.preloaded === undefined ? {} : { LD_PRELOAD: run.preloaded }),
    },
    stdio: ["ignore", "pipe", "pipe", "pipe", "pipe"],
  });
  let text = "";
  const keep = (chunk: Buffer): void => {
    text = (text + chunk.toString()).slice(-CONSOLE_CHARS_MAX);
  };
  child.stdout?.on("data", keep);
  child.stderr?.on("data", keep);
  (child.stdio[3] as Readable).on("data", (chunk: Buffer) => run.stdout.write(chunk));
  (child.stdio[4] as Readable).on("data", (chunk: Buffer) => run.stderr.write(chunk));
  let isClosed = false;
  const closed = new Promise<void>((resolve) => {
    const close = (): void => {
      isClosed = true;
      resolve();
    };
    child.once("close", close).once("error", (error) => {
      text += error.message;
      close();
    });
  });
  return { child, console: () => text.trim(), closed, isClosed: () => isClosed };
}

async function follow(machine: Machine, run: Run, job: string): Promise<Outcome> {
  const startedMs = performance.now();
  if (!(await appears(join(job, "started"), machine, BOOT_MS_MAX))) {
    const what = machine.isClosed() ? "ended while it started" : "did not come up in time";
    return { kind: "no machine", message: `the machine ${what}: ${lastOf(machine)}` };
  }
  const bootMs = performance.now() - startedMs;
  const hasAnswered = await appears(join(job, "status"), machine, run.commandMsMax);
  // Output may still be under way when the status is there.
  if (hasAnswered) await Promise.race([machine.closed, sleep(HALT_MS_MAX)]);
  const status = hasAnswered ? readFileSync(join(job, "status"), "utf8").trim() : "";
  if (/^\d+$/.test(status)) return { kind: "ended", status: Number(status), bootMs };
  if (!machine.isClosed()) {
    return { kind: "timed out", message: `no end of the command after ${run.commandMsMax} ms` };
  }
  return { kind: "broken", message: `the machine ended during the command: ${lastOf(machine)}` };
}

function lastOf(machine: Machine): string {
  return machine.console().split("\n").slice(-5).join(" | ");
}

/** Waits for the file, the machine's end or the deadline; true when the file is there. */
async function appears(path: string, machine: Machine, timeoutMs: number): Promise<boolean> {
  const deadlineMs = performance.now() + timeoutMs;
  while (!existsSync(path) && !machine.isClosed() && performance.now() < deadlineMs) {
    await sleep(LOOK_EVERY_MS);
  }
  return existsSync(path);
}

/** Ends the machine's whole process group: the guest's processes are processes of this host. */
function end(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

/** Why this host cannot run the machine at all, or undefined. */
export function whyNoMachine(): string | undefined {
  if (process.platform !== "linux" || process.arch !== "x64") return "it needs Linux on x86-64";
  if (process.getuid?.() !== 0) return "it needs root";
  const mount = spawnSync("unshare", ["--mount", "mount", "-t", "tmpfs", "none", "/dev/shm"]);
  return mount.status === 0 ? undefined : "this host does not let root mount anything";
}

/** Whether this host's processor has more registers than user-mode Linux of Debian 12 knows: tiles. */
export function hasWideState(): boolean {
  return /^flags\s*:.*\bamx_tile\b/m.test(readFileSync("/proc/cpuinfo", "utf8"));
}
