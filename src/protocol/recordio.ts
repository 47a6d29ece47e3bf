/**
 * RecordIO framing of event streams: decimal byte length, a line feed, then exactly that many
 * bytes. Source: reference/http-api.md 3.1.
 */
import { ok, type Result, refuse } from "../base/result.ts";
import { RECORD_HEADER_DIGITS } from "./limits.ts";

const LINE_FEED = 0x0a;
const DIGIT_ZERO = 0x30;
const DIGIT_NINE = 0x39;

/** One record with its header, in a fresh array. */
export function frameRecord(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const header = String(bytes.length);
  const framed = new Uint8Array(header.length + 1 + bytes.length);
  writeHeader(framed, header);
  framed.set(bytes, header.length + 1);
  return framed;
}

/** What stands before a record of that many bytes, for one that comes in pieces. */
export function recordHeader(byteCount: number): Uint8Array<ArrayBuffer> {
  const header = String(byteCount);
  const framed = new Uint8Array(header.length + 1);
  writeHeader(framed, header);
  return framed;
}

function writeHeader(target: Uint8Array, header: string): void {
  for (let index = 0; index < header.length; index++) target[index] = header.charCodeAt(index);
  target[header.length] = LINE_FEED;
}

/**
 * Takes a stream apart into records, whatever the borders of its chunks. Holds at most one record
 * of `limitBytes`; the first fault (a header that is no number, a record above the limit) is final
 * and every later `push` repeats it.
 */
export class RecordDecoder {
  readonly #limitBytes: number;
  #fault: Result<Uint8Array[]> | undefined;
  /** Number of header digits read so far; the header is open while `#record` is undefined. */
  #headerDigits = 0;
  #length = 0;
  #record: Uint8Array | undefined;
  #filled = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** True between records, where a stream may end without having been cut. */
  get isIdle(): boolean {
    return this.#fault === undefined && this.#record === undefined && this.#headerDigits === 0;
  }

  /** The records completed by this chunk, in order. They are copies; the chunk may be reused. */
  push(chunk: Uint8Array): Result<Uint8Array[]> {
    if (this.#fault !== undefined) return this.#fault;
    const records: Uint8Array[] = [];
    let position = 0;
    while (position < chunk.length) {
      if (this.#record === undefined) {
        position = this.#readHeader(chunk, position);
        if (this.#fault !== undefined) return this.#fault;
      } else {
        position = this.#readBody(chunk, position, this.#record);
      }
      this.#takeFull(records);
    }
    return ok(records);
  }

  #readHeader(chunk: Uint8Array, start: number): number {
    let position = start;
    while (position < chunk.length) {
      const byte = chunk[position++] ?? 0;
      if (byte === LINE_FEED) {
        this.#openRecord();
        return position;
      }
      if (byte < DIGIT_ZERO || byte > DIGIT_NINE || this.#headerDigits === RECORD_HEADER_DIGITS) {
        this.#fail("invalid", "RecordIO header is not a decimal byte count ended by a line feed");
        return position;
      }
      this.#length = this.#length * 10 + (byte - DIGIT_ZERO);
      this.#headerDigits++;
    }
    return position;
  }

  #openRecord(): void {
    if (this.#headerDigits === 0) {
      this.#fail("invalid", "RecordIO header is empty; expecting a decimal byte count");
      return;
    }
    if (this.#length > this.#limitBytes) {
      const sizes = `${this.#length} bytes, above the limit of ${this.#limitBytes}`;
      this.#fail("tooLarge", `RecordIO record has ${sizes}`);
      return;
    }
    this.#record = new Uint8Array(this.#length);
  }

  #readBody(chunk: Uint8Array, start: number, record: Uint8Array): number {
    const count = Math.min(chunk.length - start, record.length - this.#filled);
    record.set(chunk.subarray(start, start + count), this.#filled);
    this.#filled += count;
    return start + count;
  }

  #takeFull(records: Uint8Array[]): void {
    if (this.#record === undefined || this.#filled < this.#record.length) return;
    records.push(this.#record);
    this.#record = undefined;
    this.#headerDigits = 0;
    this.#length = 0;
    this.#filled = 0;
  }

  #fail(code: "invalid" | "tooLarge", message: string): void {
    this.#fault = refuse(code, message);
  }
}
