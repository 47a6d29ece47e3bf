/** A measured master with its emulated agents and, while wanted, a prober of its health. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { constants, setPriority } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { RECONNECTIONS_PER_SECOND } from "../../../src/master/core/limits.ts";
import { EmulatedAgents } from "../../harness/emulated-agents.ts";
import { until } from "../../harness/wait.ts";
import { type FigureSet, percentile } from "../figures.ts";
import { MeasuredMaster } from "./measured-master.ts";
import { PATIENCE_MS } from "./sizes.ts";

/** What was freed goes back to the system a little later. */
const SETTLE_MS = 2000;
const PROBER = join(import.meta.dir, "health-prober.ts");
const PROCESSES = 2;
/** Agents have servers of their own: what they do must not take the master's processors away. */
const AGENTS_NICENESS = constants.priority.PRIORITY_LOW;

export class Cluster {
  readonly master: MeasuredMaster;
  readonly #workDir: string;
  readonly #agents: EmulatedAgents[] = [];

  private constructor(workDir: string, master: MeasuredMaster) {
    this.#workDir = workDir;
    this.master = master;
  }

  /** A master without agents; `work` gets it, and afterwards all of it is ended. */
  static async with<T>(
    workDir: string,
    flags: readonly string[],
    work: (cluster: Cluster) => Promise<T>,
  ): Promise<T> {
    const cluster = new Cluster(workDir, await MeasuredMaster.start(workDir, flags));
    try {
      return await work(cluster);
    } finally {
      await Promise.all(cluster.#agents.map((agents) => agents.end()));
      await cluster.master.end();
    }
  }

  /**
   * Starts processes with that many agents together, which come as they come back after a failover;
   * resolves when all are registered. With `perWave` so many come at a time, once those before them
   * are registered, which `onWave` hears of.
   */
  async addAgents(
    count: number,
    options: {
      resources: string;
      firstIndex?: number;
      perWave?: number;
      onWave?(registered: number): void;
    },
  ): Promise<void> {
    const { resources, firstIndex = 0, perWave = count } = options;
    const before = await this.registered();
    const started = Array.from({ length: PROCESSES }, () => EmulatedAgents.process(this.#workDir));
    this.#agents.push(...started);
    for (const { pid } of started) setPriority(pid, AGENTS_NICENESS);
    for (let done = 0; done < count; done += perWave) {
      const wave = Math.min(perWave, count - done);
      const perProcess = Math.ceil(wave / PROCESSES);
      const groups = started.map((agents, index) =>
        agents.add({
          master: this.master.url,
          count: Math.min(perProcess, wave - index * perProcess),
          firstIndex: firstIndex + done + index * perProcess,
          resources,
          startsPerSecond: RECONNECTIONS_PER_SECOND / PROCESSES,
        }),
      );
      await Promise.all(groups);
      await this.untilRegistered(before + done + wave);
      options.onWave?.(done + wave);
    }
  }

  /** Ends the processes of all agents without a word. */
  async endAgents(): Promise<void> {
    await Promise.all(this.#agents.splice(0).map((agents) => agents.end()));
  }

  async registered(): Promise<number> {
    const reports = await Promise.all(this.#agents.map((agents) => agents.report()));
    return reports.reduce((sum, { registered }) => sum + registered, 0);
  }

  async untilRegistered(count: number): Promise<void> {
    await until(
      `${count} agents to be registered`,
      async () => {
        const startMs = performance.now();
        const isDone = (await this.registered()) >= count;
        // To look takes the agents' processes time that they had better have for themselves.
        if (!isDone) await sleep(Math.max(50, (performance.now() - startMs) * 5));
        return isDone;
      },
      PATIENCE_MS,
    );
  }

  /** The master's memory once what it does not need any more is gone. */
  async memory(): Promise<Memory> {
    await this.master.heap();
    await sleep(SETTLE_MS);
    const { heapBytes } = await this.master.heap();
    return { bytes: this.master.anonymousBytes(), heapBytes };
  }

  /** Processor time of all agents so far, milliseconds. */
  async agentsCpuMs(): Promise<number> {
    const reports = await Promise.all(this.#agents.map((agents) => agents.report()));
    return reports.reduce((sum, { cpuMs }) => sum + cpuMs, 0);
  }

  /** Does `work` while health is probed, and adds what was seen of the master under `name`. */
  async watched(set: FigureSet, name: string, work: () => Promise<void>): Promise<Watched> {
    const before = await this.master.loop();
    const agentsBeforeMs = await this.agentsCpuMs();
    const { elapsedMs, latencies } = await probed(this.master.url, work);
    const after = await this.master.loop();
    set.add(`${name}, /health p99`, "ms", percentile(latencies, 99));
    set.add(`${name}, loop stall, max`, "ms", after.maxMs);
    set.add(`${name}, loop stall, max, own processor time`, "ms", after.maxCpuMs);
    set.add(`${name}, loop stall, p99`, "ms", after.p99Ms);
    return {
      elapsedMs,
      masterCpuMs: after.cpuMs - before.cpuMs,
      agentsCpuMs: (await this.agentsCpuMs()) - agentsBeforeMs,
    };
  }
}

export interface Memory {
  /** Resident and not of a file. */
  readonly bytes: number;
  readonly heapBytes: number;
}

export interface Watched {
  readonly elapsedMs: number;
  /** Processor time in all threads, milliseconds. */
  readonly masterCpuMs: number;
  readonly agentsCpuMs: number;
}

/** Does `work` while health is probed; the latencies are the milliseconds of each probe. */
async function probed(
  url: string,
  work: () => Promise<void>,
): Promise<{ readonly elapsedMs: number; readonly latencies: readonly number[] }> {
  const child = spawn(process.execPath, [PROBER, url], { stdio: ["pipe", "pipe", "inherit"] });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  try {
    const startMs = performance.now();
    await work();
    const elapsedMs = performance.now() - startMs;
    child.stdin.end();
    await once(child, "close");
    return { elapsedMs, latencies: JSON.parse(text) as number[] };
  } finally {
    child.kill();
  }
}
