/**
 * Resources as the model counts them: thousandths by key. A key says all that tells one kind of
 * resource from another, as text: `name;reservation,reservation;flag,flag`. Flags are `r` for
 * revocable, `s` for shared, `v=ID:SIZE` for a persistent volume and `m=ROOT:SIZE` for a MOUNT
 * disk, with their fixed size in thousandths. Each port is a key of its own, `ports#31000;;`, and
 * there or not (1).
 */
export type Amounts = ReadonlyMap<string, number>;

/** A key taken apart. */
export interface Part {
  readonly name: string;
  /** Roles of the reservations, the first at the bottom; empty when unreserved. */
  readonly stack: readonly string[];
  readonly isRevocable: boolean;
  readonly isShared: boolean;
  /** Thousandths that go together or not at all; undefined when any part will do. */
  readonly unitMilli: number | undefined;
  readonly volume: string | undefined;
  readonly mount: string | undefined;
  /** Number of the port; undefined for scalars. */
  readonly port: number | undefined;
}

const parts = new Map<string, Part>();

export function partOf(key: string): Part {
  const known = parts.get(key);
  if (known !== undefined) return known;
  const [full = "", stackText = "", flagText = ""] = key.split(";");
  const [name = "", port] = full.split("#");
  const flags = flagText === "" ? [] : flagText.split(",");
  const sizeOf = (letter: string): readonly string[] | undefined =>
    flags
      .find((flag) => flag.startsWith(`${letter}=`))
      ?.slice(2)
      .split(":");
  const volume = sizeOf("v");
  const mount = sizeOf("m");
  const unit = volume?.[1] ?? mount?.[1];
  const part: Part = {
    name,
    stack: stackText === "" ? [] : stackText.split(","),
    isRevocable: flags.includes("r"),
    isShared: flags.includes("s"),
    unitMilli: unit === undefined ? undefined : Number(unit),
    volume: volume?.[0],
    mount: mount?.[0],
    port: port === undefined ? undefined : Number(port),
  };
  parts.set(key, part);
  return part;
}

/** Scalars that quota is about: nobody's in particular, and not to be taken back at any time. */
export function isQuotaKey(key: string): boolean {
  const { stack, isRevocable, port } = partOf(key);
  return stack.length === 0 && !isRevocable && port === undefined;
}

/** Sums by name over scalars; of a shared volume each copy counts. */
export function sumsOf(amounts: Amounts): Map<string, number> {
  const sums = new Map<string, number>();
  for (const [key, milli] of amounts) {
    const { name, port } = partOf(key);
    if (port === undefined) sums.set(name, (sums.get(name) ?? 0) + milli);
  }
  return sums;
}

export function addTo(sums: Map<string, number>, amounts: Amounts): void {
  for (const [key, milli] of amounts) sums.set(key, (sums.get(key) ?? 0) + milli);
}

export function only(amounts: Amounts, isKept: (key: string) => boolean): Map<string, number> {
  return new Map([...amounts].filter(([key]) => isKept(key)));
}

/** By name, what `a` has more than `b`; never below zero. */
export function excess(a: Amounts, b: Amounts): Map<string, number> {
  const result = new Map<string, number>();
  for (const [name, milli] of a) {
    const left = milli - (b.get(name) ?? 0);
    if (left > 0) result.set(name, left);
  }
  return result;
}

/**
 * As much of `amounts` as fits into `bound` (thousandths by name, 0 for a name without one): first
 * what can be divided, then what cannot, which goes in whole or stays out; in the order of
 * `INDIVISIBLE_ORDER` where that matters.
 */
export function shrink(amounts: Amounts, bound: Amounts): Map<string, number> {
  const left = new Map(bound);
  const result = new Map<string, number>();
  const inOrder = [...amounts].sort(([a], [b]) => rankOf(a) - rankOf(b));
  for (const [key, milli] of inOrder) {
    const { name, unitMilli } = partOf(key);
    const room = left.get(name) ?? 0;
    const fits = unitMilli === undefined ? Math.min(milli, room) : milli <= room ? milli : 0;
    if (fits <= 0) continue;
    result.set(key, fits);
    left.set(name, room - fits);
  }
  return result;
}

/** Unreserved MOUNT disks in the order in which the allocator came to know them. */
export const INDIVISIBLE_ORDER: readonly string[] = ["disk;;m=/x:2000", "disk;;m=/y:1000"];

function rankOf(key: string): number {
  return partOf(key).unitMilli === undefined ? -1 : INDIVISIBLE_ORDER.indexOf(key);
}

/** `a/b/c` as `a`, `a/b`, `a/b/c`. */
export function prefixesOf(role: string): string[] {
  const components = role.split("/");
  return components.map((_, index) => components.slice(0, index + 1).join("/"));
}

export function isWithin(role: string, ancestor: string): boolean {
  return role === ancestor || role.startsWith(`${ancestor}/`);
}

export function topOf(role: string): string {
  return role.split("/")[0] ?? "";
}

/** The amount of a kind that cannot be divided, thousandths. */
export function wholeOf(key: string): number {
  const { unitMilli, port } = partOf(key);
  return port === undefined ? (unitMilli ?? 1000) : 1;
}
