/** Why a server gave no usable answer, for whoever reads of it in a log or a task's status. */
import { reasonOf } from "./helper/fetch-error.ts";

/**
 * What the runtime adds for its own user. It names the whole address, which may hold what gives the
 * right to read it.
 */
const ADDED =
  /(?: fetching "[^"]*")?(?:\. For more information, pass `verbose: true` in .*|\. Is the computer able to access the url\?)$/;

/** Of an error of `fetch`, or of the stream that it answers with. */
export function networkReason(error: unknown): string {
  return reasonOf(error).replace(ADDED, "");
}
