/** What happens when an operator's change is durable. */
import { unreachable } from "../../../base/assert.ts";
import { ok, type Result, refuse } from "../../../base/result.ts";
import { applyOperation } from "../../../registry/core/registry-operations.ts";
import type { MasterContext } from "../context.ts";
import type { OperatorCommit } from "../state.ts";
import { agentChanged } from "./agents.ts";
import { machinesDown, scheduleCommitted } from "./maintenance.ts";
import { quotaCommitted } from "./quota.ts";
import { answer } from "./settle.ts";
import { weightsCommitted } from "./weights.ts";

/** Memory follows the registry, then whoever asked is answered. A refused one changes nothing. */
export function operatorCommitted(
  ctx: MasterContext,
  pending: OperatorCommit,
  result: Result<boolean> | undefined,
): void {
  const { cause, operation, requestId } = pending;
  if (cause.kind === "gone") ctx.state.transitions.delete(cause.agentId);
  if (cause.kind === "drained" || cause.kind === "gone") {
    const agent = ctx.state.agents.get(cause.agentId);
    if (agent !== undefined) agent.isDrainSettling = false;
  }
  if (result?.ok === false) {
    // Judged while it was there, and the registry has let go of it before this change.
    const isVanished = "agentId" in cause && result.error.code === "notFound";
    const vanished = refuse("conflict", "Agent removed while processing the call");
    answer(ctx, requestId, isVanished ? vanished : result);
    return;
  }
  switch (cause.kind) {
    case "schedule":
    case "machinesUp":
      applyOperation(ctx.state.policy, operation);
      scheduleCommitted(ctx);
      break;
    case "quota":
      applyOperation(ctx.state.policy, operation);
      quotaCommitted(ctx, cause.quotas);
      break;
    case "weights":
      applyOperation(ctx.state.policy, operation);
      weightsCommitted(ctx, cause.weights);
      break;
    case "machinesDown":
      applyOperation(ctx.state.policy, operation);
      machinesDown(ctx, cause.machines);
      break;
    case "drain":
    case "drained":
    case "deactivate":
    case "reactivate":
    case "gone":
      agentChanged(ctx, cause);
      break;
    default:
      unreachable(cause, "cause of an operator's commit");
  }
  answer(ctx, requestId, ok(undefined));
}
