/**
 * Checks of a scheduler call that need nothing but the call itself; each failure is a 400 after
 * the words `Failed to validate scheduler::Call: `, which the caller puts in front.
 * Source: reference/http-api.md 2.4 (`src/master/validation.cpp`).
 */
import { ok, type Result, refuse } from "../../base/result.ts";
import { base64Bytes } from "../base64.ts";
import { ACCEPT_OPERATIONS, UUID_BYTES } from "../limits.ts";
import type { FrameworkID, SchedulerCall, SchedulerCallType } from "../v1/types.ts";

/** A call whose `type` is set, and `framework_id` too unless it subscribes. */
export type ValidSchedulerCall = SchedulerCall & { readonly type: SchedulerCallType };

/** The message each type needs. REVIVE and SUPPRESS without one speak of all roles. */
const MESSAGE_OF: Readonly<Record<SchedulerCallType, keyof SchedulerCall | undefined>> = {
  UNKNOWN: undefined,
  SUBSCRIBE: "subscribe",
  TEARDOWN: undefined,
  ACCEPT: "accept",
  DECLINE: "decline",
  ACCEPT_INVERSE_OFFERS: "accept_inverse_offers",
  DECLINE_INVERSE_OFFERS: "decline_inverse_offers",
  REVIVE: undefined,
  KILL: "kill",
  SHUTDOWN: "shutdown",
  ACKNOWLEDGE: "acknowledge",
  ACKNOWLEDGE_OPERATION_STATUS: "acknowledge_operation_status",
  RECONCILE: "reconcile",
  RECONCILE_OPERATIONS: "reconcile_operations",
  MESSAGE: "message",
  REQUEST: "request",
  SUPPRESS: undefined,
  UPDATE_FRAMEWORK: "update_framework",
};

/**
 * Accepts a call that is complete for its type. `principal` is the authenticated one, if any.
 * Errors: invalid. A type of UNKNOWN passes: it is answered by 501, not by a failed validation.
 */
export function validateSchedulerCall(
  call: SchedulerCall,
  principal?: string,
): Result<ValidSchedulerCall> {
  if (!hasType(call)) return expecting("type");
  const { type } = call;
  const message = MESSAGE_OF[type];
  if (type !== "SUBSCRIBE" && call.framework_id === undefined) return expecting("framework_id");
  if (message !== undefined && call[message] === undefined) return expecting(message);
  return checkContents(call, principal) ?? ok(call);
}

function hasType(call: SchedulerCall): call is ValidSchedulerCall {
  return call.type !== undefined;
}

function checkContents(
  call: SchedulerCall,
  principal: string | undefined,
): Result<never> | undefined {
  switch (call.type) {
    case "SUBSCRIBE":
      return checkSubscribe(call, principal);
    case "ACCEPT":
      return checkOperationCount(call.accept?.operations?.length ?? 0);
    case "ACKNOWLEDGE":
      return checkUuid(call.acknowledge?.uuid, "acknowledge.uuid");
    case "ACKNOWLEDGE_OPERATION_STATUS":
      return checkOperationAcknowledgement(call);
    case "UPDATE_FRAMEWORK":
      return checkSameId(
        call.framework_id,
        call.update_framework?.framework_info.id,
        "update_framework.framework_info.id",
      );
    default:
      return undefined;
  }
}

function checkOperationCount(count: number): Result<never> | undefined {
  if (count <= ACCEPT_OPERATIONS) return undefined;
  const text = `'accept.operations' are ${count}; at most ${ACCEPT_OPERATIONS} are allowed`;
  return refuse("invalid", text, "accept.operations");
}

function checkSubscribe(
  call: SchedulerCall,
  principal: string | undefined,
): Result<never> | undefined {
  const info = call.subscribe?.framework_info;
  const fault = checkSameId(call.framework_id, info?.id, "subscribe.framework_info.id");
  if (fault !== undefined) return fault;
  if (principal === undefined || info?.principal === undefined) return undefined;
  if (principal === info.principal) return undefined;
  const names = `'${principal}' does not match principal '${info.principal}'`;
  return refuse(
    "invalid",
    `Authenticated principal ${names} set in \`FrameworkInfo\``,
    "subscribe.framework_info.principal",
  );
}

function checkOperationAcknowledgement(call: SchedulerCall): Result<never> | undefined {
  const acknowledgement = call.acknowledge_operation_status;
  const fault = checkUuid(acknowledgement?.uuid, "acknowledge_operation_status.uuid");
  if (fault !== undefined || acknowledgement?.agent_id !== undefined) return fault;
  return expecting("agent_id", "acknowledge_operation_status.agent_id");
}

/** Absent equals absent. */
function checkSameId(
  frameworkId: FrameworkID | undefined,
  infoId: FrameworkID | undefined,
  field: string,
): Result<never> | undefined {
  if (frameworkId?.value === infoId?.value) return undefined;
  return refuse("invalid", `'framework_id' differs from '${field}'`, field);
}

function checkUuid(uuid: string | undefined, field: string): Result<never> | undefined {
  const bytes = uuid === undefined ? 0 : base64Bytes(uuid);
  if (bytes === UUID_BYTES) return undefined;
  const counts = `expecting ${UUID_BYTES} raw bytes, got ${bytes}`;
  return refuse("invalid", `'${field}' is not a UUID: ${counts}`, field);
}

function expecting(name: string, field: string = name): Result<never> {
  return refuse("invalid", `Expecting '${name}' to be present`, field);
}
