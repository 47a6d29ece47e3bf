/** Turns the flags about security into what judges requests, with refusals that name the flag. */
import { ok, type Result, refuse } from "../base/result.ts";
import type { ParsedFlags } from "../cli/flags/parse-flags.ts";
import { type Acls, OPEN_ACLS, parseAcls } from "../security/acls.ts";

/** `--acls`; without it everybody may do everything. Errors: `invalid`. */
export function aclsFlag(flags: ParsedFlags): Result<Acls> {
  if (!flags.isSet("acls")) return ok(OPEN_ACLS);
  const acls = parseAcls(flags.json("acls"));
  return acls.ok ? acls : refuse("invalid", `--acls: ${acls.error.message}`, "acls");
}
