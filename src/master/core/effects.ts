/**
 * Everything a master core can ask for. Effects of one step are carried out in the order given;
 * what depends on the registry waits inside the core for its `registryCommitted`, so no effect here
 * ever has to wait for another.
 */
import type { LinkId, StreamId } from "../../base/ids.ts";
import type { LogLevel } from "../../base/ports.ts";
import type { Result } from "../../base/result.ts";
import type { MasterToAgent } from "../../protocol/link-frames.ts";
import type { MasterEvent, SchedulerEvent } from "../../protocol/v1/types.ts";
import type { RegistryOperation } from "../../registry/core/registry-state.ts";
import type { MasterTimer } from "./inputs.ts";

export type MasterEffect =
  /** To a scheduler's stream; ignored when the stream is gone. */
  | { readonly kind: "sendEvent"; readonly streamId: StreamId; readonly event: SchedulerEvent }
  | { readonly kind: "closeStream"; readonly streamId: StreamId }
  /** To one operator's stream, or to all that have begun. */
  | {
      readonly kind: "operatorEvent";
      readonly streamId: StreamId | undefined;
      readonly event: MasterEvent;
    }
  /**
   * Begins an operator's stream: SUBSCRIBED with the whole state, which may be large and is not made
   * here. Written over some time, it may tell some things as they are after later steps; the events
   * of those steps follow it all the same, so that whoever takes them in order ends up right.
   */
  | { readonly kind: "operatorSnapshot"; readonly streamId: StreamId }
  | { readonly kind: "closeOperatorStream"; readonly streamId: StreamId }
  /** Bytes are a message in the form that links send. */
  | {
      readonly kind: "send";
      readonly linkId: LinkId;
      readonly message: MasterToAgent | Uint8Array;
    }
  | { readonly kind: "closeLink"; readonly linkId: LinkId; readonly reason: string }
  /** Make durable; comes back as `registryCommitted` with the same token. */
  | {
      readonly kind: "commit";
      readonly token: number;
      readonly operations: readonly RegistryOperation[];
    }
  /** Replaces a timer of the same value; fires as a `timer` input at `atMs`. */
  | { readonly kind: "setTimer"; readonly timer: MasterTimer; readonly atMs: number }
  | { readonly kind: "cancelTimer"; readonly timer: MasterTimer }
  /** The master must not go on; `reason` says to the operator why and what to do. */
  | { readonly kind: "exit"; readonly reason: string }
  | { readonly kind: "respond"; readonly requestId: number; readonly outcome: Result<void> }
  | {
      readonly kind: "log";
      readonly level: LogLevel;
      readonly message: string;
      readonly fields: Readonly<Record<string, unknown>>;
    };
