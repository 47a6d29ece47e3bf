/**
 * Operations on the agent's resources: each is carried out once, durable before it is told, and its
 * status is repeated until acknowledged. Reservations and volumes are what the agent keeps of them.
 * Source: semantics 5 (agent side).
 */

import { must } from "../../base/assert.ts";
import { uuidToBase64 } from "../../protocol/base64.ts";
import type { AgentOperation, ReportedOperation } from "../../protocol/link-frames.ts";
import type { OperationState, OperationStatus, Resource } from "../../protocol/v1/types.ts";
import { Bundle } from "../../resources/bundle.ts";
import {
  bundlesOfConversion,
  isCheckpointed,
  withCheckpointed,
} from "../../resources/conversion.ts";
import { ResourceKinds } from "../../resources/kinds.ts";
import { UPDATE_RETRY_MS_MAX, UPDATE_RETRY_MS_MIN } from "./limits.ts";
import { agentIdOf, cancelTimer, checkpoint, log, type Step, send, setTimer } from "./step.ts";

/** Converts resources as the master, which has checked that it may, already counts them. */
export function applyOperation(step: Step, operation: AgentOperation): void {
  const { state } = step;
  const fault = convert(step, operation);
  const outcome: OperationState = fault === undefined ? "OPERATION_FINISHED" : "OPERATION_DROPPED";
  const status: OperationStatus = {
    ...(operation.info.id !== undefined && { operation_id: operation.info.id }),
    state: outcome,
    ...(fault !== undefined && { message: fault }),
    uuid: { value: must(uuidToBase64(step.uuid()), "UUID in text form") },
    agent_id: { value: agentIdOf(state) },
  };
  const entry = { operation, status, retryMs: UPDATE_RETRY_MS_MIN };
  state.operations.set(operation.uuid, entry);
  checkpoint(step, { kind: "putOperation", operation: { operation, status } });
  if (fault !== undefined) {
    log(step, "error", "dropped an operation on resources", { type: operation.info.type, fault });
    // The master counts the result already: let it know what there really is.
    tellResources(step);
  }
  sendStatus(step, operation.uuid);
}

/** The master, or the framework through it, has the status. */
export function acknowledgeOperation(step: Step, operationUuid: string, uuid: string): void {
  const entry = step.state.operations.get(operationUuid);
  if (entry?.status.uuid?.value !== uuid) return;
  step.state.operations.delete(operationUuid);
  cancelTimer(step, { kind: "retryOperation", operationUuid });
  checkpoint(step, { kind: "removeOperation", operationUuid });
}

export function retryOperation(step: Step, operationUuid: string): void {
  const entry = step.state.operations.get(operationUuid);
  if (entry === undefined || step.state.phase !== "running") return;
  entry.retryMs = Math.min(entry.retryMs * 2, UPDATE_RETRY_MS_MAX);
  sendStatus(step, operationUuid);
}

/** After (re)registration: every status at once, each with the first delay again. */
export function resumeOperations(step: Step): void {
  for (const [uuid, entry] of step.state.operations) {
    entry.retryMs = UPDATE_RETRY_MS_MIN;
    sendStatus(step, uuid);
  }
}

/** While the agent is not registered nothing is sent. */
export function pauseOperations(step: Step): void {
  for (const operationUuid of step.state.operations.keys()) {
    cancelTimer(step, { kind: "retryOperation", operationUuid });
  }
}

/** As the registration tells them. */
export function reportedOperations(step: Step): ReportedOperation[] {
  return [...step.state.operations.values()].map(({ operation, status }) => ({
    operation,
    status,
  }));
}

/** Takes over what is on disk, for which the agent has enough. */
export function restoreResources(
  step: Step,
  checkpointed: readonly Resource[],
  operations: readonly ReportedOperation[],
): void {
  const { state } = step;
  state.checkpointedResources = checkpointed;
  // The agent may have ended between the books and the folder.
  for (const volume of checkpointed) {
    if (volume.disk?.persistence !== undefined) step.effects.push({ kind: "createVolume", volume });
  }
  for (const { operation, status } of operations) {
    state.operations.set(operation.uuid, { operation, status, retryMs: UPDATE_RETRY_MS_MIN });
    if (status.state === "OPERATION_FINISHED") removeLeftovers(step, operation.info);
  }
}

/** Folders of destroyed volumes that may still be there: a new volume would find what is in them. */
function removeLeftovers(step: Step, { destroy }: AgentOperation["info"]): void {
  const present = new Set(step.state.checkpointedResources.map(volumeKey));
  for (const volume of destroy?.volumes ?? []) {
    if (!present.has(volumeKey(volume))) step.effects.push({ kind: "removeVolume", volume });
  }
}

/** What tells the volumes of one agent apart. */
function volumeKey({ disk, reservations }: Resource): string {
  return `${reservations?.at(-1)?.role}\n${disk?.persistence?.id}`;
}

/** Changes what the agent has; says why when it cannot, and then nothing has changed. */
function convert(step: Step, { info }: AgentOperation): string | undefined {
  const { state } = step;
  const kinds = new ResourceKinds();
  const conversion = bundlesOfConversion(kinds, info);
  if (!conversion.ok) return conversion.error.message;
  const total = withCheckpointed(kinds, state.info.resources ?? [], state.checkpointedResources);
  if (!total.ok) return total.error.message;
  const now = Bundle.from(kinds, total.value);
  const consumed = conversion.value.consumed.withoutAllocation();
  const converted = conversion.value.converted.withoutAllocation();
  if (!now.contains(consumed)) return "The agent does not have the resources of the operation";
  now.subtract(consumed);
  now.add(converted);
  state.checkpointedResources = now.toResources().filter(isCheckpointed);
  checkpoint(step, { kind: "putResources", resources: state.checkpointedResources });
  changeVolumes(step, info.type, consumed.toResources(), converted.toResources());
  return undefined;
}

/** Folders follow the volumes; growing and shrinking leaves them. */
function changeVolumes(
  step: Step,
  type: string | undefined,
  consumed: readonly Resource[],
  converted: readonly Resource[],
): void {
  if (type === "CREATE") {
    for (const volume of converted) step.effects.push({ kind: "createVolume", volume });
  } else if (type === "DESTROY") {
    for (const volume of consumed) step.effects.push({ kind: "removeVolume", volume });
  }
}

function tellResources(step: Step): void {
  const { state } = step;
  const { checkpointedResources } = state;
  const resources = state.info.resources ?? [];
  send(step, { kind: "resourcesChanged", resources, checkpointedResources });
}

function sendStatus(step: Step, operationUuid: string): void {
  const entry = step.state.operations.get(operationUuid);
  if (entry === undefined || step.state.phase !== "running") return;
  send(step, { kind: "operationStatus", operation: entry.operation, status: entry.status });
  setTimer(step, { kind: "retryOperation", operationUuid }, entry.retryMs);
}
