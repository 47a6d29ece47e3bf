/**
 * Reads messages of a link out of CBOR straight into their checked form: what passes is exactly a
 * message of link-frames.ts, with v1 messages as the codec gives them. There is no step between, as
 * half of what a master does when a large cluster comes back is to read what its agents report.
 */
import { must } from "../base/assert.ts";
import { type CborCursor, MAJOR } from "./cbor-cursor.ts";
import { CODEC_LIMITS } from "./limits.ts";
import { BadLinkValue } from "./link-scalars.ts";
import type { RecordPlan, Slot, UnionPlan } from "./link-shapes.ts";

/** Bytes of a list that is looked for among those seen lately; resources of a task take some 150. */
const RECENT_LIST_BYTES = 512;
/** The same of a record: ids, and where a task runs, which its statuses repeat. */
const RECENT_RECORD_BYTES = 192;
/** Records inside records: those of a v1 message, and ours around it. */
const RECORD_DEPTH = CODEC_LIMITS.messageDepth + 3;
const NULL = 0xf6;
const UNDEFINED = 0xf7;

type Fields = Record<string, unknown>;

/**
 * Keeps nothing between two messages but what was seen lately. What it gives back may hold one list
 * or record in several places: nobody changes it.
 */
export class LinkReader {
  readonly #cursor: CborCursor;
  /** Of all records that are being read, each behind the one around it: its values by their index. */
  readonly #values: unknown[] = [];
  #top = 0;
  /** Where reading is in each of these records: the field, and the element of it. */
  readonly #slots: (Slot | undefined)[] = [];
  readonly #elements: (number | string | undefined)[] = [];
  #depth = 0;
  #isInMessage = false;

  constructor(cursor: CborCursor) {
    this.#cursor = cursor;
  }

  /** The message at the cursor. Throws `BadLinkValue`, whose place `path` tells then, or `BadCbor`. */
  read(plan: UnionPlan): unknown {
    if (this.#isInMessage) this.#forget();
    this.#isInMessage = true;
    const message = this.#union(plan);
    this.#isInMessage = false;
    return message;
  }

  /** Of the value that is being read, as `.tasks[3].task.state`. */
  get path(): string {
    const places = this.#slots.slice(0, this.#depth).map((slot, depth) => {
      const element = this.#elements[depth];
      const name = slot === undefined ? "" : `.${slot.name}`;
      return element === undefined ? name : `${name}[${element}]`;
    });
    return places.join("");
  }

  /** After a message that was given up in the middle. */
  #forget(): void {
    this.#values.fill(undefined);
    this.#elements.fill(undefined);
    this.#top = 0;
    this.#depth = 0;
  }

  #union(plan: UnionPlan): Fields {
    const record = plan.planOf(this.#kindAhead());
    if (record !== undefined) return this.#record(record);
    throw new BadLinkValue(`Expecting one of ${plan.kinds}`, ".kind");
  }

  /** What the record at the cursor says of its kind; "" when it says nothing. Moves nothing. */
  #kindAhead(): string {
    const cursor = this.#cursor;
    const start = cursor.position;
    let kind: unknown;
    if (cursor.peek() >> 5 === MAJOR.map) {
      let left = cursor.enter(MAJOR.map);
      for (; left > 0 && cursor.key() !== "kind"; left--) cursor.value();
      if (left > 0) kind = cursor.value();
      cursor.leave();
      cursor.position = start;
    }
    return typeof kind === "string" ? kind : "";
  }

  #record(plan: RecordPlan): Fields {
    const cursor = this.#cursor;
    if (cursor.peek() >> 5 !== MAJOR.map) throw new BadLinkValue("Expecting a record");
    const depth = this.#depth;
    if (depth >= RECORD_DEPTH) throw new BadLinkValue(`Nested deeper than ${RECORD_DEPTH} records`);
    const count = cursor.enter(MAJOR.map);
    const { slots } = plan;
    const base = this.#top;
    this.#top = base + slots.length;
    this.#depth = depth + 1;
    let last: Slot | undefined;
    for (let entry = 0; entry < count; entry++) {
      const slot = this.#nextSlot(plan, last);
      if (slot === undefined) continue;
      last = slot;
      this.#slots[depth] = slot;
      const value = this.#field(slot, depth);
      if (value !== undefined) this.#values[base + slot.index] = value;
    }
    const output = this.#taken(slots, base);
    this.#top = base;
    this.#depth = depth;
    cursor.leave();
    return output;
  }

  /** Reads a key, mostly that of the field that came there last; undefined for an unknown one. */
  #nextSlot(plan: RecordPlan, last: Slot | undefined): Slot | undefined {
    const cursor = this.#cursor;
    const guess = last === undefined ? plan.first : last.follower;
    if (guess !== undefined && cursor.takes(guess.key, guess.key.length)) return guess;
    const slot = plan.slotOf(cursor.key());
    // What is not part of a message is left out.
    if (slot === undefined) cursor.value();
    else if (last === undefined) plan.first = slot;
    else last.follower = slot;
    return slot;
  }

  /** The record of the values from `base` on, which is empty afterwards. */
  #taken(slots: readonly Slot[], base: number): Fields {
    const output: Fields = {};
    for (let index = 0; index < slots.length; index++) {
      const slot = slots[index];
      if (slot === undefined) continue;
      const value = this.#values[base + index];
      if (value !== undefined) {
        output[slot.name] = value;
        this.#values[base + index] = undefined;
      } else if (slot.fill !== undefined) output[slot.name] = slot.fill;
      else if (slot.isRequired) {
        this.#slots[this.#depth - 1] = slot;
        throw new BadLinkValue("It is missing");
      }
    }
    return output;
  }

  /** The value of a field, or undefined when it counts as absent. */
  #field(slot: Slot, depth: number): unknown {
    const cursor = this.#cursor;
    const first = cursor.peek();
    if (first === NULL || first === UNDEFINED) {
      cursor.position += 1;
      return undefined;
    }
    if (slot.holder === "map") return this.#map(slot, depth);
    if (slot.holder === "one" && slot.scalar !== undefined) {
      const value = slot.scalar(cursor);
      return slot.isZeroAbsent && value === 0 ? undefined : value;
    }
    const { recent } = slot;
    if (recent !== undefined && cursor.takes(recent.bytes, recent.length)) return recent.value;
    const start = cursor.position;
    const value = slot.holder === "list" ? this.#list(slot, depth) : this.#element(slot);
    this.#remember(slot, start, value);
    return value;
  }

  #element(slot: Slot): unknown {
    if (slot.record !== undefined) return this.#record(slot.record);
    if (slot.scalar !== undefined) return slot.scalar(this.#cursor);
    return this.#union(must(slot.union, `form of ${slot.name}`));
  }

  #list(slot: Slot, depth: number): unknown[] | undefined {
    const cursor = this.#cursor;
    if (cursor.peek() >> 5 !== MAJOR.list) throw new BadLinkValue("Expecting a list");
    const count = cursor.enter(MAJOR.list);
    const items: unknown[] = [];
    for (let index = 0; index < count; index++) {
      this.#elements[depth] = index;
      const item = this.#element(slot);
      if (item !== undefined) items.push(item);
    }
    this.#elements[depth] = undefined;
    cursor.leave();
    return slot.mayVanish && items.length === 0 ? undefined : items;
  }

  #map(slot: Slot, depth: number): Fields | undefined {
    const cursor = this.#cursor;
    if (cursor.peek() >> 5 !== MAJOR.map) throw new BadLinkValue("Expecting a map");
    const count = cursor.enter(MAJOR.map);
    // Without a prototype, so that a key called __proto__ is a key like any other.
    const entries = Object.create(null) as Fields;
    let isEmpty = true;
    for (let entry = 0; entry < count; entry++) {
      const key = cursor.key();
      this.#elements[depth] = key;
      const value = this.#element(slot);
      if (value === undefined) continue;
      entries[key] = value;
      isEmpty = false;
    }
    this.#elements[depth] = undefined;
    cursor.leave();
    return isEmpty ? undefined : entries;
  }

  #remember(slot: Slot, start: number, value: unknown): void {
    const lengthMax = slot.holder === "list" ? RECENT_LIST_BYTES : RECENT_RECORD_BYTES;
    const length = this.#cursor.position - start;
    if (length > lengthMax) return;
    slot.recent ??= { bytes: new Uint8Array(lengthMax), length: 0, value };
    const { recent } = slot;
    recent.length = length;
    recent.value = value;
    this.#cursor.copySince(start, recent.bytes);
  }
}
