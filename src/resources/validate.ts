/**
 * What a resource must look like before arithmetic may trust it. Errors name the path and the
 * remedy. Source: semantics 2.11, 5, 6.7 (`src/common/resources.cpp`).
 */
import { type Result, ok, refuse } from "../base/result.ts";
import { excerpt } from "../base/text.ts";
import type { Resource } from "../protocol/v1/types.ts";
import { validateRole } from "../protocol/validation/roles.ts";
import { RESOURCE_COUNT } from "./limits.ts";
import { toMilli } from "./bundle.ts";

/** Largest scalar whose thousandths are exact in a double. */
const SCALAR_MAX = Number.MAX_SAFE_INTEGER / 1000;

/** Checks each resource alone, and that one name has one type throughout. */
export function validateResources(resources: readonly Resource[], path: string): Result<void> {
  if (resources.length > RESOURCE_COUNT) {
    return refuse("invalid", `${path} holds more than ${RESOURCE_COUNT} resources`, path);
  }
  const types = new Map<string, string>();
  for (const [index, resource] of resources.entries()) {
    const result = validateResource(resource, `${path}[${index}]`);
    if (!result.ok) return result;
    const type = types.get(resource.name);
    if (type !== undefined && type !== resource.type) {
      return refuse(
        "invalid",
        `Resource ${excerpt(resource.name)} is given both as ${type} and as ${resource.type}; use one type per name`,
        `${path}[${index}].type`,
      );
    }
    types.set(resource.name, resource.type);
  }
  return ok(undefined);
}

/**
 * What a task or an executor may ask for: valid, of one allocation role, not revocable and
 * non-revocable of one name at once, no persistence id twice.
 */
export function validateTaskResources(resources: readonly Resource[], path: string): Result<void> {
  const valid = validateResources(resources, path);
  if (!valid.ok) return valid;
  const roles = new Set(resources.map((resource) => resource.allocation_info?.role ?? ""));
  if (roles.size > 1) {
    return refuse("invalid", `${path} is allocated to several roles (${[...roles].join(", ")}); use one`, path);
  }
  const revocable = new Map<string, boolean>();
  const persistenceIds = new Set<string>();
  for (const resource of resources) {
    const isRevocable = resource.revocable !== undefined;
    if ((revocable.get(resource.name) ?? isRevocable) !== isRevocable) {
      return refuse("invalid", `Cannot use both revocable and non-revocable '${excerpt(resource.name)}' at the same time`, path);
    }
    revocable.set(resource.name, isRevocable);
    const id = resource.disk?.persistence?.id;
    if (id === undefined) continue;
    if (persistenceIds.has(id)) {
      return refuse("invalid", `${path} uses persistent volume ${excerpt(id)} twice`, path);
    }
    persistenceIds.add(id);
  }
  return ok(undefined);
}

function validateResource(resource: Resource, path: string): Result<void> {
  if (resource.name === "") return refuse("invalid", `${path} has an empty name`, `${path}.name`);
  const value = validateValue(resource, path);
  if (!value.ok) return value;
  const reserved = validateReservations(resource, path);
  if (!reserved.ok) return reserved;
  return validateDisk(resource, path);
}

function validateValue(resource: Resource, path: string): Result<void> {
  const { name } = resource;
  switch (resource.type) {
    case "SCALAR": {
      const value = resource.scalar?.value;
      if (value === undefined || resource.ranges !== undefined || resource.set !== undefined) {
        return refuse("invalid", `Resource ${excerpt(name)} is a SCALAR: give scalar.value and nothing else`, path);
      }
      if (!(value >= 0 && value <= SCALAR_MAX)) {
        return refuse("invalid", `Resource ${excerpt(name)} is ${value}; give a number from 0 to ${SCALAR_MAX}`, `${path}.scalar.value`);
      }
      if (name === "gpus" && toMilli(value) % 1000 !== 0) {
        return refuse("invalid", `Resource gpus is ${value}; only whole GPUs exist`, `${path}.scalar.value`);
      }
      return ok(undefined);
    }
    case "RANGES":
      if (resource.ranges === undefined || resource.scalar !== undefined || resource.set !== undefined) {
        return refuse("invalid", `Resource ${excerpt(name)} is of RANGES: give ranges and nothing else`, path);
      }
      return validateRanges(resource, path);
    case "SET":
      if (resource.set === undefined || resource.scalar !== undefined || resource.ranges !== undefined) {
        return refuse("invalid", `Resource ${excerpt(name)} is a SET: give set and nothing else`, path);
      }
      if (new Set(resource.set.item ?? []).size !== (resource.set.item ?? []).length) {
        return refuse("invalid", `Resource ${excerpt(name)} names an item twice`, `${path}.set.item`);
      }
      return ok(undefined);
    default:
      return refuse("invalid", `Resource ${excerpt(name)} has type ${resource.type}; use SCALAR, RANGES or SET`, `${path}.type`);
  }
}

function validateRanges(resource: Resource, path: string): Result<void> {
  for (const [index, range] of (resource.ranges?.range ?? []).entries()) {
    const isSane =
      Number.isSafeInteger(range.begin) && Number.isSafeInteger(range.end) && range.begin >= 0;
    if (!isSane || range.begin > range.end) {
      return refuse(
        "invalid",
        `Resource ${excerpt(resource.name)} has the range ${range.begin}-${range.end}; give whole numbers, begin not above end`,
        `${path}.ranges.range[${index}]`,
      );
    }
  }
  return ok(undefined);
}

function validateReservations(resource: Resource, path: string): Result<void> {
  const { role, reservation, reservations } = resource;
  if (reservations !== undefined && reservations.length > 0) {
    if (reservation !== undefined) {
      return refuse("invalid", `${path} has both reservation and reservations; give reservations only`, `${path}.reservation`);
    }
    return validateStack(reservations, path);
  }
  if (role !== undefined) {
    const valid = validateRole(role, `${path}.role`);
    if (!valid.ok) return valid;
  }
  if (reservation !== undefined && (role === undefined || role === "*")) {
    return refuse("invalid", `${path} is dynamically reserved to no role; give role`, `${path}.role`);
  }
  return ok(undefined);
}

function validateStack(stack: Resource["reservations"], path: string): Result<void> {
  let parent: string | undefined;
  for (const [index, entry] of (stack ?? []).entries()) {
    const at = `${path}.reservations[${index}]`;
    const role = entry.role ?? "";
    const valid = validateRole(role, `${at}.role`);
    if (!valid.ok) return valid;
    if (role === "*") return refuse("invalid", `${at} reserves to '*'; name a role`, `${at}.role`);
    if (entry.type === undefined || entry.type === "UNKNOWN") {
      return refuse("invalid", `${at} has no type; use STATIC or DYNAMIC`, `${at}.type`);
    }
    if (parent !== undefined && entry.type === "STATIC") {
      return refuse("invalid", `${at} is STATIC; only the first reservation may be`, `${at}.type`);
    }
    if (parent !== undefined && !role.startsWith(`${parent}/`)) {
      return refuse("invalid", `${at} refines ${parent} but ${role} is not below it`, `${at}.role`);
    }
    parent = role;
  }
  return ok(undefined);
}

function validateDisk(resource: Resource, path: string): Result<void> {
  if (resource.disk !== undefined && resource.name !== "disk") {
    return refuse("invalid", `${path} is ${excerpt(resource.name)} with disk details; only disk has them`, `${path}.disk`);
  }
  const isReserved =
    (resource.reservations?.length ?? 0) > 0 ||
    (resource.role !== undefined && resource.role !== "*");
  if (resource.disk?.persistence !== undefined && !isReserved) {
    return refuse("invalid", `${path} is a persistent volume of no role; reserve it first`, `${path}.reservations`);
  }
  if (resource.shared !== undefined && resource.disk?.persistence === undefined) {
    return refuse("invalid", `${path} is shared; only persistent volumes can be`, `${path}.shared`);
  }
  return ok(undefined);
}
