/**
 * Checks of a FrameworkInfo as a scheduler sends it, in the order of Mesos, and what follows from
 * an accepted one. Source: semantics 3.2 rule 3, 3.5, 3.6; http-api 4.1.
 */
import type { AllocatorFramework } from "../../allocator/allocator.ts";
import { brand, type FrameworkId } from "../../base/ids.ts";
import type {
  FrameworkInfo,
  FrameworkInfoCapabilityType,
  OfferFilters,
  SchedulerCallSubscribe,
} from "../../protocol/v1/types.ts";
import { validateId } from "../../protocol/validation/ids.ts";
import { validateRole } from "../../protocol/validation/roles.ts";
import type { MasterContext } from "./context.ts";
import { DURATION_SECONDS_MAX, ROLES_PER_FRAMEWORK_MAX } from "./limits.ts";
import { faultOfConstraints } from "./offer-constraints.ts";
import type { FrameworkEntry } from "./state.ts";

/** Finds the first fault of a subscription, as the text of its ERROR event. */
export function faultOfSubscription(
  ctx: MasterContext,
  subscription: SchedulerCallSubscribe,
): string | undefined {
  return faultOfInfo(ctx, subscription.framework_info) ?? faultOfWishes(ctx, subscription);
}

/** The first fault of the info on its own. */
export function faultOfInfo(ctx: MasterContext, info: FrameworkInfo): string | undefined {
  const roles = rolesOf(info);
  return (
    faultOfRoles(info) ??
    faultOfId(info) ??
    faultOfOfferFilters(info, roles) ??
    faultOfFailoverTimeout(info) ??
    faultOfWhitelist(ctx, roles) ??
    faultOfUser(ctx, info) ??
    faultOfCompletion(ctx, info)
  );
}

/** The first fault of what an agent reports of a framework that this master does not know. */
export function faultOfReported(info: FrameworkInfo): string | undefined {
  if (info.id === undefined || info.id.value === "") return "'frameworks' has one without an id";
  return (
    faultOfRoles(info) ??
    faultOfId(info) ??
    faultOfOfferFilters(info, rolesOf(info)) ??
    faultOfFailoverTimeout(info)
  );
}

/** The first fault of what stands beside a valid info: suppressed roles and offer constraints. */
export function faultOfWishes(
  ctx: MasterContext,
  { framework_info: info, suppressed_roles, offer_constraints }: SchedulerCallSubscribe,
): string | undefined {
  const roles = rolesOf(info);
  return (
    faultOfSuppression(suppressed_roles ?? [], roles) ??
    faultOfConstraints(ctx, offer_constraints, roles)
  );
}

/** The roles a framework subscribes to: `roles` with MULTI_ROLE, otherwise the one `role`. */
export function rolesOf(info: FrameworkInfo): readonly string[] {
  if (capabilitiesOf(info).has("MULTI_ROLE")) return info.roles ?? [];
  return [info.role ?? "*"];
}

export function capabilitiesOf(info: FrameworkInfo): ReadonlySet<FrameworkInfoCapabilityType> {
  const types = new Set<FrameworkInfoCapabilityType>();
  for (const { type } of info.capabilities ?? []) {
    if (type !== undefined) types.add(type);
  }
  return types;
}

/** What the allocator has to know of a framework. */
export function allocatorFramework(framework: FrameworkEntry): AllocatorFramework {
  return {
    roles: framework.roles,
    suppressedRoles: [...framework.suppressedRoles],
    capabilities: framework.capabilities,
    offerFilters: framework.info.offer_filters ?? {},
    offerConstraints: framework.offerConstraints,
  };
}

function faultOfRoles(info: FrameworkInfo): string | undefined {
  if (capabilitiesOf(info).has("MULTI_ROLE")) {
    if (info.role !== undefined) {
      return "'FrameworkInfo.role' must not be set when the framework is MULTI_ROLE capable";
    }
  } else if ((info.roles ?? []).length > 0) {
    return "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable";
  }
  const count = rolesOf(info).length;
  if (count > ROLES_PER_FRAMEWORK_MAX) {
    return `'FrameworkInfo.roles' has ${count} items; at most ${ROLES_PER_FRAMEWORK_MAX} are allowed`;
  }
  const seen = new Set<string>();
  for (const role of rolesOf(info)) {
    if (seen.has(role)) return `'FrameworkInfo.roles' contains duplicate items: ${role}`;
    seen.add(role);
    const checked = validateRole(role, "framework_info.roles");
    if (!checked.ok) return checked.error.message;
  }
  return undefined;
}

function faultOfId(info: FrameworkInfo): string | undefined {
  // An empty id is how some clients spell "give me one".
  if (info.id === undefined || info.id.value === "") return undefined;
  const checked = validateId(info.id.value, "framework_info.id");
  return checked.ok ? undefined : checked.error.message;
}

function faultOfOfferFilters(info: FrameworkInfo, roles: readonly string[]): string | undefined {
  const own = new Set(roles);
  for (const [role, filters] of Object.entries(info.offer_filters ?? {})) {
    if (!own.has(role)) {
      return `'FrameworkInfo.offer_filters' names role '${role}', which the framework does not have`;
    }
    const fault = faultOfMinimum(filters);
    if (fault !== undefined) {
      return `'FrameworkInfo.offer_filters' of role '${role}' is not valid: ${fault}`;
    }
  }
  return undefined;
}

function faultOfMinimum(filters: OfferFilters): string | undefined {
  for (const { quantities } of filters.min_allocatable_resources?.quantities ?? []) {
    const named = Object.entries(quantities ?? {});
    if (named.length === 0) return "resource quantities must not be empty";
    for (const [name, { value }] of named) {
      if (!Number.isFinite(value) || value < 0) return `quantity of ${name} must be a number >= 0`;
    }
  }
  return undefined;
}

function faultOfFailoverTimeout(info: FrameworkInfo): string | undefined {
  const seconds = info.failover_timeout ?? 0;
  if (Number.isFinite(seconds) && Math.abs(seconds) <= DURATION_SECONDS_MAX) return undefined;
  return `The framework's failover_timeout is invalid: ${seconds} is not a number of seconds`;
}

function faultOfWhitelist(ctx: MasterContext, roles: readonly string[]): string | undefined {
  const { roles: known } = ctx.options;
  if (known === undefined) return undefined;
  const unknown = roles.filter((role) => !known.has(role));
  if (unknown.length === 0) return undefined;
  return `Roles ${unknown.join(", ")} are not present in the master's --roles`;
}

function faultOfUser(ctx: MasterContext, info: FrameworkInfo): string | undefined {
  if (info.user !== "root" || ctx.options.isRootSubmissionAllowed) return undefined;
  return "User 'root' is not allowed to run frameworks without --root_submissions set";
}

function faultOfCompletion(ctx: MasterContext, info: FrameworkInfo): string | undefined {
  const id = brand<FrameworkId>(info.id?.value ?? "");
  const { frameworks, completedFrameworks } = ctx.state;
  const isOver = completedFrameworks.has(id) || frameworks.get(id)?.isLeaving === true;
  return isOver ? "Framework has been removed" : undefined;
}

function faultOfSuppression(
  suppressed: readonly string[],
  roles: readonly string[],
): string | undefined {
  const own = new Set(roles);
  const foreign = suppressed.find((role) => !own.has(role));
  if (foreign === undefined) return undefined;
  return `Suppressed role '${foreign}' is not one of the framework's roles`;
}
