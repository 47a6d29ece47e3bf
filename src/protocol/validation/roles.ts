/** What a role name may look like. Source: reference/semantics.md 3.6 (`src/common/roles.cpp`). */
import { ok, type Result, refuse } from "../../base/result.ts";
import { excerpt } from "../../base/text.ts";

/** White space, backspace and delete, which Mesos lists one by one. */
const FORBIDDEN: ReadonlySet<number> = new Set([0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x20, 0x7f]);

/** Accepts `*` and paths such as `eng/web`. `field` is the path of the role, for the refusal. */
export function validateRole(role: string, field: string): Result<string> {
  const fault = faultOfRole(role);
  if (fault === undefined) return ok(role);
  return refuse("invalid", `Role '${excerpt(role)}' in '${field}' ${fault}`, field);
}

function faultOfRole(role: string): string | undefined {
  if (role === "*") return undefined;
  if (role === "") return "must not be empty";
  if (role.startsWith("/")) return "must not start with '/'";
  if (role.endsWith("/")) return "must not end with '/'";
  for (const component of role.split("/")) {
    const fault = faultOfComponent(component);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function faultOfComponent(component: string): string | undefined {
  if (component === "") return "must not contain '//'";
  if (component === "." || component === ".." || component === "*") {
    return `must not contain '${component}' between slashes`;
  }
  if (component.startsWith("-")) return "must not contain a part that starts with '-'";
  for (let index = 0; index < component.length; index++) {
    if (FORBIDDEN.has(component.charCodeAt(index))) return "must not contain white space";
  }
  return undefined;
}
