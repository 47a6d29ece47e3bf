/**
 * May this principal do this to that? The first rule whose subjects and objects both fit decides:
 * with NONE on either side it denies. Where no rule fits, `permissive` decides.
 *
 * A caller without a principal, and an object without a name, stand for any of them: they fit ANY
 * and NONE only, never a list. Source: reference/semantics.md 9.3.
 */
import type { Acls, Entity, Rule } from "./acls.ts";
import type { Action } from "./actions.ts";

/** Decides for one object. Undefined: any object. */
export function isAllowed(
  acls: Acls,
  action: Action,
  principal: string | undefined,
  object: string | undefined,
): boolean {
  for (const { subjects, objects } of acls.rules.get(action) ?? []) {
    const subject = judge(subjects, principal);
    if (subject === "other") continue;
    const target = judge(objects, object);
    if (target !== "other") return subject === "allowed" && target === "allowed";
  }
  return acls.isPermissive;
}

/** What to say to somebody who is not allowed: which list of the ACLs decided, about whom and what. */
export function describeDenial(
  action: Action,
  principal: string | undefined,
  object: string | undefined,
): string {
  const who = principal === undefined ? "a caller without principal" : `principal '${principal}'`;
  const what = object === undefined ? "" : ` for '${object}'`;
  return `Not authorized: the ACLs do not grant ${action}${what} to ${who}`;
}

/** One principal's rights to one action, for judging many objects. */
export interface Approver {
  /** `all` or `none` where no object makes a difference, so that none has to be looked at. */
  readonly scope: "all" | "none" | "some";
  /** Undefined: any object. */
  allows(object: string | undefined): boolean;
}

const ALL: Approver = { scope: "all", allows: () => true };
const NONE: Approver = { scope: "none", allows: () => false };

/** Equal to `isAllowed` for every object. */
export function approverOf(acls: Acls, action: Action, principal: string | undefined): Approver {
  const applicable: { readonly isGrant: boolean; readonly objects: Entity }[] = [];
  let rest = acls.isPermissive;
  for (const rule of acls.rules.get(action) ?? []) {
    const subject = judge(rule.subjects, principal);
    if (subject === "other") continue;
    const isGrant = subject === "allowed" && rule.objects !== "NONE";
    if (isWhole(rule)) {
      rest = isGrant;
      break;
    }
    applicable.push({ isGrant, objects: rule.objects });
  }
  if (applicable.every(({ isGrant }) => isGrant === rest)) return rest ? ALL : NONE;
  const allows = (object: string | undefined): boolean =>
    applicable.find(({ objects }) => judge(objects, object) !== "other")?.isGrant ?? rest;
  return { scope: "some", allows };
}

function isWhole({ objects }: Rule): boolean {
  return objects === "ANY" || objects === "NONE";
}

/** `other`: the rule is about somebody or something else. */
function judge(entity: Entity, name: string | undefined): "allowed" | "denied" | "other" {
  if (entity === "ANY") return "allowed";
  if (entity === "NONE") return "denied";
  if (name === undefined) return "other";
  if (entity.names.has(name)) return "allowed";
  return entity.subtrees.some((subtree) => name.startsWith(subtree)) ? "allowed" : "other";
}
