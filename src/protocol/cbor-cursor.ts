/**
 * Reads the part of CBOR that a link speaks: definite lengths, text keys, integers of up to 32
 * bits (greater ones travel as doubles) and no tags. The rest is refused, since tags let a few
 * bytes grow into cyclic or endless values. Ours, as it takes a quarter of the time of cbor-x.
 * Source: RFC 8949 section 3.
 */
import { decodeShortUtf8, decodeUtf8 } from "../base/text.ts";
import { MAX_LINK_ARRAY, MAX_LINK_DEPTH, MAX_LINK_VALUES } from "./link-limits.ts";

/**
 * Texts up to this length are looked up among those seen lately instead of being made anew. A master
 * keeps what it reads for long, so that all names, states and ids that are equal are one string.
 */
const CACHED_TEXT_BYTES = 64;
/** Bytes of a text that tell where it is looked for. */
const HASHED_BYTES = 16;
/** Powers of two: well above the number of field names in use, and of texts in a few packets. */
const CACHED_KEYS = 1024;
const CACHED_VALUES = 8192;

/** Direct-mapped: a text takes the place of the one before it, whatever that was. */
interface TextCache {
  readonly texts: (string | undefined)[];
  /** Of each, beside it: most texts that are not the one that is looked for need no look. */
  readonly hashes: Int32Array;
}

function newTextCache(size: number): TextCache {
  return { texts: Array.from({ length: size }), hashes: new Int32Array(size) };
}

/** First bytes of the numbers that are not whole or have more than 32 bits. */
const FLOAT = 0xfa;
const DOUBLE = 0xfb;

/** Major types of CBOR: the three highest bits of a value's first byte. */
export const MAJOR = {
  uint: 0,
  negative: 1,
  bytes: 2,
  text: 3,
  list: 4,
  map: 5,
  tag: 6,
} as const;

/**
 * Where in a packet reading has come to. Packets are read one after the other; nothing is kept
 * between two but texts that were seen lately. What it meets that is not such CBOR it throws as
 * `BadCbor`.
 */
export class CborCursor {
  readonly #keys: TextCache = newTextCache(CACHED_KEYS);
  readonly #values: TextCache = newTextCache(CACHED_VALUES);
  #bytes: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(new ArrayBuffer(0));
  #position = 0;
  #depth = 0;
  #valueCount = 0;

  /** Begins with a packet. */
  open(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#position = 0;
    this.#depth = 0;
    this.#valueCount = 0;
  }

  /** Lets the packet go. */
  close(): void {
    this.#bytes = new Uint8Array(0);
  }

  /** Of the next byte. */
  get position(): number {
    return this.#position;
  }

  /** Goes back to where it was. */
  set position(position: number) {
    this.#position = position;
  }

  expectEnd(): void {
    if (this.#position !== this.#bytes.length) throw new BadCbor("Bytes follow the value");
  }

  /** First byte of the next value, which is still to be read. */
  peek(): number {
    return this.#bytes[this.#position] ?? endsEarly();
  }

  /** True, and read, when the next bytes are the first `length` of these. */
  takes(bytes: Uint8Array, length: number): boolean {
    const start = this.#position;
    // From the end: ids differ there.
    for (let index = length - 1; index >= 0; index--) {
      if (bytes[index] !== this.#bytes[start + index]) return false;
    }
    this.#position = start + length;
    return true;
  }

  /** Copies byte by byte what was read since `start`: a view for it would cost more. */
  copySince(start: number, target: Uint8Array): void {
    for (let index = start; index < this.#position; index++) {
      target[index - start] = this.#bytes[index] ?? 0;
    }
  }

  /** Enters the list or map that comes next; the number of its elements or entries. */
  enter(major: typeof MAJOR.list | typeof MAJOR.map): number {
    const count = this.#argument(this.#byte() & 0x1f);
    this.#enter(count, major === MAJOR.map ? 2 : 1);
    // All at once, as most are read one by one without being counted.
    this.#countValues(count);
    return count;
  }

  leave(): void {
    this.#depth -= 1;
  }

  /** Any value; byte strings in it are copies. */
  value(): unknown {
    this.#countValues(1);
    const first = this.#byte();
    const info = first & 0x1f;
    switch (first >> 5) {
      case MAJOR.uint:
        return this.#argument(info);
      case MAJOR.negative:
        return -1 - this.#argument(info);
      case MAJOR.bytes:
        return this.#byteString(this.#argument(info));
      case MAJOR.text:
        return this.#cachedText(this.#argument(info), this.#values);
      case MAJOR.list:
        return this.#array(this.#argument(info));
      case MAJOR.map:
        return this.#map(this.#argument(info));
      case MAJOR.tag:
        throw new BadCbor("Tags are not part of a link packet");
      default:
        return this.#simple(info);
    }
  }

  /** The number that comes next; undefined, and not read, when it is something else. */
  number(): number | undefined {
    const start = this.#position;
    const first = this.#byte();
    switch (first >> 5) {
      case MAJOR.uint:
        return this.#argument(first & 0x1f);
      case MAJOR.negative:
        return -1 - this.#argument(first & 0x1f);
      default:
        if (first === DOUBLE) return this.#view.getFloat64(this.#skip(8));
        if (first === FLOAT) return this.#view.getFloat32(this.#skip(4));
        this.#position = start;
        return undefined;
    }
  }

  /** The text that comes next. */
  text(): string {
    return this.#cachedText(this.#argument(this.#byte() & 0x1f), this.#values);
  }

  /** The key of an entry of a map. */
  key(): string {
    const first = this.#byte();
    if (first >> 5 !== MAJOR.text) throw new BadCbor("A map has a key that is not text");
    return this.#cachedText(this.#argument(first & 0x1f), this.#keys);
  }

  #countValues(count: number): void {
    this.#valueCount += count;
    if (this.#valueCount <= MAX_LINK_VALUES) return;
    throw new BadCbor(`More than ${MAX_LINK_VALUES} values`);
  }

  #byte(): number {
    return this.#bytes[this.#position++] ?? endsEarly();
  }

  /** Moves past `count` bytes and returns where they start. */
  #skip(count: number): number {
    const start = this.#position;
    if (count > this.#bytes.length - start) endsEarly();
    this.#position = start + count;
    return start;
  }

  #argument(info: number): number {
    if (info < 24) return info;
    if (info === 24) return this.#byte();
    if (info === 25) return this.#view.getUint16(this.#skip(2));
    if (info === 26) return this.#view.getUint32(this.#skip(4));
    throw new BadCbor("An integer or length has more than 32 bits");
  }

  #simple(info: number): unknown {
    if (info === 20) return false;
    if (info === 21) return true;
    if (info === 22) return null;
    if (info === 23) return undefined;
    if (info === (FLOAT & 0x1f)) return this.#view.getFloat32(this.#skip(4));
    if (info === (DOUBLE & 0x1f)) return this.#view.getFloat64(this.#skip(8));
    throw new BadCbor("A value is of no known kind");
  }

  #byteString(length: number): Uint8Array {
    const start = this.#skip(length);
    return new Uint8Array(this.#bytes.subarray(start, start + length));
  }

  #text(length: number): string {
    const start = this.#skip(length);
    return decodeUtf8(this.#bytes, start, start + length) ?? notUtf8();
  }

  #shortText(length: number): string {
    const start = this.#skip(length);
    return decodeShortUtf8(this.#bytes, start, start + length) ?? notUtf8();
  }

  /** Each item takes a byte, so a length nobody sent is seen before memory is taken for it. */
  #enter(count: number, itemBytesMin: number): void {
    if (count > MAX_LINK_ARRAY)
      throw new BadCbor(`A list has more than ${MAX_LINK_ARRAY} elements`);
    if (count * itemBytesMin > this.#bytes.length - this.#position) endsEarly();
    this.#depth += 1;
    if (this.#depth > MAX_LINK_DEPTH)
      throw new BadCbor(`Nested deeper than ${MAX_LINK_DEPTH} levels`);
  }

  #array(length: number): unknown[] {
    this.#enter(length, 1);
    const items: unknown[] = [];
    for (let index = 0; index < length; index++) items.push(this.value());
    this.#depth -= 1;
    return items;
  }

  #map(length: number): Record<string, unknown> {
    this.#enter(length, 2);
    const map: Record<string, unknown> = {};
    for (let index = 0; index < length; index++) {
      const key = this.key();
      const value = this.value();
      // A plain assignment would set the prototype.
      if (key === "__proto__") Object.defineProperty(map, key, { ...PLAIN_PROPERTY, value });
      else map[key] = value;
    }
    this.#depth -= 1;
    return map;
  }

  #cachedText(length: number, { texts, hashes }: TextCache): string {
    if (length > CACHED_TEXT_BYTES || length > this.#bytes.length - this.#position) {
      return this.#text(length);
    }
    const hash = this.#hash(length);
    const slot = hash & (hashes.length - 1);
    if (hashes[slot] === hash) {
      const known = texts[slot];
      if (known !== undefined && this.#isHere(known, length)) {
        this.#position += length;
        return known;
      }
    }
    const text = this.#shortText(length);
    texts[slot] = text;
    hashes[slot] = hash;
    return text;
  }

  /** Of the ends only where it is long: ids differ there, and what is found is compared as a whole. */
  #hash(length: number): number {
    const end = this.#position + length;
    let hash = length;
    let position = this.#position;
    if (length > HASHED_BYTES) {
      for (; position < this.#position + HASHED_BYTES / 4; position++) {
        hash = (hash * 31 + (this.#bytes[position] ?? 0)) | 0;
      }
      position = end - (HASHED_BYTES * 3) / 4;
    }
    for (; position < end; position++) hash = (hash * 31 + (this.#bytes[position] ?? 0)) | 0;
    return hash ^ (hash >>> 15);
  }

  /** True when the coming bytes are this text; one with other than ASCII never is. */
  #isHere(text: string, length: number): boolean {
    if (text.length !== length) return false;
    for (let index = 0; index < length; index++) {
      const byte = this.#bytes[this.#position + index] ?? 0x80;
      if (byte >= 0x80 || text.charCodeAt(index) !== byte) return false;
    }
    return true;
  }
}

const PLAIN_PROPERTY = { enumerable: true, configurable: true, writable: true } as const;

function notUtf8(): never {
  throw new BadCbor("A text is not valid UTF-8");
}

function endsEarly(): never {
  throw new BadCbor("The packet ends early");
}

/** Thrown deep inside a packet, turned into a refusal by link-codec.ts. */
export class BadCbor extends Error {
  override readonly name: string = "BadCbor";
}
