/**
 * Resources as operators write them: `name(role):value;…` or a JSON array of Resource objects.
 * Source: reference/semantics.md 2.11. That a value may be a file's path is the flag reader's matter.
 */
import { ok, type Result, refuse } from "../base/result.ts";
import { excerpt } from "../base/text.ts";
import type { Codec } from "../protocol/codec.ts";
import type { Resource } from "../protocol/v1/types.ts";
import { RESOURCE_COUNT, RESOURCES_TEXT_LENGTH } from "./limits.ts";
import { parseValue } from "./parse-value.ts";
import { toPostRefinement } from "./refinement.ts";
import { validateResources } from "./validate.ts";

const PIECE = /^([^:()\s]+)\s*(?:\(([^()]*)\)\s*)?:(.*)$/s;

/**
 * Parses either form into validated post-refinement resources, in the order written and not merged:
 * `cpus:0` stays, since it keeps the agent from detecting cpus. Those without a role get
 * `defaultRole`. JSON needs the codec. Errors: `invalid`, naming the piece.
 */
export function parseResources(
  text: string,
  defaultRole: string,
  codec?: Codec,
): Result<Resource[]> {
  if (text.length > RESOURCES_TEXT_LENGTH) {
    return refuse("invalid", `resources text is longer than ${RESOURCES_TEXT_LENGTH} characters`);
  }
  const parsed = text.trimStart().startsWith("[")
    ? parseJsonForm(text, codec)
    : parseTextForm(text);
  if (!parsed.ok) return parsed;
  const resources = parsed.value.map((resource) => withRole(resource, defaultRole));
  const valid = validateResources(resources, "resources");
  return valid.ok ? ok(resources.map(toPostRefinement)) : valid;
}

function withRole(resource: Resource, defaultRole: string): Resource {
  const isSilent = resource.role === undefined && resource.reservations === undefined;
  return isSilent ? { ...resource, role: defaultRole } : resource;
}

function parseJsonForm(text: string, codec: Codec | undefined): Result<Resource[]> {
  if (codec === undefined) {
    return refuse("invalid", "resources are given as JSON; here write name(role):value");
  }
  const items = parseJsonList(text);
  if (!items.ok) return items;
  const resources: Resource[] = [];
  for (const [index, item] of items.value.entries()) {
    const resource = codec.fromJson("mesos.v1.Resource", item);
    if (!resource.ok) {
      const { message, field } = resource.error;
      const path = `resources[${index}]`;
      return refuse(
        "invalid",
        `${path}: ${message}`,
        field === undefined ? path : `${path}.${field}`,
      );
    }
    resources.push(resource.value);
  }
  return ok(resources);
}

function parseJsonList(text: string): Result<readonly unknown[]> {
  let items: unknown;
  try {
    items = JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return refuse("invalid", `resources are not JSON: ${excerpt(reason)}`);
  }
  if (!Array.isArray(items) || items.length > RESOURCE_COUNT) {
    return refuse("invalid", `resources must be a list of at most ${RESOURCE_COUNT} objects`);
  }
  return ok(items);
}

function parseTextForm(text: string): Result<Resource[]> {
  const pieces = text.split(";").filter((piece) => piece.trim() !== "");
  if (pieces.length > RESOURCE_COUNT) {
    return refuse("invalid", `resources text names more than ${RESOURCE_COUNT} resources`);
  }
  const resources: Resource[] = [];
  for (const piece of pieces) {
    const resource = parsePiece(piece.trim());
    if (!resource.ok) return resource;
    resources.push(resource.value);
  }
  return ok(resources);
}

function parsePiece(piece: string): Result<Resource> {
  const match = PIECE.exec(piece);
  const name = match?.[1];
  const valueText = match?.[3];
  if (name === undefined || valueText === undefined) {
    const shown = excerpt(piece);
    return refuse("invalid", `'${shown}' is not a resource; write name:value or name(role):value`);
  }
  const value = parseValue(valueText);
  if (!value.ok) {
    return refuse("invalid", `resource ${excerpt(name)}: ${value.error.message}`, name);
  }
  if (value.value.type === "TEXT") {
    const shown = `resource ${excerpt(name)}: '${excerpt(valueText.trim())}'`;
    return refuse("invalid", `${shown} is neither a number nor [ranges] nor {a set}`, name);
  }
  const role = match?.[2]?.trim();
  return ok({ name, ...(role === undefined ? {} : { role }), ...value.value });
}
