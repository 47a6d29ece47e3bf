/**
 * Builds messages from parsed JSON by Mesos' rules: unknown keys are ignored, null means absent,
 * enums come by name, numbers and booleans also as strings, a bare value stands for a list of one.
 * Source: reference/http-api.md 3.2.
 */
import { excerpt } from "../base/text.ts";
import { BadMessage, formatPath, type PathSegment } from "./bad-message.ts";
import { canonicalBase64 } from "./base64.ts";
import { type CodecLimits, NUMERIC_STRING_LENGTH } from "./limits.ts";
import { type IntegerKind, toInteger } from "./ranges.ts";
import type { Field, MessageType } from "./v1/schema.ts";

type JsonObject = Record<string, unknown>;

/** The only message of Protobuf's own among those of v1. */
const DURATION = "google.protobuf.Duration";
const NANOS_PER_SECOND = 1e9;

const NUMBER_TEXT = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

/** Reads one message; not for use a second time, as it counts what it has read. */
export class JsonReader {
  readonly #limits: CodecLimits;
  readonly #path: PathSegment[] = [];
  #messageDepth = 0;
  #valueCount = 0;

  constructor(limits: CodecLimits) {
    this.#limits = limits;
  }

  /** The message in `value`, or a thrown `BadMessage`. */
  read(type: MessageType, value: unknown): JsonObject {
    if (!isObject(value)) throw new BadMessage("Expecting a JSON object", undefined);
    return this.#readMessage(type, value);
  }

  #readMessage(type: MessageType, given: JsonObject): JsonObject {
    const input = type.name === DURATION ? this.#durationFields(given) : given;
    this.#count();
    if (++this.#messageDepth > this.#limits.messageDepth) {
      throw this.#bad(`Messages are nested deeper than ${this.#limits.messageDepth} levels`);
    }
    const output: JsonObject = {};
    for (const field of type.fields) {
      const value = input[field.name];
      const result =
        value === undefined || value === null ? undefined : this.#readField(field, value);
      if (result !== undefined) output[field.name] = result;
      else if (field.fill !== undefined) output[field.name] = field.fill;
      else if (field.label === "required") throw this.#missing(field);
    }
    this.#messageDepth--;
    return output;
  }

  /**
   * Differs from Mesos, for which a duration is none at all when it is told in nanoseconds, as every
   * other one in these messages is, or in words that nobody knows.
   */
  #durationFields(input: JsonObject): JsonObject {
    const [seconds, nanos, nanoseconds] = [input["seconds"], input["nanos"], input["nanoseconds"]];
    const isProtobufs = isPresent(seconds) || isPresent(nanos);
    const isNone = Object.keys(input).length === 0;
    if (isPresent(nanoseconds) ? isProtobufs : !isProtobufs && !isNone) {
      throw this.#bad("Expecting either 'seconds' and 'nanos', or 'nanoseconds'");
    }
    if (!isPresent(nanoseconds)) return input;
    this.#path.push("nanoseconds");
    const total = this.#readInteger("int64", nanoseconds);
    this.#path.pop();
    const rest = total % NANOS_PER_SECOND;
    return { seconds: (total - rest) / NANOS_PER_SECOND, nanos: rest };
  }

  /** The value of a field, or undefined when it is to count as absent. */
  #readField(field: Field, value: unknown): unknown {
    this.#path.push(field.name);
    const result =
      field.map !== undefined
        ? this.#readMap(field.map.value, value)
        : field.label === "repeated"
          ? this.#readRepeated(field, value)
          : this.#readSingular(field, value);
    this.#path.pop();
    return result;
  }

  #readSingular(field: Field, value: unknown): unknown {
    const result = this.#readValue(field, value);
    return field.isImplicit && result === 0 ? undefined : result;
  }

  #readRepeated(field: Field, value: unknown): unknown[] | undefined {
    const input: readonly unknown[] = Array.isArray(value) ? value : [value];
    this.#checkRepeatedCount(input.length);
    const output: unknown[] = [];
    for (let index = 0; index < input.length; index++) {
      const element = input[index];
      if (element === null || element === undefined) continue;
      this.#path.push(index);
      this.#count();
      const result = this.#readValue(field, element);
      if (result !== undefined) output.push(result);
      this.#path.pop();
    }
    return output.length === 0 ? undefined : output;
  }

  #readMap(valueField: Field, value: unknown): JsonObject | undefined {
    if (!isObject(value)) throw this.#unexpected(value);
    const keys = Object.keys(value);
    this.#checkRepeatedCount(keys.length);
    // Without a prototype, so that a key called __proto__ is a key like any other.
    const output = Object.create(null) as JsonObject;
    for (const key of keys) {
      const element = value[key];
      if (element === null || element === undefined) continue;
      this.#path.push(key);
      this.#count();
      this.#checkText(key);
      const result = this.#readValue(valueField, element);
      if (result !== undefined) output[key] = result;
      this.#path.pop();
    }
    return Object.keys(output).length === 0 ? undefined : output;
  }

  #readValue(field: Field, value: unknown): unknown {
    switch (field.kind) {
      case "message":
        if (!isObject(value) || field.message === undefined) throw this.#unexpected(value);
        return this.#readMessage(field.message, value);
      case "string":
        if (typeof value !== "string") throw this.#unexpected(value);
        return this.#checkText(value);
      case "enum":
        return this.#readEnum(field, value);
      case "bytes":
        return this.#readBytes(field, value);
      case "bool":
        if (value === true || value === "true") return true;
        if (value === false || value === "false") return false;
        throw this.#unexpected(value);
      case "double":
        return this.#readDouble(value);
      default:
        return this.#readInteger(field.kind, value);
    }
  }

  #readEnum(field: Field, value: unknown): string | undefined {
    if (typeof value !== "string") throw this.#unexpected(value);
    if (field.enumType?.numberOf.has(value)) return value;
    if (field.label !== "required") return undefined;
    throw this.#bad(`Failed to find enum for '${excerpt(value)}'`);
  }

  #readBytes(field: Field, value: unknown): string {
    if (typeof value !== "string") throw this.#unexpected(value);
    const canonical = canonicalBase64(value);
    if (canonical !== undefined) return canonical;
    throw this.#bad(`Failed to base64 decode bytes field '${field.name}'`);
  }

  #readDouble(value: unknown): number {
    if (value === "Infinity") return Number.POSITIVE_INFINITY;
    if (value === "-Infinity") return Number.NEGATIVE_INFINITY;
    // Adding zero makes -0, which JSON output cannot show, the plain 0.
    return this.#readNumber(value) + 0;
  }

  #readInteger(kind: IntegerKind, value: unknown): number {
    const number = toInteger(kind, Math.trunc(this.#readNumber(value)));
    if (number !== undefined) return number;
    throw this.#bad(`${excerpt(String(value))} is out of the range of ${kind}`);
  }

  #readNumber(value: unknown): number {
    if (typeof value === "number") {
      if (Number.isNaN(value)) throw this.#bad("NaN is not a number");
      return value;
    }
    if (typeof value !== "string") throw this.#unexpected(value);
    if (value.length <= NUMERIC_STRING_LENGTH && NUMBER_TEXT.test(value)) return Number(value);
    throw this.#bad(`'${excerpt(value)}' is not a number`);
  }

  #checkText(text: string): string {
    if (text.length > this.#limits.stringLength) {
      throw this.#bad(`Text is longer than ${this.#limits.stringLength} characters`);
    }
    if (!text.isWellFormed()) throw this.#bad("Text holds half of a surrogate pair");
    return text;
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

  #unexpected(value: unknown): BadMessage {
    return this.#bad(`Not expecting a JSON ${jsonKindOf(value)} for field`);
  }

  #bad(message: string): BadMessage {
    const path = formatPath(this.#path);
    return new BadMessage(path === undefined ? message : `${message} (${path})`, path);
  }
}

function isPresent(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function jsonKindOf(value: unknown): string {
  if (Array.isArray(value)) return "array";
  return value === null ? "null" : typeof value;
}
