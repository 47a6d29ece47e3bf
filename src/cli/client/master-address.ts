/** Where a master is, as people write it. */
import { ok, type Result, refuse } from "../../base/result.ts";
import { excerpt } from "../../base/text.ts";

const MASTER_PORT = "5050";

/** Used when neither `--master` nor `ALLOT_MASTER` says otherwise. */
export const DEFAULT_MASTER = "127.0.0.1:5050";

/**
 * Reads `HOST`, `HOST:PORT`, `[IPV6]:PORT` or an http address into the root of its API.
 * Errors: invalid.
 */
export function parseMasterAddress(text: string): Result<URL> {
  const hasScheme = /^https?:\/\//.test(text);
  const url = URL.parse(hasScheme ? text : `http://${text}`);
  const isPlain =
    url !== null && (url.pathname === "/" || url.pathname === "") && url.search === "";
  if (url === null || !isPlain || url.hostname === "" || url.username !== "") {
    return refuse(
      "invalid",
      `--master=${excerpt(text)} is not an address; write HOST:PORT or zk://HOST:PORT/PATH`,
    );
  }
  if (url.port === "" && !hasScheme && !text.endsWith(":80")) url.port = MASTER_PORT;
  return ok(url);
}
