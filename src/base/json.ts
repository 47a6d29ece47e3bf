/** Values that JSON texts stand for. */

export type JsonObject = Readonly<Record<string, unknown>>;

/** No list, and not null. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
