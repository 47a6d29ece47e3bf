/**
 * Operator changes that must outlive the master: checked against what the registry holds, committed,
 * and only when durable applied to memory and answered. Source: semantics 1.4, 1.5.
 */
import { ok, type Result } from "../../../base/result.ts";
import { applyOperation } from "../../../registry/core/registry-operations.ts";
import {
  copyRegistry,
  type RegistryOperation,
  type RegistryState,
} from "../../../registry/core/registry-state.ts";
import { commit, log, type MasterContext } from "../context.ts";
import type { OperatorCommit } from "../state.ts";

/** Who waits for the answer. */
export interface OperatorRequest {
  readonly requestId: number;
  readonly principal: string | undefined;
}

/** Commits a change of quota, weights or maintenance; one that would be refused is so at once. */
export function settlePolicy(
  ctx: MasterContext,
  operation: RegistryOperation,
  request: OperatorRequest,
  cause: OperatorCommit["cause"],
): Result<void> | "later" {
  const planned = plannedPolicy(ctx);
  const outcome = applyOperation(planned, operation);
  if (!outcome.ok) return outcome;
  // What another call asked for already may still be lost: it is waited for behind that one.
  if (!outcome.value && !isAnyUnderWay(ctx)) return ok(undefined);
  commit(ctx, [operation], {
    kind: "operator",
    operation,
    requestId: request.requestId,
    cause,
  });
  return "later";
}

function isAnyUnderWay(ctx: MasterContext): boolean {
  return ctx.state.commits.values().some(({ kind }) => kind === "operator");
}

/** What operators decided, with what is still on its way to disk. */
export function plannedPolicy(ctx: MasterContext): RegistryState {
  // Several may be under way; each is judged by what those before it leave.
  const planned = copyRegistry(ctx.state.policy);
  for (const pending of ctx.state.commits.values()) {
    if (pending.kind === "operator") applyOperation(planned, pending.operation);
  }
  return planned;
}

/** Commits a change of one agent's entry. */
export function settleAgent(
  ctx: MasterContext,
  operation: RegistryOperation,
  requestId: number | undefined,
  cause: OperatorCommit["cause"],
): "later" {
  commit(ctx, [operation], { kind: "operator", operation, requestId, cause });
  return "later";
}

/** Answers a request, once. Undefined: nobody asked. */
export function answer(
  ctx: MasterContext,
  requestId: number | undefined,
  outcome: Result<void>,
): void {
  if (!outcome.ok) log(ctx, "info", "refused an operator's call", { why: outcome.error.message });
  if (requestId !== undefined) ctx.effects.push({ kind: "respond", requestId, outcome });
}
