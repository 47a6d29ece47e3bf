/**
 * Expected outcomes as values. A `Refusal` says what was refused, which field is to blame and what
 * to do about it; it is the only way cores and validation say no (broken invariants throw instead,
 * see assert.ts).
 */

/** Every way a request can be refused. One mapping to HTTP status lives in `http/`. */
export type RefusalCode =
  | "invalid"
  | "unsupportedMediaType"
  | "notAcceptable"
  | "tooLarge"
  | "notFound"
  | "gone"
  | "forbidden"
  | "conflict"
  | "notReady"
  | "failed"
  | "notLeader"
  | "notImplemented";

/** Why a request was refused. `message` is a full sentence without the final stop. */
export interface Refusal {
  readonly code: RefusalCode;
  readonly message: string;
  /** Path of the field to blame, as `accept.operations[0].launch.task_infos[2].name`. */
  readonly field?: string | undefined;
}

/** Either a value or the reason there is none. */
export type Result<T, E = Refusal> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: E };

/** Wraps a value as a success. */
export function ok<T>(value: T): { readonly ok: true; readonly value: T } {
  return { ok: true, value };
}

/** Wraps an error as a failure. */
export function err<E>(error: E): { readonly ok: false; readonly error: E } {
  return { ok: false, error };
}

/** Makes a failed result from the parts of a refusal. */
export function refuse(
  code: RefusalCode,
  message: string,
  field?: string,
): { readonly ok: false; readonly error: Refusal } {
  return { ok: false, error: field === undefined ? { code, message } : { code, message, field } };
}
