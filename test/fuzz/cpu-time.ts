/**
 * How long the main thread works: its own processor time, so that neither other load on the machine
 * nor a slow disk counts. Asking for it is a call of the system, and most of what is measured is
 * shorter than many of those.
 */

/** What is told may be too long by so much. */
const TOLERANCE_MS = 20;

export class CpuTime {
  #readAtMs = Number.NEGATIVE_INFINITY;
  #cpuMs = 0;

  /** The answer tells milliseconds since this call; real ones while those are few. */
  start(): () => number {
    const startMs = performance.now();
    if (startMs - this.#readAtMs > TOLERANCE_MS) this.#read();
    const startCpuMs = this.#cpuMs;
    return () => {
      const realMs = performance.now() - startMs;
      if (realMs <= TOLERANCE_MS) return realMs;
      this.#read();
      return Math.min(realMs, this.#cpuMs - startCpuMs);
    };
  }

  #read(): void {
    const { user, system } = process.threadCpuUsage();
    this.#cpuMs = (user + system) / 1000;
    this.#readAtMs = performance.now();
  }
}
