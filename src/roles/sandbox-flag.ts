/** Where containers with a root of their own see their sandbox: `--sandbox_directory`. */
import { posix as paths } from "node:path";
import { ok, type Result, refuse } from "../base/result.ts";
import { coveredInRoot } from "../containerizer/native/volume-targets.ts";
import type { RoleContext } from "./role-context.ts";

const NAME = "sandbox_directory";
const DEFAULT = "/mnt/mesos/sandbox";

/** In plain form. */
export function sandboxDirectory(flags: RoleContext["flags"]): string {
  return plain(flags.string(NAME) ?? DEFAULT);
}

/** Errors: invalid, for a place that a container cannot do without. */
export function checkSandboxDirectory(text: string): Result<string> {
  const path = plain(text);
  const message = (why: string): string =>
    `--${NAME}: ${JSON.stringify(text)} ${why}; give a folder such as ${DEFAULT}`;
  if (!paths.isAbsolute(text)) return refuse("invalid", message("is no absolute path"), NAME);
  const other = coveredInRoot(path);
  if (other === undefined) return ok(path);
  return refuse("invalid", message(`would cover ${other} in containers`), NAME);
}

function plain(path: string): string {
  return paths.normalize(path).replace(/(?<=.)\/+$/, "");
}
