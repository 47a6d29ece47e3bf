/** Makes good bodies nearly good, or hostile: JSON as a tree and as text, protobuf as bytes. */
import { below, type Dice, oddNumber, oddString, pick } from "./dictionary.ts";

type Json = unknown;

/** Changes one to three places of the tree. */
export function mutateTree(dice: Dice, value: Json): Json {
  let changed = value;
  for (let left = 1 + below(dice, 3); left > 0; left--) changed = mutateSomewhere(dice, changed, 0);
  return changed;
}

function mutateSomewhere(dice: Dice, value: Json, depth: number): Json {
  if (dice() < 0.15 + depth * 0.1) return replacement(dice, value);
  if (Array.isArray(value) && value.length > 0) {
    const at = below(dice, value.length);
    return value.map((item: Json, index) =>
      index === at ? mutateSomewhere(dice, item, depth + 1) : item,
    );
  }
  if (typeof value !== "object" || value === null) return replacement(dice, value);
  const entries = Object.entries(value);
  if (entries.length === 0) return replacement(dice, value);
  const at = below(dice, entries.length);
  const [key, old] = entries[at] ?? ["", undefined];
  const roll = dice();
  if (roll < 0.15) entries.splice(at, 1);
  else if (roll < 0.25) entries.push([oddString(dice), replacement(dice, old)]);
  else if (roll < 0.3) entries[at] = [camelCase(key), old];
  else entries[at] = [key, mutateSomewhere(dice, old, depth + 1)];
  return Object.fromEntries(entries);
}

function replacement(dice: Dice, value: Json): Json {
  const make: (() => Json)[] = [
    () => null,
    () => oddNumber(dice),
    () => oddString(dice),
    () => dice() < 0.5,
    () => [],
    () => ({}),
    () => [value, value],
    () => [[value]],
    () => ({ value }),
    () => JSON.stringify(value) ?? "",
    () => ({ value: { value: oddString(dice) } }),
    () => "Infinity",
    () => Array.from({ length: below(dice, 100) }, () => value),
  ];
  return pick(dice, make)();
}

const camelCase = (key: string): string =>
  key.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

/** JSON that JSON.stringify would not write. */
export function mutateText(dice: Dice, text: string): string {
  const make: (() => string)[] = [
    () => text.slice(0, below(dice, text.length)),
    () => `${text}${pick(dice, ["x", "}", "\u0000", text, " null"])}`,
    () =>
      text.replace(/:(\d+)/, () => `:${pick(dice, ["NaN", "1e999", "-0", "0x10", "01", "1."])}`),
    () => text.replace(/"(\w+)":/, (whole, key: string) => `"${key}":null,${whole}`),
    () => `${"[".repeat(below(dice, 600))}${text}`,
    () => `{"x":${'{"a":'.repeat(below(dice, 400))}1${"}".repeat(below(dice, 400))}}`,
    () => text.replace(/"/, "'"),
    () => `\ufeff${text}`,
    () => text.replace(/[a-z]/, "\\ud800"),
    () => `[${text}]`,
  ];
  return pick(dice, make)();
}

/** Bytes that mean something in protobuf: tags, wire types, lengths, ends of varints. */
const TELLING = [
  0x00, 0x01, 0x07, 0x08, 0x0a, 0x0b, 0x0c, 0x10, 0x12, 0x1a, 0x22, 0x7f, 0x80, 0xff,
];

/** One to four changes; `other` is spliced in now and then. */
export function mutateBytes(
  dice: Dice,
  body: Uint8Array,
  other: Uint8Array,
): Uint8Array<ArrayBuffer> {
  let bytes = [...body];
  for (let left = 1 + below(dice, 4); left > 0; left--) {
    const at = below(dice, bytes.length + 1);
    const make: (() => void)[] = [
      () => {
        bytes = bytes.slice(0, at);
      },
      () => {
        bytes[at] = (bytes[at] ?? 0) ^ (1 << below(dice, 8));
      },
      () => bytes.splice(at, 0, pick(dice, TELLING)),
      () => bytes.splice(at, below(dice, 8)),
      () => bytes.splice(at, 0, ...other.slice(0, 40)),
      () => bytes.splice(at, 0, ...new Array<number>(below(dice, 12)).fill(0xff)),
      // The same fields twice: the later ones win, messages merge, lists grow.
      () => bytes.push(...bytes.slice(0, 2000)),
      () => {
        bytes[0] = ((bytes[0] ?? 0) & ~7) | below(dice, 8);
      },
    ];
    pick(dice, make)();
  }
  return Uint8Array.from(bytes.slice(0, 100_000));
}

/** Messages inside messages, as deep as that. */
export function deepBytes(dice: Dice): Uint8Array<ArrayBuffer> {
  let bytes: number[] = [];
  for (let depth = below(dice, 150); depth > 0; depth--) {
    const length = bytes.length;
    const varint = length < 128 ? [length] : [(length & 127) | 128, length >> 7];
    bytes = [pick(dice, [0x0a, 0x12, 0x1a, 0x22]), ...varint, ...bytes];
  }
  return Uint8Array.from(bytes);
}
