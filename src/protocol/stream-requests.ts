/** Checks what a stream is opened for, which comes in a frame of its own. */
import { ok, type Result, refuse } from "../base/result.ts";
import type { StreamRequest } from "./link-frames.ts";

type Fields = Readonly<Record<string, unknown>>;
type FieldCheck = readonly [isRight: (value: unknown) => boolean, form: string];

const TEXT: FieldCheck = [(value) => typeof value === "string", "text"];
const FLAG: FieldCheck = [(value) => typeof value === "boolean", "true or false"];
const COUNT: FieldCheck = [
  (value) => Number.isSafeInteger(value) && Number(value) >= 0,
  "a whole number, 0 or more",
];

const FIELDS: ReadonlyMap<unknown, Readonly<Record<string, FieldCheck>>> = new Map([
  ["http", { method: TEXT, path: TEXT, body: TEXT }],
  ["tailFile", { path: TEXT, offset: COUNT, follow: FLAG }],
]);

/** Errors: `invalid`, naming the path. */
export function checkStreamRequest(value: unknown): Result<StreamRequest> {
  const given: Fields = typeof value === "object" && value !== null ? (value as Fields) : {};
  const fields = FIELDS.get(given["kind"]);
  if (fields === undefined) return bad("kind", `one of ${[...FIELDS.keys()].join(", ")}`);
  for (const [name, [isRight, form]] of Object.entries(fields)) {
    if (!isRight(given[name])) return bad(name, form);
  }
  return ok(value as StreamRequest);
}

function bad(name: string, form: string): Result<never> {
  const path = `request.${name}`;
  return refuse("invalid", `${path}: Expecting ${form}`, path);
}
