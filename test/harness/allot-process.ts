/**
 * The compiled program as a real process with a work folder of its own, and the folder's end: what
 * tasks left running in it is ended by process id.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { PATIENCE_MS, until } from "./wait.ts";

/** `dist/allot`, compiled by `npm test` and `npm run bench` before anything here runs. */
export const BINARY: string = resolve(import.meta.dir, "../../dist/allot");

export interface StartOptions {
  readonly role: "master" | "agent" | "both";
  readonly workDir: string;
  /** Beside role, ip, ports (0, chosen by the system) and work folder. Later ones win. */
  readonly flags?: readonly string[];
  readonly env?: Record<string, string>;
  /** What to run in place of `dist/allot`, for example an interpreter and `src/main.ts`. */
  readonly command?: readonly [string, ...string[]];
}

/** A started process whose banner has been seen. */
export interface AllotProcess {
  readonly pid: number;
  /** `http://127.0.0.1:PORT`, or the other address asked for, of the role, in role both of the master. */
  readonly url: string;
  /** In role both only. */
  readonly agentUrl: string | undefined;
  /** From spawn to the printed banner, milliseconds. */
  readonly readyMs: number;
  /** All of it so far. */
  stdout(): string;
  stderr(): string;
  /** Sends the signal and waits for the end. */
  end(signal: NodeJS.Signals): Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  isRunning(): boolean;
}

/** A new folder under the system's temporary one. */
export function makeWorkDir(): string {
  return mkdtempSync(join(tmpdir(), "allot-e2e-"));
}

/** Errors: the process ended or said nothing for a minute; its stderr is in the message. */
export async function startAllot(options: StartOptions): Promise<AllotProcess> {
  const [program, ...args] = options.command ?? [BINARY];
  const defaults = [
    "--ip=127.0.0.1",
    "--port=0",
    ...(options.role === "both" ? ["--agent_port=0"] : []),
  ];
  const startedMs = performance.now();
  const child = spawn(
    program,
    [
      ...args,
      `--role=${options.role}`,
      `--work_dir=${options.workDir}`,
      ...withoutRepeated(defaults, options.flags ?? []),
      ...(options.flags ?? []),
    ],
    { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...options.env } },
  );
  const output = collect(child.stdout);
  const errors = collect(child.stderr);
  const closed = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((end) => {
    child.once("close", (code, signal) => end({ code, signal }));
  });
  const isRunning = (): boolean => child.exitCode === null && child.signalCode === null;
  const banner = await until(
    `${program} --role=${options.role} to be ready`,
    () => {
      if (!isRunning()) throw new Error(`${program} ended: ${output()}${errors()}`);
      return /API {3}(\S+)(?: {2}\(agent (\S+)\))?\n/.exec(output()) ?? undefined;
    },
    PATIENCE_MS,
  );
  const readyMs = performance.now() - startedMs;
  const { pid } = child;
  if (pid === undefined) throw new Error("a process without an id");
  return {
    pid,
    url: banner[1] ?? "",
    agentUrl: banner[2],
    readyMs,
    stdout: output,
    stderr: errors,
    isRunning,
    end: async (signal) => {
      child.kill(signal);
      return await closed;
    },
  };
}

/** Defaults that `given` does not name. */
function withoutRepeated(defaults: readonly string[], given: readonly string[]): string[] {
  const names = new Set(given.map((flag) => flag.split("=")[0]));
  return defaults.filter((flag) => !names.has(flag.split("=")[0]));
}

function collect(stream: ChildProcess["stdout"]): () => string {
  let text = "";
  stream?.setEncoding("utf8");
  stream?.on("data", (chunk: string) => {
    text += chunk;
  });
  return () => text;
}

/** Ends every process that works below the folder, waits for that, and removes the folder. */
export async function removeWorkDir(workDir: string): Promise<void> {
  await until(`all processes of ${workDir} to end`, () => {
    const pids = processesBelow(workDir);
    for (const pid of pids) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has ended by itself.
      }
    }
    return pids.length === 0;
  });
  rmSync(workDir, { recursive: true, force: true });
}

/** Ids of the processes whose working folder or arguments lie in the folder, this one left out. */
export function processesBelow(folder: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && belongsTo(pid, folder));
}

/**
 * The host's id of a process in the folder that knows itself by this one, which is another where
 * tasks have process namespaces of their own. Fails when there is none.
 */
export function hostPidOf(pid: number, folder: string): number {
  const found = processesBelow(folder).find((candidate) => {
    try {
      const status = readFileSync(`/proc/${candidate}/status`, "utf8");
      return Number(/^NSpid:.*\s(\d+)$/m.exec(status)?.[1]) === pid;
    } catch {
      // It has ended.
      return false;
    }
  });
  if (found === undefined) throw new Error(`no process of ${folder} knows itself as ${pid}`);
  return found;
}

function belongsTo(pid: number, folder: string): boolean {
  try {
    if (readFileSync(`/proc/${pid}/stat`, "latin1").split(") ").at(-1)?.startsWith("Z"))
      return false;
    const works = readlinkSync(`/proc/${pid}/cwd`).startsWith(folder);
    return works || readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(folder);
  } catch {
    return false;
  }
}

/** Memory that is this process's own share, bytes; 0 when it has ended. */
export function pssBytes(pid: number): number {
  const path = `/proc/${pid}/smaps_rollup`;
  if (!existsSync(path)) return 0;
  const match = /^Pss:\s+(\d+) kB/m.exec(readFileSync(path, "utf8"));
  return Number(match?.[1] ?? 0) * 1024;
}
