/**
 * A document on its way out to one or several readers: where it is, and what comes next. Knows
 * nothing of time; `paced-reads.ts` says when to write and when to stop.
 */
import { encodeUtf8, encodeUtf8Into, joinedBytes, utf8BytesMax } from "../base/text.ts";
import type { Document } from "../master/core/views/document.ts";
import { READ_CHUNK_BYTES } from "./limits.ts";

/** Characters that are encoded at once: while what they are made of is still in the cache. */
const TEXT_PIECE_LENGTH = 32 * 1024;
/** A full chunk of plain text, and the room its last piece may need. */
const CHUNK_ROOM = READ_CHUNK_BYTES + 4 * TEXT_PIECE_LENGTH;

export class Production<Reader> {
  /** Who gets what is written from here on. */
  readonly readers: Set<Reader> = new Set();
  /** Resolves when writing may begin. */
  readonly started: Promise<void>;
  #start: () => void = () => undefined;
  readonly #make: () => Document;
  #onDone: () => void;
  #document: Document | undefined;
  #section = 0;
  #item = 0;

  /** `make` is called when writing begins; `onDone` once, at the end or when nobody reads. */
  constructor(make: () => Document, onDone: () => void) {
    this.#make = make;
    this.#onDone = onDone;
    this.started = new Promise((resolve) => {
      this.#start = resolve;
    });
  }

  get isBegun(): boolean {
    return this.#document !== undefined;
  }

  get isOver(): boolean {
    return this.#document !== undefined && this.#section >= this.#document.length;
  }

  start(): void {
    this.#start();
  }

  /** The same document from here on, at a pace of its own. */
  fork(): Production<Reader> {
    const copy = new Production<Reader>(this.#make, () => undefined);
    copy.#document = this.#document;
    copy.#section = this.#section;
    copy.#item = this.#item;
    copy.start();
    return copy;
  }

  /** Nobody is told any more when it is done. */
  detach(): void {
    this.#onDone = () => undefined;
  }

  leave(reader: Reader): void {
    if (this.readers.delete(reader) && this.readers.size === 0) this.#done();
  }

  /** Writes on until a chunk is full or `isLate`; undefined when there was nothing to write. */
  advance(isLate: () => boolean): Uint8Array<ArrayBuffer> | undefined {
    const document = this.#begin();
    const chunk = new Chunk();
    while (chunk.size < READ_CHUNK_BYTES && !this.isOver) {
      chunk.add(this.#nextPiece(document));
      if (isLate()) break;
    }
    if (this.isOver) this.#done();
    return chunk.size === 0 ? undefined : chunk.bytes();
  }

  #begin(): Document {
    try {
      this.#document ??= this.#make();
      return this.#document;
    } catch (error) {
      this.#done();
      throw error;
    }
  }

  /** Empty at the end of a section. A document is all text or all bytes. */
  #nextPiece(document: Document): string | Uint8Array<ArrayBuffer> {
    const section = document[this.#section];
    const count = section?.count() ?? 0;
    if (section === undefined || this.#item >= count) {
      this.#section += 1;
      this.#item = 0;
      return "";
    }
    const from = this.#item;
    this.#item = Math.min(count, from + section.batch);
    return section.write(from, this.#item);
  }

  #done(): void {
    const onDone = this.#onDone;
    this.#onDone = () => undefined;
    onDone();
  }
}

/** What is handed on at once, in the making: all text or all bytes. */
class Chunk {
  /** In bytes, save that texts count by their characters. */
  size = 0;
  /** Written and not encoded yet. */
  #text = "";
  /** Encoded, as far as `#byteCount`; a short answer is encoded at its end, without room for more. */
  #bytes: Uint8Array<ArrayBuffer> | undefined;
  #byteCount = 0;
  readonly #pieces: Uint8Array<ArrayBuffer>[] = [];

  add(piece: string | Uint8Array<ArrayBuffer>): void {
    this.size += piece.length;
    if (typeof piece !== "string") {
      this.#pieces.push(piece);
      return;
    }
    this.#text += piece;
    if (this.#text.length >= TEXT_PIECE_LENGTH) this.#encode();
  }

  bytes(): Uint8Array<ArrayBuffer> {
    const [first] = this.#pieces;
    if (first !== undefined) return this.#pieces.length === 1 ? first : joinedBytes(this.#pieces);
    if (this.#bytes === undefined) return encodeUtf8(this.#text);
    const bytes = this.#encode();
    const isMostlyRoom = this.#byteCount < bytes.length / 2;
    return isMostlyRoom ? bytes.slice(0, this.#byteCount) : bytes.subarray(0, this.#byteCount);
  }

  #encode(): Uint8Array<ArrayBuffer> {
    const text = this.#text;
    this.#text = "";
    const bytes = this.#roomFor(utf8BytesMax(text));
    this.#byteCount += encodeUtf8Into(text, bytes.subarray(this.#byteCount));
    return bytes;
  }

  #roomFor(byteCount: number): Uint8Array<ArrayBuffer> {
    const needed = this.#byteCount + byteCount;
    let bytes = this.#bytes;
    if (bytes === undefined || bytes.length < needed) {
      const more = new Uint8Array(Math.max(needed, CHUNK_ROOM));
      more.set(bytes?.subarray(0, this.#byteCount) ?? []);
      bytes = more;
    }
    this.#bytes = bytes;
    return bytes;
  }
}
