/**
 * A document on its way out to one or several readers: where it is, and what comes next. Knows
 * nothing of time; `paced-reads.ts` says when to write and when to stop.
 */
import { encodeUtf8 } from "../base/text.ts";
import type { Document } from "../master/core/views/document.ts";
import { READ_CHUNK_BYTES } from "./limits.ts";

/** Characters that are encoded at once: while what they are made of is still in the cache. */
const TEXT_PIECE_LENGTH = 32 * 1024;

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
    const pieces: Uint8Array<ArrayBuffer>[] = [];
    let text = "";
    let size = 0;
    while (size < READ_CHUNK_BYTES && !this.isOver) {
      const piece = this.#nextPiece(document);
      size += piece.length;
      if (typeof piece === "string") text += piece;
      else pieces.push(piece);
      if (text.length >= TEXT_PIECE_LENGTH) {
        pieces.push(encodeUtf8(text));
        text = "";
      }
      if (isLate()) break;
    }
    if (this.isOver) this.#done();
    if (text !== "") pieces.push(encodeUtf8(text));
    return size === 0 ? undefined : joined(pieces);
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

function joined(pieces: readonly Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer> {
  const [only] = pieces;
  if (only !== undefined && pieces.length === 1) return only;
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.byteLength, 0));
  let position = 0;
  for (const piece of pieces) {
    whole.set(piece, position);
    position += piece.byteLength;
  }
  return whole;
}
