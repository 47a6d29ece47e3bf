/**
 * The start of a master's life: what the registry remembers is taken over, and agents that were
 * admitted have so much time to come back. Source: semantics 1.6.
 */
import { brand } from "../../base/ids.ts";
import type { RegistryState } from "../../registry/core/registry-state.ts";
import { commit, log, type MasterContext, setTimer } from "./context.ts";
import { LOSSES_TOLD_PER_STEP_MAX } from "./limits.ts";
import { becomeUnreachable, NEVER_BACK } from "./unreachable.ts";

/** Takes over the registry. */
export function recover(ctx: MasterContext, registry: RegistryState): void {
  const { state, options } = ctx;
  state.isRecovered = true;
  state.startedMs = ctx.nowMs;
  for (const [id, agent] of registry.admitted) state.recoveredAgents.set(brand(id), agent);
  for (const [id, agent] of registry.unreachable) state.unreachableAgents.set(brand(id), agent);
  for (const [id, agent] of registry.gone) state.goneAgents.set(brand(id), agent);
  state.admittedAtStart = registry.admitted.size;
  recoverPolicy(ctx, registry);
  pauseOffers(ctx);
  if (state.recoveredAgents.size > 0) {
    setTimer(ctx, { kind: "recoveredAgents" }, options.agentReregisterTimeoutMs);
  }
  setTimer(ctx, { kind: "pruneRegistry" }, options.registryGcIntervalMs);
  log(ctx, "info", "registry recovered", {
    admitted: registry.admitted.size,
    unreachable: registry.unreachable.size,
    gone: registry.gone.size,
  });
}

/** Agents of the registry that never came back after this master started: some now, others later. */
export function recoveredAgentsTimedOut(ctx: MasterContext): void {
  const { state, options } = ctx;
  const { recoveredAgents, transitions, removals } = state;
  const missing = [...recoveredAgents.keys()].filter(
    (id) => !transitions.has(id) && !removals.waiting.has(id),
  );
  if (missing.length === 0) return;
  const share = missing.length / state.admittedAtStart;
  if (share > options.recoveryAgentRemovalLimit) {
    ctx.effects.push({ kind: "exit", reason: removalLimitText(ctx, missing.length, share) });
    return;
  }
  // Every subscribed framework is told of every agent.
  const count = Math.ceil(LOSSES_TOLD_PER_STEP_MAX / (1 + state.streams.size));
  becomeUnreachable(ctx, missing.slice(0, count), NEVER_BACK);
  if (missing.length > count) setTimer(ctx, { kind: "recoveredAgents" }, 0);
}

function removalLimitText(ctx: MasterContext, count: number, share: number): string {
  const { agentReregisterTimeoutMs, recoveryAgentRemovalLimit } = ctx.options;
  const minutes = Math.round(agentReregisterTimeoutMs / 60_000);
  const percent = (value: number): string => `${Math.round(value * 1000) / 10}%`;
  const found = `${count} (${percent(share)}) agents of the registry did not reregister within ${minutes}mins`;
  const limit = percent(recoveryAgentRemovalLimit);
  return `${found}; --recovery_agent_removal_limit allows ${limit}. Look into it or raise the limit`;
}

function recoverPolicy(ctx: MasterContext, registry: RegistryState): void {
  const { policy } = ctx.state;
  for (const [key, machine] of registry.machines) policy.machines.set(key, machine);
  policy.schedule = registry.schedule;
  for (const [role, quota] of registry.quotas) {
    policy.quotas.set(role, quota);
    ctx.allocator.updateQuota(role, quota);
  }
  recoverWeights(ctx, registry);
}

/** Weights of the registry win; those of `--weights` are written to one that has none. */
function recoverWeights(ctx: MasterContext, registry: RegistryState): void {
  const { policy } = ctx.state;
  const flagged = ctx.options.weights;
  if (registry.weights.size > 0 && flagged.size > 0) {
    log(ctx, "warning", "ignored --weights: the registry has weights already");
  }
  const isNew = registry.weights.size === 0;
  const weights = [...(isNew ? flagged : registry.weights)].map(([role, weight]) => ({
    role,
    weight,
  }));
  for (const { role, weight } of weights) policy.weights.set(role, weight);
  ctx.allocator.updateWeights(weights);
  if (!isNew || weights.length === 0) return;
  commit(ctx, [{ kind: "updateWeights", weights }], { kind: "adopted" });
}

/** Quotas cannot be kept before it is known what they have consumed. */
function pauseOffers(ctx: MasterContext): void {
  const { options, state } = ctx;
  const agentCount = Math.floor(options.allocatorAgentRecoveryFactor * state.recoveredAgents.size);
  const untilMs = ctx.nowMs + options.allocatorRecoveryTimeoutMs;
  ctx.allocator.pauseForRecovery(agentCount, untilMs);
}
