/**
 * What resources must look like before arithmetic may trust them. Errors name the path and the
 * remedy. Source: reference/semantics.md 2.11, 3.6, 5, 6.7 (`src/common/resources.cpp`).
 */
import { ok, type Result, refuse } from "../base/result.ts";
import { excerpt } from "../base/text.ts";
import type { Resource } from "../protocol/v1/types.ts";
import { RESOURCE_COUNT } from "./limits.ts";
import { validateDisk } from "./validate-disk.ts";
import { validateReservations } from "./validate-reservations.ts";
import { validateValue } from "./validate-value.ts";

/** Checks each resource alone, and that one name has one type throughout. */
export function validateResources(resources: readonly Resource[], path: string): Result<void> {
  if (resources.length > RESOURCE_COUNT) {
    return refuse("invalid", `${path} holds more than ${RESOURCE_COUNT} resources`, path);
  }
  const types = new Map<string, string>();
  for (const [index, resource] of resources.entries()) {
    const at = `${path}[${index}]`;
    const valid = validateResource(resource, at);
    if (!valid.ok) return valid;
    const type = types.get(resource.name) ?? resource.type;
    if (type !== resource.type) {
      const name = excerpt(resource.name);
      const message = `Resource ${name} is ${type} and ${resource.type}; use one type per name`;
      return refuse("invalid", message, `${at}.type`);
    }
    types.set(resource.name, type);
  }
  return ok(undefined);
}

/**
 * What a task or an executor may ask for: valid, of one allocation role, not revocable and
 * non-revocable of one name at once, no persistence id twice. An empty list passes; that a task
 * needs something is the caller's rule.
 */
export function validateTaskResources(resources: readonly Resource[], path: string): Result<void> {
  const valid = validateResources(resources, path);
  if (!valid.ok) return valid;
  const fault =
    faultOfAllocation(resources) ?? faultOfRevocable(resources) ?? faultOfPersistence(resources);
  return fault === undefined ? valid : refuse("invalid", `${path} ${fault}`, path);
}

function validateResource(resource: Resource, path: string): Result<void> {
  if (resource.name === "") {
    return refuse("invalid", `${path} has an empty name; name the resource`, `${path}.name`);
  }
  const value = validateValue(resource, path);
  if (!value.ok) return value;
  const reserved = validateReservations(resource, path);
  return reserved.ok ? validateDisk(resource, path) : reserved;
}

function faultOfAllocation(resources: readonly Resource[]): string | undefined {
  const roles = new Set(resources.map(({ allocation_info }) => allocation_info?.role));
  if (roles.size <= 1) return undefined;
  const shown = [...roles].map((role) => role ?? "none").join(", ");
  return `is allocated to several roles (${excerpt(shown)}); use resources of one role`;
}

function faultOfRevocable(resources: readonly Resource[]): string | undefined {
  const revocable = new Map<string, boolean>();
  for (const { name, revocable: mark } of resources) {
    const isRevocable = mark !== undefined;
    if ((revocable.get(name) ?? isRevocable) !== isRevocable) {
      return `uses both revocable and non-revocable ${excerpt(name)}; use one of them`;
    }
    revocable.set(name, isRevocable);
  }
  return undefined;
}

/** Persistence ids are unique per role, as Mesos keeps them. */
function faultOfPersistence(resources: readonly Resource[]): string | undefined {
  const seen = new Set<string>();
  for (const { disk, reservations, role } of resources) {
    const id = disk?.persistence?.id;
    if (id === undefined) continue;
    const key = JSON.stringify([reservations?.at(-1)?.role ?? role ?? "*", id]);
    if (seen.has(key)) return `uses persistent volume ${excerpt(id)} twice; name it once`;
    seen.add(key);
  }
  return undefined;
}
