/** What the ACLs let a caller do, as far as it is decided at the edge. Source: semantics 9.3. */
import { type Result, refuse } from "../base/result.ts";
import type { Acls } from "../security/acls.ts";
import type { Action } from "../security/actions.ts";
import { approverOf, describeDenial } from "../security/authorizer.ts";
import type { Caller } from "./authentication.ts";
import { refusalResponse } from "./responses.ts";

/**
 * A refusal `forbidden`, unless the caller may. `objectOf` is only called where objects differ;
 * without it, or when it does not know, any object is meant. An executor that came by its token may
 * none of it, whatever the ACLs leave open to everybody.
 */
export function denialOf(
  acls: Acls,
  { principal, claims }: Caller,
  action: Action,
  objectOf: () => string | undefined = () => undefined,
): Result<never> | undefined {
  if (claims !== undefined) {
    return refuse("forbidden", `403 Forbidden. An executor's token does not grant ${action}`);
  }
  const approver = approverOf(acls, action, principal);
  if (approver.scope === "all") return undefined;
  const object = approver.scope === "none" ? undefined : objectOf();
  if (approver.allows(object)) return undefined;
  return refuse("forbidden", `403 Forbidden. ${describeDenial(action, principal, object)}`);
}

/** The same as a response. */
export function forbiddenResponse(
  acls: Acls,
  caller: Caller,
  action: Action,
  objectOf?: () => string | undefined,
): Response | undefined {
  const denial = denialOf(acls, caller, action, objectOf);
  return denial?.ok === false ? refusalResponse(denial.error) : undefined;
}
