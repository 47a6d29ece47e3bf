/**
 * The v1 messages as data (`messages.json`, made from the Mesos .proto files) in the form in which
 * the codecs walk them. A message type is compiled, with all it refers to, when first asked for.
 */
import { assert, must } from "../../base/assert.ts";
import messagesData from "./messages.json" with { type: "json" };

/** Protobuf types that occur in the v1 messages. */
export type ScalarKind =
  | "bool"
  | "bytes"
  | "double"
  | "int32"
  | "int64"
  | "string"
  | "uint32"
  | "uint64";

/** What a field holds: a scalar, or a value of `Field.message` or `Field.enumType`. */
export type FieldKind = ScalarKind | "message" | "enum";

/** An enum, both ways. */
export interface EnumType {
  readonly name: string;
  readonly numberOf: ReadonlyMap<string, number>;
  readonly nameOf: ReadonlyMap<number, string>;
}

/** One field of a message. */
export interface Field {
  readonly name: string;
  readonly number: number;
  /** Place among the fields of its message, which is the order of keys in a decoded message. */
  readonly index: number;
  readonly kind: FieldKind;
  readonly label: "required" | "optional" | "repeated";
  /** The protobuf tag: number and wire type in one. */
  readonly tag: number;
  /** Set when `kind` is "message". For a map this is the entry type, fields `key` and `value`. */
  readonly message: MessageType | undefined;
  /** Set when `kind` is "enum". */
  readonly enumType: EnumType | undefined;
  /** Key and value of a map field, whose keys are strings throughout v1. */
  readonly map: { readonly key: Field; readonly value: Field } | undefined;
  /** The explicit default that decoding fills in; never set for deprecated fields. */
  readonly fill: boolean | number | string | undefined;
  /** A proto3 field: its zero value is the same as absence. */
  readonly isImplicit: boolean;
}

/** One message type. Never changed once compiled. */
export interface MessageType {
  /** As `mesos.v1.scheduler.Call`. */
  readonly name: string;
  /** The last part of the name, as Mesos' error texts use it: `Call`. */
  readonly shortName: string;
  /** In the order of the .proto file, which is the order of Mesos' JSON output. */
  readonly fields: readonly Field[];
  /** In the order of their numbers, which is the order on the wire. */
  readonly fieldsByNumber: readonly Field[];
  /** At each index the field of that number. */
  readonly fieldOfNumber: readonly (Field | undefined)[];
  /** Fields that decoding has to look after when a body does not hold them. */
  readonly requiredFields: readonly Field[];
  readonly filledFields: readonly Field[];
}

/** Protobuf wire types in use; groups (3, 4) are not. */
export const WIRE_TYPE = { varint: 0, fixed64: 1, lengthDelimited: 2, fixed32: 5 } as const;

interface FieldData {
  readonly name: string;
  readonly number: number;
  readonly type: string;
  readonly label: string;
  readonly type_name?: string;
  readonly default?: string;
  readonly deprecated?: boolean;
}

interface MessageData {
  readonly file: string;
  readonly map_entry?: boolean;
  readonly fields: readonly FieldData[];
}

interface SchemaData {
  readonly files: Readonly<Record<string, { readonly syntax: string }>>;
  readonly messages: Readonly<Record<string, MessageData>>;
  readonly enums: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

const DATA = messagesData as unknown as SchemaData;

const WIRE_TYPE_OF: Readonly<Record<FieldKind, number>> = {
  bool: WIRE_TYPE.varint,
  bytes: WIRE_TYPE.lengthDelimited,
  double: WIRE_TYPE.fixed64,
  enum: WIRE_TYPE.varint,
  int32: WIRE_TYPE.varint,
  int64: WIRE_TYPE.varint,
  message: WIRE_TYPE.lengthDelimited,
  string: WIRE_TYPE.lengthDelimited,
  uint32: WIRE_TYPE.varint,
  uint64: WIRE_TYPE.varint,
};

/** A message type while its fields are being compiled; types may refer to themselves. */
type Draft<T> = { -readonly [Key in keyof T]: T[Key] };

/** The wire type that values of a kind are written with. */
export function wireTypeOf(kind: FieldKind): number {
  return WIRE_TYPE_OF[kind];
}

/** All v1 message types by full name. One is made by `createCodec`, or by a test. */
export class Schema {
  readonly #messages = new Map<string, MessageType>();
  readonly #enums = new Map<string, EnumType>();

  /** Full names of all messages, map entries left out. Order is that of the .proto files. */
  messageNames(): string[] {
    return Object.entries(DATA.messages)
      .filter(([, data]) => data.map_entry !== true)
      .map(([name]) => name);
  }

  /** The compiled type; asking for a name that does not exist is a broken invariant. */
  messageType(name: string): MessageType {
    return this.#messages.get(name) ?? this.#compileMessage(name);
  }

  #compileMessage(name: string): MessageType {
    const data = dataOf(DATA.messages, name, "message");
    const type: Draft<MessageType> = {
      name,
      shortName: name.slice(name.lastIndexOf(".") + 1),
      fields: [],
      fieldsByNumber: [],
      fieldOfNumber: [],
      requiredFields: [],
      filledFields: [],
    };
    this.#messages.set(name, type);
    const isImplicit = dataOf(DATA.files, data.file, "file").syntax === "proto3";
    type.fields = data.fields.map((field, index) => this.#compileField(field, index, isImplicit));
    type.fieldsByNumber = type.fields.toSorted((left, right) => left.number - right.number);
    type.fieldOfNumber = indexByNumber(type.fields);
    type.requiredFields = type.fields.filter((field) => field.label === "required");
    type.filledFields = type.fields.filter((field) => field.fill !== undefined);
    return type;
  }

  #compileField(data: FieldData, index: number, isImplicit: boolean): Field {
    assert(!(data.name in Object.prototype), () => `${data.name} cannot be a field name`);
    assert(isLabel(data.label), () => `${data.name} has label ${data.label}`);
    assert(isKind(data.type), () => `${data.name} has type ${data.type}`);
    const typeName = data.type_name ?? "";
    const message = data.type === "message" ? this.messageType(typeName) : undefined;
    return {
      name: data.name,
      number: data.number,
      index,
      kind: data.type,
      label: data.label,
      tag: data.number * 8 + wireTypeOf(data.type),
      message,
      enumType: data.type === "enum" ? this.#enumType(typeName) : undefined,
      map: message && DATA.messages[typeName]?.map_entry ? mapFields(message) : undefined,
      fill: fillOf(data, data.type),
      isImplicit,
    };
  }

  #enumType(name: string): EnumType {
    const known = this.#enums.get(name);
    if (known !== undefined) return known;
    const values = Object.entries(dataOf(DATA.enums, name, "enum"));
    const enumType: EnumType = {
      name,
      numberOf: new Map(values),
      nameOf: new Map(values.map(([valueName, number]) => [number, valueName])),
    };
    this.#enums.set(name, enumType);
    return enumType;
  }
}

function dataOf<T>(table: Readonly<Record<string, T>>, name: string, what: string): T {
  assert(Object.hasOwn(table, name), () => `there is no ${what} named ${name}`);
  return must(table[name], name);
}

function mapFields(entry: MessageType): { readonly key: Field; readonly value: Field } {
  const [key, value] = entry.fields;
  assert(key?.name === "key" && key.kind === "string", () => `${entry.name} has no string key`);
  assert(value?.name === "value", () => `${entry.name} has no value`);
  return { key, value };
}

function indexByNumber(fields: readonly Field[]): readonly (Field | undefined)[] {
  const numberMax = fields.reduce((max, field) => Math.max(max, field.number), 0);
  const index = new Array<Field | undefined>(numberMax + 1).fill(undefined);
  for (const field of fields) index[field.number] = field;
  return index;
}

function fillOf(data: FieldData, kind: FieldKind): boolean | number | string | undefined {
  if (data.default === undefined || data.deprecated || data.label !== "optional") return undefined;
  if (kind === "bool") return data.default === "true";
  return kind === "string" || kind === "enum" ? data.default : Number(data.default);
}

function isLabel(label: string): label is Field["label"] {
  return label === "required" || label === "optional" || label === "repeated";
}

function isKind(type: string): type is FieldKind {
  return Object.hasOwn(WIRE_TYPE_OF, type);
}
