/** The longest of each kind of work. */
export type Work = "request" | "step" | "settling";

export class Slowest {
  readonly #longest = new Map<Work, { readonly ms: number; readonly what: string }>();

  add(work: Work, ms: number, what: string): void {
    if (ms > (this.#longest.get(work)?.ms ?? 0)) this.#longest.set(work, { ms, what });
  }

  toString(): string {
    const parts = [...this.#longest].map(
      ([work, { ms, what }]) => `${work} ${Math.round(ms)} ms (${what})`,
    );
    return parts.join(", ");
  }
}
