/**
 * Operators that follow the cluster: each gets the whole state, then what happens. What happens is
 * told where it happens, by `tellOperators`. Source: http-api 3.4, 6.3.
 */
import type { StreamId } from "../../../base/ids.ts";
import { cancelTimer, log, type MasterContext, setTimer } from "../context.ts";
import { HEARTBEAT_SECONDS } from "../master-options.ts";

/** SUBSCRIBE. Beyond the limit the stream that is open for longest is closed. */
export function operatorSubscribe(ctx: MasterContext, streamId: StreamId): void {
  const { operatorStreams, isRecovered } = ctx.state;
  if (!isRecovered) {
    ctx.effects.push({ kind: "closeOperatorStream", streamId });
    return;
  }
  operatorStreams.add(streamId);
  for (const oldest of operatorStreams) {
    if (operatorStreams.size <= ctx.options.maxOperatorStreams) break;
    operatorStreamClosed(ctx, oldest);
    ctx.effects.push({ kind: "closeOperatorStream", streamId: oldest });
    log(ctx, "warning", "closed the oldest operator stream", {
      max_operator_event_stream_subscribers: ctx.options.maxOperatorStreams,
    });
  }
  if (!operatorStreams.has(streamId)) return;
  ctx.effects.push({ kind: "operatorSnapshot", streamId });
  operatorHeartbeat(ctx, streamId);
}

/** The operator is gone. Safe to repeat. */
export function operatorStreamClosed(ctx: MasterContext, streamId: StreamId): void {
  if (!ctx.state.operatorStreams.delete(streamId)) return;
  cancelTimer(ctx, { kind: "operatorHeartbeat", streamId });
}

export function operatorHeartbeat(ctx: MasterContext, streamId: StreamId): void {
  if (!ctx.state.operatorStreams.has(streamId)) return;
  ctx.effects.push({ kind: "operatorEvent", streamId, event: { type: "HEARTBEAT" } });
  setTimer(ctx, { kind: "operatorHeartbeat", streamId }, HEARTBEAT_SECONDS * 1000);
}
