/**
 * Lists of our own beside those of Mesos: tasks, agents and frameworks page by page, filtered, and
 * what is new since a cursor. Elements are those of the v1 API. Pages are in order of a key that
 * never changes, so that what is there during the whole walk is met exactly once; each answer has
 * the cursor from which changes are to be asked for.
 */
import { ok, type Result, refuse } from "../../../base/result.ts";
import type { Change, MasterState } from "../state.ts";
import { type Document, JsonDocument } from "./document.ts";
import { Smallest } from "./smallest.ts";

/** What a list is asked for. */
export interface ListQuery {
  /** Elements of a page, 1 or more. */
  readonly limit: number;
  /** Key of the last element of the page before. */
  readonly after: string | undefined;
  /** Number of the first change that is asked for. */
  readonly since: number | undefined;
  /** Keys of what is not known are told as removed; not to those whom they may be hidden from. */
  readonly tellsUnknown: boolean;
}

/** What is listed, and how to find it. */
export interface Listing<Item> {
  /** Name of the list in the answer. */
  readonly name: string;
  readonly kind: Change["kind"];
  keyOf(item: Item): string;
  /** Everything there is, in parts that are listed when they are reached. */
  all(): Iterable<() => readonly Item[]>;
  /** Key of what a change is about, and the thing as it is now; undefined when it is not known. */
  find(change: Change): { readonly key: string; readonly item: Item | undefined };
  /** Fits what was asked for and never changes. */
  belongs(item: Item): boolean;
  /** Is in the state that was asked for. */
  isInState(item: Item): boolean;
  text(item: Item): string;
  /** Looks at agents before anything is written. */
  readonly prepare?: (document: JsonDocument) => void;
}

/** Where the next changes begin, as readers see it. */
function cursorAt(state: MasterState, number: number): string {
  return `${state.info.id}:${number}`;
}

/** The number that a cursor stands for. Refusals: `invalid`; `gone` when it is too old. */
export function numberOfCursor(state: MasterState, cursor: string): Result<number> {
  const [, masterId, digits] = /^(.{1,64}):(\d{1,15})$/.exec(cursor) ?? [];
  if (masterId === undefined) return refuse("invalid", "'since' is no cursor", "since");
  const number = Number(digits);
  if (masterId === state.info.id && state.changes.reaches(number)) return ok(number);
  const remedy = "read without 'since', and go on from the cursor of that answer";
  return refuse("gone", `The changes since this cursor are not known any more: ${remedy}`, "since");
}

/** One page, or with `since` what has changed. */
export function listDocument<Item>(
  state: MasterState,
  listing: Listing<Item>,
  query: ListQuery,
): Document {
  const { since } = query;
  return since === undefined
    ? pageDocument(state, listing, query)
    : changesDocument(state, listing, since, query);
}

/** `{cursor, <list>, next}`; `next` is null on the last page. */
function pageDocument<Item>(
  state: MasterState,
  listing: Listing<Item>,
  { limit, after }: ListQuery,
): Document {
  const document = new JsonDocument();
  const page = new Smallest<Item>(limit, after);
  const cursor = cursorAt(state, state.changes.nextNumber);
  document.fields(() => ({ cursor }));
  listing.prepare?.(document);
  for (const items of listing.all()) {
    document.work(items, (item) => {
      if (listing.belongs(item) && listing.isInState(item)) page.add(listing.keyOf(item), item);
    });
  }
  document.texts(
    listing.name,
    () => page.items(),
    (item) => listing.text(item),
  );
  document.fields(() => ({ next: page.next() ?? null }));
  return document.end();
}

/**
 * `{cursor, is_current, <list>, removed}`: each thing once, as it is now. Without `is_current` there
 * is more behind the cursor. `removed` has the keys of what is not known any more, or not in the
 * state that is asked for.
 */
function changesDocument<Item>(
  state: MasterState,
  listing: Listing<Item>,
  since: number,
  { limit, tellsUnknown }: ListQuery,
): Document {
  const document = new JsonDocument();
  const found = new Map<string, Item>();
  const removed = new Set<string>();
  let number = since;
  for (const change of state.changes.since(since)) {
    if (change.kind === listing.kind) {
      const { key, item } = listing.find(change);
      const isKnown = found.has(key) || removed.has(key);
      if (!isKnown && found.size + removed.size >= limit) break;
      const isWanted = item !== undefined && listing.isInState(item);
      if (!isWanted && (item === undefined ? tellsUnknown : listing.belongs(item)))
        removed.add(key);
      else if (isWanted && listing.belongs(item)) found.set(key, item);
    }
    number += 1;
  }
  const cursor = cursorAt(state, number);
  const isCurrent = number === state.changes.nextNumber;
  document.fields(() => ({ cursor, is_current: isCurrent }));
  listing.prepare?.(document);
  document.texts(listing.name, [...found.values()], (item) => listing.text(item));
  document.texts("removed", [...removed], (key) => JSON.stringify(key));
  return document.end();
}
