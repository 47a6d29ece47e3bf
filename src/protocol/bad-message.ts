/**
 * How the readers of this folder give up deep inside a message: thrown by them, turned into a
 * `Refusal` at the one entrance in codec.ts, never seen outside. Also the path they keep.
 */
import { excerpt } from "../base/text.ts";

/** A fault in the input. `field` is its path, absent when the message as a whole is to blame. */
export class BadMessage extends Error {
  override readonly name: string = "BadMessage";
  readonly field: string | undefined;

  constructor(message: string, field: string | undefined) {
    super(message);
    this.field = field;
  }
}

/** Names and indexes from the outermost message down to the value being read. */
export type PathSegment = string | number;

/** Prints a path as `accept.operations[0].launch`; undefined for the outermost message itself. */
export function formatPath(segments: readonly PathSegment[]): string | undefined {
  if (segments.length === 0) return undefined;
  let path = "";
  for (const segment of segments) {
    if (typeof segment === "number") path += `[${segment}]`;
    else path += (path === "" ? "" : ".") + excerpt(segment);
  }
  return path;
}
