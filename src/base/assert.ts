/**
 * Assertions that stay on in production. A failed one means the program is wrong, never the input:
 * nobody catches it but the top of the process, which logs and exits before state is harmed.
 */

/** Thrown by a broken invariant. */
export class AssertionError extends Error {
  override readonly name: string = "AssertionError";
}

/** Throws `AssertionError` unless `condition` holds. A costly message is given as a function. */
export function assert(condition: boolean, message: string | (() => string)): asserts condition {
  if (!condition) {
    throw new AssertionError(typeof message === "string" ? message : message());
  }
}

/** Returns `value`, asserting that it is present. For values of our own making, never for input. */
export function must<T>(value: T | null | undefined, what: string): T {
  if (value === null || value === undefined) {
    throw new AssertionError(`${what} is missing`);
  }
  return value;
}

/** Marks a branch the types say cannot be reached. */
export function unreachable(value: never, what: string): never {
  throw new AssertionError(`unexpected ${what}: ${String(value)}`);
}
