/** Reads single values of link messages: each function moves the cursor past one value, or throws. */
import { canonicalBase64 } from "./base64.ts";
import { type CborCursor, MAJOR } from "./cbor-cursor.ts";
import { CODEC_LIMITS } from "./limits.ts";
import { type IntegerKind, toInteger } from "./ranges.ts";

/** Undefined for a value that is to count as absent. */
export type ScalarReader = (cursor: CborCursor) => unknown;

/** Thrown where a value is not of the form that its place asks for. */
export class BadLinkValue extends Error {
  override readonly name: string = "BadLinkValue";
  /** What is to blame of the record that is being read, as `.kind`; "" for the value itself. */
  readonly part: string;

  constructor(message: string, part: string = "") {
    super(message);
    this.part = part;
  }
}

const TRUE = 0xf5;
const FALSE = 0xf4;

export function readText(cursor: CborCursor): string {
  if (cursor.peek() >> 5 === MAJOR.text) return cursor.text();
  throw new BadLinkValue("Expecting text");
}

/** A `string` field of a v1 message. */
export function readString(cursor: CborCursor): string {
  const text = readText(cursor);
  if (text.length <= CODEC_LIMITS.stringLength) return text;
  throw new BadLinkValue(`Text is longer than ${CODEC_LIMITS.stringLength} characters`);
}

/** Canonical base64, as every `bytes` field has; it goes into v1 messages unchanged. */
export function readBase64(cursor: CborCursor): string {
  if (cursor.peek() >> 5 === MAJOR.text) {
    const canonical = canonicalBase64(cursor.text());
    if (canonical !== undefined) return canonical;
  }
  throw new BadLinkValue("Expecting base64");
}

export function readFlag(cursor: CborCursor): boolean {
  const first = cursor.peek();
  if (first !== TRUE && first !== FALSE) throw new BadLinkValue("Expecting true or false");
  cursor.position += 1;
  return first === TRUE;
}

export function readCount(cursor: CborCursor): number {
  const number = cursor.number();
  if (Number.isSafeInteger(number) && Number(number) >= 0) return Number(number);
  throw new BadLinkValue("Expecting a whole number, 0 or more");
}

/** Raw status of a process; -1 when nobody saw how it ended. */
export function readWaitStatus(cursor: CborCursor): number {
  const number = cursor.number();
  if (number === -1 || (Number.isSafeInteger(number) && Number(number) >= 0)) return Number(number);
  throw new BadLinkValue("Expecting a whole number, -1 or more");
}

export function readDouble(cursor: CborCursor): number {
  const number = cursor.number();
  // Adding zero makes -0, which JSON output cannot show, the plain 0.
  if (number !== undefined && !Number.isNaN(number)) return number + 0;
  throw new BadLinkValue("Expecting a number");
}

export function integerReader(kind: IntegerKind): ScalarReader {
  return (cursor) => {
    const number = toInteger(kind, Math.trunc(cursor.number() ?? Number.NaN));
    if (number !== undefined) return number;
    throw new BadLinkValue(`Expecting a number in the range of ${kind}`);
  };
}

/** One of these names. Others count as absent, unless one is required. */
export function nameReader(
  names: { has(name: string): boolean },
  { isRequired }: { readonly isRequired: boolean },
): ScalarReader {
  return (cursor) => {
    const name = readText(cursor);
    if (names.has(name)) return name;
    if (!isRequired) return undefined;
    throw new BadLinkValue("Expecting one of the names there are");
  };
}
