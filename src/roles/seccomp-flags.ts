/** What an agent's flags say of seccomp profiles. Source: semantics 7.16; flags.md. */
import { ok, type Result, refuse } from "../base/result.ts";
import type { ParsedFlags } from "../cli/flags/parse-flags.ts";
import type { Isolation } from "../containerizer/native/isolation.ts";
import {
  readProfile,
  type SeccompSettings,
  seccompObstacle,
} from "../containerizer/native/seccomp/seccomp-isolator.ts";
import type { CapabilityInfo } from "../protocol/v1/types.ts";

export interface ChosenSeccomp {
  readonly settings: SeccompSettings;
  /** As chosen, with what these flags add. */
  readonly isolation: ReadonlySet<Isolation>;
}

/**
 * `isolation`: undefined with the posix launcher; `bounding`: `--bounding_capabilities`, for which the
 * agent's own profile is tried. Errors: `invalid`, naming the flag.
 */
export function seccompFlags(
  flags: ParsedFlags,
  isolation: ReadonlySet<Isolation> | undefined,
  bounding: CapabilityInfo | undefined,
): Result<ChosenSeccomp> {
  const settings: SeccompSettings = {
    folder: flags.string("seccomp_config_dir"),
    defaultName: flags.string("seccomp_profile_name"),
  };
  const name = settings.folder === undefined ? "seccomp_profile_name" : "seccomp_config_dir";
  const isAsked = settings.folder !== undefined || settings.defaultName !== undefined;
  if (isolation === undefined) {
    if (isAsked) return refuse("invalid", `--${name} needs the linux launcher`, name);
    return ok({ settings, isolation: new Set<Isolation>() });
  }
  const chosen = new Set(isolation);
  if (isAsked && flags.string("isolation") === undefined) chosen.add("linux/seccomp");
  if (!chosen.has("linux/seccomp")) {
    if (!isAsked) return ok({ settings, isolation: chosen });
    return refuse("invalid", `--${name} needs linux/seccomp in --isolation`, name);
  }
  if (settings.folder === undefined) {
    const message = "seccomp profiles need --seccomp_config_dir, the folder that they are in";
    return refuse("invalid", message, "seccomp_config_dir");
  }
  const obstacle = seccompObstacle();
  if (obstacle !== undefined) {
    return refuse("invalid", `--isolation=linux/seccomp: ${obstacle}`, "isolation");
  }
  if (settings.defaultName === undefined) return ok({ settings, isolation: chosen });
  const capabilities = bounding?.capabilities?.map((one) => `CAP_${one}`);
  const program = readProfile(
    settings.folder,
    settings.defaultName,
    capabilities === undefined ? undefined : new Set(capabilities),
  );
  if (program.ok) return ok({ settings, isolation: chosen });
  const message = `--seccomp_profile_name: ${program.error.message}`;
  return refuse("invalid", message, "seccomp_profile_name");
}
