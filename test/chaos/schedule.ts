/**
 * What goes wrong in a round, as data that follows from the round's seed alone: a round that failed
 * is had again by its number. Who leads is known only when it happens, so faults name places.
 */

/** `leader` leads when the fault begins; the other masters are numbered without it. */
export type Place =
  | { readonly kind: "leader" }
  | { readonly kind: "follower"; readonly index: number }
  | { readonly kind: "agent"; readonly index: number }
  | { readonly kind: "zookeeper"; readonly index: number }
  /** Of the ZooKeeper servers. */
  | { readonly kind: "zookeeperLeader" };

export type Fault =
  | { readonly kind: "kill" | "stop" | "pause" | "slow" | "fillDisk"; readonly place: Place }
  /** Nothing that one sends reaches the other; both ways, nothing passes at all. */
  | { readonly kind: "cut"; readonly from: Place; readonly to: Place; readonly bothWays: boolean }
  /** From every other host. */
  | { readonly kind: "isolate"; readonly place: Place }
  /** Two of three ZooKeeper servers. */
  | { readonly kind: "noQuorum"; readonly left: number };

export interface Round {
  /** One after the other, each after its pause; all are put right together. */
  readonly faults: readonly { readonly fault: Fault; readonly pauseMs: number }[];
  /** From the first fault until they are put right. */
  readonly lastsMs: number;
}

export interface Means {
  /** Links can be cut and made slow: hosts have networks of their own. */
  readonly hasLinks: boolean;
  /** Masters have disks of their own that can be filled. */
  readonly hasDisks: boolean;
}

export const ZOOKEEPERS = 3;
export const MASTERS = 3;
export const AGENTS = 2;

const PAUSE_MS_MAX = 3000;
const LASTS_MS_MIN = 500;
const LASTS_MS_MAX = 7000;
/** One round of so many has a second fault. */
const SECOND_EVERY = 3;

/** The round of a run. */
export function roundOf(seed: number, number: number, means: Means): Round {
  const roll = dice(Math.imul(seed, 0x9e3779b1) ^ Math.imul(number, 0x85ebca6b));
  const count = roll() < 1 / SECOND_EVERY ? 2 : 1;
  const faults = Array.from({ length: count }, (_, index) => ({
    fault: pick(roll, faultsOf(means))(roll),
    pauseMs: index === 0 ? 0 : roll() * PAUSE_MS_MAX,
  }));
  return { faults, lastsMs: LASTS_MS_MIN + roll() * (LASTS_MS_MAX - LASTS_MS_MIN) };
}

/** The fault in words. */
export function describeFault(fault: Fault): string {
  switch (fault.kind) {
    case "cut": {
      const way = fault.bothWays ? "and" : "to";
      return `cut ${nameOf(fault.from)} ${way} ${nameOf(fault.to)}`;
    }
    case "noQuorum":
      return `no quorum, zookeeper ${fault.left} is left`;
    default:
      return `${fault.kind} ${nameOf(fault.place)}`;
  }
}

type Roll = () => number;

/** More often, as most depends on it. */
const MASTER_PLACES: readonly ((roll: Roll) => Place)[] = [
  () => ({ kind: "leader" }),
  () => ({ kind: "leader" }),
  (roll) => ({ kind: "follower", index: below(roll, MASTERS - 1) }),
];
const ZOOKEEPER_PLACES: readonly ((roll: Roll) => Place)[] = [
  () => ({ kind: "zookeeperLeader" }),
  (roll) => ({ kind: "zookeeper", index: below(roll, ZOOKEEPERS) }),
];
const PLACES: readonly ((roll: Roll) => Place)[] = [
  ...MASTER_PLACES,
  ...ZOOKEEPER_PLACES,
  (roll) => ({ kind: "agent", index: below(roll, AGENTS) }),
];

function faultsOf({ hasLinks, hasDisks }: Means): readonly ((roll: Roll) => Fault)[] {
  const at = (kind: "kill" | "pause" | "slow") => (roll: Roll) =>
    ({ kind, place: pick(roll, PLACES)(roll) }) as const;
  return [
    at("kill"),
    at("pause"),
    (roll) => ({ kind: "stop", place: pick(roll, MASTER_PLACES)(roll) }),
    (roll) => ({ kind: "noQuorum", left: below(roll, ZOOKEEPERS) }),
    ...(hasLinks ? [cut, cut, isolate, at("slow")] : []),
    ...(hasDisks ? [fillDisk] : []),
  ];
}

function cut(roll: Roll): Fault {
  const from = pick(roll, PLACES)(roll);
  let to = from;
  while (nameOf(to) === nameOf(from)) to = pick(roll, PLACES)(roll);
  return { kind: "cut", from, to, bothWays: roll() < 1 / 2 };
}

function isolate(roll: Roll): Fault {
  return { kind: "isolate", place: pick(roll, PLACES)(roll) };
}

function fillDisk(roll: Roll): Fault {
  return { kind: "fillDisk", place: pick(roll, MASTER_PLACES)(roll) };
}

function pick<T>(roll: Roll, among: readonly T[]): T {
  const found = among[below(roll, among.length)];
  if (found === undefined) throw new Error("there is nothing to pick from");
  return found;
}

function below(roll: Roll, end: number): number {
  return Math.floor(roll() * end);
}

function nameOf(place: Place): string {
  if (place.kind === "zookeeperLeader") return "ZooKeeper's leader";
  return "index" in place ? `${place.kind} ${place.index}` : place.kind;
}

/** Mulberry32: small, and the same everywhere. */
function dice(seed: number): Roll {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
