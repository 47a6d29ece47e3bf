/**
 * Looks over a JSON body before it is parsed, so that a short hostile text cannot become deep or
 * numerous objects. Judges nothing else: whether the text is JSON is the parser's business.
 */
import type { CodecLimits } from "./limits.ts";

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** What is too much about the text, or undefined. One pass over the bytes, allocates nothing. */
export function findJsonExcess(body: Uint8Array, limits: CodecLimits): string | undefined {
  let depth = 0;
  let valueCount = 0;
  for (let position = 0; position < body.length; position++) {
    switch (body[position]) {
      case QUOTE:
        position = endOfString(body, position + 1);
        break;
      case COMMA:
        valueCount++;
        break;
      case OPEN_BRACE:
      case OPEN_BRACKET:
        depth++;
        valueCount++;
        if (depth > limits.jsonDepth) return `nesting is deeper than ${limits.jsonDepth} levels`;
        break;
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        depth--;
        break;
    }
  }
  if (valueCount <= limits.jsonValueCount) return undefined;
  return `it has more than ${limits.jsonValueCount} values`;
}

/** Position of the closing quote, or the end of the body. */
function endOfString(body: Uint8Array, start: number): number {
  let position = start;
  while (position < body.length && body[position] !== QUOTE) {
    position += body[position] === BACKSLASH ? 2 : 1;
  }
  return position;
}
