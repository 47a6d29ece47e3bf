/**
 * Whether offer constraints may be used: complete, for roles the framework has, and with regular
 * expressions of bounded cost. Source: semantics 3.7
 * (`src/master/allocator/mesos/offer_constraints_filter.cpp`).
 */
import { compileConstraintRegex } from "../../allocator/constraint-regex.ts";
import type {
  SchedulerAttributeConstraint,
  SchedulerAttributeConstraintPredicate,
  SchedulerOfferConstraints,
} from "../../protocol/v1/types.ts";
import type { MasterContext } from "./context.ts";
import { CONSTRAINT_REGEXES_MAX, CONSTRAINTS_MAX } from "./limits.ts";
import { firstFault } from "./message-validation.ts";

/** The first fault, in words; undefined when there is none. */
export function faultOfConstraints(
  ctx: MasterContext,
  constraints: SchedulerOfferConstraints | undefined,
  roles: readonly string[],
): string | undefined {
  const byRole = Object.entries(constraints?.role_constraints ?? {});
  return (
    faultOfGroups(byRole, roles) ??
    faultOfNumber(byRole) ??
    firstFault(byRole, ([role, { groups }]) => {
      const all = (groups ?? []).flatMap(({ attribute_constraints: list }) => list ?? []);
      const fault = firstFault(all, (constraint) => faultOfConstraint(ctx, constraint));
      return fault === undefined ? undefined : `Offer constraints of role '${role}': ${fault}`;
    })
  );
}

type RoleConstraints = NonNullable<SchedulerOfferConstraints["role_constraints"]>[string];
type ByRole = readonly (readonly [string, RoleConstraints])[];

function faultOfGroups(byRole: ByRole, roles: readonly string[]): string | undefined {
  const own = new Set(roles);
  return firstFault(byRole, ([role, { groups }]) => {
    if (!own.has(role)) {
      return `Offer constraints name role '${role}', which the framework does not have`;
    }
    const isEmpty = (groups ?? []).some(({ attribute_constraints: list }) => !list?.length);
    if (!isEmpty && (groups ?? []).length > 0) return undefined;
    return `Offer constraints of role '${role}' have an empty group; leave the role out instead`;
  });
}

function faultOfNumber(byRole: ByRole): string | undefined {
  let count = 0;
  let regexCount = 0;
  for (const [, { groups }] of byRole) {
    for (const { attribute_constraints: list } of groups ?? []) {
      count += list?.length ?? 0;
      regexCount += list?.filter(({ predicate }) => regexOf(predicate) !== undefined).length ?? 0;
    }
  }
  if (count > CONSTRAINTS_MAX) {
    return `Offer constraints are ${count} predicates; at most ${CONSTRAINTS_MAX} are allowed`;
  }
  if (regexCount <= CONSTRAINT_REGEXES_MAX) return undefined;
  return `Offer constraints hold ${regexCount} regular expressions; at most ${CONSTRAINT_REGEXES_MAX} are allowed`;
}

function faultOfConstraint(
  ctx: MasterContext,
  { selector, predicate }: SchedulerAttributeConstraint,
): string | undefined {
  const { attribute_name: name, pseudoattribute_type: type } = selector;
  if ((name === undefined) === (type === undefined)) {
    return "a selector needs either 'attribute_name' or a known 'pseudoattribute_type'";
  }
  if (type === "UNKNOWN") return "'pseudoattribute_type' must be HOSTNAME, REGION or ZONE";
  const named = Object.values(predicate).filter((value) => value !== undefined);
  if (named.length !== 1) return "a predicate needs exactly one known kind of condition";
  const regex = regexOf(predicate);
  if (regex === undefined) return undefined;
  const compiled = compileConstraintRegex(regex, ctx.options.constraintRegexLimits);
  return compiled.ok ? undefined : compiled.error.message;
}

function regexOf(predicate: SchedulerAttributeConstraintPredicate): string | undefined {
  return predicate.text_matches?.regex ?? predicate.text_not_matches?.regex;
}
