/** Roles as operators name them. Source: semantics 3.6, 4.3, 4.10. */
import { validateRole } from "../../../protocol/validation/roles.ts";
import type { MasterContext } from "../context.ts";

/** Why an operator cannot mean this role: not a role at all, or not one of `--roles`. */
export function faultOfNamedRole(ctx: MasterContext, role: string): string | undefined {
  const checked = validateRole(role, "role");
  if (!checked.ok) return checked.error.message;
  const { roles } = ctx.options;
  if (roles === undefined || roles.has(role)) return undefined;
  return `role '${role}' is not present in the master's --roles`;
}
