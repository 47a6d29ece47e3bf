/**
 * Reads the part of CBOR that a link speaks: definite lengths, text keys, integers of up to 32
 * bits (greater ones travel as doubles) and no tags. The rest is refused, since tags let a few
 * bytes grow into cyclic or endless values. Ours, as it takes a quarter of the time of cbor-x.
 * Source: RFC 8949 section 3.
 */
import { ok, type Result, refuse } from "../base/result.ts";
import { decodeUtf8 } from "../base/text.ts";
import { MAX_LINK_ARRAY, MAX_LINK_DEPTH, MAX_LINK_VALUES } from "./link-limits.ts";

/**
 * Texts up to this length are looked up among those seen lately instead of being made anew. A master
 * keeps what it reads for long, so that all names, states and ids that are equal are one string.
 */
const CACHED_TEXT_BYTES = 64;
/** Bytes of a text that tell where it is looked for. */
const HASHED_BYTES = 16;
/** Bytes of a list that is looked for among those seen lately; resources of a task take some 150. */
const RECENT_LIST_BYTES = 512;
/** The same of a map: ids, and where a task runs, which its statuses repeat. */
const RECENT_MAP_BYTES = 192;
/** Keys under which lists and maps are remembered: those of messages that come in great numbers. */
const RECENT_KEYS = 128;
/** Powers of two: well above the number of field names in use, and of texts in a few packets. */
const CACHED_KEYS = 1024;
const CACHED_VALUES = 8192;

/** A list or map that was read, and the bytes that it was read from: the first `length` of them. */
interface Recent {
  readonly bytes: Uint8Array;
  length: number;
  value: unknown;
}

/** Direct-mapped: a text takes the place of the one before it, whatever that was. */
interface TextCache {
  readonly texts: (string | undefined)[];
  /** Of each, beside it: most texts that are not the one that is looked for need no look. */
  readonly hashes: Int32Array;
}

function newTextCache(size: number): TextCache {
  return { texts: Array.from({ length: size }), hashes: new Int32Array(size) };
}

/**
 * Reads packets one after the other; keeps nothing between two but what was seen lately. What it
 * gives back may hold one list or map in several places: nobody changes it.
 */
export class CborReader {
  readonly #keys: TextCache = newTextCache(CACHED_KEYS);
  readonly #values: TextCache = newTextCache(CACHED_VALUES);
  /** The last one under each key: tasks of one kind have equal resources, one after the other. */
  readonly #recent = new Map<string, Recent>();
  #bytes: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(new ArrayBuffer(0));
  #position = 0;
  #depth = 0;
  #valueCount = 0;

  /** The one value that `bytes` is; byte strings in it are copies. Errors: `invalid`. */
  read(bytes: Uint8Array): Result<unknown> {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#position = 0;
    this.#depth = 0;
    this.#valueCount = 0;
    try {
      const value = this.#value();
      return this.#position === bytes.length
        ? ok(value)
        : refuse("invalid", "Bytes follow the value");
    } catch (error) {
      if (!(error instanceof BadCbor)) throw error;
      return refuse("invalid", error.message);
    } finally {
      this.#bytes = new Uint8Array(0);
    }
  }

  #value(): unknown {
    if (++this.#valueCount > MAX_LINK_VALUES)
      throw new BadCbor(`More than ${MAX_LINK_VALUES} values`);
    const first = this.#byte();
    const info = first & 0x1f;
    switch (first >> 5) {
      case 0:
        return this.#argument(info);
      case 1:
        return -1 - this.#argument(info);
      case 2:
        return this.#byteString(this.#argument(info));
      case 3:
        return this.#cachedText(this.#argument(info), this.#values);
      case 4:
        return this.#array(this.#argument(info));
      case 5:
        return this.#map(this.#argument(info));
      case 6:
        throw new BadCbor("Tags are not part of a link packet");
      default:
        return this.#simple(info);
    }
  }

  #byte(): number {
    const byte = this.#bytes[this.#position++];
    if (byte === undefined) throw new BadCbor("The packet ends early");
    return byte;
  }

  /** Moves past `count` bytes and returns where they start. */
  #skip(count: number): number {
    const start = this.#position;
    if (count > this.#bytes.length - start) throw new BadCbor("The packet ends early");
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
    if (info === 26) return this.#view.getFloat32(this.#skip(4));
    if (info === 27) return this.#view.getFloat64(this.#skip(8));
    throw new BadCbor("A value is of no known kind");
  }

  #byteString(length: number): Uint8Array {
    const start = this.#skip(length);
    return new Uint8Array(this.#bytes.subarray(start, start + length));
  }

  #text(length: number): string {
    const start = this.#skip(length);
    const text = decodeUtf8(this.#bytes, start, start + length);
    if (text === undefined) throw new BadCbor("A text is not valid UTF-8");
    return text;
  }

  /** Each item takes a byte, so a length nobody sent is seen before memory is taken for it. */
  #enter(count: number, itemBytesMin: number): void {
    if (count > MAX_LINK_ARRAY)
      throw new BadCbor(`A list has more than ${MAX_LINK_ARRAY} elements`);
    if (count * itemBytesMin > this.#bytes.length - this.#position) {
      throw new BadCbor("The packet ends early");
    }
    this.#depth += 1;
    if (this.#depth > MAX_LINK_DEPTH)
      throw new BadCbor(`Nested deeper than ${MAX_LINK_DEPTH} levels`);
  }

  #array(length: number): unknown[] {
    this.#enter(length, 1);
    const items: unknown[] = [];
    for (let index = 0; index < length; index++) items.push(this.#value());
    this.#depth -= 1;
    return items;
  }

  #map(length: number): Record<string, unknown> {
    this.#enter(length, 2);
    const map: Record<string, unknown> = {};
    for (let index = 0; index < length; index++) {
      const key = this.#key();
      const value = this.#isHolderNext() ? this.#recentOf(key) : this.#value();
      // A plain assignment would set the prototype.
      if (key === "__proto__") Object.defineProperty(map, key, { ...PLAIN_PROPERTY, value });
      else map[key] = value;
    }
    this.#depth -= 1;
    return map;
  }

  /** A list or a map. */
  #isHolderNext(): boolean {
    const type = (this.#bytes[this.#position] ?? 0) >> 5;
    return type === 4 || type === 5;
  }

  /** The list or map under that key: the last one there when the bytes are the same. */
  #recentOf(key: string): unknown {
    const recent = this.#recent.get(key);
    if (recent !== undefined && this.#isNext(recent)) {
      this.#position += recent.length;
      return recent.value;
    }
    const start = this.#position;
    const value = this.#value();
    const length = this.#position - start;
    const lengthMax = Array.isArray(value) ? RECENT_LIST_BYTES : RECENT_MAP_BYTES;
    if (length > 1 && length <= lengthMax) this.#remember(key, start, value);
    return value;
  }

  /** Of values read from `start` up to here. Copies byte by byte: a view for it would cost more. */
  #remember(key: string, start: number, value: unknown): void {
    let recent = this.#recent.get(key);
    if (recent === undefined) {
      if (this.#recent.size >= RECENT_KEYS) return;
      recent = { bytes: new Uint8Array(RECENT_LIST_BYTES), length: 0, value };
      this.#recent.set(key, recent);
    }
    const { bytes } = recent;
    recent.length = this.#position - start;
    recent.value = value;
    for (let index = 0; index < recent.length; index++) {
      bytes[index] = this.#bytes[start + index] ?? 0;
    }
  }

  /** From the end: ids differ there. */
  #isNext({ bytes, length }: Recent): boolean {
    if (this.#position + length > this.#bytes.length) return false;
    for (let index = length - 1; index >= 0; index--) {
      if (bytes[index] !== this.#bytes[this.#position + index]) return false;
    }
    return true;
  }

  #key(): string {
    const first = this.#byte();
    if (first >> 5 !== 3) throw new BadCbor("A map has a key that is not text");
    return this.#cachedText(this.#argument(first & 0x1f), this.#keys);
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
    const text = this.#text(length);
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

/** Thrown deep inside a packet, turned into a refusal by `read`. */
class BadCbor extends Error {
  override readonly name: string = "BadCbor";
}
