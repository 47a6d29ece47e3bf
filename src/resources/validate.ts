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

function validateResource(resource: Resource, path: string): Result<void> {
  if (resource.name === "") {
    return refuse("invalid", `${path} has an empty name; name the resource`, `${path}.name`);
  }
  const value = validateValue(resource, path);
  if (!value.ok) return value;
  const reserved = validateReservations(resource, path);
  return reserved.ok ? validateDisk(resource, path) : reserved;
}
