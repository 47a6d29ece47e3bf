/** Protobuf's text format, written from a decoded message; only protoc reads it. */
import type { Field, MessageType } from "../../src/protocol/v1/schema.ts";

type ReadonlyMessage = Readonly<Record<string, unknown>>;

/** One line per scalar, braces around messages. */
export function textFormat(type: MessageType, message: object): string {
  const input = message as ReadonlyMessage;
  return type.fields
    .filter((field) => input[field.name] !== undefined)
    .map((field) => fieldText(field, input[field.name]))
    .join("");
}

function fieldText(field: Field, value: unknown): string {
  const { map, message } = field;
  if (map !== undefined && message !== undefined) {
    return Object.entries(value as ReadonlyMessage)
      .map(
        ([key, entry]) =>
          `${field.name} {\n${fieldText(map.key, key)}${fieldText(map.value, entry)}}\n`,
      )
      .join("");
  }
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  return values.map((element) => valueText(field, element)).join("");
}

function valueText(field: Field, value: unknown): string {
  if (field.message !== undefined) {
    return `${field.name} {\n${textFormat(field.message, value as object)}}\n`;
  }
  return `${field.name}: ${scalarText(field, value)}\n`;
}

function scalarText(field: Field, value: unknown): string {
  if (field.kind === "string") return quoted(Buffer.from(String(value), "utf8"));
  if (field.kind === "bytes") return quoted(Buffer.from(String(value), "base64"));
  if (field.kind === "double") return String(value).replace("Infinity", "inf");
  return typeof value === "number" ? String(BigInt(value)) : String(value);
}

function quoted(bytes: Uint8Array): string {
  const octal = Array.from(bytes, (byte) => `\\${byte.toString(8).padStart(3, "0")}`);
  return `"${octal.join("")}"`;
}
