/**
 * Reads protobuf (proto2) by walking the schema over protobufjs' wire reader. Gives the objects
 * that JSON gives: unknown fields are dropped, an unknown enum number counts as unset. Differs from
 * a generated decoder: it bounds depth and counts while it reads, and names the field at fault.
 */
import protobuf from "protobufjs/minimal.js";
import { must } from "../base/assert.ts";
import { decodeUtf8 } from "../base/text.ts";
import { BadMessage, formatPath, type PathSegment } from "./bad-message.ts";
import { encodeBase64 } from "./base64.ts";
import type { CodecLimits } from "./limits.ts";
import { toInteger } from "./ranges.ts";
import { type Field, type MessageType, WIRE_TYPE, wireTypeOf } from "./v1/schema.ts";

type MutableMessage = Record<string, unknown>;

/** A map comes as a list of these; both parts may be left out. */
interface MapEntry {
  readonly key?: string;
  readonly value?: unknown;
}

/** The message in the whole of `body`, or a thrown `BadMessage`. */
export function readProtobuf(
  type: MessageType,
  body: Uint8Array,
  limits: CodecLimits,
): MutableMessage {
  return new ProtobufReader(body, limits).read(type);
}

class ProtobufReader {
  readonly #body: Uint8Array;
  readonly #wire: protobuf.Reader;
  readonly #limits: CodecLimits;
  readonly #path: PathSegment[] = [];
  #messageDepth = 0;
  #valueCount = 0;

  constructor(body: Uint8Array, limits: CodecLimits) {
    this.#body = body;
    this.#wire = new protobuf.Reader(body);
    this.#limits = limits;
  }

  read(type: MessageType): MutableMessage {
    try {
      return this.#readMessage(type, this.#body.length);
    } catch (error) {
      // The wire reader reports truncation as RangeError, a malformed varint as a plain Error.
      if (error instanceof RangeError || isPlainError(error)) {
        throw this.#bad("Malformed or truncated wire data");
      }
      throw error;
    }
  }

  /**
   * Reads the fields up to `end`. A message that is not repeated may still come in parts, which
   * then merge; each part has to be complete by itself, as no encoder splits messages.
   */
  #readMessage(type: MessageType, end: number, earlier?: MutableMessage): MutableMessage {
    const wire = this.#wire;
    const output = earlier ?? {};
    this.#count();
    if (++this.#messageDepth > this.#limits.messageDepth) {
      throw this.#bad(`Messages are nested deeper than ${this.#limits.messageDepth} levels`);
    }
    const outerEnd = wire.len;
    wire.len = end;
    let lastIndex = -1;
    let isOrdered = earlier === undefined;
    while (wire.pos < end) {
      const tag = wire.tag();
      const field = type.fieldOfNumber[tag >>> 3];
      if (field !== undefined) {
        isOrdered &&= field.index >= lastIndex;
        lastIndex = field.index;
      }
      if (field?.tag !== tag) this.#readUnexpected(tag, field, output);
      else if (field.map !== undefined) this.#readMapEntry(field, output);
      else if (field.label === "repeated") this.#readElement(field, output);
      else this.#readSingular(field, output);
    }
    wire.len = outerEnd;
    isOrdered = !this.#complete(type, output) && isOrdered;
    this.#messageDepth--;
    return isOrdered ? output : inFieldOrder(type, output);
  }

  #readSingular(field: Field, output: MutableMessage): void {
    this.#path.push(field.name);
    const value =
      field.message === undefined
        ? this.#readScalar(field)
        : this.#readEmbedded(field.message, asMessage(output[field.name]));
    if (value !== undefined) output[field.name] = value;
    if (field.isImplicit && value === 0) delete output[field.name];
    this.#path.pop();
  }

  /** One element of a list. Elements of one list may come in any number of places. */
  #readElement(field: Field, output: MutableMessage): void {
    const list = (output[field.name] as unknown[] | undefined) ?? [];
    this.#path.push(field.name, list.length);
    this.#checkRepeatedCount(list.length + 1);
    this.#count();
    const value =
      field.message === undefined ? this.#readScalar(field) : this.#readEmbedded(field.message);
    if (value !== undefined) {
      list.push(value);
      output[field.name] = list;
    }
    this.#path.length -= 2;
  }

  #readMapEntry(field: Field, output: MutableMessage): void {
    const { message: entryType, map } = field;
    this.#path.push(field.name);
    const entry: MapEntry = this.#readEmbedded(must(entryType, "the entry type"));
    const key = entry.key ?? "";
    const value = entry.value ?? this.#emptyValue(must(map, "the map's fields").value);
    const entries = asMessage(output[field.name]) ?? (Object.create(null) as MutableMessage);
    if (value !== undefined) {
      entries[key] = value;
      output[field.name] = entries;
    }
    this.#count();
    this.#path.pop();
  }

  /** A map entry without a value means the empty one; for a message that may lack something. */
  #emptyValue(field: Field): unknown {
    if (field.kind === "string" || field.kind === "bytes") return "";
    if (field.message === undefined) return undefined;
    const value: MutableMessage = {};
    return this.#complete(field.message, value) ? inFieldOrder(field.message, value) : value;
  }

  #readEmbedded(type: MessageType, earlier?: MutableMessage): MutableMessage {
    return this.#readMessage(type, this.#endOfBytes(), earlier);
  }

  /** Reads a scalar; undefined stands for an enum number that is not known. */
  #readScalar(field: Field): unknown {
    const wire = this.#wire;
    switch (field.kind) {
      case "string":
        return this.#readText();
      case "bytes":
        return encodeBase64(this.#takeBytes());
      case "enum":
        return this.#readEnum(field);
      case "bool":
        return wire.bool();
      case "double":
        return this.#readDouble();
      case "int32":
        return wire.int32();
      case "uint32":
        return wire.uint32();
      case "int64":
        return toInteger("int64", toNumber(wire.int64()));
      default:
        return toInteger("uint64", toNumber(wire.uint64()));
    }
  }

  #readText(): string {
    const end = this.#endOfBytes();
    const text = decodeUtf8(this.#body, this.#wire.pos, end);
    this.#wire.pos = end;
    // Differs from Mesos, which lets such text through: we could not write it as JSON again.
    if (text === undefined) throw this.#bad("Text is not valid UTF-8");
    if (text.length <= this.#limits.stringLength) return text;
    throw this.#bad(`Text is longer than ${this.#limits.stringLength} characters`);
  }

  #readEnum(field: Field): string | undefined {
    const number = this.#wire.int32();
    const name = field.enumType?.nameOf.get(number);
    if (name !== undefined || field.label !== "required") return name;
    throw this.#bad(`Enum has no value ${number}`);
  }

  #readDouble(): number {
    const number = this.#wire.double();
    if (Number.isNaN(number)) throw this.#bad("NaN is not a number");
    return number + 0;
  }

  /** A tag that is not the one of a known field: packed elements, an unknown field, or rubbish. */
  #readUnexpected(tag: number, field: Field | undefined, output: MutableMessage): void {
    const wire = this.#wire;
    if (tag >>> 3 === 0) throw this.#bad("Malformed wire data: field number 0");
    const wireType = tag & 7;
    switch (wireType) {
      case WIRE_TYPE.varint:
        wire.skip();
        return;
      case WIRE_TYPE.fixed64:
        wire.skip(8);
        return;
      case WIRE_TYPE.fixed32:
        wire.skip(4);
        return;
      case WIRE_TYPE.lengthDelimited:
        if (field !== undefined && isPackable(field)) this.#readPacked(field, output);
        else wire.pos = this.#endOfBytes();
        return;
      default:
        throw this.#bad(`Malformed wire data: wire type ${wireType} is not in use`);
    }
  }

  #readPacked(field: Field, output: MutableMessage): void {
    const wire = this.#wire;
    const outerEnd = wire.len;
    const end = this.#endOfBytes();
    wire.len = end;
    while (wire.pos < end) this.#readElement(field, output);
    wire.len = outerEnd;
  }

  /** Reads a length and checks that so many bytes are there; the position is before them. */
  #endOfBytes(): number {
    const wire = this.#wire;
    const size = wire.size();
    const end = wire.pos + size;
    if (end > wire.len) throw this.#bad(`Truncated: ${size} bytes announced, fewer are there`);
    return end;
  }

  #takeBytes(): Uint8Array {
    const end = this.#endOfBytes();
    const bytes = this.#body.subarray(this.#wire.pos, end);
    this.#wire.pos = end;
    return bytes;
  }

  /** Refuses a message that lacks something, else fills in defaults; true if there were any. */
  #complete(type: MessageType, output: MutableMessage): boolean {
    for (const field of type.requiredFields) {
      if (output[field.name] === undefined) throw this.#missing(field);
    }
    let isFilled = false;
    for (const field of type.filledFields) {
      if (output[field.name] !== undefined) continue;
      output[field.name] = field.fill;
      isFilled = true;
    }
    return isFilled;
  }

  #checkRepeatedCount(count: number): void {
    if (count <= this.#limits.repeatedCount) return;
    throw this.#bad(`There are more than ${this.#limits.repeatedCount} elements`);
  }

  #count(): void {
    if (++this.#valueCount <= this.#limits.valueCount) return;
    throw this.#bad(`There are more than ${this.#limits.valueCount} values in the body`);
  }

  #missing(field: Field): BadMessage {
    const path = formatPath([...this.#path, field.name]);
    return new BadMessage(`Missing required fields: ${path}`, path);
  }

  #bad(message: string): BadMessage {
    const path = formatPath(this.#path);
    return new BadMessage(path === undefined ? message : `${message} (${path})`, path);
  }
}

/** The same fields in the order in which JSON gives them, so that equal messages print equally. */
function inFieldOrder(type: MessageType, message: MutableMessage): MutableMessage {
  const ordered: MutableMessage = {};
  for (const field of type.fields) {
    const value = message[field.name];
    if (value !== undefined) ordered[field.name] = value;
  }
  return ordered;
}

function isPackable(field: Field): boolean {
  return field.label === "repeated" && wireTypeOf(field.kind) !== WIRE_TYPE.lengthDelimited;
}

function isPlainError(error: unknown): boolean {
  return error instanceof Error && error.constructor === Error;
}

function asMessage(value: unknown): MutableMessage | undefined {
  return value as MutableMessage | undefined;
}

/** The wire reader gives 64-bit integers in halves; the result is the nearest double. */
function toNumber(value: number | protobuf.Long): number {
  if (typeof value === "number") return value;
  const high = value.unsigned ? value.high >>> 0 : value.high;
  return high * 2 ** 32 + (value.low >>> 0);
}
