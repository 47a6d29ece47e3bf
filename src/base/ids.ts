/**
 * Branded identifiers, so that an agent id is never passed where a task id is wanted. They are the
 * bare strings inside Mesos' `{value: string}` messages.
 */

type Brand<Name extends string> = string & { readonly __id: Name };

export type AgentId = Brand<"agent">;
export type FrameworkId = Brand<"framework">;
export type OfferId = Brand<"offer">;
export type TaskId = Brand<"task">;
export type ExecutorId = Brand<"executor">;
export type ContainerId = Brand<"container">;
/** Text form of the UUID in a `Mesos-Stream-Id` header; new for each SUBSCRIBE. */
export type StreamId = Brand<"stream">;
/** Names one WebSocket between an agent and the master, unique in the master process; see NumberMap. */
export type LinkId = number & { readonly __id: "link" };

/** Brands a string that has just been validated or made by us. */
export function brand<Id extends Brand<string>>(value: string): Id {
  return value as Id;
}

/** As `brand`, for the number of a link. */
export function linkIdOf(number: number): LinkId {
  return number as LinkId;
}
