/** Flags as a process has them: of a command line, of a user who is not root, and of given files. */
import { type Result, refuse } from "../../src/base/result.ts";
import { type RoleFlags, readRoleFlags } from "../../src/cli/flags/role-table.ts";

/** Without `readFile` there is no file. Throws what is wrong with them. */
export function roleFlags(
  argv: readonly string[],
  readFile: (path: string) => Result<string> = (path) =>
    refuse("notFound", `there is no file ${path}`),
): RoleFlags["flags"] {
  const environment = { HOME: "/home-of/me" };
  const read = readRoleFlags({ argv, environment, isRoot: false, readFile });
  if (!read.ok) throw new Error(read.error.message);
  return read.value.flags;
}
