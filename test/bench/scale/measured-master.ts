/**
 * The compiled master that is measured: on one port across restarts, with the monitor inside, and
 * its processor time, memory and loop as numbers.
 */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { type AllotProcess, pssBytes, startAllot } from "../../harness/allot-process.ts";
import { freePort } from "../../harness/free-port.ts";
import { until } from "../../harness/wait.ts";
import { ownBinary } from "../processes.ts";
import { type HeapReport, type LoopReport, MONITOR_VARIABLE } from "./monitor.ts";

/** Profiles are of the source, as the names in the compiled program say nothing. */
const SOURCE = join(import.meta.dir, "../../../src/main.ts");
const MONITOR = join(import.meta.dir, "monitor.ts");

/** Where the master leaves a profile of its processor time at its end; none without it. */
const PROFILE_FOLDER = process.env["BENCH_PROFILE"];
const BUN_OPTIONS =
  `--preload=${MONITOR}` +
  (PROFILE_FOLDER === undefined ? "" : ` --cpu-prof --cpu-prof-dir=${PROFILE_FOLDER}`);

export class MeasuredMaster {
  readonly #workDir: string;
  readonly #binary: string;
  readonly #flags: readonly string[];
  #process: AllotProcess | undefined;

  private constructor(workDir: string, flags: readonly string[]) {
    this.#workDir = workDir;
    this.#binary = ownBinary(workDir);
    this.#flags = flags;
  }

  static async start(workDir: string, flags: readonly string[]): Promise<MeasuredMaster> {
    const master = new MeasuredMaster(workDir, [`--port=${await freePort()}`, "--quiet", ...flags]);
    await master.restart();
    return master;
  }

  get url(): string {
    return this.#running().url;
  }

  get pid(): number {
    return this.#running().pid;
  }

  /** Ends the master as a crash does, if it runs, and starts it on the same port and folder. */
  async restart(): Promise<void> {
    await this.end();
    rmSync(this.#socket(), { force: true });
    this.#process = await startAllot({
      role: "master",
      workDir: this.#workDir,
      flags: this.#flags,
      command: PROFILE_FOLDER === undefined ? [this.#binary] : [process.execPath, SOURCE],
      env: { BUN_OPTIONS: BUN_OPTIONS, [MONITOR_VARIABLE]: this.#socket() },
    });
    await until("the monitor to listen", () => existsSync(this.#socket()));
  }

  async end(): Promise<void> {
    await this.#process?.end(PROFILE_FOLDER === undefined ? "SIGKILL" : "SIGTERM");
    this.#process = undefined;
  }

  /** Loop and processor time since the last call. */
  async loop(): Promise<LoopReport> {
    return (await this.#ask("loop")) as LoopReport;
  }

  /** After a full collection, which holds the loop up: not while something is being measured. */
  async heap(): Promise<HeapReport> {
    return (await this.#ask("heap")) as HeapReport;
  }

  pssBytes(): number {
    return pssBytes(this.pid);
  }

  /** Resident memory that is not of a file, bytes. */
  anonymousBytes(): number {
    const status = readFileSync(`/proc/${this.pid}/status`, "utf8");
    return Number(/^RssAnon:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
  }

  async metric(name: string): Promise<number> {
    const response = await fetch(`${this.url}/metrics/snapshot`);
    return Number(((await response.json()) as Record<string, number>)[name] ?? 0);
  }

  /** Waits for a metric to have a value. */
  async settled(name: string, value: number): Promise<void> {
    await until(`${name} to be ${value}`, async () => (await this.metric(name)) === value);
  }

  async #ask(what: string): Promise<unknown> {
    const response = await fetch(`http://monitor/${what}`, { unix: this.#socket() });
    return await response.json();
  }

  #socket(): string {
    return join(this.#workDir, "monitor.sock");
  }

  #running(): AllotProcess {
    if (this.#process === undefined) throw new Error("the master does not run");
    return this.#process;
  }
}
