/**
 * Writes messages as protobuf (proto2) by walking the schema over protobufjs' wire writer. Fields
 * go out in the order of their numbers, as every generated encoder writes them.
 */
import protobuf from "protobufjs/minimal.js";
import { assert, must } from "../base/assert.ts";
import { decodeBase64 } from "./base64.ts";
import { type IntegerKind, isInteger } from "./ranges.ts";
import type { Field, MessageType } from "./v1/schema.ts";

type ReadonlyMessage = Readonly<Record<string, unknown>>;

/** The bytes of a message that must be complete and of the right types, in a fresh array. */
export function writeProtobuf(type: MessageType, message: object): Uint8Array<ArrayBuffer> {
  const writer = new protobuf.Writer();
  writeMessage(writer, type, message as ReadonlyMessage);
  return new Uint8Array(writer.finish());
}

function writeMessage(writer: protobuf.Writer, type: MessageType, message: ReadonlyMessage): void {
  for (const field of type.fieldsByNumber) {
    const value = message[field.name];
    if (value === undefined || value === null) {
      assert(field.label !== "required", () => `${type.name} lacks ${field.name}`);
    } else if (field.map !== undefined) {
      writeMap(writer, field, value as ReadonlyMessage);
    } else if (field.label === "repeated") {
      assert(Array.isArray(value), () => `${type.name} ${field.name} is not a list`);
      for (const element of value) writeField(writer, field, element);
    } else if (!(field.isImplicit && value === 0)) {
      writeField(writer, field, value);
    }
  }
}

function writeMap(writer: protobuf.Writer, field: Field, entries: ReadonlyMessage): void {
  const entryType = must(field.message, "the entry type");
  for (const key of Object.keys(entries)) {
    writer.uint32(field.tag).fork();
    writeMessage(writer, entryType, { key, value: entries[key] });
    writer.ldelim();
  }
}

function writeField(writer: protobuf.Writer, field: Field, value: unknown): void {
  writer.uint32(field.tag);
  if (field.message !== undefined) {
    assert(typeof value === "object" && value !== null, () => `${field.name} is not a message`);
    writer.fork();
    writeMessage(writer, field.message, value as ReadonlyMessage);
    writer.ldelim();
    return;
  }
  if (typeof value === "string") writeText(writer, field, value);
  else if (typeof value === "number") writeNumber(writer, field, value);
  else {
    assert(field.kind === "bool" && typeof value === "boolean", () => mismatch(field, value));
    writer.bool(value);
  }
}

function writeText(writer: protobuf.Writer, field: Field, value: string): void {
  switch (field.kind) {
    case "string":
      writer.string(value);
      return;
    case "bytes": {
      const bytes = decodeBase64(value);
      assert(bytes !== undefined, () => `${field.name} is not base64`);
      writer.bytes(bytes);
      return;
    }
    default: {
      const number = field.enumType?.numberOf.get(value);
      assert(number !== undefined, () => `${field.name} cannot be ${value}`);
      writer.int32(number);
    }
  }
}

function writeNumber(writer: protobuf.Writer, field: Field, value: number): void {
  const { kind } = field;
  if (kind === "double") {
    assert(!Number.isNaN(value), () => `${field.name} is NaN`);
    writer.double(value);
    return;
  }
  assert(isIntegerKind(kind), () => mismatch(field, value));
  assert(isInteger(kind, value), () => `${field.name} is no ${kind}: ${value}`);
  writer[kind](value);
}

function isIntegerKind(kind: Field["kind"]): kind is IntegerKind {
  return kind === "int64" || kind === "int32" || kind === "uint32" || kind === "uint64";
}

function mismatch(field: Field, value: unknown): string {
  return `${field.name} is a ${typeof value}, not a ${field.kind}`;
}
