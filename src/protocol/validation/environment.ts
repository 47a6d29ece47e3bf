/** Environments of commands. Source: semantics 6.7 (`src/common/validation.cpp`). */
import type { Environment } from "../v1/types.ts";

/** What the first wrong variable lacks or has too much; undefined when all are right. */
export function faultOfEnvironment(environment: Environment | undefined): string | undefined {
  for (const { name, type, value, secret } of environment?.variables ?? []) {
    if (name === "") return "Environment variable must have a name";
    if (type === "SECRET") {
      if (secret === undefined)
        return `Environment variable '${name}' of type SECRET needs a secret`;
      if (value !== undefined) return `Environment variable '${name}' of type SECRET has a value`;
    } else if (value === undefined) {
      return `Environment variable '${name}' of type VALUE needs a value`;
    }
    if (value?.includes("\0") === true) return `Environment variable '${name}' holds a NUL byte`;
  }
  return undefined;
}
