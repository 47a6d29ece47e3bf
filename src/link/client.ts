/**
 * The agent's end of the link: finds the leading master, connects, shakes hands, and comes back
 * after every loss with jittered back-off, so that a failover is a ramp and not a storm.
 *
 * | state | leaves on |
 * |---|---|
 * | waiting | back-off over: connecting |
 * | connecting | welcome: open; rejected, closed or no welcome in time: waiting |
 * | open | broken, closed, `reconnect`: waiting |
 */
import type { Clock, Log, Rng } from "../base/ports.ts";
import type { Codec } from "../protocol/codec.ts";
import type { LinkCodec } from "../protocol/link-codec.ts";
import type { AgentToMaster, Login, MasterToAgent, WelcomeFrame } from "../protocol/link-frames.ts";
import { HANDSHAKE_TIMEOUT_MS, LINK_PROTOCOL } from "../protocol/link-limits.ts";
import { checkStreamRequest } from "../protocol/stream-requests.ts";
import type { MasterInfo } from "../protocol/v1/types.ts";
import { Channel, channelHeartbeats, type StreamFrame } from "./channel.ts";
import { LINK_PATH } from "./server.ts";
import { StreamServer, type StreamSource } from "./streams.ts";

/** First back-off; doubles with each failure. */
const FIRST_BACKOFF_MS = 250;
/** A link that breaks sooner counts as a failure, so that a bad agent does not hammer the master. */
const STABLE_LINK_MS = 30_000;
/** Back-off never grows beyond this, or twice the master's spread where that is more. */
const MAX_BACKOFF_MS = 3000;

export interface LinkClientOptions {
  readonly version: string;
  readonly codec: Codec;
  readonly linkCodec: LinkCodec;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Log;
  readonly streams: StreamSource;
  /** `host:port` of the leading master as far as known; asked before each attempt. */
  masterAddress(): string | undefined;
  agentId(): string | undefined;
  /** As whom the agent logs in, if the master wants to know. */
  readonly login?: Login | undefined;
  /** The master will never take this agent as it is; the link is given up. */
  onRefused?(reason: string): void;
  onUp(epoch: string, master: MasterInfo): void;
  onMessage(message: MasterToAgent): void;
  onDown(): void;
}

/** Whether there is a link to the master, and why not. */
export interface LinkStatus {
  readonly isUp: boolean;
  /** Up, or not, for so long. */
  readonly forMs: number;
  /** Of the last attempt; empty while the link is up. */
  readonly problem: string;
}

export class LinkClient {
  readonly #options: LinkClientOptions;
  #socket: WebSocket | undefined;
  #channel: Channel<MasterToAgent, AgentToMaster> | undefined;
  #streamServer: StreamServer | undefined;
  #failures = 0;
  #upSinceMs = 0;
  #spreadMs = 0;
  #cancelTimer: () => void = () => undefined;
  #isStopped = false;
  #lastProblem = "";
  #statusSinceMs: number;

  constructor(options: LinkClientOptions) {
    this.#options = options;
    this.#statusSinceMs = options.clock.monotonicMs();
  }

  get status(): LinkStatus {
    const forMs = this.#options.clock.monotonicMs() - this.#statusSinceMs;
    return { isUp: this.#channel !== undefined, forMs, problem: this.#lastProblem };
  }

  /** Begins to connect; returns at once. */
  start(): void {
    this.#connect();
  }

  /** Sends to the master; dropped without a link, since registration tells all state anew. */
  send(message: AgentToMaster): void {
    this.#channel?.post(message);
  }

  /**
   * Gives up the present connection, or the wait for one, and looks for the master anew, as one who
   * has not failed. All agents do so at once when another master leads: in its spread they come.
   */
  reconnect(reason: string): void {
    this.#failures = 0;
    this.#lose(reason, { isAmongAll: true });
  }

  /** Ends for good; `onDown` is not called. Safe to repeat. */
  stop(): void {
    this.#isStopped = true;
    this.#cancelTimer();
    this.#channel?.close();
    this.#streamServer?.close();
    if (this.#socket !== undefined) closeSocket(this.#socket, 1000, "agent stops");
    this.#channel = undefined;
    this.#streamServer = undefined;
    this.#socket = undefined;
  }

  #connect(): void {
    if (this.#isStopped) return;
    const address = this.#options.masterAddress();
    if (address === undefined) {
      this.#lose("no leading master is known");
      return;
    }
    const socket = openSocket(`ws://${address}${LINK_PATH}`);
    if (socket === undefined) {
      this.#lose(`${address} is not an address of the form host:port`);
      return;
    }
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    const lose = (reason: string): void => {
      if (this.#socket === socket) this.#lose(reason);
    };
    this.#cancelTimer = this.#options.clock.schedule(HANDSHAKE_TIMEOUT_MS, () =>
      lose(`no welcome from ${address}`),
    );
    socket.addEventListener("open", () => {
      // A connection that was given up while it was being made is closed for good now.
      if (this.#socket === socket) this.#hello(socket);
      else closeSocket(socket, 1000, "agent reconnects");
    });
    socket.addEventListener("close", () => lose(`connection to ${address} closed`));
    socket.addEventListener("error", () => lose(`cannot connect to ${address}`));
    socket.addEventListener("message", (event: MessageEvent<unknown>) => {
      if (this.#socket !== socket) return;
      if (event.data instanceof ArrayBuffer) this.#receive(socket, new Uint8Array(event.data));
      else lose("the master sent text where bytes belong");
    });
  }

  #hello(socket: WebSocket): void {
    const { linkCodec, version, agentId, login } = this.#options;
    const hello = {
      kind: "hello",
      protocol: LINK_PROTOCOL,
      version,
      agentId: agentId(),
      ...(login !== undefined && { login }),
    } as const;
    sendBytes(socket, linkCodec.encode({ epoch: "", frames: [hello] }));
  }

  #receive(socket: WebSocket, data: Uint8Array): void {
    if (this.#channel !== undefined) {
      this.#channel.receive(data);
      return;
    }
    const packet = this.#options.linkCodec.decode(data);
    const frame = packet.ok ? packet.value.frames[0] : undefined;
    if (frame?.kind === "welcome" && frame.protocol !== LINK_PROTOCOL) {
      this.#lose(`the master speaks link protocol ${frame.protocol}, this agent ${LINK_PROTOCOL}`);
    } else if (frame?.kind === "welcome") this.#open(socket, frame);
    else if (frame?.kind === "rejected") this.#refused(frame.message, frame.isFinal === true);
    else this.#lose("the master did not answer with a welcome");
  }

  #refused(message: string, isFinal: boolean): void {
    const reason = `the master refused the link: ${message}`;
    this.#lose(reason);
    if (!isFinal) return;
    this.stop();
    this.#options.onRefused?.(reason);
  }

  #open(socket: WebSocket, welcome: WelcomeFrame): void {
    const { codec, linkCodec, clock } = this.#options;
    const master = codec.fromJson("mesos.v1.MasterInfo", welcome.masterInfo);
    if (!master.ok) {
      this.#lose(master.error.message);
      return;
    }
    this.#cancelTimer();
    this.#lastProblem = "";
    this.#upSinceMs = clock.monotonicMs();
    this.#statusSinceMs = this.#upSinceMs;
    this.#spreadMs = welcome.reconnectSpreadMs;
    const channel: Channel<MasterToAgent, AgentToMaster> = new Channel<
      MasterToAgent,
      AgentToMaster
    >(
      {
        codec: linkCodec,
        decode: (data) => linkCodec.decodeFrom("master", data),
        clock,
        epoch: welcome.epoch,
        writes: { request: (writer) => queueMicrotask(() => writer.flush()) },
        heartbeats: channelHeartbeats(clock, Math.max(100, welcome.heartbeatMs)),
        windowBytes: Math.max(1024, welcome.windowBytes),
      },
      {
        send: (bytes) => sendBytes(socket, bytes),
        close: (code, reason) => closeSocket(socket, code, reason),
      },
      {
        channelMessages: (messages) => this.#deliver(channel, messages),
        channelStreamFrame: (frame) => this.#takeStreamFrame(frame),
        channelBroken: (reason) => {
          if (this.#channel === channel) this.#lose(reason);
        },
      },
    );
    this.#channel = channel;
    this.#streamServer = new StreamServer(
      (frame) => channel.sendStreamFrame(frame),
      this.#options.streams,
    );
    this.#options.onUp(welcome.epoch, master.value);
  }

  #deliver(
    channel: Channel<MasterToAgent, AgentToMaster>,
    messages: readonly MasterToAgent[],
  ): void {
    for (const message of messages) {
      // A message may have led to `stop` or `reconnect`.
      if (this.#channel !== channel) return;
      if (message.kind === "ping") this.#spreadMs = message.reconnectSpreadMs ?? this.#spreadMs;
      this.#options.onMessage(message);
    }
  }

  #takeStreamFrame(frame: StreamFrame): void {
    if (frame.kind === "streamOpen") {
      const request = checkStreamRequest(frame.request);
      if (!request.ok) {
        const error = request.error.message;
        this.#channel?.sendStreamFrame({ kind: "streamEnd", stream: frame.stream, error });
        return;
      }
    }
    this.#streamServer?.take(frame);
  }

  #lose(reason: string, { isAmongAll = false }: { readonly isAmongAll?: boolean } = {}): void {
    if (this.#isStopped) return;
    const wasUp = this.#channel !== undefined;
    if (wasUp) this.#statusSinceMs = this.#options.clock.monotonicMs();
    this.#cancelTimer();
    this.#channel?.close();
    this.#streamServer?.close();
    this.#channel = undefined;
    this.#streamServer = undefined;
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket !== undefined) closeSocket(socket, 1000, "agent reconnects");
    if (reason !== this.#lastProblem) {
      this.#options.log.write("warning", "no link to the master", { reason });
    }
    this.#lastProblem = reason;
    const delayMs = this.#backoffMs(wasUp, wasUp || isAmongAll);
    this.#cancelTimer = this.#options.clock.schedule(delayMs, () => this.#connect());
    if (wasUp) this.#options.onDown();
  }

  /**
   * With all the others anywhere in the master's spread, and no sooner after that: while a master
   * starts they all fail, and would all be there the moment it listens. Otherwise, and once that is
   * longer, doubling with each failure.
   */
  #backoffMs(wasUp: boolean, isAmongAll: boolean): number {
    const { rng, clock } = this.#options;
    const isStable = wasUp && clock.monotonicMs() - this.#upSinceMs >= STABLE_LINK_MS;
    if (isStable) this.#failures = 0;
    const ceilingMs = Math.max(MAX_BACKOFF_MS, 2 * this.#spreadMs);
    const spanMs = Math.min(ceilingMs, FIRST_BACKOFF_MS * 2 ** this.#failures);
    if (!isStable) this.#failures += 1;
    if (isAmongAll || this.#spreadMs > spanMs) return rng.next() * Math.max(spanMs, this.#spreadMs);
    return spanMs * (0.5 + 0.5 * rng.next());
  }
}

/** Undefined when the address makes no URL. */
function openSocket(url: string): WebSocket | undefined {
  return URL.canParse(url) ? new WebSocket(url) : undefined;
}

function sendBytes(socket: WebSocket, bytes: Uint8Array): void {
  if (socket.readyState === WebSocket.OPEN) socket.send(bytes as Uint8Array<ArrayBuffer>);
}

function closeSocket(socket: WebSocket, code: number, reason: string): void {
  if (socket.readyState === WebSocket.CLOSING || socket.readyState === WebSocket.CLOSED) return;
  // Only 1000 and the private range may be sent by a client.
  socket.close(code === 1000 ? code : 4000, reason);
}
