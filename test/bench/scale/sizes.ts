/** Sizes of the measured cluster; all parts of the benchmark use the same kinds of agents and tasks. */
import { spawnSync } from "node:child_process";
import process from "node:process";
import type { BenchContext } from "../bench.ts";

export const TASKS_PER_AGENT: number = 10;
/** Room for ten tasks, and none left over to be offered. */
export const AGENT_RESOURCES: string = "cpus:4;mem:4000";
export const TASK: { readonly cpus: number; readonly mem: number } = { cpus: 0.4, mem: 400 };

/**
 * Characters of calls that all frameworks together have under way: about what a master answers in
 * fifteen milliseconds, so that it waits for nobody and nothing else waits long for it. Fifty of them
 * still have room each for the acknowledgements of what ran on one agent.
 */
export const WINDOW_LENGTH: number = 128 * 1024;
/**
 * The same where it is not throughput that is looked at but how long the master stands still: a
 * dozen launches of ten tasks. A master has to answer what arrives together before anything else.
 */
export const SMALL_WINDOW_LENGTH: number = 32 * 1024;

/** Enough for the slowest machine; a benchmark that hangs must end all the same. */
export const PATIENCE_MS: number = 600_000;

/** Files a process has open besides the sockets of agents. */
const SPARE_FILES = 300;

/** Agents that this machine lets one process have connections with; `BENCH_AGENTS` asks for fewer. */
export function agentCount({ size }: BenchContext): number {
  const wanted = Number(process.env["BENCH_AGENTS"] ?? size(20_000, 1000));
  return Math.min(wanted, connectionsMax());
}

/** Connections of one process with another that the limit of open files leaves room for. */
export function connectionsMax(): number {
  const limit = Number(spawnSync("sh", ["-c", "ulimit -Hn"], { encoding: "utf8" }).stdout);
  return Number.isNaN(limit) ? Number.POSITIVE_INFINITY : limit - SPARE_FILES;
}
