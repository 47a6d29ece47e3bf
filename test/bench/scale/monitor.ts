/**
 * Runs inside the measured master, loaded before it (`BUN_OPTIONS=--preload=…`): watches its event
 * loop and tells about loop, heap and processor time over a unix socket. Does nothing in a process
 * that was not told where that socket is to be.
 */
import { heapStats } from "bun:jsc";
import process from "node:process";
import { threadTimeMs } from "../thread-clock.ts";

/** Environment variable with the path of the socket. */
export const MONITOR_VARIABLE = "BENCH_MONITOR_SOCKET";

/** The loop is looked at this often; what comes later than that is how long it was held up. */
const TICK_MS = 2;
/** Shorter delays are the timer's own. */
const STALL_MS_MIN = 1;

/** What was seen since the last look; the first one begins it. */
export interface LoopReport {
  /** Longest time between two turns by the clock, milliseconds. */
  readonly maxMs: number;
  /** Of that, the processor time the master's own thread had in its worst turn. */
  readonly maxCpuMs: number;
  readonly p99Ms: number;
  /** Processor time of the whole process since its start, milliseconds. */
  readonly cpuMs: number;
  /** Milliseconds since its start. */
  readonly upMs: number;
}

export interface HeapReport {
  /** After a full collection, bytes. */
  readonly heapBytes: number;
}

const path = process.env[MONITOR_VARIABLE];
if (path !== undefined) watch(path);

function watch(socketPath: string): void {
  const startedMs = performance.now();
  let lastMs = startedMs;
  let lastCpuMs = threadTimeMs();
  let delays: number[] = [];
  let maxCpuMs = 0;
  let ticker: NodeJS.Timeout | undefined;
  const tick = (): void => {
    const nowMs = performance.now();
    const cpuMs = threadTimeMs();
    const delayMs = nowMs - lastMs - TICK_MS;
    if (delayMs > STALL_MS_MIN) maxCpuMs = Math.max(maxCpuMs, cpuMs - lastCpuMs);
    delays.push(Math.max(0, delayMs));
    lastMs = nowMs;
    lastCpuMs = cpuMs;
  };
  const beginAnew = (): void => {
    lastMs = performance.now();
    lastCpuMs = threadTimeMs();
    delays = [];
    maxCpuMs = 0;
  };
  const loop = (): LoopReport => {
    // Only now, as a machine that is slow enough does little else.
    if (ticker === undefined) ticker = setInterval(tick, TICK_MS).unref();
    const sorted = delays.toSorted((a, b) => a - b);
    const usage = process.cpuUsage();
    const report = {
      maxMs: sorted.at(-1) ?? 0,
      maxCpuMs,
      p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? 0,
      cpuMs: (usage.user + usage.system) / 1000,
      upMs: performance.now() - startedMs,
    };
    beginAnew();
    return report;
  };
  const heap = (): HeapReport => {
    Bun.gc(true);
    beginAnew();
    return { heapBytes: heapStats().heapSize };
  };
  Bun.serve({
    unix: socketPath,
    fetch: (request) => Response.json(request.url.endsWith("/heap") ? heap() : loop()),
  }).unref();
}
