/**
 * One established link, the same for both ends: batches messages into packets, keeps to the other
 * side's window, beats its heart, drops frames of another epoch and hands stream frames on. It
 * knows nothing of what messages mean. Source: DESIGN §6.
 */
import type { Flushable } from "../base/coalescer.ts";
import type { Due } from "../base/due-queue.ts";
import type { Clock } from "../base/ports.ts";
import type { Result } from "../base/result.ts";
import { Rounds } from "../base/rounds.ts";
import type { LinkCodec, ReadPacket } from "../protocol/link-codec.ts";
import type { LinkFrame, LinkPacket } from "../protocol/link-frames.ts";
import {
  HEARTBEATS_MISSED,
  MAX_MESSAGES_PER_FRAME,
  MAX_PACKET_BYTES,
  MAX_QUEUED_BYTES,
  MAX_QUEUED_MESSAGES,
  PACKET_FULL_BYTES,
  PACKET_OVERHEAD_BYTES,
} from "../protocol/link-limits.ts";

/** Bytes a WebSocket close reason may have are 123; ours are ASCII. */
const CLOSE_REASON_LENGTH = 120;

/** The WebSocket below, of either side. */
export interface ChannelSocket {
  send(data: Uint8Array): void;
  close(code: number, reason: string): void;
}

export type StreamFrame = Extract<
  LinkFrame<unknown>,
  { readonly kind: "streamOpen" | "streamData" | "streamCredit" | "streamEnd" }
>;

/** What all channels of a process share; `In` is what the other side says. */
export interface ChannelSettings<In> {
  readonly codec: LinkCodec;
  /** Reads what the other side sent: the codec's `decodeFrom` of it. */
  readonly decode: (data: Uint8Array) => Result<ReadPacket<In>>;
  readonly clock: Clock;
  readonly epoch: string;
  /** Calls `beat` of each open channel. */
  readonly heartbeats: Rounds<Beating>;
  /** Says when a channel sends what was posted. */
  readonly writes: { request(channel: Flushable): void };
  /** Bytes either side may have in flight; the master says how many, for both directions. */
  readonly windowBytes: number;
}

/** What has a heart. */
export interface Beating extends Due {
  beat(): void;
}

/** Who has a channel. */
export interface ChannelOwner<In> {
  /** In order of arrival. Never called once the channel is closed. */
  channelMessages(messages: readonly In[]): void;
  channelStreamFrame(frame: StreamFrame): void;
  /** The channel gave up by itself; the socket is being closed. */
  channelBroken(reason: string): void;
}

/** The heartbeats of a process; `periodMs` is the master's word. */
export function channelHeartbeats(clock: Clock, periodMs: number): Rounds<Beating> {
  return new Rounds(clock, periodMs, (channel) => channel.beat());
}

export class Channel<In, Out> implements Beating, Flushable {
  /** The next beat, see `heartbeats`. */
  dueMs: number = Number.POSITIVE_INFINITY;
  readonly #settings: ChannelSettings<In>;
  readonly #socket: ChannelSocket;
  readonly #owner: ChannelOwner<In>;
  /** Encoded, oldest first; those before `#head` have been sent. */
  #queue: Uint8Array[] | undefined;
  #head = 0;
  #queuedBytes = 0;
  #inFlightBytes = 0;
  #uncreditedBytes = 0;
  #isFlushQueued = false;
  #isClosed = false;
  #lastSentMs: number;
  #hasHeard = true;
  #silentBeats = 0;

  constructor(settings: ChannelSettings<In>, socket: ChannelSocket, owner: ChannelOwner<In>) {
    this.#settings = settings;
    this.#socket = socket;
    this.#owner = owner;
    this.#lastSentMs = settings.clock.monotonicMs();
    settings.heartbeats.add(this);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Bytes of messages that wait for the other side's credit. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /**
   * Queues a message, or one that the codec has encoded; it leaves soon, with others of the same
   * time, and what happens to it later does not matter. Dropped once the channel is closed. Never
   * calls back.
   */
  post(message: Out | Uint8Array): void {
    if (this.#isClosed) return;
    const { codec } = this.#settings;
    const bytes = message instanceof Uint8Array ? message : codec.encodeMessage(message);
    this.#queue ??= [];
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.length;
    if (this.#isFlushQueued) return;
    this.#isFlushQueued = true;
    this.#settings.writes.request(this);
  }

  /** Sends what was posted, as far as the window has room. */
  flush(): void {
    this.#isFlushQueued = false;
    const { codec, epoch, windowBytes } = this.#settings;
    while (this.#queue !== undefined && this.#inFlightBytes < windowBytes) {
      this.#sendPacket(codec.joinMessages(epoch, this.#takeBatch(this.#queue)));
    }
    this.#checkQueue();
  }

  /** Sends stream frames at once; streams have windows of their own. */
  sendStreamFrame(frame: StreamFrame): void {
    if (!this.#isClosed) this.#sendPacket(this.#encode(frame));
  }

  /** Takes one WebSocket message. A packet that cannot be read, or a message in it, breaks the channel. */
  receive(data: Uint8Array): void {
    if (this.#isClosed) return;
    this.#hasHeard = true;
    const packet = this.#settings.decode(data);
    if (!packet.ok) {
      this.break(packet.error.message);
      return;
    }
    const { epoch, frames, fault } = packet.value;
    if (epoch === this.#settings.epoch) {
      for (const frame of frames) {
        if (this.#isClosed) return;
        this.#take(frame);
      }
      if (fault !== undefined) this.break(fault.message);
    }
    if (!isCreditOnly(packet.value)) this.#credit(data.byteLength);
  }

  /** Ends the channel without telling `onBroken`; for a socket that is already gone. */
  close(): void {
    this.#isClosed = true;
    this.#queue = undefined;
    this.#head = 0;
    this.#queuedBytes = 0;
    this.#settings.heartbeats.remove(this);
  }

  /** Gives up: closes the socket and tells the owner why. */
  break(reason: string): void {
    if (this.#isClosed) return;
    this.close();
    this.#socket.close(1008, closeReason(reason));
    this.#owner.channelBroken(reason);
  }

  /**
   * Counts beats without a word and not milliseconds: after a stall of our own process one beat
   * runs late, and what the other side sent meanwhile is read after it.
   */
  beat(): void {
    if (this.#isClosed) return;
    const { clock, heartbeats } = this.#settings;
    const heartbeatMs = heartbeats.periodMs;
    this.#silentBeats = this.#hasHeard ? 0 : this.#silentBeats + 1;
    this.#hasHeard = false;
    if (this.#silentBeats >= HEARTBEATS_MISSED) {
      this.break(`nothing was heard for ${HEARTBEATS_MISSED} heartbeats of ${heartbeatMs} ms`);
      return;
    }
    const idleMs = clock.monotonicMs() - this.#lastSentMs;
    if (idleMs >= heartbeatMs / 2) this.#sendPacket(this.#encode({ kind: "heartbeat" }));
  }

  #take(frame: LinkFrame<In>): void {
    switch (frame.kind) {
      case "messages":
        this.#owner.channelMessages(frame.messages);
        return;
      case "heartbeat":
        return;
      case "credit":
        this.#inFlightBytes = Math.max(0, this.#inFlightBytes - frame.bytes);
        this.flush();
        return;
      case "streamOpen":
      case "streamData":
      case "streamCredit":
      case "streamEnd":
        this.#owner.channelStreamFrame(frame);
        return;
      default:
        this.break(`unexpected ${frame.kind} frame on an established link`);
    }
  }

  /** The oldest messages, at least one, up to a full packet. There is no queue once it is empty. */
  #takeBatch(queue: readonly Uint8Array[]): readonly Uint8Array[] {
    const start = this.#head;
    let byteCount = 0;
    while (this.#head < queue.length && this.#head - start < MAX_MESSAGES_PER_FRAME) {
      const size = queue[this.#head]?.length ?? 0;
      if (byteCount > 0 && byteCount + size > PACKET_FULL_BYTES) break;
      byteCount += size;
      this.#head += 1;
    }
    this.#queuedBytes -= byteCount;
    const batch = queue.slice(start, this.#head);
    if (this.#head * 2 >= queue.length) {
      this.#queue = this.#head === queue.length ? undefined : queue.slice(this.#head);
      this.#head = 0;
    }
    return batch;
  }

  /** What is left has no room in the window; too much of it means that nobody reads. */
  #checkQueue(): void {
    const count = (this.#queue?.length ?? 0) - this.#head;
    if (count > MAX_QUEUED_MESSAGES || this.#queuedBytes > MAX_QUEUED_BYTES) {
      this.break(`the other side left ${count} messages of ${this.#queuedBytes} bytes waiting`);
    }
  }

  #sendPacket(data: Uint8Array): void {
    if (data.length > MAX_PACKET_BYTES - PACKET_OVERHEAD_BYTES) {
      this.break(`a message of ${data.length} bytes is above the limit of ${MAX_PACKET_BYTES}`);
      return;
    }
    this.#inFlightBytes += data.byteLength;
    this.#lastSentMs = this.#settings.clock.monotonicMs();
    this.#socket.send(data);
  }

  #encode(frame: LinkFrame<unknown>): Uint8Array {
    return this.#settings.codec.encode({ epoch: this.#settings.epoch, frames: [frame] });
  }

  /** Credit packets are not counted by either side: they would call for credit themselves. */
  #credit(bytes: number): void {
    this.#uncreditedBytes += bytes;
    if (this.#isClosed || this.#uncreditedBytes < this.#settings.windowBytes / 4) return;
    const credit = this.#encode({ kind: "credit", bytes: this.#uncreditedBytes });
    this.#uncreditedBytes = 0;
    this.#socket.send(credit);
  }
}

/** A reason as the close frame of a WebSocket takes it: short ASCII. */
export function closeReason(reason: string): string {
  return reason.replace(/[^\x20-\x7e]/g, "?").slice(0, CLOSE_REASON_LENGTH);
}

function isCreditOnly(packet: LinkPacket<unknown>): boolean {
  return packet.frames.length === 1 && packet.frames[0]?.kind === "credit";
}
