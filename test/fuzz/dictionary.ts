/** What is alive in the cluster under test, so that random calls get deep; and strings that hurt. */
import type { Offer, Status } from "../harness/test-framework.ts";

/** A number in [0, 1). */
export type Dice = () => number;

export function below(dice: Dice, limit: number): number {
  return Math.floor(dice() * limit);
}

export function pick<T>(dice: Dice, items: readonly T[]): T {
  const item = items[below(dice, items.length)];
  if (item === undefined) throw new Error("nothing to pick from");
  return item;
}

/** Kinds of names that calls refer to. */
export type NameKind =
  | "framework"
  | "agent"
  | "offer"
  | "inverseOffer"
  | "task"
  | "executor"
  | "operation"
  | "role"
  | "uuid"
  | "volume";

const KEPT = 24;

const FIRST: Readonly<Record<NameKind, readonly string[]>> = {
  framework: [],
  agent: [],
  offer: [],
  inverseOffer: [],
  task: ["t1", "t2", "t3", "t4", "t5", "t6"],
  executor: ["e1", "e2"],
  operation: ["o1", "o2"],
  role: ["*", "a", "b", "a/b", "kept"],
  uuid: [],
  volume: ["v1", "v2"],
};

/** As it arrived at its framework. */
export interface KnownOffer extends Offer {
  readonly framework_id: { readonly value: string };
}

export interface KnownStatus extends Status {
  readonly frameworkId: string;
}

/** Newest names of each kind; offers and statuses whole. */
export class Dictionary {
  readonly #names = new Map<NameKind, string[]>();
  /** Outstanding when they arrived, and not taken yet. */
  offers: KnownOffer[] = [];
  /** With a uuid, perhaps acknowledged. */
  statuses: KnownStatus[] = [];

  constructor() {
    for (const [kind, names] of Object.entries(FIRST)) {
      this.#names.set(kind as NameKind, [...names]);
    }
  }

  learn(kind: NameKind, name: string): void {
    const names = this.#names.get(kind) ?? [];
    if (names.includes(name)) return;
    names.push(name);
    if (names.length > KEPT) names.shift();
  }

  forget(kind: NameKind, name: string): void {
    const names = this.#names.get(kind)?.filter((other) => other !== name);
    if (names !== undefined) this.#names.set(kind, names);
    if (kind !== "framework") return;
    this.offers = this.offers.filter(({ framework_id }) => framework_id.value !== name);
    this.statuses = this.statuses.filter(({ frameworkId }) => frameworkId !== name);
  }

  forgetOffer(id: string): void {
    this.offers = this.offers.filter((offer) => offer.id.value !== id);
  }

  learnStatus(status: KnownStatus): void {
    this.statuses.push(status);
    if (this.statuses.length > KEPT) this.statuses.shift();
  }

  learnOffer(offer: KnownOffer): void {
    this.learn("offer", offer.id.value);
    this.learn("agent", offer.agent_id.value);
    this.offers.push(offer);
    if (this.offers.length > KEPT) this.offers.shift();
  }

  /** Mostly one that is alive, else one that cannot be. */
  name(dice: Dice, kind: NameKind): string {
    const names = this.#names.get(kind) ?? [];
    if (names.length === 0 || dice() < 0.15) return oddString(dice);
    return pick(dice, names);
  }
}

const ODD_STRINGS = [
  "",
  " ",
  ".",
  "..",
  "/",
  "a/b",
  "../../etc",
  "a\\b",
  "*",
  "-x",
  "a//b",
  "a/",
  "\u0000",
  "a\u0000b",
  "\n",
  "\u007f",
  "🦉",
  "ÅÄÖ-ß-ﬀ",
  "\u202eabc",
  "e\u0301",
  "\ud800",
  "__proto__",
  "constructor",
  "toString",
  "0",
  "null",
  "%2f",
  "'; DROP TABLE x; --",
  "{{x}}",
  "(a+)+$",
] as const;

/** Now and then a long one. */
export function oddString(dice: Dice): string {
  const roll = dice();
  if (roll < 0.02) return pick(dice, ["x", "é", "🦉"]).repeat(below(dice, 3000));
  if (roll < 0.05) return "x".repeat(250 + below(dice, 12));
  if (roll < 0.3) return `x${below(dice, 1000)}`;
  if (roll < 0.33) return "/master/log";
  return pick(dice, ODD_STRINGS);
}

const ODD_NUMBERS = [
  0,
  1,
  -1,
  2,
  0.5,
  -0.5,
  0.001,
  0.0004,
  1e-9,
  1e6,
  1e9,
  1e12,
  1e15,
  1e18,
  1e19,
  1e300,
  1e308,
  -1e308,
  2 ** 31,
  -(2 ** 31) - 1,
  2 ** 32,
  2 ** 53,
  -(2 ** 53),
  2 ** 63,
  2 ** 64,
  Number.MIN_VALUE,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  Number.NaN,
] as const;

export function oddNumber(dice: Dice): number {
  if (dice() < 0.5) return below(dice, 8);
  return pick(dice, ODD_NUMBERS);
}
