/**
 * A long answer as a list of sections that are written piece by piece: the writer stops where it
 * likes and goes on later, and several writers may stand at different places of one document. The
 * lists of a document are those of the moment it was made; each thing on them is written as it is
 * when its turn comes. Source: DESIGN §8.
 */
import { assert } from "../../../base/assert.ts";
import { writeJson } from "../../../protocol/json-writer.ts";

/** A run of things that are written in order. */
export interface Section {
  /** How many things there are; asked for when the section is reached, not before. */
  count(): number;
  /** Things that are written between two looks at the clock. */
  readonly batch: number;
  /** Text of JSON, or bytes of protobuf, of the things from `from` up to `to`. Safe to repeat. */
  write(from: number, to: number): string | Uint8Array<ArrayBuffer>;
}

/** Written one section after the other, without anything between them. */
export type Document = readonly Section[];

/** Things of a list, or how to find them once all sections before it are written. */
type Items<Item> = readonly Item[] | (() => readonly Item[]);

/** Looks at the items from `from` up to `to` before they are written. */
type Glance<Item> = (items: readonly Item[], from: number, to: number) => void;

type ElementOf<List> = NonNullable<List> extends readonly (infer Element)[] ? Element : never;

/** Describes a message field by field, whatever it is going to be encoded in. */
export interface MessageBuilder<Message> {
  /** Fields that cost little; at least one, unless the message has nothing else. */
  fields(make: () => Partial<Message>): void;
  list<Name extends keyof Message & string, Item>(
    name: Name,
    items: readonly Item[],
    element: (item: Item) => ElementOf<Message[Name]>,
    glance?: Glance<Item>,
  ): void;
  message<Name extends keyof Message & string>(
    name: Name,
    fill: (inner: MessageBuilder<NonNullable<Message[Name]>>) => void,
  ): void;
  /** Does something with each item before what follows is written. */
  work<Item>(items: readonly Item[], visit: (item: Item) => void): void;
}

/** Items looked at between two looks at the clock, where one takes about a microsecond. */
const WORK_BATCH = 64;
/** Items that are looked at before they are written: what a processor's own cache holds of them. */
const GLANCE_BATCH = 32;
/** Elements in one piece of protobuf: a few milliseconds' worth of the costliest ones. */
const MESSAGE_BATCH = 128;

/** A JSON object in the making. */
export class JsonDocument<Message = Readonly<Record<string, unknown>>>
  implements MessageBuilder<Message>
{
  readonly #sections: Section[] = [];
  /** Not yet part of a section. */
  #text: string;
  readonly #end: string;
  #isFirst = true;

  /** `jsonp` is the name of a function that the object is handed to. */
  constructor(jsonp?: string) {
    this.#text = jsonp === undefined ? "{" : `${jsonp}({`;
    this.#end = jsonp === undefined ? "}" : "});";
  }

  fields(make: () => Partial<Message>): void {
    const isFirst = this.#isFirst;
    this.#flush();
    this.#sections.push({
      count: () => 1,
      batch: 1,
      write: () => {
        const text = writeJson(make());
        assert(text.length > 2 || isFirst, "what follows other fields is not empty");
        return isFirst ? text.slice(1, -1) : `,${text.slice(1, -1)}`;
      },
    });
    this.#isFirst = false;
  }

  list<Name extends keyof Message & string, Item>(
    name: Name,
    items: readonly Item[],
    element: (item: Item) => ElementOf<Message[Name]>,
    glance?: Glance<Item>,
  ): void {
    this.texts(name, items, (item) => writeJson(element(item) as object), glance);
  }

  /** A list whose elements come as JSON text; there even when it is empty. */
  texts<Item>(
    name: string,
    items: Items<Item>,
    text: (item: Item) => string,
    glance?: Glance<Item>,
  ): void {
    this.#open(name, "[");
    this.#flush();
    const list = memoized(items);
    this.#sections.push({
      count: () => list().length,
      batch: 1,
      write: (from, to) => {
        let result = "";
        for (let index = from; index < to; index++) {
          if (index % GLANCE_BATCH === 0) {
            glance?.(list(), index, Math.min(index + GLANCE_BATCH, list().length));
          }
          const item = list()[index] as Item;
          result += index === 0 ? text(item) : `,${text(item)}`;
        }
        return result;
      },
    });
    this.#close("]");
  }

  message<Name extends keyof Message & string>(
    name: Name,
    fill: (inner: MessageBuilder<NonNullable<Message[Name]>>) => void,
  ): void {
    this.#open(name, "{");
    fill(this as unknown as MessageBuilder<NonNullable<Message[Name]>>);
    this.#close("}");
  }

  /** A list of objects that are long themselves. */
  objects<Item>(
    name: string,
    items: readonly Item[],
    fill: (inner: JsonDocument, item: Item) => void,
  ): void {
    this.#open(name, "[");
    for (const item of items) {
      this.#open(undefined, "{");
      fill(this as unknown as JsonDocument, item);
      this.#close("}");
    }
    this.#close("]");
  }

  work<Item>(items: Items<Item>, visit: (item: Item) => void): void {
    this.#flush();
    this.#sections.push(workSection(items, visit));
  }

  /** The finished document; nothing is added any more. */
  end(): Document {
    this.#text += this.#end;
    this.#flush();
    return this.#sections;
  }

  #open(name: string | undefined, bracket: string): void {
    if (!this.#isFirst) this.#text += ",";
    if (name !== undefined) this.#text += `${JSON.stringify(name)}:`;
    this.#text += bracket;
    this.#isFirst = true;
  }

  #close(bracket: string): void {
    this.#text += bracket;
    this.#isFirst = false;
  }

  #flush(): void {
    const text = this.#text;
    this.#text = "";
    if (text !== "") this.#sections.push({ count: () => 1, batch: 1, write: () => text });
  }
}

interface Part {
  readonly path: readonly string[];
  count(): number;
  /** The fields of the elements from `from` up to `to`. */
  make(from: number, to: number): object;
}

/**
 * A message in the making, as an object or as protobuf. A long one is written as several encodings
 * of parts of it in a row, which protobuf's own rules say are one message: readers join repeated
 * fields and merge messages field by field.
 */
export class MessageDocument<Message> implements MessageBuilder<Message> {
  readonly #parts: (Part | Section)[] = [];
  readonly #path: string[] = [];

  fields(make: () => Partial<Message>): void {
    this.#parts.push({ path: [...this.#path], count: () => 1, make });
  }

  list<Name extends keyof Message & string, Item>(
    name: Name,
    items: readonly Item[],
    element: (item: Item) => ElementOf<Message[Name]>,
    glance?: Glance<Item>,
  ): void {
    this.#parts.push({
      path: [...this.#path],
      count: () => items.length,
      make: (from, to) => {
        glance?.(items, from, to);
        return { [name]: items.slice(from, to).map(element) };
      },
    });
  }

  message<Name extends keyof Message & string>(
    name: Name,
    fill: (inner: MessageBuilder<NonNullable<Message[Name]>>) => void,
  ): void {
    this.#path.push(name);
    this.#parts.push({ path: [...this.#path], count: () => 1, make: () => ({}) });
    fill(this as unknown as MessageBuilder<NonNullable<Message[Name]>>);
    this.#path.pop();
  }

  work<Item>(items: readonly Item[], visit: (item: Item) => void): void {
    this.#parts.push(workSection(items, visit));
  }

  /** The whole message at once. */
  whole(): Message {
    const message = {};
    for (const part of this.#parts) {
      if (isWork(part)) part.write(0, part.count());
      else Object.assign(at(message, part.path), part.make(0, part.count()));
    }
    return message as Message;
  }

  /** As protobuf; short documents are one piece, so that the plainest reader can read them. */
  encoded(encode: (message: Message) => Uint8Array<ArrayBuffer>): Document {
    const encodePart = (path: readonly string[], fields: object): Uint8Array<ArrayBuffer> => {
      const message = {};
      Object.assign(at(message, path), fields);
      return encode(message as Message);
    };
    const pieces = this.#parts.map((part): Section => {
      if (isWork(part)) return part;
      const write = (from: number, to: number) => encodePart(part.path, part.make(from, to));
      return { count: part.count, batch: MESSAGE_BATCH, write };
    });
    if (!this.#isShort()) return pieces;
    return [{ count: () => 1, batch: 1, write: () => encode(this.whole()) }];
  }

  #isShort(): boolean {
    let total = 0;
    for (const part of this.#parts) total += part.count();
    return total <= MESSAGE_BATCH;
  }
}

function isWork(part: Part | Section): part is Section {
  return "write" in part;
}

/** The message at a path inside `message`, made when it is not there. */
function at(message: object, path: readonly string[]): object {
  let inner = message as Record<string, object>;
  for (const name of path) {
    inner[name] ??= {};
    inner = inner[name] as Record<string, object>;
  }
  return inner;
}

/** Visits each item once, however many writers pass through the section. */
function workSection<Item>(items: Items<Item>, visit: (item: Item) => void): Section {
  const list = memoized(items);
  let doneCount = 0;
  return {
    count: () => list().length,
    batch: WORK_BATCH,
    write: (_from, to) => {
      for (; doneCount < to; doneCount++) visit(list()[doneCount] as Item);
      return "";
    },
  };
}

function memoized<Item>(items: Items<Item>): () => readonly Item[] {
  if (typeof items !== "function") return () => items;
  let list: readonly Item[] | undefined;
  return () => {
    list ??= items();
    return list;
  };
}
