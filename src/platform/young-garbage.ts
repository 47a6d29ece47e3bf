/**
 * Collects garbage often. Left to itself the engine lets a heap grow to several times its size
 * between two collections, and what is kept stands scattered among what is garbage by then: pages
 * that are never given back, twice as many as are needed. Mostly it is what is young that is
 * collected, beside the program, and what that frees is used for what comes next.
 */
import process from "node:process";

/** Processor time of the event loop between two collections: some megabytes of garbage. */
const WORK_MS = 50;

/** To be called whenever some work is done; collects when it was enough. Nothing but on Bun. */
export function youngCollector(): () => void {
  if (!("Bun" in globalThis)) return () => undefined;
  let lastMs = threadCpuMs();
  let nextLookMs = 0;
  return () => {
    // Asking the system costs more than the clock, and no thread works for longer than time passes.
    const nowMs = performance.now();
    if (nowMs < nextLookMs) return;
    const workedMs = threadCpuMs() - lastMs;
    nextLookMs = nowMs + WORK_MS - workedMs;
    if (workedMs < WORK_MS) return;
    // Not one that the caller waits for: it would also wait for a collection of everything that the
    // engine has begun, which takes hundreds of milliseconds when there is much.
    Bun.gc(false);
    lastMs = threadCpuMs();
    nextLookMs = performance.now() + WORK_MS;
  };
}

function threadCpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
