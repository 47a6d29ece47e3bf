/**
 * Everything that can happen to a master, as one union. The runtime (or the simulator) turns the
 * outside world into these and hands them to `MasterCore.step` one at a time.
 */
import type { FrameworkId, LinkId, OfferId, StreamId } from "../../base/ids.ts";
import type { Result } from "../../base/result.ts";
import type { AgentToMaster } from "../../protocol/link-frames.ts";
import type { MasterCall, SchedulerCall, SchedulerCallSubscribe } from "../../protocol/v1/types.ts";
import type { RegistryState } from "../../registry/core/registry-state.ts";

/** Names a timer; setting one of equal value replaces it. */
export type MasterTimer =
  | { readonly kind: "allocate" }
  /** More offers were made than one step sends. */
  | { readonly kind: "sendOffers" }
  /** More offers are over than end in one step. */
  | { readonly kind: "endOffers" }
  /** A RECONCILE asked for more tasks, or its like for operations, than one step answers. */
  | { readonly kind: "reconcile" }
  /** Work on more agents than one step deals with. */
  | { readonly kind: "sweep" }
  | { readonly kind: "heartbeat"; readonly streamId: StreamId }
  | { readonly kind: "operatorHeartbeat"; readonly streamId: StreamId }
  | { readonly kind: "ping" }
  | { readonly kind: "failover"; readonly frameworkId: FrameworkId }
  /** Agents known from the registry that did not come back in time after a master's start. */
  | { readonly kind: "recoveredAgents" }
  /** A disconnected agent did not register again in time. */
  | { readonly kind: "reregister"; readonly agentId: string }
  | { readonly kind: "offerTimeout"; readonly offerId: OfferId }
  /** A refusal of an inverse offer ended, or a round of them goes on. */
  | { readonly kind: "inverseOffers" }
  /** A call that had to wait may be carried out. */
  | { readonly kind: "rateLimit"; readonly key: string }
  /** The next agent may become unreachable. */
  | { readonly kind: "removal" }
  | { readonly kind: "pruneRegistry" };

export type MasterInput =
  /** First input: the registry as loaded; from here on the master acts. */
  | { readonly kind: "recovered"; readonly registry: RegistryState }
  /** SUBSCRIBE, already checked by `validateSchedulerCall`; answers arrive as events on the stream. */
  | {
      readonly kind: "subscribe";
      readonly streamId: StreamId;
      readonly subscribe: SchedulerCallSubscribe;
      readonly principal: string | undefined;
    }
  /** Any other scheduler call, already checked for shape; answered by one `respond` effect. */
  | {
      readonly kind: "schedulerCall";
      readonly requestId: number;
      readonly call: SchedulerCall;
      /** Value of the `Mesos-Stream-Id` header. */
      readonly streamId: string | undefined;
      readonly principal: string | undefined;
    }
  /** The scheduler hung up, or was cut for not reading. */
  | { readonly kind: "streamClosed"; readonly streamId: StreamId }
  /** `remoteIp` is where the WebSocket came from. */
  | { readonly kind: "linkOpened"; readonly linkId: LinkId; readonly remoteIp: string }
  | { readonly kind: "linkClosed"; readonly linkId: LinkId }
  | { readonly kind: "agentMessage"; readonly linkId: LinkId; readonly message: AgentToMaster }
  /** Outcome of a `commit` effect, one result per operation; durable when it arrives. */
  | {
      readonly kind: "registryCommitted";
      readonly token: number;
      readonly results: readonly Result<boolean>[];
    }
  | { readonly kind: "timer"; readonly timer: MasterTimer }
  /** Only agents with these host names are offered from here on (`--whitelist`). */
  | { readonly kind: "whitelist"; readonly hostnames: ReadonlySet<string> }
  /** Our own addition: an operator ends a task (`allot kill`); answered by one `respond` effect. */
  | {
      readonly kind: "operatorKill";
      readonly requestId: number;
      readonly frameworkId: string | undefined;
      readonly taskId: string;
      readonly graceMs: number | undefined;
      readonly principal: string | undefined;
    }
  /** An operator's SUBSCRIBE: the snapshot and what happens from then on go to the stream. */
  | { readonly kind: "operatorSubscribe"; readonly streamId: StreamId }
  /** The operator hung up, or was cut for not reading. */
  | { readonly kind: "operatorStreamClosed"; readonly streamId: StreamId }
  /** A call of the operator API that changes something; answered by one `respond` effect. */
  | {
      readonly kind: "operatorCall";
      readonly requestId: number;
      readonly call: MasterCall;
      readonly principal: string | undefined;
    };
