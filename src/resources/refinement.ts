/**
 * The three ways of writing a reservation (reference/http-api.md 3.3): post-refinement
 * (`reservations` stack), pre-refinement (`role` + `reservation`) and endpoint (both). Inside allot
 * only the first is used; the others exist at the wire.
 */
import { assert } from "../base/assert.ts";
import type { Resource, ResourceReservationInfo } from "../protocol/v1/types.ts";

/** Any of the three forms as post-refinement. Never fails on validated resources. */
export function toPostRefinement(resource: Resource): Resource {
  if (isPostRefinement(resource)) return resource;
  const { role, reservation, reservations, ...rest } = resource;
  if (reservations !== undefined && reservations.length > 0) return { ...rest, reservations };
  const owner = role ?? "*";
  if (owner === "*") return rest;
  const single: ResourceReservationInfo =
    reservation === undefined
      ? { type: "STATIC", role: owner }
      : { ...reservation, type: "DYNAMIC", role: owner };
  return { ...rest, reservations: [single] };
}

/** More than one reservation on top of each other; has no pre-refinement form. */
export function isRefined(resource: Resource): boolean {
  return (resource.reservations?.length ?? 0) > 1;
}

/** Post-refinement to pre-refinement. The resource must not be refined. */
export function toPreRefinement(resource: Resource): Resource {
  assert(!isRefined(resource), "a refined resource has no pre-refinement form");
  const { reservations, ...rest } = resource;
  const [only] = reservations ?? [];
  if (only === undefined) return { ...rest, role: "*" };
  const role = only.role ?? "*";
  if (only.type !== "DYNAMIC") return { ...rest, role };
  const { principal, labels } = only;
  return {
    ...rest,
    role,
    reservation: {
      ...(principal === undefined ? {} : { principal }),
      ...(labels === undefined ? {} : { labels }),
    },
  };
}

/** Post-refinement to the form of operator output: both writings where both exist. */
export function toEndpointFormat(resource: Resource): Resource {
  if (isRefined(resource)) return resource;
  const { reservations } = resource;
  const pre = toPreRefinement(resource);
  return reservations === undefined ? pre : { ...pre, reservations };
}

function isPostRefinement({ role, reservation, reservations }: Resource): boolean {
  const isStackClean = reservations === undefined || reservations.length > 0;
  return role === undefined && reservation === undefined && isStackClean;
}
