/**
 * Quota of roles: UPDATE_QUOTA and the older SET_QUOTA and REMOVE_QUOTA. All of a call or nothing is
 * taken over; offers that a new quota has no room for are withdrawn. Source: semantics 4.3;
 * http-api 6.2 (`src/master/quota.cpp`, `quota_handler.cpp`).
 */
import { must } from "../../../base/assert.ts";
import { type Result, refuse } from "../../../base/result.ts";
import type {
  MasterCallUpdateQuota,
  QuotaQuotaConfig,
  QuotaQuotaRequest,
  Resource,
} from "../../../protocol/v1/types.ts";
import type { Quota, RoleQuota } from "../../../registry/core/registry-state.ts";
import { toMilli } from "../../../resources/bundle.ts";
import type { MasterContext } from "../context.ts";
import { QUOTA_NAMES_MAX, QUOTA_ROLES_MAX } from "../limits.ts";
import { firstFault } from "../message-validation.ts";
import { doomOffer, endDoomedOffers, RESCINDED } from "../offers.ts";
import { faultOfResources } from "../resource-forms.ts";
import type { OfferEntry } from "../state.ts";
import { faultOfNamedRole } from "./named-role.ts";
import { type OperatorRequest, plannedPolicy, settlePolicy } from "./settle.ts";

/** Refusals: `invalid`. */
export function updateQuota(
  ctx: MasterContext,
  { force, quota_configs }: MasterCallUpdateQuota,
  request: OperatorRequest,
): Result<void> | "later" {
  const configs = quota_configs ?? [];
  const fault =
    firstFault(configs, (config) => faultOfConfig(ctx, config)) ??
    (new Set(configs.map(({ role }) => role)).size < configs.length
      ? "a role is named more than once"
      : undefined);
  if (fault !== undefined) return invalid(fault);
  const quotas = configs.map(quotaOf);
  const crowd = faultOfNumber(ctx, quotas);
  if (crowd !== undefined) return invalid(crowd);
  if (force !== true) {
    const offered = offeredByRole(ctx);
    const excess =
      firstFault(quotas, (quota) => faultOfConsumption(ctx, quota, offered)) ??
      faultOfCapacity(ctx, quotas);
    if (excess !== undefined) return invalid(`${excess}; 'force' skips this check`);
  }
  return settle(ctx, quotas, request);
}

/** Guarantee and limit in one. Refusals: `invalid`, and `conflict` beyond the cluster's capacity. */
export function setQuota(
  ctx: MasterContext,
  { role = "", guarantee, force }: QuotaQuotaRequest,
  request: OperatorRequest,
): Result<void> | "later" {
  const resources = guarantee ?? [];
  const fault = faultOfGuarantee(resources);
  if (fault !== undefined) return invalid(fault);
  const amounts = Object.fromEntries(
    resources.map(({ name, scalar }) => [name, { value: scalar?.value ?? 0 }]),
  );
  const config = { role, guarantees: amounts, limits: amounts };
  const bad = faultOfConfig(ctx, config);
  if (bad !== undefined) return invalid(bad);
  if (plannedPolicy(ctx).quotas.has(role)) {
    return invalid(`role '${role}' has a quota already; remove it first or use UPDATE_QUOTA`);
  }
  const quotas = [quotaOf(config)];
  const crowd = faultOfNumber(ctx, quotas);
  if (crowd !== undefined) return invalid(crowd);
  const excess = force === true ? undefined : faultOfCapacity(ctx, quotas);
  if (excess !== undefined) {
    return refuse("conflict", `Heuristic capacity check for set quota request failed: ${excess}`);
  }
  return settle(ctx, quotas, request);
}

/** Refusals: `invalid` when the role has no quota. */
export function removeQuota(
  ctx: MasterContext,
  role: string,
  request: OperatorRequest,
): Result<void> | "later" {
  if (!plannedPolicy(ctx).quotas.has(role)) {
    return refuse("invalid", `Failed to remove quota: role '${role}' has no quota`, "role");
  }
  return settle(ctx, [{ role, guarantees: {}, limits: {} }], request);
}

/** Durable: the allocator follows, and offers that are in the way of it are withdrawn. */
export function quotaCommitted(ctx: MasterContext, quotas: readonly RoleQuota[]): void {
  for (const { role } of quotas) ctx.allocator.updateQuota(role, ctx.state.policy.quotas.get(role));
  for (const quota of quotas) rescindBeyondLimits(ctx, quota);
  rescindForGuarantees(ctx, quotas);
  endDoomedOffers(ctx);
}

function settle(
  ctx: MasterContext,
  quotas: readonly RoleQuota[],
  request: OperatorRequest,
): Result<void> | "later" {
  return settlePolicy(ctx, { kind: "updateQuota", quotas }, request, { kind: "quota", quotas });
}

function invalid(why: string): Result<void> {
  return refuse("invalid", `Invalid quota: ${why}`);
}

// ---- what may be asked for ----------------------------------------------------------------------

/** Quotas that are empty are removals. */
function faultOfNumber(ctx: MasterContext, quotas: readonly RoleQuota[]): string | undefined {
  const roles = new Set(plannedPolicy(ctx).quotas.keys());
  for (const { role, guarantees, limits } of quotas) {
    const names = new Set([...Object.keys(guarantees), ...Object.keys(limits)]);
    if (names.size > QUOTA_NAMES_MAX) {
      return `role '${role}' names ${names.size} resources; at most ${QUOTA_NAMES_MAX} are allowed`;
    }
    if (names.size > 0) roles.add(role);
  }
  if (roles.size <= QUOTA_ROLES_MAX) return undefined;
  return `${roles.size} roles would have a quota; at most ${QUOTA_ROLES_MAX} may`;
}

function faultOfConfig(ctx: MasterContext, config: QuotaQuotaConfig): string | undefined {
  const { role, guarantees, limits } = config;
  const bad = faultOfNamedRole(ctx, role);
  if (bad !== undefined) return bad;
  if (role === "*") return "the default role '*' can have no quota";
  if (role.includes("/")) {
    return `role '${role}' is nested; quota is for top-level roles, of which it covers the subtree`;
  }
  for (const amounts of [guarantees, limits]) {
    for (const [name, { value }] of Object.entries(amounts ?? {})) {
      if (name === "") return `quota of role '${role}' has a resource without a name`;
      if (!(value >= 0 && value <= mostOf(name))) {
        return `${value} ${name} of role '${role}' is not between 0 and ${mostOf(name)}`;
      }
    }
  }
  for (const [name, { value }] of Object.entries(guarantees ?? {})) {
    const limit = limits?.[name]?.value;
    if (limit !== undefined && toMilli(value) > toMilli(limit)) {
      return `guarantee of ${value} ${name} of role '${role}' is above its limit of ${limit}`;
    }
  }
  return undefined;
}

/** One exabyte in megabytes, and as many of anything else. */
const MEGABYTES_MAX = 1024 ** 4;
const SCALAR_MAX = 1e12;

function mostOf(name: string): number {
  return name === "mem" || name === "disk" ? MEGABYTES_MAX : SCALAR_MAX;
}

/** The older form speaks in resources, of which it allows plain scalars only. */
function faultOfGuarantee(resources: readonly Resource[]): string | undefined {
  if (resources.length === 0) return "a guarantee needs resources";
  const fault = faultOfResources(resources);
  if (fault !== undefined) return fault;
  const names = new Set<string>();
  for (const {
    name,
    type,
    role,
    reservation,
    reservations,
    disk,
    revocable,
    shared,
  } of resources) {
    if (type !== "SCALAR") return `${name} of a guarantee is not a scalar`;
    const isReserved =
      (role ?? "*") !== "*" || reservation !== undefined || (reservations ?? []).length > 0;
    if (isReserved) return `${name} of a guarantee must not be reserved`;
    if (disk !== undefined || revocable !== undefined || shared !== undefined) {
      return `${name} of a guarantee must be plain: not disk of a kind, revocable or shared`;
    }
    if (names.has(name)) return `${name} is named more than once in the guarantee`;
    names.add(name);
  }
  return undefined;
}

function quotaOf({ role, guarantees, limits }: QuotaQuotaConfig): RoleQuota {
  const positive = Object.entries(guarantees ?? {}).filter(([, { value }]) => toMilli(value) > 0);
  const milli = (entries: typeof positive): Record<string, number> =>
    Object.fromEntries(entries.map(([name, { value }]) => [name, toMilli(value)]));
  return { role, guarantees: milli(positive), limits: milli(Object.entries(limits ?? {})) };
}

/** A limit below what the role already has could not be kept. Offers can be withdrawn. */
function faultOfConsumption(
  ctx: MasterContext,
  { role, limits }: RoleQuota,
  offered: ReadonlyMap<string, ReadonlyMap<string, number>>,
): string | undefined {
  const consumed = ctx.allocator.quotaConsumed(role);
  for (const [name, limit] of Object.entries(limits)) {
    const inUse = (consumed.get(name) ?? 0) - (offered.get(role)?.get(name) ?? 0);
    if (inUse <= limit) continue;
    const [has, may] = [inUse / 1000, limit / 1000];
    return `limit of ${may} ${name} of role '${role}' is below its consumption of ${has}`;
  }
  return undefined;
}

/** All guarantees together must fit into what registered agents have. */
function faultOfCapacity(ctx: MasterContext, quotas: readonly RoleQuota[]): string | undefined {
  const all = new Map<string, Quota>(plannedPolicy(ctx).quotas);
  for (const quota of quotas) all.set(quota.role, quota);
  const wanted = new Map<string, number>();
  for (const { guarantees } of all.values()) {
    for (const [name, milli] of Object.entries(guarantees)) {
      wanted.set(name, (wanted.get(name) ?? 0) + milli);
    }
  }
  const capacity = ctx.state.tally.total.plain;
  for (const [name, milli] of wanted) {
    const has = capacity.get(name) ?? 0;
    if (milli <= has) continue;
    return `guarantees of ${milli / 1000} ${name} exceed the cluster's ${has / 1000}`;
  }
  return undefined;
}

// ---- room for it --------------------------------------------------------------------------------

/** Quota counts unreserved, firm scalars; what is reserved counts whether offered or not. */
function scalarsOf(offer: OfferEntry): Map<string, number> {
  const { resources } = offer;
  return resources
    .filter((kind) => kind.reservationRole === "*" && !kind.isRevocable)
    .scalarTotals();
}

function isWithin(role: string, top: string): boolean {
  return role === top || role.startsWith(`${top}/`);
}

/** What offers hold of what quota counts, by top-level role and name. */
function offeredByRole(ctx: MasterContext): Map<string, Map<string, number>> {
  const byRole = new Map<string, Map<string, number>>();
  for (const offer of ctx.state.offers.values()) {
    const [top = ""] = offer.role.split("/", 1);
    const sums = byRole.get(top) ?? new Map<string, number>();
    byRole.set(top, sums);
    for (const [name, milli] of scalarsOf(offer)) sums.set(name, (sums.get(name) ?? 0) + milli);
  }
  return byRole;
}

function rescindBeyondLimits(ctx: MasterContext, { role, limits }: RoleQuota): void {
  const names = Object.keys(limits);
  if (names.length === 0) return;
  const consumed = new Map(ctx.allocator.quotaConsumed(role));
  const isBeyond = (name: string): boolean => (consumed.get(name) ?? 0) > (limits[name] ?? 0);
  if (!names.some(isBeyond)) return;
  for (const offer of ctx.state.offers.values()) {
    if (!names.some(isBeyond)) return;
    if (!isWithin(offer.role, role)) continue;
    const held = scalarsOf(offer);
    if (![...held.keys()].some((name) => limits[name] !== undefined && isBeyond(name))) continue;
    doomOffer(ctx, offer, RESCINDED);
    for (const [name, milli] of held) consumed.set(name, (consumed.get(name) ?? 0) - milli);
  }
}

/** What guarantees lack is taken from offers to other roles, agent by agent. */
function rescindForGuarantees(ctx: MasterContext, quotas: readonly RoleQuota[]): void {
  const lacking = new Map<string, number>();
  for (const { role, guarantees } of quotas) {
    const consumed = ctx.allocator.quotaConsumed(role);
    for (const [name, milli] of Object.entries(guarantees)) {
      const lack = milli - (consumed.get(name) ?? 0);
      if (lack > 0) lacking.set(name, (lacking.get(name) ?? 0) + lack);
    }
  }
  for (const agent of ctx.state.agents.values()) {
    if (lacking.size === 0) return;
    for (const offerId of agent.offers) {
      const offer = must(ctx.state.offers.get(offerId), "offer of an agent");
      if (quotas.some(({ role }) => isWithin(offer.role, role))) continue;
      const held = scalarsOf(offer);
      if (![...held.keys()].some((name) => lacking.has(name))) continue;
      doomOffer(ctx, offer, RESCINDED);
      for (const [name, milli] of held) reduce(lacking, name, milli);
    }
  }
}

function reduce(lacking: Map<string, number>, name: string, milli: number): void {
  const left = (lacking.get(name) ?? 0) - milli;
  if (left > 0) lacking.set(name, left);
  else lacking.delete(name);
}
