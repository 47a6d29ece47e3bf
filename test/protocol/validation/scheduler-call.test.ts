/** Validation of scheduler calls against the texts of the reference, one call type at a time. */
import { describe, expect, test } from "bun:test";
import type { SchedulerCall } from "../../../src/protocol/v1/types.ts";
import { validateSchedulerCall } from "../../../src/protocol/validation/scheduler-call.ts";

const uuid = "XitqHJ0OT1eMHaoAESIzRA==";
const framework_id = { value: "F1" };
const agent_id = { value: "S1" };
const task_id = { value: "t1" };
const executor_id = { value: "e1" };
const operation_id = { value: "o1" };
const framework_info = { user: "root", name: "n" };

function reasonOf(call: SchedulerCall, principal?: string): string | undefined {
  const result = validateSchedulerCall(call, principal);
  return result.ok ? undefined : result.error.message;
}

describe("validateSchedulerCall", () => {
  test("a type is needed; UNKNOWN is left to the 501 [http-api 2.4]", () => {
    expect(reasonOf({})).toBe("Expecting 'type' to be present");
    expect(reasonOf({ framework_id, type: "UNKNOWN" })).toBeUndefined();
  });

  test("all but SUBSCRIBE need framework_id [http-api 2.4]", () => {
    expect(reasonOf({ type: "TEARDOWN" })).toBe("Expecting 'framework_id' to be present");
    expect(reasonOf({ type: "TEARDOWN", framework_id })).toBeUndefined();
  });

  test("each call needs its own message [http-api 2.4]", () => {
    const types = {
      ACCEPT: "accept",
      DECLINE: "decline",
      ACCEPT_INVERSE_OFFERS: "accept_inverse_offers",
      DECLINE_INVERSE_OFFERS: "decline_inverse_offers",
      KILL: "kill",
      SHUTDOWN: "shutdown",
      ACKNOWLEDGE: "acknowledge",
      ACKNOWLEDGE_OPERATION_STATUS: "acknowledge_operation_status",
      RECONCILE: "reconcile",
      RECONCILE_OPERATIONS: "reconcile_operations",
      MESSAGE: "message",
      REQUEST: "request",
      UPDATE_FRAMEWORK: "update_framework",
    } as const;
    for (const [type, field] of Object.entries(types)) {
      expect(reasonOf({ type: type as keyof typeof types, framework_id })).toBe(
        `Expecting '${field}' to be present`,
      );
    }
    expect(reasonOf({ type: "SUBSCRIBE" })).toBe("Expecting 'subscribe' to be present");
  });

  test("complete calls pass [http-api 4.2]", () => {
    const calls: SchedulerCall[] = [
      { type: "SUBSCRIBE", subscribe: { framework_info } },
      { type: "REVIVE", framework_id },
      { type: "SUPPRESS", framework_id },
      { type: "ACCEPT", framework_id, accept: {} },
      { type: "KILL", framework_id, kill: { task_id } },
      { type: "SHUTDOWN", framework_id, shutdown: { agent_id, executor_id } },
      { type: "ACKNOWLEDGE", framework_id, acknowledge: { agent_id, task_id, uuid } },
      { type: "RECONCILE", framework_id, reconcile: {} },
    ];
    for (const call of calls) expect(reasonOf(call), String(call.type)).toBeUndefined();
  });

  test("the ids of call and framework_info agree, absent equals absent [http-api 2.4]", () => {
    const subscribe = { framework_info: { ...framework_info, id: framework_id } };
    const differs = "'framework_id' differs from 'subscribe.framework_info.id'";
    expect(reasonOf({ type: "SUBSCRIBE", subscribe, framework_id })).toBeUndefined();
    expect(reasonOf({ type: "SUBSCRIBE", subscribe })).toBe(differs);
    expect(reasonOf({ type: "SUBSCRIBE", subscribe: { framework_info }, framework_id })).toBe(
      differs,
    );
    expect(
      reasonOf({ type: "UPDATE_FRAMEWORK", framework_id, update_framework: { framework_info } }),
    ).toBe("'framework_id' differs from 'update_framework.framework_info.id'");
  });

  test("an authenticated principal must be the framework's, if it names one [http-api 2.4]", () => {
    const named = { framework_info: { ...framework_info, principal: "q" } };
    expect(reasonOf({ type: "SUBSCRIBE", subscribe: named }, "p")).toBe(
      "Authenticated principal 'p' does not match principal 'q' set in `FrameworkInfo`",
    );
    expect(reasonOf({ type: "SUBSCRIBE", subscribe: named }, "q")).toBeUndefined();
    expect(reasonOf({ type: "SUBSCRIBE", subscribe: named })).toBeUndefined();
    expect(reasonOf({ type: "SUBSCRIBE", subscribe: { framework_info } }, "p")).toBeUndefined();
  });

  test("UUIDs are 16 raw bytes [http-api 2.4]", () => {
    for (const [bad, bytes] of [
      ["", 0],
      ["AAAA", 3],
      [`${uuid.slice(0, 22)}AA`, 18],
    ] as const) {
      expect(
        reasonOf({
          type: "ACKNOWLEDGE",
          framework_id,
          acknowledge: { agent_id, task_id, uuid: bad },
        }),
      ).toBe(`'acknowledge.uuid' is not a UUID: expecting 16 raw bytes, got ${bytes}`);
    }
  });

  test("one ACCEPT has a bounded number of operations [issue 3, fuzzing]", () => {
    const accept = (count: number) => {
      const operations = Array.from({ length: count }, () => ({ type: "LAUNCH" }) as const);
      const framework_id = { value: "f" };
      return validateSchedulerCall({ type: "ACCEPT", framework_id, accept: { operations } });
    };
    expect(accept(5000).ok).toBe(true);
    expect(accept(5001)).toMatchObject({ ok: false, error: { field: "accept.operations" } });
  });

  test("operation acknowledgements need an agent [http-api 2.4]", () => {
    const call = (acknowledge_operation_status: SchedulerCall["acknowledge_operation_status"]) =>
      reasonOf({
        type: "ACKNOWLEDGE_OPERATION_STATUS",
        framework_id,
        acknowledge_operation_status,
      });
    expect(call({ uuid, operation_id })).toBe("Expecting 'agent_id' to be present");
    expect(call({ uuid, operation_id, agent_id })).toBeUndefined();
    expect(call({ uuid: "AAAA", operation_id, agent_id })).toContain("is not a UUID");
  });
});
