/** What the master's runtime needs from outside; edges implement it, main.ts joins them. */
import type { Result } from "../../base/result.ts";
import type { MasterToAgent, StreamRequest } from "../../protocol/link-frames.ts";
import type { MasterEvent, SchedulerEvent } from "../../protocol/v1/types.ts";
import type { RegistryOperation, RegistryState } from "../../registry/core/registry-state.ts";

/** A scheduler's open SUBSCRIBE response. */
export interface EventSink {
  /** False when the subscriber does not keep up and has been cut. */
  send(event: SchedulerEvent): boolean;
  close(): void;
}

/** An operator's open SUBSCRIBE response. */
export interface OperatorSink {
  /** Streams of one encoding are sent the same bytes: equal media types, for equal eyes. */
  readonly encoding: string;
  /** The event as a record of this encoding; undefined when it is not for this reader. */
  encode(event: MasterEvent): Uint8Array<ArrayBuffer> | undefined;
  /** Writes SUBSCRIBED with the state as it is now or, in parts, a little later. */
  begin(): void;
  /** After what was begun. False when the subscriber does not keep up and has been cut. */
  write(record: Uint8Array<ArrayBuffer>): boolean;
  close(): void;
}

/** An agent's open link. */
export interface AgentLink {
  /** Bytes are a message as the link codec encodes it. */
  send(message: MasterToAgent | Uint8Array): void;
  close(reason: string): void;
  /** Bytes from the agent (files, logs). Errors: rejects or fails the stream with a clear message. */
  openStream(request: StreamRequest): ReadableStream<Uint8Array>;
}

/** Takes what comes over one connection; `closed` is the last call. */
export interface PacketReceiver {
  message(data: Uint8Array): void;
  drained(): void;
  closed(): void;
}

/** Makes registry operations durable. */
export interface RegistryStore {
  load(): RegistryState;
  /** One result per operation, in order; resolves when durable, rejects when it cannot be. */
  commit(operations: readonly RegistryOperation[]): Promise<readonly Result<boolean>[]>;
  /** Figures of the medium under their Mesos names. */
  metrics(): Readonly<Record<string, number>>;
}
