/** Operator calls that read what the master knows, with short answers; see `long-reads.ts`. Source: reference/http-api.md 6.1. */
import {
  getMaintenanceSchedule,
  getMaintenanceStatus,
  getOperations,
  getQuota,
  getWeights,
} from "../../master/core/views/policy.ts";
import { getMaster } from "../../master/core/views/v1.ts";
import type { MasterRuntime } from "../../master/runtime/master-runtime.ts";
import type { MasterCall, MasterResponse } from "../../protocol/v1/types.ts";

type State = MasterRuntime["state"];
type Read = (state: State) => Omit<MasterResponse, "type">;

const READS: Partial<Record<NonNullable<MasterCall["type"]>, Read>> = {
  GET_MASTER: (state) => ({ get_master: getMaster(state) }),
  // What Mesos writes straight from its messages has no empty lists; long reads have them.
  GET_WEIGHTS: (state) => ({ get_weights: withoutEmptyLists(getWeights(state)) }),
  GET_QUOTA: (state) => ({ get_quota: withoutEmptyLists(getQuota(state)) }),
  GET_MAINTENANCE_SCHEDULE: (state) => ({
    get_maintenance_schedule: withoutEmptyLists(getMaintenanceSchedule(state)),
  }),
  GET_MAINTENANCE_STATUS: (state) => ({
    get_maintenance_status: withoutEmptyLists(getMaintenanceStatus(state)),
  }),
  GET_OPERATIONS: (state) => ({ get_operations: withoutEmptyLists(getOperations(state)) }),
};

/** The payload of the answer; undefined for a call that is not one of these. */
export function readState(
  stateOf: () => State,
  type: NonNullable<MasterCall["type"]>,
): Omit<MasterResponse, "type"> | undefined {
  return READS[type]?.(stateOf());
}

/** The message as protobuf would say it: an empty list is no list. Depth is that of our own views. */
export function withoutEmptyLists<Message extends object>(message: Message): Message {
  return withoutEmpty(message) as Message;
}

function withoutEmpty(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEmpty);
  if (typeof value !== "object" || value === null) return value;
  const isKept = (part: unknown): boolean => !(Array.isArray(part) && part.length === 0);
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, part]) => isKept(part))
      .map(([key, part]) => [key, withoutEmpty(part)]),
  );
}
