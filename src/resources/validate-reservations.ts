/**
 * Who a resource is reserved for, in any of the three forms (reference/http-api.md 3.3). A stack goes
 * from the outermost role inwards; each entry refines the one before.
 */
import { ok, type Result, refuse } from "../base/result.ts";
import { excerpt } from "../base/text.ts";
import type { Resource, ResourceReservationInfo } from "../protocol/v1/types.ts";
import { validateRole } from "../protocol/validation/roles.ts";
import { RESERVATION_COUNT } from "./limits.ts";

/** Checks role, reservation, reservations and the role of an allocation. */
export function validateReservations(resource: Resource, path: string): Result<void> {
  const stack = resource.reservations ?? [];
  const reserved =
    stack.length > 0 ? validateStack(stack, path) : validatePreRefinement(resource, path);
  if (!reserved.ok) return reserved;
  if (stack.length > 0 && !isEndpointForm(resource)) {
    const message = `${path} says its reservation in two ways that differ; give reservations only`;
    return refuse("invalid", message, `${path}.reservations`);
  }
  const allocated = resource.allocation_info?.role;
  if (allocated === undefined) return ok(undefined);
  const role = validateRole(allocated, `${path}.allocation_info.role`);
  return role.ok ? ok(undefined) : role;
}

function validatePreRefinement({ role, reservation }: Resource, path: string): Result<void> {
  const at = `${path}.role`;
  if (role !== undefined) {
    const valid = validateRole(role, at);
    if (!valid.ok) return valid;
  }
  if (reservation !== undefined && (role ?? "*") === "*") {
    return refuse("invalid", `${path} is dynamically reserved for no role; give role`, at);
  }
  return ok(undefined);
}

/** `role` and `reservation` beside a stack are the endpoint format, which repeats what the stack says. */
function isEndpointForm({ role, reservation, reservations }: Resource): boolean {
  const [only] = reservations ?? [];
  if (role !== undefined && (reservations?.length !== 1 || role !== only?.role)) return false;
  if (reservation === undefined) return true;
  const isSame = reservation.principal === only?.principal && only?.type === "DYNAMIC";
  return reservations?.length === 1 && isSame;
}

function validateStack(stack: readonly ResourceReservationInfo[], path: string): Result<void> {
  if (stack.length > RESERVATION_COUNT) {
    const message = `${path} has more than ${RESERVATION_COUNT} reservations; give fewer`;
    return refuse("invalid", message, `${path}.reservations`);
  }
  let parent: string | undefined;
  for (const [index, entry] of stack.entries()) {
    const at = `${path}.reservations[${index}]`;
    const role = validateRole(entry.role ?? "", `${at}.role`);
    if (!role.ok) return role;
    const fault = faultOfEntry(entry, role.value, parent);
    if (fault !== undefined) return refuse("invalid", `${at} ${fault}`, at);
    parent = role.value;
  }
  return ok(undefined);
}

function faultOfEntry(
  { type }: ResourceReservationInfo,
  role: string,
  parent: string | undefined,
): string | undefined {
  if (role === "*") return "reserves for *; name a role";
  if (type !== "STATIC" && type !== "DYNAMIC") return "has no type; use STATIC or DYNAMIC";
  if (parent === undefined) return undefined;
  if (type === "STATIC") return "is STATIC on top of another; only the first may be";
  if (role.startsWith(`${parent}/`)) return undefined;
  return `refines ${excerpt(parent)}, but ${excerpt(role)} is not below it; use a role below it`;
}
