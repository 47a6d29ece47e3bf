/**
 * One established link, the same for both ends: batches messages into packets, keeps to the other
 * side's window, beats its heart, drops frames of another epoch and hands stream frames on. It
 * knows nothing of what messages mean. Source: DESIGN §6.
 */
import type { Clock } from "../base/ports.ts";
import type { LinkCodec } from "../protocol/link-codec.ts";
import type { LinkFrame } from "../protocol/link-frames.ts";
import {
  HEARTBEATS_MISSED,
  LINK_WINDOW_BYTES,
  MAX_MESSAGES_PER_FRAME,
  MAX_QUEUED_MESSAGES,
} from "../protocol/link-limits.ts";

/** The WebSocket below, of either side. */
export interface ChannelSocket {
  send(data: Uint8Array): void;
  close(code: number, reason: string): void;
}

export type StreamFrame = Extract<
  LinkFrame<unknown>,
  { readonly kind: "streamOpen" | "streamData" | "streamCredit" | "streamEnd" }
>;

export interface ChannelOptions {
  readonly socket: ChannelSocket;
  readonly codec: LinkCodec;
  readonly clock: Clock;
  readonly epoch: string;
  readonly heartbeatMs: number;
  /** What the other side lets be in flight. */
  readonly windowBytes: number;
  /** In order of arrival; messages are not yet checked. */
  onMessages(messages: readonly unknown[]): void;
  onStreamFrame(frame: StreamFrame): void;
  /** The channel gave up by itself; the socket is being closed. */
  onBroken(reason: string): void;
}

export class Channel<Out> {
  readonly #options: ChannelOptions;
  readonly #queue: Out[] = [];
  #inFlightBytes = 0;
  #uncreditedBytes = 0;
  #isFlushQueued = false;
  #isClosed = false;
  #lastSentMs: number;
  #lastReceivedMs: number;
  #cancelHeartbeat: () => void;

  constructor(options: ChannelOptions) {
    this.#options = options;
    this.#lastSentMs = options.clock.monotonicMs();
    this.#lastReceivedMs = this.#lastSentMs;
    this.#cancelHeartbeat = options.clock.schedule(options.heartbeatMs, () => this.#beat());
  }

  /** Queues a message; it leaves with others of the same turn. Dropped once the channel is closed. */
  post(message: Out): void {
    if (this.#isClosed) return;
    this.#queue.push(message);
    if (this.#queue.length > MAX_QUEUED_MESSAGES) {
      this.break(`the other side did not take ${MAX_QUEUED_MESSAGES} messages`);
    } else if (!this.#isFlushQueued) {
      this.#isFlushQueued = true;
      queueMicrotask(() => this.#flush());
    }
  }

  /** Sends stream frames at once; streams have windows of their own. */
  sendStreamFrame(frame: StreamFrame): void {
    if (!this.#isClosed) this.#sendPacket([frame]);
  }

  /** Takes one WebSocket message. A packet that cannot be read breaks the channel. */
  receive(data: Uint8Array): void {
    if (this.#isClosed) return;
    this.#lastReceivedMs = this.#options.clock.monotonicMs();
    const packet = this.#options.codec.decode(data);
    if (!packet.ok) {
      this.break(packet.error.message);
      return;
    }
    if (packet.value.epoch === this.#options.epoch) {
      for (const frame of packet.value.frames) this.#take(frame);
    }
    this.#credit(data.byteLength);
  }

  /** Ends the channel without telling `onBroken`; for a socket that is already gone. */
  close(): void {
    this.#isClosed = true;
    this.#queue.length = 0;
    this.#cancelHeartbeat();
  }

  /** Gives up: closes the socket and tells the owner why. */
  break(reason: string): void {
    if (this.#isClosed) return;
    this.close();
    this.#options.socket.close(1008, reason.slice(0, 120));
    this.#options.onBroken(reason);
  }

  #take(frame: LinkFrame<unknown>): void {
    switch (frame.kind) {
      case "messages":
        this.#options.onMessages(frame.messages);
        return;
      case "heartbeat":
        return;
      case "credit":
        this.#inFlightBytes = Math.max(0, this.#inFlightBytes - frame.bytes);
        this.#flush();
        return;
      case "streamOpen":
      case "streamData":
      case "streamCredit":
      case "streamEnd":
        this.#options.onStreamFrame(frame);
        return;
      default:
        this.break(`unexpected ${frame.kind} frame on an established link`);
    }
  }

  #flush(): void {
    this.#isFlushQueued = false;
    while (this.#queue.length > 0 && this.#inFlightBytes < this.#options.windowBytes) {
      if (this.#isClosed) return;
      const messages = this.#queue.splice(0, MAX_MESSAGES_PER_FRAME);
      this.#sendPacket([{ kind: "messages", messages }]);
    }
  }

  #sendPacket(frames: readonly LinkFrame<unknown>[]): void {
    const data = this.#options.codec.encode({ epoch: this.#options.epoch, frames });
    this.#inFlightBytes += data.byteLength;
    this.#lastSentMs = this.#options.clock.monotonicMs();
    this.#options.socket.send(data);
  }

  /** Credit packets are not counted by either side: they would call for credit themselves. */
  #credit(bytes: number): void {
    this.#uncreditedBytes += bytes;
    if (this.#isClosed || this.#uncreditedBytes < LINK_WINDOW_BYTES / 4) return;
    const frame = { kind: "credit", bytes: this.#uncreditedBytes } as const;
    this.#uncreditedBytes = 0;
    this.#options.socket.send(
      this.#options.codec.encode({ epoch: this.#options.epoch, frames: [frame] }),
    );
  }

  #beat(): void {
    if (this.#isClosed) return;
    const { clock, heartbeatMs } = this.#options;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#lastReceivedMs > heartbeatMs * HEARTBEATS_MISSED) {
      this.break(`nothing heard for ${Math.round(nowMs - this.#lastReceivedMs)} ms`);
      return;
    }
    if (nowMs - this.#lastSentMs >= heartbeatMs / 2) this.#sendPacket([{ kind: "heartbeat" }]);
    this.#cancelHeartbeat = clock.schedule(heartbeatMs, () => this.#beat());
  }
}
