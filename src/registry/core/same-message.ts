/**
 * Equality of messages as plain data: same fields with same values, an absent field being the same
 * as one that is undefined. Repeated fields count their order.
 */

/** True when both are the same message. Recursion is as deep as the message types nest. */
export function isSameMessage(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (typeof left !== "object" || typeof right !== "object") return false;
  if (left === null || right === null) return false;
  if (Array.isArray(left) || Array.isArray(right)) return isSameList(left, right);
  return isSameRecord(left as Fields, right as Fields);
}

type Fields = Readonly<Record<string, unknown>>;

function isSameList(left: unknown, right: unknown): boolean {
  if (!Array.isArray(left) || !Array.isArray(right) || left.length !== right.length) return false;
  return left.every((item, index) => isSameMessage(item, right[index]));
}

function isSameRecord(left: Fields, right: Fields): boolean {
  for (const name of Object.keys(left)) {
    if (!isSameMessage(left[name], right[name])) return false;
  }
  return Object.keys(right).every((name) => right[name] === undefined || left[name] !== undefined);
}
