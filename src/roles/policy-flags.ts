/**
 * Flags of a master that are small languages of their own: weights, rates, shares, fault domains.
 * Every refusal names the flag. Source: reference/flags.md; semantics 1.6, 1.7, 2.10, 4.10, 9.5.
 */
import { ok, type Result, refuse } from "../base/result.ts";
import { parseDurationMs } from "../base/units.ts";
import type { ParsedFlags } from "../cli/flags/parse-flags.ts";
import type { RateLimit, RateLimits } from "../master/core/master-options.ts";
import type { Codec } from "../protocol/codec.ts";
import type { DomainInfo } from "../protocol/v1/types.ts";
import { validateRole } from "../protocol/validation/roles.ts";

/** `--weights=web=2,batch=0.5`. */
export function weightsFlag(flags: ParsedFlags): Result<ReadonlyMap<string, number>> {
  const weights = new Map<string, number>();
  for (const part of (flags.string("weights") ?? "").split(",")) {
    if (part.trim() === "") continue;
    const [role = "", number = "", ...more] = part.split("=").map((text) => text.trim());
    const weight = Number(number);
    if (more.length > 0 || !(weight > 0 && Number.isFinite(weight))) {
      return bad("weights", `'${part.trim()}' is not of the form role=weight, weight above 0`);
    }
    const valid = validateRole(role, "weights");
    if (!valid.ok) return bad("weights", valid.error.message);
    if (weights.has(role)) return bad("weights", `role '${role}' is named twice`);
    weights.set(role, weight);
  }
  return ok(weights);
}

/** `--recovery_agent_removal_limit=25%` as a share, 0 to 1. */
export function removalLimitFlag(flags: ParsedFlags): Result<number> {
  const text = flags.string("recovery_agent_removal_limit") ?? "100%";
  const percent = Number(/^(\d{1,3}(?:\.\d{1,6})?)%$/.exec(text)?.[1] ?? Number.NaN);
  if (percent >= 0 && percent <= 100) return ok(percent / 100);
  return bad("recovery_agent_removal_limit", `'${text}' is not a percentage such as 25%`);
}

/** `--agent_removal_rate_limit=1/10mins` as the least time between two removals. */
export function removalIntervalFlag(flags: ParsedFlags): Result<number | undefined> {
  const text = flags.string("agent_removal_rate_limit");
  if (text === undefined) return ok(undefined);
  const [, count = "", per = ""] = /^(\d{1,9})\/(.+)$/.exec(text) ?? [];
  const durationMs = parseDurationMs(per);
  if (Number(count) > 0 && durationMs.ok && durationMs.value > 0) {
    return ok(durationMs.value / Number(count));
  }
  return bad("agent_removal_rate_limit", `'${text}' is not a rate such as 1/10mins`);
}

/** `--domain={"fault_domain":{"region":{"name":"r"},"zone":{"name":"z"}}}`. */
export function domainFlag(flags: ParsedFlags, codec: Codec): Result<DomainInfo | undefined> {
  const value = flags.json("domain");
  if (value === undefined) return ok(undefined);
  const domain = codec.fromJson("mesos.v1.DomainInfo", value);
  if (!domain.ok) return bad("domain", domain.error.message);
  return domain.value.fault_domain === undefined
    ? bad("domain", "it holds no fault_domain with a region and a zone")
    : ok(domain.value);
}

/** `--rate_limits={"limits":[{"principal":"p","qps":5,"capacity":100}]}`. */
export function rateLimitsFlag(flags: ParsedFlags, codec: Codec): Result<RateLimits | undefined> {
  const value = flags.json("rate_limits");
  if (value === undefined) return ok(undefined);
  const message = codec.fromJson("mesos.v1.RateLimits", value);
  if (!message.ok) return bad("rate_limits", message.error.message);
  const { limits, aggregate_default_qps: qps, aggregate_default_capacity } = message.value;
  const byPrincipal = new Map<string, RateLimit>();
  for (const { principal, qps: own, capacity } of limits ?? []) {
    if (byPrincipal.has(principal)) {
      return bad("rate_limits", `principal '${principal}' is named twice`);
    }
    const limit = rateLimit(own, capacity);
    if (!limit.ok) return bad("rate_limits", `${limit.error.message} for principal '${principal}'`);
    byPrincipal.set(principal, limit.value);
  }
  const aggregate = rateLimit(qps, aggregate_default_capacity);
  if (!aggregate.ok) return bad("rate_limits", `${aggregate.error.message} for the aggregate`);
  return ok({ byPrincipal, aggregate: qps === undefined ? undefined : aggregate.value });
}

function rateLimit(qps: number | undefined, capacity: number | undefined): Result<RateLimit> {
  if (qps !== undefined && !(qps > 0 && Number.isFinite(qps))) {
    return refuse("invalid", "qps is not above 0");
  }
  if (capacity !== undefined && capacity < 0) return refuse("invalid", "capacity is below 0");
  return ok({ intervalMs: qps === undefined ? undefined : 1000 / qps, capacity });
}

function bad(flag: string, why: string): Result<never> {
  return refuse("invalid", `--${flag}: ${why}`, flag);
}
