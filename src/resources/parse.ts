/**
 * Resources as operators write them: `name(role):value;…` or a JSON array of Resource objects.
 * Source: semantics 2.11.
 */
import { type Result, ok, refuse } from "../base/result.ts";
import { excerpt } from "../base/text.ts";
import type { Codec } from "../protocol/codec.ts";
import type { Resource } from "../protocol/v1/types.ts";
import { RESOURCE_COUNT, RESOURCES_TEXT_LENGTH } from "./limits.ts";
import { parseValue } from "./parse-value.ts";
import { toPostRefinement } from "./refinement.ts";
import { validateResources } from "./validate.ts";

/**
 * Parses either form into validated post-refinement resources; those without a role get
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
  const parsed =
    codec !== undefined && text.trimStart().startsWith("[")
      ? parseJsonForm(text, codec)
      : parseTextForm(text);
  if (!parsed.ok) return parsed;
  const resources = parsed.value.map((resource) =>
    toPostRefinement(
      resource.role === undefined && resource.reservations === undefined
        ? { ...resource, role: defaultRole }
        : resource,
    ),
  );
  const valid = validateResources(resources, "resources");
  return valid.ok ? ok(resources) : valid;
}

function parseJsonForm(text: string, codec: Codec): Result<Resource[]> {
  let items: unknown;
  try {
    items = JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return refuse("invalid", `resources are not JSON: ${excerpt(reason)}`);
  }
  if (!Array.isArray(items) || items.length > RESOURCE_COUNT) {
    return refuse("invalid", `Expecting resources to be a list of at most ${RESOURCE_COUNT} objects`);
  }
  const resources: Resource[] = [];
  for (const [index, item] of (items as unknown[]).entries()) {
    const resource = codec.fromJson("mesos.v1.Resource", item);
    if (!resource.ok) {
      const { message, field } = resource.error;
      return refuse("invalid", `resources[${index}]: ${message}`, `resources[${index}].${field ?? ""}`);
    }
    resources.push(resource.value);
  }
  return ok(resources);
}

function parseTextForm(text: string): Result<Resource[]> {
  const resources: Resource[] = [];
  const pieces = text.split(/[;\n]/).filter((piece) => piece.trim() !== "");
  if (pieces.length > RESOURCE_COUNT) {
    return refuse("invalid", `resources text names more than ${RESOURCE_COUNT} resources`);
  }
  for (const piece of pieces) {
    const resource = parsePiece(piece.trim());
    if (!resource.ok) return resource;
    resources.push(resource.value);
  }
  return ok(resources);
}

function parsePiece(piece: string): Result<Resource> {
  const match = /^([^:()\s]+)(?:\(([^)]*)\))?\s*:(.*)$/s.exec(piece);
  const name = match?.[1];
  const valueText = match?.[3];
  if (name === undefined || valueText === undefined) {
    return refuse("invalid", `${excerpt(piece)} is not a resource; write name:value or name(role):value`);
  }
  const value = parseValue(valueText);
  if (!value.ok) return refuse("invalid", `resource ${name}: ${value.error.message}`, name);
  if (value.value.type === "TEXT") {
    return refuse(
      "invalid",
      `resource ${name}: ${excerpt(valueText)} is neither a number nor [ranges] nor {a set}`,
      name,
    );
  }
  const role = match?.[2];
  return ok({ name, ...(role === undefined ? {} : { role }), ...value.value });
}
