/** Which host hears which other one: cuts between any two, in one direction or both. */

export class SimNetwork {
  /** By direction, how many cuts are on it. */
  readonly #cuts = new Map<string, number>();
  readonly #waiting = new Map<string, (() => void)[]>();

  isCut(from: string, to: string): boolean {
    return (this.#cuts.get(direction(from, to)) ?? 0) > 0;
  }

  /** Returns what mends it. */
  cut(from: string, to: string): () => void {
    const key = direction(from, to);
    this.#cuts.set(key, (this.#cuts.get(key) ?? 0) + 1);
    let isMended = false;
    return () => {
      if (isMended) return;
      isMended = true;
      const left = (this.#cuts.get(key) ?? 1) - 1;
      this.#cuts.set(key, left);
      if (left > 0) return;
      const waiting = this.#waiting.get(key) ?? [];
      this.#waiting.delete(key);
      for (const callback of waiting) callback();
    };
  }

  /** Calls back, once, when that direction is whole again. */
  whenMended(from: string, to: string, callback: () => void): void {
    const key = direction(from, to);
    const waiting = this.#waiting.get(key) ?? [];
    waiting.push(callback);
    this.#waiting.set(key, waiting);
  }
}

function direction(from: string, to: string): string {
  return `${from}>${to}`;
}
