/** Messages as text on disk. JSON has no infinity, which limits of tasks and what executors say may be. */

/** What stands for it; no message has a field of that name. */
const INFINITE = { $infinite: true };
const INFINITE_TEXT: string = JSON.stringify(INFINITE);

/** The text of a message. */
export function messageText(message: unknown): string {
  const text = JSON.stringify(message);
  // Infinity is null by now, and nothing else is: only then is it worth to look closely.
  if (!text.includes(":null")) return text;
  return JSON.stringify(message, (_key, value: unknown) =>
    value === Number.POSITIVE_INFINITY ? INFINITE : value,
  );
}

/** The message of a text. Throws `SyntaxError`. */
export function messageOf(text: string): unknown {
  if (!text.includes(INFINITE_TEXT)) return JSON.parse(text);
  return JSON.parse(text, (_key, value: unknown) => {
    const isInfinite = typeof value === "object" && value !== null && "$infinite" in value;
    return isInfinite ? Number.POSITIVE_INFINITY : value;
  });
}
