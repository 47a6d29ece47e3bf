/** Turns flags into the settings of the master's core, with refusals that name the flag. */
import { ok, type Result, refuse } from "../base/result.ts";
import type { ParsedFlags } from "../cli/flags/parse-flags.ts";
import type { MasterOptions } from "../master/core/master-options.ts";
import type { Codec } from "../protocol/codec.ts";
import { validateRole } from "../protocol/validation/roles.ts";
import { toMilli } from "../resources/bundle.ts";
import { parseResources } from "../resources/parse.ts";
import {
  rateLimitsFlag,
  removalIntervalFlag,
  removalLimitFlag,
  weightsFlag,
} from "./policy-flags.ts";
import { aclsFlag } from "./security-flags.ts";

/** Everything but `info`. Errors: `invalid`, naming the flag. */
export function masterOptions(
  flags: ParsedFlags,
  codec: Codec,
): Result<Omit<MasterOptions, "info">> {
  const weights = weightsFlag(flags);
  if (!weights.ok) return weights;
  const recoveryAgentRemovalLimit = removalLimitFlag(flags);
  if (!recoveryAgentRemovalLimit.ok) return recoveryAgentRemovalLimit;
  const agentRemovalIntervalMs = removalIntervalFlag(flags);
  if (!agentRemovalIntervalMs.ok) return agentRemovalIntervalMs;
  const rateLimits = rateLimitsFlag(flags, codec);
  if (!rateLimits.ok) return rateLimits;
  const roles = rolesOf(flags.string("roles"));
  if (!roles.ok) return roles;
  const acls = aclsFlag(flags);
  if (!acls.ok) return acls;
  const minAllocatable = minAllocatableOf(
    flags.string("min_allocatable_resources") ?? "cpus:0.01|mem:32",
  );
  if (!minAllocatable.ok) return minAllocatable;
  const excluded = flags.string("fair_sharing_excluded_resource_names") ?? "";
  return ok({
    cluster: flags.string("cluster"),
    allocationIntervalMs: flags.durationMs("allocation_interval") ?? 1000,
    agentPingTimeoutMs: flags.durationMs("agent_ping_timeout") ?? 15_000,
    maxAgentPingTimeouts: flags.integer("max_agent_ping_timeouts") ?? 5,
    agentReregisterTimeoutMs: flags.durationMs("agent_reregister_timeout") ?? 600_000,
    offerTimeoutMs: flags.durationMs("offer_timeout"),
    maxCompletedFrameworks: flags.integer("max_completed_frameworks") ?? 50,
    maxCompletedTasksPerFramework: flags.integer("max_completed_tasks_per_framework") ?? 1000,
    maxUnreachableTasksPerFramework: flags.integer("max_unreachable_tasks_per_framework") ?? 1000,
    roles: roles.value,
    acls: acls.value,
    isRootSubmissionAllowed: flags.boolean("root_submissions") ?? true,
    isGpuFiltered: flags.boolean("filter_gpu_resources") ?? true,
    minAllocatable: minAllocatable.value,
    fairSharingExcluded: new Set(excluded.split(",").filter((name) => name !== "")),
    maxOperatorStreams: flags.integer("max_operator_event_stream_subscribers") ?? 1000,
    constraintRegexLimits: {
      memoryBytes: flags.sizeBytes("offer_constraints_re2_max_mem") ?? 4096,
      programSize: flags.integer("offer_constraints_re2_max_program_size") ?? 100,
    },
    weights: weights.value,
    allocatorAgentRecoveryFactor: flags.float("allocator_agent_recovery_factor") ?? 0.8,
    allocatorRecoveryTimeoutMs: flags.durationMs("allocator_recovery_timeout") ?? 600_000,
    recoveryAgentRemovalLimit: recoveryAgentRemovalLimit.value,
    agentRemovalIntervalMs: agentRemovalIntervalMs.value,
    isAgentDomainRequired: flags.boolean("require_agent_domain"),
    arePerFrameworkMetricsShown: flags.boolean("publish_per_framework_metrics"),
    rateLimits: rateLimits.value,
    registryGcIntervalMs: flags.durationMs("registry_gc_interval") ?? 900_000,
    registryMaxAgentAgeMs: flags.durationMs("registry_max_agent_age") ?? 1_209_600_000,
    registryMaxAgentCount: flags.integer("registry_max_agent_count") ?? 102_400,
  });
}

function rolesOf(text: string | undefined): Result<ReadonlySet<string> | undefined> {
  if (text === undefined) return ok(undefined);
  const roles = text.split(",").map((role) => role.trim());
  for (const role of roles) {
    const valid = validateRole(role, "roles");
    if (!valid.ok) return refuse("invalid", `--roles: ${valid.error.message}`, "roles");
  }
  return ok(new Set([...roles, "*"]));
}

function minAllocatableOf(text: string): Result<readonly Readonly<Record<string, number>>[]> {
  const sets: Record<string, number>[] = [];
  for (const part of text.split("|").filter((piece) => piece.trim() !== "")) {
    const parsed = parseResources(part, "*");
    if (!parsed.ok) {
      const message = `--min_allocatable_resources: ${parsed.error.message}`;
      return refuse("invalid", message, "min_allocatable_resources");
    }
    sets.push(
      Object.fromEntries(
        parsed.value.map(({ name, scalar }) => [name, toMilli(scalar?.value ?? 0)]),
      ),
    );
  }
  return ok(sets);
}
