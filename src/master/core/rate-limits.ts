/**
 * Pace of frameworks' calls by principal (`--rate_limits`). Differs from Mesos, which limits only
 * frameworks of its older protocol: allot speaks HTTP alone, so the flag would mean nothing. A call
 * that comes too early waits, and so does its answer; one too many is refused. SUBSCRIBE never
 * waits. Source: semantics 9.5.
 */
import { must } from "../../base/assert.ts";
import { ok, type Result, refuse } from "../../base/result.ts";
import { type MasterContext, setTimer } from "./context.ts";
import type { MasterInput } from "./inputs.ts";
import { WAITING_CALLS_MAX } from "./limits.ts";
import type { RateLimit } from "./master-options.ts";
import type { CallLimiter, FrameworkEntry } from "./state.ts";

type CallInput = Extract<MasterInput, { readonly kind: "schedulerCall" }>;

/** Whether a call may be carried out now. Refusal: `notReady` when too many wait already. */
export function admitCall(
  ctx: MasterContext,
  framework: FrameworkEntry,
  input: CallInput,
): Result<"now" | "later"> {
  const { principal } = framework.info;
  const { rateLimits } = ctx.options;
  if (rateLimits === undefined) return ok("now");
  const own = principal === undefined ? undefined : rateLimits.byPrincipal.get(principal);
  const limit = own ?? rateLimits.aggregate;
  if (limit?.intervalMs === undefined) return ok("now");
  const key = own === undefined ? AGGREGATE : `principal ${principal}`;
  const limiter = limiterOf(ctx, key, limit);
  if (limiter.waiting.length === 0 && limiter.nextMs <= ctx.nowMs) {
    limiter.nextMs = ctx.nowMs + limit.intervalMs;
    return ok("now");
  }
  const capacity = limit.capacity ?? WAITING_CALLS_MAX;
  if (limiter.waiting.length >= capacity) {
    const { type } = input.call;
    return refuse("notReady", `Message ${type} dropped: capacity(${capacity}) exceeded`);
  }
  limiter.waiting.push(input);
  if (limiter.waiting.length === 1) setTurn(ctx, key, limiter);
  return ok("later");
}

/** The call whose turn has come; undefined when none waits. */
export function nextCall(ctx: MasterContext, key: string): CallInput | undefined {
  const limiter = ctx.state.callLimiters.get(key);
  const input = limiter?.waiting.shift();
  if (limiter === undefined || input === undefined) return undefined;
  limiter.nextMs = ctx.nowMs + must(limiter.limit.intervalMs, "interval of a limiter");
  if (limiter.waiting.length > 0) setTurn(ctx, key, limiter);
  return input;
}

/** Key of the limiter that all principals without one of their own share. */
const AGGREGATE = "aggregate";

/** One for each principal that `--rate_limits` names, so that there are never many. */
function limiterOf(ctx: MasterContext, key: string, limit: RateLimit): CallLimiter {
  const { callLimiters } = ctx.state;
  const known = callLimiters.get(key);
  if (known !== undefined) return known;
  const limiter: CallLimiter = { limit, nextMs: ctx.nowMs, waiting: [] };
  callLimiters.set(key, limiter);
  return limiter;
}

function setTurn(ctx: MasterContext, key: string, { nextMs }: CallLimiter): void {
  setTimer(ctx, { kind: "rateLimit", key }, nextMs - ctx.nowMs);
}
