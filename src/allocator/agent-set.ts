/**
 * A set of agents that takes one bit for each by its number: a `Set` takes more than a hundred bytes
 * for each, and there are some that often hold all agents.
 */
import type { AgentPool, AgentRecord, AgentSelection } from "./agents.ts";

const BITS = 32;
const FIRST_WORDS = 4;

/** Agents of one pool. One that leaves the pool is deleted here before its number is another's. */
export class AgentSet implements AgentSelection {
  readonly #pool: AgentPool;
  #words = new Uint32Array(FIRST_WORDS);
  #size = 0;

  constructor(pool: AgentPool) {
    this.#pool = pool;
  }

  get size(): number {
    return this.#size;
  }

  has({ number }: AgentRecord): boolean {
    return ((this.#words[number >>> 5] ?? 0) & bitOf(number)) !== 0;
  }

  add(agent: AgentRecord): void {
    if (this.has(agent)) return;
    const place = agent.number >>> 5;
    if (place >= this.#words.length) {
      const words = new Uint32Array(Math.max(place + 1, this.#words.length * 2));
      words.set(this.#words);
      this.#words = words;
    }
    this.#flip(agent.number);
    this.#size += 1;
  }

  delete(agent: AgentRecord): void {
    if (!this.has(agent)) return;
    this.#flip(agent.number);
    this.#size -= 1;
  }

  clear(): void {
    this.#words.fill(0);
    this.#size = 0;
  }

  /** By number. */
  *[Symbol.iterator](): IterableIterator<AgentRecord> {
    for (let place = 0; place < this.#words.length; place += 1) {
      for (let left = this.#words[place] ?? 0; left !== 0; left &= left - 1) {
        yield this.#pool.at(place * BITS + BITS - 1 - Math.clz32(left & -left));
      }
    }
  }

  #flip(number: number): void {
    const place = number >>> 5;
    this.#words[place] = (this.#words[place] ?? 0) ^ bitOf(number);
  }
}

function bitOf(number: number): number {
  return 1 << (number & (BITS - 1));
}
