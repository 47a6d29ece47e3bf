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
/** While the engine collects everything: how often to look whether that is over, and its bound. */
const WHOLE_LOOK_MS = 50;
const WHOLE_MS_MAX = 2000;

/** To be called whenever some work is done; collects when it was enough. Nothing but on Bun. */
export async function loadYoungCollector(): Promise<() => void> {
  if (!("Bun" in globalThis)) return () => undefined;
  const { edenGC } = await import("bun:jsc");
  const whole = new WholeCollections();
  let lastMs = threadCpuMs();
  let nextLookMs = 0;
  let workMs = WORK_MS;
  return () => {
    // Asking the system costs more than the clock, and no thread works for longer than time passes.
    const nowMs = performance.now();
    if (nowMs < nextLookMs) return;
    const startMs = threadCpuMs();
    nextLookMs = nowMs + workMs - (startMs - lastMs);
    if (startMs - lastMs < workMs) return;
    if (whole.isUnderWay(nowMs)) {
      nextLookMs = nowMs + WHOLE_LOOK_MS;
      return;
    }
    edenGC();
    whole.lookAgain();
    lastMs = threadCpuMs();
    workMs = Math.max(WORK_MS, (lastMs - startMs) / SHARE);
    nextLookMs = performance.now() + workMs;
  };
}

/**
 * Knows whether the engine collects everything. It does so beside the program, for hundreds of
 * milliseconds in a large heap, and a young collection would wait for its end. It does not say so,
 * but what it counts for strings and buffers then begins at nothing, and grows with what it marks.
 */
class WholeCollections {
  #bytes = 0;
  #untilMs: number | undefined;

  isUnderWay(nowMs: number): boolean {
    const lastBytes = this.#bytes;
    this.lookAgain();
    const hasBegun = this.#bytes < lastBytes;
    const goesOn = this.#untilMs !== undefined && this.#bytes > lastBytes;
    if (hasBegun) this.#untilMs ??= nowMs + WHOLE_MS_MAX;
    if ((hasBegun || goesOn) && nowMs < (this.#untilMs ?? 0)) return true;
    this.#untilMs = undefined;
    return false;
  }

  /** A young collection adds to the count too. */
  lookAgain(): void {
    const { external, arrayBuffers } = process.memoryUsage();
    this.#bytes = external - arrayBuffers;
  }
}

function threadCpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
