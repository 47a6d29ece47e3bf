/**
 * Random messages of any v1 type, made from the schema, in the form in which the codecs return
 * them: defaults filled in, no empty lists, keys in .proto order. Shared by the tests here.
 */
import fc from "fast-check";
import { type Field, type MessageType, Schema } from "../../src/protocol/v1/schema.ts";

type Draw = fc.GeneratorValue;

/** Optional fields stop being chosen when a message has grown to about so many values. */
const VALUE_BUDGET = 120;

/** The last doubles inside the range. */
const INT64_ENDS = [1024 - 2 ** 63, 2 ** 63 - 1024];

export const schema: Schema = new Schema();

/** A complete message of the named type. */
export function messageArbitrary(name: string): fc.Arbitrary<object> {
  const type = schema.messageType(name);
  return fc.gen().map((draw) => drawMessage(draw, type, 0, { values: VALUE_BUDGET }));
}

/** The name of some message type. */
export function nameArbitrary(): fc.Arbitrary<string> {
  return fc.constantFrom(...schema.messageNames());
}

function drawMessage(
  draw: Draw,
  type: MessageType,
  depth: number,
  budget: { values: number },
): object {
  const message: Record<string, unknown> = {};
  for (const field of type.fields) {
    const isPresent = field.label === "required" || wantsOptional(draw, depth, budget);
    const value = isPresent ? drawField(draw, field, depth, budget) : field.fill;
    if (value !== undefined && !(field.isImplicit && value === 0)) message[field.name] = value;
  }
  return message;
}

function wantsOptional(draw: Draw, depth: number, budget: { values: number }): boolean {
  if (budget.values <= 0) return false;
  const isWanted = draw(fc.nat, { max: 99 }) < 55 - depth * 8;
  if (isWanted) budget.values--;
  return isWanted;
}

function drawField(draw: Draw, field: Field, depth: number, budget: { values: number }): unknown {
  const count = draw(fc.integer, { min: 1, max: 3 });
  if (field.map !== undefined) {
    const keys = draw(() => fc.uniqueArray(mapKey(), { minLength: count, maxLength: count }));
    const entries = Object.create(null) as Record<string, unknown>;
    for (const key of keys.toSorted()) {
      entries[key] = drawValue(draw, field.map.value, depth, budget);
    }
    return entries;
  }
  if (field.label !== "repeated") return drawValue(draw, field, depth, budget);
  return Array.from({ length: count }, () => drawValue(draw, field, depth, budget));
}

function drawValue(draw: Draw, field: Field, depth: number, budget: { values: number }): unknown {
  if (field.message !== undefined) return drawMessage(draw, field.message, depth + 1, budget);
  return draw(() => scalarArbitrary(field));
}

function scalarArbitrary(field: Field): fc.Arbitrary<unknown> {
  switch (field.kind) {
    case "bool":
      return fc.boolean();
    case "bytes":
      return fc.uint8Array({ maxLength: 20 }).map((bytes) => bytes.toBase64());
    case "double":
      return fc.double({ noNaN: true }).map((value) => value + 0);
    case "enum":
      return fc.constantFrom(...(field.enumType?.numberOf.keys() ?? []));
    case "int32":
      return fc.integer();
    case "uint32":
      return fc.nat(2 ** 32 - 1);
    case "int64":
      return fc.oneof(fc.integer(), fc.maxSafeInteger(), fc.constantFrom(...INT64_ENDS));
    case "uint64":
      return fc.oneof(fc.nat(), fc.maxSafeNat(), fc.constantFrom(2 ** 63, 2 ** 64 - 2048));
    default:
      return fc.string({ unit: "binary", maxLength: 30 });
  }
}

/** ASCII, so that sorting here and sorting of UTF-8 bytes by protoc agree; and not an index. */
function mapKey(): fc.Arbitrary<string> {
  const plain = fc.string({ unit: "grapheme-ascii", maxLength: 8 }).map((text) => `k${text}`);
  return fc.oneof(plain, fc.constantFrom("__proto__", "constructor", "toString"));
}
