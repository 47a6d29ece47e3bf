/** As whom a client logs in at the master, from the flags that every verb has. */
import { ok, type Result, refuse } from "../../base/result.ts";
import { type Credential, parseCredential } from "../../security/credentials.ts";
import { acts, type Flag, group } from "../flags/flag-table.ts";
import type { ParsedFlags } from "../flags/parse-flags.ts";
import { readSecretFile } from "../flags/read-text-file.ts";

/** Every verb has them. */
export const LOGIN_FLAGS: readonly Flag[] = group("Login", [
  acts("credential", "path", undefined, "file with the principal and secret to log in with", {
    defaultText: "ALLOT_CREDENTIAL",
  }),
  acts("principal", "string", undefined, "principal of the framework or reservation", {
    defaultText: "the one that logs in",
  }),
  acts("secret", "string", undefined, "secret to log in with as --principal; a file is safer", {
    isSecret: true,
  }),
]);

/** Names of the flags that may come from `ALLOT_NAME` variables. */
export const LOGIN_VARIABLES: readonly string[] = ["credential", "principal", "secret"];

export interface Login {
  /** Undefined: without logging in. */
  readonly credential: Credential | undefined;
  /** What a person should know; ends without a line feed. */
  readonly warning: string | undefined;
}

/**
 * A secret that is given outright wins over a file, but for one of a variable over a file of the
 * command line. Errors: `invalid`, naming the flag.
 */
export function loginOf(flags: ParsedFlags): Result<Login> {
  const principal = flags.string("principal");
  const secret = flags.string("secret");
  const isFileStronger = flags.isOnCommandLine("credential") && !flags.isOnCommandLine("secret");
  if (secret !== undefined && !isFileStronger) {
    if (principal === undefined) return bad("secret", "needs --principal=NAME beside it");
    if (principal.includes(":")) return bad("principal", "has a colon, which cannot be sent");
    return ok({ credential: { principal, secret }, warning: undefined });
  }
  const path = flags.string("credential");
  if (path === undefined) return ok({ credential: undefined, warning: undefined });
  const file = readSecretFile(path);
  if (!file.ok) return bad("credential", file.error.message);
  const credential = parseCredential(file.value.text);
  if (!credential.ok) return bad("credential", `${path}: ${credential.error.message}`);
  const warning = `others on this machine can open ${path}; chmod o= it`;
  return ok({
    credential: credential.value,
    warning: file.value.isExposed ? warning : undefined,
  });
}

/** Of a framework or reservation, where the client logs in as `login`. */
export function principalOf(flags: ParsedFlags, login: string | undefined): string | undefined {
  const isLoginStronger =
    flags.isOnCommandLine("credential") && !flags.isOnCommandLine("principal");
  return isLoginStronger ? login : (flags.string("principal") ?? login);
}

function bad(flag: string, what: string): Result<never> {
  return refuse("invalid", `--${flag}: ${what}`, flag);
}
