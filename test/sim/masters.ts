/** The masters of a simulation, one or several, as servers, schedulers and operators see them. */
import type { StreamId } from "../../src/base/ids.ts";
import type { Result } from "../../src/base/result.ts";
import type { MasterCore } from "../../src/master/core/master-core.ts";
import type { MasterToAgent } from "../../src/protocol/link-frames.ts";
import type {
  MasterCall,
  SchedulerCall,
  SchedulerCallSubscribe,
  SchedulerEvent,
} from "../../src/protocol/v1/types.ts";
import type { RegistryState } from "../../src/registry/core/registry-state.ts";
import type { LinkEnd, SimLink } from "./sim-link.ts";

/** A scheduler's end of its stream. */
export interface StreamEnd {
  event(event: SchedulerEvent): void;
  closed(): void;
}

/** A server that looks for its master. */
export interface Caller {
  readonly name: string;
  readonly ip: string;
  /** Another master leads than the one it is connected to. */
  leaderChanged(): void;
}

export interface Masters {
  /** Of who leads; undefined while nobody does. */
  readonly core: MasterCore | undefined;
  /** What is durable, as the leader has it. */
  readonly registry: RegistryState;

  /** Undefined while no master listens. */
  openLink(caller: Caller, agent: LinkEnd<MasterToAgent>): SimLink | undefined;

  /** Undefined while no master listens. */
  subscribe(host: string, subscribe: SchedulerCallSubscribe, end: StreamEnd): StreamId | undefined;

  /** The scheduler's connection broke; the master notices now. */
  streamClosed(streamId: StreamId): void;

  /**
   * `done` gets the offers that were open before it too; it may never be called: the master died, or
   * nobody listens.
   */
  call(
    call: SchedulerCall,
    streamId: StreamId,
    done: (outcome: Result<void>, before: ReadonlySet<string>) => void,
  ): void;

  /** Roles that the master knows a framework to subscribe to. */
  rolesOf(frameworkId: string): readonly string[];

  operatorCall(call: MasterCall): void;

  /** A master's process dies, to start again. */
  crash(): void;

  /** No faults any more: whatever is broken is mended, and starts. */
  start(): void;
}
