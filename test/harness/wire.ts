/**
 * Both encodings of the v1 messages by an independent path: JSON as JavaScript writes it, protobuf
 * by protobufjs' own reflection over the message table, so that a fault of the program's codec does
 * not cancel out here.
 */
import protobuf from "protobufjs/light.js";
import messagesData from "../../src/protocol/v1/messages.json" with { type: "json" };

/** One encoding, as a client of the APIs uses it. */
export interface Wire {
  readonly name: "json" | "protobuf";
  readonly mediaType: "application/json" | "application/x-protobuf";
  /** `type` is the full name, as `mesos.v1.scheduler.Call`. Bytes fields are base64 text. */
  encode(type: string, message: object): Uint8Array<ArrayBuffer>;
  decode(type: string, bytes: Uint8Array): unknown;
}

export const JSON_WIRE: Wire = {
  name: "json",
  mediaType: "application/json",
  encode: (_type, message) => new TextEncoder().encode(JSON.stringify(message)),
  decode: (_type, bytes) => JSON.parse(new TextDecoder().decode(bytes)) as unknown,
};

export const PROTOBUF_WIRE: Wire = {
  name: "protobuf",
  mediaType: "application/x-protobuf",
  encode: (type, message) => {
    const found = root().lookupType(type);
    return new Uint8Array(found.encode(found.fromObject(message)).finish());
  },
  decode: (type, bytes) => {
    const found = root().lookupType(type);
    return found.toObject(found.decode(bytes), { enums: String, longs: Number, bytes: String });
  },
};

interface FieldData {
  readonly name: string;
  readonly number: number;
  readonly label: string;
  readonly type: string;
  readonly type_name?: string;
}

interface MessageData {
  readonly file: string;
  readonly map_entry?: boolean;
  readonly fields: readonly FieldData[];
}

let made: protobuf.Root | undefined;

/** Made when first asked for. */
function root(): protobuf.Root {
  made ??= makeRoot();
  return made;
}

/** Names are flat and full; what lies inside a message is nested the same way. */
function makeRoot(): protobuf.Root {
  const tree = new protobuf.Root();
  const messages = messagesData.messages as unknown as Readonly<Record<string, MessageData>>;
  const enums: Readonly<Record<string, Record<string, number>>> = messagesData.enums;
  const shortName = (full: string): string => full.slice(full.lastIndexOf(".") + 1);
  const types = new Map<string, protobuf.Type>();
  for (const [name, data] of Object.entries(messages)) {
    if (data.map_entry !== true) types.set(name, new protobuf.Type(shortName(name)));
  }
  const parentOf = (name: string): protobuf.NamespaceBase => {
    const scope = name.slice(0, name.lastIndexOf("."));
    return types.get(scope) ?? tree.define(scope.split("."));
  };
  for (const [name, type] of types) parentOf(name).add(type);
  for (const [name, values] of Object.entries(enums)) {
    parentOf(name).add(new protobuf.Enum(shortName(name), { ...values }));
  }
  for (const [name, type] of types) {
    for (const field of messages[name]?.fields ?? []) type.add(fieldOf(field, messages));
  }
  tree.resolveAll();
  return tree;
}

function fieldOf(
  field: FieldData,
  messages: Readonly<Record<string, MessageData>>,
): protobuf.ReflectionObject {
  const { name, number, label, type, type_name } = field;
  const target = type === "message" || type === "enum" ? `.${type_name ?? ""}` : type;
  const entry = messages[type_name ?? ""];
  if (entry?.map_entry === true) {
    const [key, value] = entry.fields;
    const valueType = value?.type_name === undefined ? value?.type : `.${value.type_name}`;
    return new protobuf.MapField(name, number, key?.type ?? "", valueType ?? "");
  }
  return new protobuf.Field(name, number, target, label);
}
