/**
 * Text and bytes. The one place where pure folders meet the platform's UTF-8 coder, which the
 * `ESNext` library alone does not declare (reference/style.md §7).
 */

import { assert } from "./assert.ts";

interface Utf8Encoder {
  encode(text: string): Uint8Array<ArrayBuffer>;
  encodeInto(
    text: string,
    bytes: Uint8Array,
  ): {
    readonly read: number;
    readonly written: number;
  };
}

interface Utf8Decoder {
  decode(bytes: Uint8Array): string;
}

declare const TextEncoder: new () => Utf8Encoder;
declare const TextDecoder: new (
  label: "utf-8",
  options: { readonly fatal: boolean; readonly ignoreBOM: boolean },
) => Utf8Decoder;

declare const Buffer: {
  readonly prototype: {
    readonly latin1Slice: { call(bytes: Uint8Array, start: number, end: number): string };
  };
};

/** Both coders are used for whole texts only, so they keep nothing between two calls. */
const ENCODER: Utf8Encoder = new TextEncoder();
const DECODER: Utf8Decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const LATIN1 = Buffer.prototype.latin1Slice;

/** Long enough to recognise an id by; error texts end up in logs and on terminals. */
const EXCERPT_LENGTH = 64;

/** The UTF-8 bytes of a text, in a fresh array. Half surrogate pairs become U+FFFD. */
export function encodeUtf8(text: string): Uint8Array<ArrayBuffer> {
  return ENCODER.encode(text);
}

/** Bytes that a text may take at most in UTF-8. */
export function utf8BytesMax(text: string): number {
  return text.length * 3;
}

/** Writes the UTF-8 bytes of a text to where it begins, into room for `utf8BytesMax`; their number. */
export function encodeUtf8Into(text: string, bytes: Uint8Array): number {
  const { read, written } = ENCODER.encodeInto(text, bytes);
  assert(read === text.length, () => `${bytes.length} bytes hold ${text.length} characters`);
  return written;
}

/** The text in `bytes[start, end)`, or undefined when that is not valid UTF-8. A BOM is kept. */
export function decodeUtf8(
  bytes: Uint8Array,
  start: number = 0,
  end: number = bytes.length,
): string | undefined {
  // Never put together by character: that makes a chain of strings, each an object of its own.
  try {
    return DECODER.decode(bytes.subarray(start, end));
  } catch {
    // The fatal decoder has exactly one way to fail: the bytes are not UTF-8.
    return undefined;
  }
}

/** As `decodeUtf8`, in half the time where a text is short and ASCII: that needs no view of its bytes. */
export function decodeShortUtf8(bytes: Uint8Array, start: number, end: number): string | undefined {
  let bits = 0;
  for (let index = start; index < end; index++) bits |= bytes[index] ?? 0x80;
  return bits < 0x80 ? LATIN1.call(bytes, start, end) : decodeUtf8(bytes, start, end);
}

/** One after the other. */
export function joinedBytes(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  for (const part of parts) {
    whole.set(part, end);
    end += part.length;
  }
  return whole;
}

export function isSameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}

/** A piece of input as an error text may repeat it: cut short, control characters as `?`. */
export function excerpt(text: string, lengthMax: number = EXCERPT_LENGTH): string {
  const part = text.length <= lengthMax ? text : `${text.slice(0, lengthMax)}…`;
  return part.replace(/\p{Cc}/gu, "?");
}
