/**
 * Copies of messages, so that nobody holds what somebody else may change. Messages are plain
 * objects, arrays and values; this is several times faster than `structuredClone`.
 */
export function copyOf<Message>(message: Message): Message {
  return copy(message) as Message;
}

function copy(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(copy);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return structuredClone(value);
  const result: Record<string, unknown> = {};
  for (const key of Object.keys(value)) result[key] = copy((value as Record<string, unknown>)[key]);
  return result;
}
