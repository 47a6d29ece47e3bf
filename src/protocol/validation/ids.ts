/**
 * What ids that others choose may look like. Task, executor and framework ids become folder names,
 * container ids cgroup names as well.
 * Source: reference/semantics.md 6.7, reference/http-api.md 7.2.
 */
import { ok, type Result, refuse } from "../../base/result.ts";
import { encodeUtf8 } from "../../base/text.ts";
import { CONTAINER_ID_BYTES, ID_BYTES } from "../limits.ts";
import type { ContainerID } from "../v1/types.ts";

/** Accepts an id that is safe as a file name. `field` is its path, for the refusal. */
export function validateId(id: string, field: string): Result<string> {
  const fault = faultOfId(id);
  return fault === undefined ? ok(id) : refuse("invalid", `'${field}' ${fault}`, field);
}

/**
 * Accepts a container id with all its parents: each an id that is safe as a cgroup name too.
 * `field` is the path of the whole message.
 */
export function validateContainerId(containerId: ContainerID, field: string): Result<ContainerID> {
  let path = field;
  for (
    let level: ContainerID | undefined = containerId;
    level !== undefined;
    level = level.parent
  ) {
    const fault = faultOfContainerId(level.value);
    if (fault !== undefined) {
      return refuse("invalid", `'${path}.value' ${fault}`, `${path}.value`);
    }
    path += ".parent";
  }
  return ok(containerId);
}

function faultOfId(id: string): string | undefined {
  if (id === "") return "must not be empty";
  if (id === "." || id === "..") return `must not be '${id}'`;
  if (isLonger(id, ID_BYTES)) return `must not be longer than ${ID_BYTES} bytes`;
  const character = findCharacter(id, isForbiddenInId);
  return character === undefined ? undefined : `must not contain ${character}`;
}

function faultOfContainerId(value: string): string | undefined {
  const fault = faultOfId(value);
  if (fault !== undefined) return fault;
  if (isLonger(value, CONTAINER_ID_BYTES)) {
    return `must not be longer than ${CONTAINER_ID_BYTES} bytes`;
  }
  const character = findCharacter(value, (code) => code === 0x20 || code === 0x2e);
  return character === undefined ? undefined : `must not contain ${character}`;
}

function isForbiddenInId(code: number): boolean {
  const isControl = code < 0x20 || code === 0x7f;
  return isControl || code === 0x2f || code === 0x5c;
}

/** How to name the first forbidden character in an error text, where it may be unprintable. */
function findCharacter(text: string, isForbidden: (code: number) => boolean): string | undefined {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (!isForbidden(code)) continue;
    if (code > 0x20 && code < 0x7f) return `'${text.charAt(index)}'`;
    return `the character 0x${code.toString(16).padStart(2, "0")}`;
  }
  return undefined;
}

function isLonger(text: string, limitBytes: number): boolean {
  // A character takes up to three bytes per UTF-16 unit, so most ids need no encoding.
  if (text.length > limitBytes) return true;
  return text.length * 3 > limitBytes && encodeUtf8(text).length > limitBytes;
}
