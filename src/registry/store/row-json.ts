/** JSON in a column: only this program writes it, so what cannot be read is damage. */
import { damaged } from "../../database/identity.ts";

/** Throws `DatabaseError` `damaged` that names `path` and `what`. */
export function parseRow<Value>(path: string, what: string, json: string): Value {
  try {
    return JSON.parse(json) as Value;
  } catch (error) {
    throw damaged(path, `the row of ${what} is not JSON`, error);
  }
}
