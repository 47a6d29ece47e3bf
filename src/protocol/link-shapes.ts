/**
 * The forms of link messages as data, and the plans by which they are read: the fields of a record
 * with their names as they are encoded, and what was read for each of them last.
 */
import { encodeUtf8 } from "../base/text.ts";
import { cborHead } from "./cbor-head.ts";
import {
  integerReader,
  nameReader,
  readBase64,
  readDouble,
  readFlag,
  readString,
  type ScalarReader,
} from "./link-scalars.ts";
import type { Field, MessageType, Schema } from "./v1/schema.ts";
import type { V1Messages } from "./v1/types.ts";

/** A value inside a message. */
export type Shape =
  | { readonly kind: "scalar"; readonly read: ScalarReader }
  | { readonly kind: "v1"; readonly name: keyof V1Messages }
  | { readonly kind: "record"; readonly fields: Shapes }
  /** A record whose `kind` says which of these it is. */
  | { readonly kind: "union"; readonly shapes: Readonly<Record<string, Shapes>> }
  | { readonly kind: "list"; readonly of: Shape }
  /** May be left out, or null. */
  | { readonly kind: "optional"; readonly of: Shape };

export type Shapes = Readonly<Record<string, Shape>>;

/** How records of one form are read. */
export class RecordPlan {
  /** In the order in which a record that was read has them. */
  slots: readonly Slot[] = [];
  /** Changes: the field that came first in the last record. */
  first: Slot | undefined;
  readonly #byName = new Map<string, Slot>();

  fill(slots: readonly Slot[]): this {
    this.slots = slots;
    this.first = slots[0];
    for (const slot of slots) this.#byName.set(slot.name, slot);
    return this;
  }

  slotOf(name: string): Slot | undefined {
    return this.#byName.get(name);
  }
}

export class UnionPlan {
  readonly #plans: ReadonlyMap<string, RecordPlan>;

  constructor(plans: ReadonlyMap<string, RecordPlan>) {
    this.#plans = plans;
  }

  planOf(kind: string): RecordPlan | undefined {
    return this.#plans.get(kind);
  }

  get kinds(): string {
    return [...this.#plans.keys()].join(", ");
  }
}

/** One field of a record. */
export interface Slot {
  readonly name: string;
  /** Its name as a key is encoded. */
  readonly key: Uint8Array;
  readonly index: number;
  readonly holder: "one" | "list" | "map";
  /** Of each value: one of the three. */
  readonly scalar: ScalarReader | undefined;
  readonly record: RecordPlan | undefined;
  readonly union: UnionPlan | undefined;
  readonly isRequired: boolean;
  /** Absent when it is empty. */
  readonly mayVanish: boolean;
  /** A number that is the same as absence. */
  readonly isZeroAbsent: boolean;
  /** In place of an absent value. */
  readonly fill: boolean | number | string | undefined;
  /** Changes: the field that came after this one in the last record. */
  follower: Slot | undefined;
  /** Changes: what was read here last. */
  recent: Recent | undefined;
}

/** A value that was read, and the bytes that it was read from: the first `length` of them. */
export interface Recent {
  readonly bytes: Uint8Array;
  length: number;
  value: unknown;
}

const PLAIN = {
  holder: "one",
  scalar: undefined,
  record: undefined,
  union: undefined,
  isRequired: true,
  mayVanish: false,
  isZeroAbsent: false,
  fill: undefined,
  follower: undefined,
  recent: undefined,
} as const;

/** Makes plans, one of each v1 message. They belong to one reader, as they remember what it read. */
export class Planner {
  readonly #schema: Schema;
  readonly #messages = new Map<string, RecordPlan>();

  constructor(schema: Schema) {
    this.#schema = schema;
  }

  union(shapes: Readonly<Record<string, Shapes>>): UnionPlan {
    const plans = Object.entries(shapes).map(
      ([kind, fields]) => [kind, this.#record({ kind: exactly(kind), ...fields })] as const,
    );
    return new UnionPlan(new Map(plans));
  }

  #record(fields: Shapes): RecordPlan {
    const slots = Object.entries(fields).map(
      ([name, shape], index): Slot => ({
        ...PLAIN,
        name,
        key: keyOf(name),
        index,
        ...this.#slotPart(shape),
      }),
    );
    return new RecordPlan().fill(slots);
  }

  #slotPart(shape: Shape): Partial<Slot> {
    switch (shape.kind) {
      case "scalar":
        return { scalar: shape.read };
      case "v1":
        return { record: this.#message(this.#schema.messageType(shape.name)) };
      case "record":
        return { record: this.#record(shape.fields) };
      case "union":
        return { union: this.union(shape.shapes) };
      case "list":
        return { ...this.#slotPart(shape.of), holder: "list" };
      case "optional":
        return { ...this.#slotPart(shape.of), isRequired: false };
    }
  }

  #message(type: MessageType): RecordPlan {
    const known = this.#messages.get(type.name);
    if (known !== undefined) return known;
    const plan = new RecordPlan();
    // Types may refer to themselves.
    this.#messages.set(type.name, plan);
    return plan.fill(type.fields.map((field) => this.#field(field)));
  }

  #field(field: Field): Slot {
    const { name, index, label, isImplicit, fill, map } = field;
    const value = map?.value ?? field;
    const holder = map !== undefined ? "map" : label === "repeated" ? "list" : "one";
    return {
      ...PLAIN,
      name,
      key: keyOf(name),
      index,
      holder,
      scalar: scalarOf(value),
      record: value.message && this.#message(value.message),
      isRequired: label === "required",
      mayVanish: true,
      isZeroAbsent: isImplicit,
      fill,
    };
  }
}

function scalarOf({ kind, label, enumType }: Field): ScalarReader | undefined {
  switch (kind) {
    case "message":
      return undefined;
    case "string":
      return readString;
    case "bytes":
      return readBase64;
    case "bool":
      return readFlag;
    case "double":
      return readDouble;
    case "enum":
      return nameReader(enumType?.numberOf ?? new Map(), { isRequired: label === "required" });
    default:
      return integerReader(kind);
  }
}

/** A map may have a key twice: what was read as of one kind never says that it is another. */
function exactly(name: string): Shape {
  return { kind: "scalar", read: nameReader(new Set([name]), { isRequired: true }) };
}

function keyOf(name: string): Uint8Array {
  const bytes = encodeUtf8(name);
  return Uint8Array.of(...cborHead(0x60, bytes.length), ...bytes);
}
