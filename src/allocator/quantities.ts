/**
 * Sums of scalars across agents, in thousandths by interned name. Bundles cannot be added across
 * agents, because indivisible kinds (a MOUNT disk, a volume) exist once on each of them.
 */
import { assert } from "../base/assert.ts";
import type { Bundle } from "../resources/bundle.ts";
import { toMilli } from "../resources/milli.ts";

/** Scalar names as small integers, in order of first sight. Never forgotten: names are few. */
export class ScalarNames {
  readonly #indexes = new Map<string, number>();
  readonly #names: string[] = [];
  readonly #isExcluded: boolean[] = [];
  readonly #excluded: ReadonlySet<string>;

  /** `excluded` names do not count for shares. */
  constructor(excluded: ReadonlySet<string>) {
    this.#excluded = excluded;
  }

  indexOf(name: string): number {
    const known = this.#indexes.get(name);
    if (known !== undefined) return known;
    const index = this.#names.length;
    this.#names.push(name);
    this.#isExcluded.push(this.#excluded.has(name));
    this.#indexes.set(name, index);
    return index;
  }

  /** Whether the name of that index is left out of shares. */
  isExcluded(index: number): boolean {
    return this.#isExcluded[index] ?? false;
  }

  /** The scalars of a bundle without shared resources. */
  quantitiesOf(bundle: Bundle): Quantities {
    const amounts: Amount[] = [];
    for (const [name, milli] of bundle.scalarTotals()) {
      amounts.push({ index: this.indexOf(name), milli });
    }
    return { amounts, shared: [] };
  }

  /** The scalars of a bundle on one agent, which may have shared resources. */
  quantitiesOn(agentId: string, bundle: Bundle): Quantities {
    const { amounts } = this.quantitiesOf(bundle.filter((kind) => !kind.isShared));
    return { amounts, shared: this.#sharedOf(bundle, agentId) };
  }

  #sharedOf(bundle: Bundle, agentId: string): SharedAmount[] {
    const { kinds } = bundle;
    const shared = new Map<string, SharedAmount>();
    for (const resource of bundle.filter((kind) => kind.isShared).toResources()) {
      const key = `${kinds.unallocate(kinds.intern(resource))} ${agentId}`;
      const users = (shared.get(key)?.users ?? 0) + 1;
      const milli = toMilli(resource.scalar?.value ?? 0);
      shared.set(key, { key, index: this.indexOf(resource.name), milli, users });
    }
    return [...shared.values()];
  }
}

export interface Amount {
  readonly index: number;
  readonly milli: number;
}

/** A shared volume on one agent: its size counts once, however many use it. */
export interface SharedAmount extends Amount {
  readonly key: string;
  readonly users: number;
}

export interface Quantities {
  readonly amounts: readonly Amount[];
  readonly shared: readonly SharedAmount[];
}

/** What somebody has of each scalar name, over all agents. */
export class Account {
  /** Thousandths by name index; holes read as 0. */
  readonly amounts: number[] = [];
  readonly #sharedUsers = new Map<string, number>();

  add({ amounts, shared }: Quantities): void {
    for (const { index, milli } of amounts) this.#change(index, milli);
    for (const { key, index, milli, users } of shared) {
      const before = this.#sharedUsers.get(key) ?? 0;
      if (before === 0) this.#change(index, milli);
      this.#sharedUsers.set(key, before + users);
    }
  }

  subtract({ amounts, shared }: Quantities): void {
    for (const { index, milli } of amounts) this.#change(index, -milli);
    for (const { key, index, milli, users } of shared) {
      const left = (this.#sharedUsers.get(key) ?? 0) - users;
      assert(left >= 0, () => `shared resource ${key} is returned more often than it was taken`);
      if (left > 0) {
        this.#sharedUsers.set(key, left);
        continue;
      }
      this.#sharedUsers.delete(key);
      this.#change(index, -milli);
    }
  }

  /** Same amounts of every name. */
  equals(other: Account): boolean {
    const length = Math.max(this.amounts.length, other.amounts.length);
    for (let index = 0; index < length; index++) {
      if ((this.amounts[index] ?? 0) !== (other.amounts[index] ?? 0)) return false;
    }
    return true;
  }

  #change(index: number, byMilli: number): void {
    while (this.amounts.length <= index) this.amounts.push(0);
    const milli = (this.amounts[index] ?? 0) + byMilli;
    assert(milli >= 0, "an account never goes below zero");
    this.amounts[index] = milli;
  }
}

/** The dominant share: the largest part of any counted scalar. Source: semantics 4.2. */
export function dominantShare(account: Account, totals: Account, names: ScalarNames): number {
  let share = 0;
  for (let index = 0; index < account.amounts.length; index++) {
    const milli = account.amounts[index] ?? 0;
    const total = totals.amounts[index] ?? 0;
    if (milli === 0 || total === 0 || names.isExcluded(index)) continue;
    share = Math.max(share, milli / total);
  }
  return share;
}
