/**
 * What an agent has and what is used of it, from what it reports at registration: the resources it
 * was started with, those reserved or made volumes since, and what it runs. Source: semantics 2.3.
 */
import { assert } from "../../base/assert.ts";
import { brand, type FrameworkId } from "../../base/ids.ts";
import { ok, type Result, refuse } from "../../base/result.ts";
import type { RegisterMessage } from "../../protocol/link-frames.ts";
import type { Resource } from "../../protocol/v1/types.ts";
import type { Bundle } from "../../resources/bundle.ts";
import { withCheckpointed } from "../../resources/conversion.ts";
import type { ResourceKind } from "../../resources/kinds.ts";
import type { MasterContext } from "./context.ts";
import { faultOfReported } from "./framework-info.ts";
import { bundlesOf, takenFrom } from "./operations.ts";
import { oversubscribedOf, usedOn } from "./oversubscribed.ts";
import {
  emptyBundle,
  faultOfResources,
  heldResources,
  resourceBundle,
  takenTogether,
} from "./resource-forms.ts";
import type { AgentEntry } from "./state.ts";
import { isTerminal } from "./tasks.ts";

/** Why the resources cannot be what an agent has. */
export function faultOfReport(
  ctx: MasterContext,
  base: readonly Resource[],
  checkpointed: readonly Resource[],
  oversubscribed: readonly Resource[] = [],
): string | undefined {
  const fault = faultOfResources(base);
  if (fault !== undefined) return `'agentInfo.resources' are not valid: ${fault}`;
  if (checkpointed.length === 0) return faultOfOversubscribed(oversubscribed);
  const later = faultOfResources(checkpointed);
  if (later !== undefined) return `'checkpointedResources' are not valid: ${later}`;
  const total = withCheckpointed(ctx.kinds, base, checkpointed);
  return total.ok ? faultOfOversubscribed(oversubscribed) : total.error.message;
}

/** Why nothing can be given as oversubscribed resources. */
export function faultOfOversubscribed(resources: readonly Resource[]): string | undefined {
  const fault = faultOfResources(resources);
  if (fault !== undefined) return `'oversubscribedResources' are not valid: ${fault}`;
  const isGiven = ({ type, revocable }: Resource): boolean =>
    type === "SCALAR" && revocable !== undefined;
  if (resources.every(isGiven)) return undefined;
  return "'oversubscribedResources' must be revocable scalars";
}

/** What an agent tells of them, unallocated; undefined when that is nothing. */
export function toldOversubscribed(
  { kinds }: MasterContext,
  resources: readonly Resource[] = [],
): Bundle | undefined {
  return resources.length === 0 ? undefined : resourceBundle(kinds, resources);
}

/** What an agent has, unallocated. Its report was found to be without fault. */
export function totalOf(
  ctx: MasterContext,
  base: readonly Resource[],
  checkpointed: readonly Resource[],
): Bundle {
  if (checkpointed.length === 0) {
    return ctx.shared
      .memoOf("total", base, () => resourceBundle(ctx.kinds, base).interned())
      .clone();
  }
  const total = withCheckpointed(ctx.kinds, base, checkpointed);
  assert(total.ok, "an agent has what was reserved on it");
  // Agents of one make have the same; so they share it.
  return resourceBundle(ctx.kinds, total.value).interned();
}

/** As `totalOf`, with the operations that the agent is about to be told of again. */
export function totalAfterPending(
  ctx: MasterContext,
  agent: AgentEntry,
  message: RegisterMessage,
): Bundle {
  const { agentInfo, checkpointedResources } = message;
  const total = totalOf(ctx, agentInfo.resources ?? [], checkpointedResources);
  const told = toldOversubscribed(ctx, message.oversubscribedResources);
  total.add(oversubscribedOf(ctx, told, usedOn(ctx, agent)));
  countPending(ctx, agent, total, lastCommandOf(ctx, message));
  return total;
}

/**
 * Makes of a total what it is once the agent has carried out the operations after `done`. As the
 * agent does, leaves out one for which there is not enough.
 */
export function countPending(
  ctx: MasterContext,
  agent: AgentEntry,
  total: Bundle,
  done: number,
): void {
  for (const [number, order] of agent.commands.pending) {
    if (number <= done || order.kind !== "applyOperation") continue;
    const bundles = bundlesOf(ctx, order.operation.info, takenFrom(total, agent));
    if (!bundles.ok) continue;
    total.subtract(bundles.value.consumed.withoutAllocation());
    total.add(bundles.value.converted.withoutAllocation());
  }
}

/** The number counts only when it belongs to this master's epoch. */
export function lastCommandOf(ctx: MasterContext, message: RegisterMessage): number {
  return message.epoch === ctx.options.info.id ? message.lastCommand : 0;
}

/**
 * What the tasks and executors of a report hold, unallocated form. Refusals, when the report cannot
 * be taken into the books: `invalid`, and `conflict` while two hold the same piece of a range or set.
 */
export function reportedUse(ctx: MasterContext, message: RegisterMessage): Result<Bundle> {
  const { frameworks, completedFrameworks } = ctx.state;
  for (const info of message.frameworks) {
    const id = brand<FrameworkId>(info.id?.value ?? "");
    if (frameworks.has(id) || completedFrameworks.has(id)) continue;
    const fault = faultOfReported(info);
    if (fault !== undefined) return refuse("invalid", fault);
  }
  const isOver = (id: string): boolean => completedFrameworks.has(brand(id));
  const bundles: Bundle[] = [];
  for (const { task } of message.tasks) {
    const { resources, state, framework_id } = task;
    if (resources === undefined || isOver(framework_id.value)) continue;
    const held = heldResources(ctx, resources);
    if (!held.ok) return held;
    if (!isTerminal(state)) bundles.push(held.value);
  }
  for (const { frameworkId, executorInfo } of message.executors) {
    const { resources } = executorInfo;
    if (resources === undefined || isOver(frameworkId)) continue;
    const held = heldResources(ctx, resources);
    if (!held.ok) return held;
    bundles.push(held.value);
  }
  if (isPieceHeldTwice(ctx, bundles)) {
    // One that is still ending, as its framework is over, may be among them.
    return refuse("conflict", "two of them hold the same; register again once one has ended");
  }
  return ok(takenTogether(ctx.kinds, bundles));
}

/** Pieces are united where they are added, so that the sum does not tell. */
function isPieceHeldTwice({ kinds }: MasterContext, held: readonly Bundle[]): boolean {
  const isPiece = ({ type }: ResourceKind): boolean => type !== "SCALAR";
  const seen = emptyBundle(kinds);
  for (const bundle of held) {
    if (!bundle.has(isPiece)) continue;
    const pieces = bundle.filter(isPiece);
    if (seen.intersects(pieces)) return true;
    seen.add(pieces);
  }
  return false;
}
