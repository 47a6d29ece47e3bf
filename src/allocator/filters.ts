/**
 * Refusals: what a framework declined on an agent for a role, and until when. An offer is held back
 * while one refusal contains all of it, so more or other resources get through. A million of them
 * is normal in a large cluster where nobody wants anything, so they are rows of columns, found by a
 * hash of the pair of client and agent, both by number. Source: semantics 4.5.
 */
import { assert } from "../base/assert.ts";
import type { Bundle } from "../resources/bundle.ts";
import { DEAD_FILTERS_MIN, FILTERS_PER_KEY, UNWANTED_WAKES_MAX } from "./limits.ts";
import { MinHeap } from "./min-heap.ts";
import { PairIndex } from "./pair-index.ts";

const NONE = -1;
const FIRST_CAPACITY = 64;

/** What a row is. */
const FREE = 0;
const LIVE = 1;
/** Over, but still in the wake queue. */
const DEAD = 2;

export class Filters {
  /** Client on the left, agent on the right. */
  readonly #pairs = new PairIndex();
  #expiresMs = new Float64Array(FIRST_CAPACITY);
  #state = new Uint8Array(FIRST_CAPACITY);
  /** In the wake queue: it held back an offer that was possible otherwise. */
  #isQueued = new Uint8Array(FIRST_CAPACITY);
  /** Next row of the same pair, or of the free ones. */
  #nextOfPair = new Int32Array(FIRST_CAPACITY);
  #nextOfClient = new Int32Array(FIRST_CAPACITY);
  #previousOfClient = new Int32Array(FIRST_CAPACITY);
  #nextOfAgent = new Int32Array(FIRST_CAPACITY);
  #previousOfAgent = new Int32Array(FIRST_CAPACITY);
  /** Unallocated form. */
  readonly #resources: (Bundle | undefined)[] = [];
  /** First row of each. */
  readonly #ofClient: number[] = [];
  readonly #ofAgent: number[] = [];
  readonly #wakes = new MinHeap((row) => this.#expiresMs[row] ?? 0);
  #firstFree = NONE;
  #capacity = FIRST_CAPACITY;
  #used = 0;
  #liveCount = 0;
  #deadCount = 0;

  /**
   * `resources` in unallocated form, kept. Those of the pair that have ended go, and shorter ones
   * of the same or less, so the caller has to look at the pair again.
   */
  add(client: number, agent: number, resources: Bundle, expiresMs: number, nowMs: number): void {
    let count = 1;
    let shortest = NONE;
    for (let row = this.#pairs.find(client, agent); row !== NONE; ) {
      const next = this.#nextOfPair[row] ?? NONE;
      const endMs = this.#expiresMs[row] ?? 0;
      const isCovered = endMs <= expiresMs && resources.contains(this.#resourcesOf(row));
      if (isCovered || endMs <= nowMs) this.#drop(row);
      else {
        count += 1;
        if (shortest === NONE || endMs < (this.#expiresMs[shortest] ?? 0)) shortest = row;
      }
      row = next;
    }
    if (count > FILTERS_PER_KEY && shortest !== NONE) {
      if ((this.#expiresMs[shortest] ?? 0) > expiresMs) return;
      this.#drop(shortest);
    }
    const row = this.#newRow(nowMs);
    this.#expiresMs[row] = expiresMs;
    this.#resources[row] = resources;
    this.#insert(row, client, agent);
  }

  /** True when a refusal that is live at `nowMs` contains all of `resources` (unallocated form). */
  isRefused(client: number, agent: number, resources: Bundle, nowMs: number): boolean {
    if ((this.#ofClient[client] ?? NONE) === NONE) return false;
    let row = this.#pairs.find(client, agent);
    while (row !== NONE) {
      const isLive = (this.#expiresMs[row] ?? 0) > nowMs;
      if (isLive && this.#resourcesOf(row).contains(resources)) {
        this.#queue(row);
        return true;
      }
      row = this.#nextOfPair[row] ?? NONE;
    }
    return false;
  }

  /** When the last of the refusals that contain all of `resources` ends; undefined without one. */
  refusedUntilMs(
    client: number,
    agent: number,
    resources: Bundle,
    nowMs: number,
  ): number | undefined {
    let untilMs: number | undefined;
    for (
      let row = this.#pairs.find(client, agent);
      row !== NONE;
      row = this.#nextOfPair[row] ?? NONE
    ) {
      const endMs = this.#expiresMs[row] ?? 0;
      if (endMs <= nowMs || !this.#resourcesOf(row).contains(resources)) continue;
      untilMs = Math.max(untilMs ?? 0, endMs);
    }
    return untilMs;
  }

  /**
   * Forgets refusals that have ended and held something back, at most `countMax` of them; shows each.
   * The others stay due.
   */
  expire(nowMs: number, countMax: number, show: (agent: number, client: number) => void): void {
    let left = countMax;
    for (let row = this.#wakes.first; row !== NONE && left > 0; row = this.#wakes.first) {
      left -= 1;
      if (this.#state[row] === LIVE && (this.#expiresMs[row] ?? 0) > nowMs) return;
      const client = this.#pairs.left[row] ?? 0;
      const agent = this.#pairs.right[row] ?? 0;
      const isLive = this.#state[row] === LIVE;
      this.#unqueue();
      if (!isLive) continue;
      this.#drop(row);
      show(agent, client);
    }
  }

  /**
   * When the first refusal ends that holds back something `isWanted` still; Infinity when none.
   * Those not wanted now are queued again by the next offer they hold back. After some of them the
   * answer is that of the next one, wanted or not, since there may be a million.
   */
  nextEndMs(isWanted: (agent: number, client: number) => boolean): number {
    let skipped = 0;
    for (let row = this.#wakes.first; row !== NONE; row = this.#wakes.first) {
      skipped += 1;
      if (skipped > UNWANTED_WAKES_MAX) return this.#expiresMs[row] ?? 0;
      const isLive = this.#state[row] === LIVE;
      if (isLive && isWanted(this.#pairs.right[row] ?? 0, this.#pairs.left[row] ?? 0)) {
        return this.#expiresMs[row] ?? 0;
      }
      this.#unqueue();
    }
    return Number.POSITIVE_INFINITY;
  }

  clearClient(client: number): void {
    for (let row = this.#ofClient[client] ?? NONE; row !== NONE; ) {
      const next = this.#nextOfClient[row] ?? NONE;
      this.#drop(row);
      row = next;
    }
  }

  clearAgent(agent: number): void {
    for (let row = this.#ofAgent[agent] ?? NONE; row !== NONE; ) {
      const next = this.#nextOfAgent[row] ?? NONE;
      this.#drop(row);
      row = next;
    }
  }

  /** Asserts that all indexes say the same. */
  assertInvariants(): void {
    let live = 0;
    let dead = 0;
    for (let row = 0; row < this.#used; row++) {
      if (this.#state[row] === DEAD) dead += 1;
      if (this.#state[row] !== LIVE) continue;
      live += 1;
      const pair = this.#rowsOfPair(this.#pairs.left[row] ?? 0, this.#pairs.right[row] ?? 0);
      assert(pair.includes(row), "a refusal is found by its pair");
      assert(pair.length <= FILTERS_PER_KEY, "refusals of a pair are bounded");
    }
    assert(live === this.#liveCount, "live refusals are counted");
    assert(dead === this.#deadCount, "dead refusals in the queue are counted");
    assert(this.#countLinked(this.#ofClient, this.#nextOfClient) === live, "found by client");
    assert(this.#countLinked(this.#ofAgent, this.#nextOfAgent) === live, "found by agent");
  }

  #rowsOfPair(client: number, agent: number): number[] {
    const rows: number[] = [];
    for (
      let row = this.#pairs.find(client, agent);
      row !== NONE;
      row = this.#nextOfPair[row] ?? NONE
    ) {
      rows.push(row);
    }
    return rows;
  }

  #countLinked(heads: readonly number[], next: Int32Array): number {
    let count = 0;
    for (const head of heads) {
      for (let row = head ?? NONE; row !== NONE; row = next[row] ?? NONE) count += 1;
    }
    return count;
  }

  #resourcesOf(row: number): Bundle {
    const resources = this.#resources[row];
    assert(resources !== undefined, "a live refusal says what is refused");
    return resources;
  }

  #insert(row: number, client: number, agent: number): void {
    this.#pairs.assign(row, client, agent);
    this.#state[row] = LIVE;
    this.#liveCount += 1;
    const sibling = this.#pairs.find(client, agent);
    this.#nextOfPair[row] = sibling;
    if (sibling === NONE) this.#pairs.insert(row);
    else this.#pairs.replace(sibling, row);
    link(row, client, this.#ofClient, this.#nextOfClient, this.#previousOfClient);
    link(row, agent, this.#ofAgent, this.#nextOfAgent, this.#previousOfAgent);
  }

  /** Takes a live row out of everything; it stays as a dead one while it is in the wake queue. */
  #drop(row: number): void {
    const client = this.#pairs.left[row] ?? 0;
    const agent = this.#pairs.right[row] ?? 0;
    this.#unlinkFromPair(row, client, agent);
    unlink(row, client, this.#ofClient, this.#nextOfClient, this.#previousOfClient);
    unlink(row, agent, this.#ofAgent, this.#nextOfAgent, this.#previousOfAgent);
    this.#resources[row] = undefined;
    this.#liveCount -= 1;
    if (this.#isQueued[row] === 0) {
      this.#freeRow(row);
      return;
    }
    this.#state[row] = DEAD;
    this.#deadCount += 1;
    const isMostlyDead = this.#deadCount * 2 > this.#wakes.size;
    if (isMostlyDead && this.#deadCount > DEAD_FILTERS_MIN) this.#tidyWakes();
  }

  #unlinkFromPair(row: number, client: number, agent: number): void {
    const first = this.#pairs.find(client, agent);
    const next = this.#nextOfPair[row] ?? NONE;
    if (first !== row) {
      let before = first;
      while ((this.#nextOfPair[before] ?? NONE) !== row) before = this.#nextOfPair[before] ?? NONE;
      this.#nextOfPair[before] = next;
    } else if (next === NONE) this.#pairs.remove(row);
    else this.#pairs.replace(row, next);
  }

  #queue(row: number): void {
    if (this.#isQueued[row] === 1) return;
    this.#isQueued[row] = 1;
    this.#wakes.push(row);
  }

  /** Takes the first row out of the wake queue. */
  #unqueue(): void {
    const row = this.#wakes.pop();
    this.#isQueued[row] = 0;
    if (this.#state[row] !== DEAD) return;
    this.#deadCount -= 1;
    this.#freeRow(row);
  }

  #tidyWakes(): void {
    this.#wakes.retain((row) => {
      if (this.#state[row] === LIVE) return true;
      this.#isQueued[row] = 0;
      this.#freeRow(row);
      return false;
    });
    this.#deadCount = 0;
  }

  #freeRow(row: number): void {
    this.#state[row] = FREE;
    this.#nextOfPair[row] = this.#firstFree;
    this.#firstFree = row;
  }

  #newRow(nowMs: number): number {
    // Those that held nothing back are in no queue; so they go before more room is made.
    if (this.#firstFree === NONE && this.#used === this.#capacity) this.#dropEnded(nowMs);
    if (this.#firstFree !== NONE) {
      const row = this.#firstFree;
      this.#firstFree = this.#nextOfPair[row] ?? NONE;
      return row;
    }
    return this.#used++;
  }

  /** Makes room, by growing unless half is free of live rows afterwards. */
  #dropEnded(nowMs: number): void {
    for (let row = 0; row < this.#used; row++) {
      const isOver = this.#state[row] === LIVE && (this.#expiresMs[row] ?? 0) <= nowMs;
      if (isOver && this.#isQueued[row] === 0) this.#drop(row);
    }
    if (this.#firstFree === NONE || this.#liveCount * 2 > this.#capacity) this.#grow();
  }

  #grow(): void {
    this.#capacity *= 2;
    const integers = (column: Int32Array): Int32Array<ArrayBuffer> => {
      const larger = new Int32Array(this.#capacity);
      larger.set(column);
      return larger;
    };
    const bytes = (column: Uint8Array): Uint8Array<ArrayBuffer> => {
      const larger = new Uint8Array(this.#capacity);
      larger.set(column);
      return larger;
    };
    const expiresMs = new Float64Array(this.#capacity);
    expiresMs.set(this.#expiresMs);
    this.#expiresMs = expiresMs;
    this.#state = bytes(this.#state);
    this.#isQueued = bytes(this.#isQueued);
    this.#nextOfPair = integers(this.#nextOfPair);
    this.#nextOfClient = integers(this.#nextOfClient);
    this.#previousOfClient = integers(this.#previousOfClient);
    this.#nextOfAgent = integers(this.#nextOfAgent);
    this.#previousOfAgent = integers(this.#previousOfAgent);
  }
}

/** Puts a row at the head of a list. */
function link(
  row: number,
  owner: number,
  heads: number[],
  next: Int32Array,
  previous: Int32Array,
): void {
  while (heads.length <= owner) heads.push(NONE);
  const head = heads[owner] ?? NONE;
  next[row] = head;
  previous[row] = NONE;
  if (head !== NONE) previous[head] = row;
  heads[owner] = row;
}

function unlink(
  row: number,
  owner: number,
  heads: number[],
  next: Int32Array,
  previous: Int32Array,
): void {
  const after = next[row] ?? NONE;
  const before = previous[row] ?? NONE;
  if (after !== NONE) previous[after] = before;
  if (before === NONE) heads[owner] = after;
  else next[before] = after;
}
