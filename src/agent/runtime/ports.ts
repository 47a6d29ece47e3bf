/** What the agent's runtime needs from outside; edges implement it, main.ts joins them. */
import type { Result } from "../../base/result.ts";
import type { FetchRequest } from "../../fetcher/fetcher.ts";
import type { AgentToMaster } from "../../protocol/link-frames.ts";
import type { ExecutorEvent, Image } from "../../protocol/v1/types.ts";
import type { CheckpointOperation, CheckpointState } from "../core/checkpoint-state.ts";

/** The agent's end of the link. What happens on it comes back through `AgentRuntime.input`. */
export interface MasterLink {
  /** Dropped when there is no link. */
  send(message: AgentToMaster): void;
  /** Closes the connection and looks for the leading master anew. */
  reconnect(reason: string): void;
}

/** The agent's disk. */
export interface CheckpointStore {
  load(): CheckpointState;
  /** All or nothing, durable when it returns. Throws when it cannot be. */
  apply(operations: readonly CheckpointOperation[]): void;
  close(): void;
}

/** Brings the URIs of a command into its sandbox. */
export interface UriFetcher {
  /** Makes the sandbox if it is not there. Rejects with a reason that is fit for a task status. */
  fetch(request: FetchRequest, signal: AbortSignal): Promise<void>;
  /** Under the names of reference/metrics.json. */
  metrics(): Record<string, number>;
}

/** A custom executor's open SUBSCRIBE response. */
export interface ExecutorStream {
  /** False when the executor does not keep up and has been cut. */
  send(event: ExecutorEvent): boolean;
  close(): void;
}

/** Images that are kept for containers to come. */
export interface ImageKeeper {
  /** Removes what no container uses, but for these. Errors: invalid, for what is no image's name. */
  prune(excluded: readonly Image[]): Promise<Result<undefined>>;
  stop(): Promise<void>;
}
