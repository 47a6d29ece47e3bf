/**
 * Collects young garbage often. Left to itself the engine lets a heap grow to several times its size
 * between two collections, and what is kept stands scattered among what is garbage by then: pages
 * that are never given back, twice as many as are needed. What a young collection frees is used for
 * what comes next.
 */
import process from "node:process";

/** Processor time of the event loop between two collections, at least: some megabytes of garbage. */
const WORK_MS = 50;
/** Collections take no more than this part of the loop's time; in a large heap each takes long. */
const SHARE = 0.2;
/** A heap that has shrunk to less than this part is being collected as a whole. */
const WHOLE_PART = 0.95;
/** How often to look whether that is over, and how long it may take: the heap may really have shrunk. */
const WHOLE_LOOK_MS = 50;
const WHOLE_MS_MAX = 2000;

/** To be called whenever some work is done; collects when it was enough. Nothing but on Bun. */
export async function loadYoungCollector(): Promise<() => void> {
  if (!("Bun" in globalThis)) return () => undefined;
  const { edenGC, heapSize } = await import("bun:jsc");
  let lastMs = threadCpuMs();
  let nextLookMs = 0;
  let workMs = WORK_MS;
  let lastBytes = 0;
  let wholeUntilMs: number | undefined;
  return () => {
    // Asking the system costs more than the clock, and no thread works for longer than time passes.
    const nowMs = performance.now();
    if (nowMs < nextLookMs) return;
    const startMs = threadCpuMs();
    nextLookMs = nowMs + workMs - (startMs - lastMs);
    if (startMs - lastMs < workMs) return;
    const bytes = heapSize();
    if (bytes < lastBytes * WHOLE_PART) {
      // The engine collects everything, and counts what it has come across. That goes on beside the
      // program for hundreds of milliseconds, and a young collection would wait for its end.
      wholeUntilMs ??= nowMs + WHOLE_MS_MAX;
      nextLookMs = nowMs + WHOLE_LOOK_MS;
      if (nowMs < wholeUntilMs) return;
    }
    edenGC();
    lastBytes = bytes;
    wholeUntilMs = undefined;
    lastMs = threadCpuMs();
    workMs = Math.max(WORK_MS, (lastMs - startMs) / SHARE);
    nextLookMs = performance.now() + workMs;
  };
}

function threadCpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
