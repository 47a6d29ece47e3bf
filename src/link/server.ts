/**
 * The master's end of the links: takes WebSockets on `LINK_PATH`, shakes hands, checks every
 * message and hands it to the runtime. An agent that breaks the protocol is cut, never obeyed.
 */
import type { LinkId } from "../base/ids.ts";
import type { Clock, Log, LogLevel } from "../base/ports.ts";
import { excerpt } from "../base/text.ts";
import type { AgentLink } from "../master/runtime/ports.ts";
import type { LinkCodec } from "../protocol/link-codec.ts";
import type {
  AgentToMaster,
  HelloFrame,
  LinkFrame,
  Login,
  MasterToAgent,
  StreamRequest,
  WelcomeFrame,
} from "../protocol/link-frames.ts";
import { HANDSHAKE_TIMEOUT_MS, LINK_PROTOCOL, LINK_WINDOW_BYTES } from "../protocol/link-limits.ts";
import type { MasterInfo } from "../protocol/v1/types.ts";
import {
  Channel,
  type ChannelOwner,
  type ChannelSettings,
  type ChannelSocket,
  channelHeartbeats,
  closeReason,
  type StreamFrame,
} from "./channel.ts";
import { StreamReader } from "./streams.ts";

/** Where agents connect on the master's port. */
export const LINK_PATH = "/allot/v1/link";

/** The master behind the links; its runtime fits. */
export interface LinkHost {
  readonly info: MasterInfo;
  readonly version: string;
  readonly heartbeatMs: number;
  /** Spread of reconnections after a failover, sized to the number of agents. */
  reconnectSpreadMs(): number;
  /** Undefined while this master must not be joined (not leading). */
  linkOpened(link: AgentLink, remoteIp: string): LinkId | undefined;
  linkMessage(linkId: LinkId, message: AgentToMaster): void;
  linkClosed(linkId: LinkId): void;
  /** Calls back once all packets that have arrived by now are read, however many wait. */
  afterArrivals(callback: () => void): void;
}

/** Why an agent may not join. */
export interface LinkRefusal {
  readonly message: string;
  /** Trying again as it is would never do better. */
  readonly isFinal: boolean;
}

export interface LinkServerOptions {
  readonly host: LinkHost;
  readonly linkCodec: LinkCodec;
  readonly clock: Clock;
  readonly log: Log;
  readonly writes: ChannelSettings<AgentToMaster>["writes"];
  /** Asked of each agent that says hello. Undefined, and answering undefined: it may join. */
  readonly refusalOf?: ((login: Login | undefined) => LinkRefusal | undefined) | undefined;
}

/** Handler of one accepted WebSocket, as the platform's server wants it. */
export interface LinkConnection {
  message(data: Uint8Array): void;
  drained(): void;
  closed(): void;
}

/** The master's end of all links of a process. */
export class LinkServer {
  readonly options: LinkServerOptions;
  readonly channels: ChannelSettings<AgentToMaster>;

  constructor(options: LinkServerOptions) {
    const { host, linkCodec, clock, writes } = options;
    this.options = options;
    this.channels = {
      codec: linkCodec,
      decode: (data) => linkCodec.decodeFrom("agent", data),
      clock,
      epoch: host.info.id,
      writes,
      heartbeats: channelHeartbeats(clock, host.heartbeatMs),
      windowBytes: LINK_WINDOW_BYTES,
    };
  }

  /** Takes one WebSocket from an agent that has yet to say hello. */
  accept(socket: ChannelSocket & { readonly remoteIp: string }): LinkConnection {
    return new ServerLink(this, socket);
  }
}

/** In place of the handshake's time-out once it is over: a closure less for each agent. */
const NOTHING_TO_CANCEL = (): void => undefined;

/** Shaking hands until `#channel` is there, then open; over once `#isOver`. */
class ServerLink implements LinkConnection, AgentLink, ChannelOwner<AgentToMaster> {
  readonly #server: LinkServer;
  readonly #socket: ChannelSocket & { readonly remoteIp: string };
  #cancelHandshake: () => void;
  #channel: Channel<AgentToMaster, MasterToAgent> | undefined;
  /** Made when the first stream is opened. */
  #streams: StreamReader | undefined;
  #linkId: LinkId | undefined;
  #isOver = false;

  constructor(server: LinkServer, socket: ChannelSocket & { readonly remoteIp: string }) {
    this.#server = server;
    this.#socket = socket;
    const { clock, host } = server.options;
    this.#cancelHandshake = clock.schedule(HANDSHAKE_TIMEOUT_MS, () =>
      // A hello that waits to be read did arrive in time: a master that is behind when a whole cluster
      // comes back must not send it away to come again.
      host.afterArrivals(() => this.#handshakeTimedOut()),
    );
  }

  message(data: Uint8Array): void {
    if (this.#isOver) return;
    if (this.#channel !== undefined) this.#channel.receive(data);
    else this.#handshake(data);
  }

  drained(): void {
    // The channel's own window paces the sender; the socket's buffer needs no attention.
  }

  /** The socket is gone, or we have given it up; what comes first counts. */
  closed(): void {
    this.#isOver = true;
    this.#cancelHandshake();
    this.#channel?.close();
    this.#streams?.close();
    const linkId = this.#linkId;
    this.#linkId = undefined;
    if (linkId !== undefined) this.#server.options.host.linkClosed(linkId);
  }

  send(message: MasterToAgent | Uint8Array): void {
    this.#channel?.post(message);
  }

  close(reason: string): void {
    // What the host said before is often why it closes.
    this.#channel?.flush();
    this.#channel?.break(reason);
  }

  openStream(request: StreamRequest): ReadableStream<Uint8Array> {
    const channel = this.#channel;
    this.#streams ??= new StreamReader((frame) => channel?.sendStreamFrame(frame));
    if (channel === undefined || channel.isClosed) this.#streams.close();
    return this.#streams.open(request);
  }

  channelMessages(messages: readonly AgentToMaster[]): void {
    const { host } = this.#server.options;
    for (const message of messages) {
      // The host may close the link while it takes a message.
      if (this.#linkId === undefined) return;
      host.linkMessage(this.#linkId, message);
    }
  }

  channelStreamFrame(frame: StreamFrame): void {
    this.#streams?.take(frame);
  }

  channelBroken(reason: string): void {
    const from = this.#socket.remoteIp;
    this.#server.options.log.write("warning", "link to an agent was cut", { from, reason });
    // The socket of an agent that is stuck may take long to close; the link is over now.
    this.closed();
  }

  #handshakeTimedOut(): void {
    if (this.#channel === undefined) this.#reject("no hello arrived in time", "warning");
  }

  #handshake(data: Uint8Array): void {
    this.#cancelHandshake();
    this.#cancelHandshake = NOTHING_TO_CANCEL;
    const packet = this.#server.options.linkCodec.decode(data);
    const hello = packet.ok ? packet.value.frames[0] : undefined;
    if (hello?.kind !== "hello") {
      this.#reject("expecting a hello frame first", "warning");
    } else if (hello.protocol !== LINK_PROTOCOL) {
      const versions = `agent ${excerpt(hello.version)} speaks link protocol ${hello.protocol}, this master speaks ${LINK_PROTOCOL}`;
      this.#reject(`${versions}; bring both to the same version`, "warning");
    } else {
      const refusal = this.#server.options.refusalOf?.(hello.login);
      if (refusal === undefined) this.#open(hello);
      else this.#reject(refusal.message, "warning", refusal.isFinal);
    }
  }

  #open(hello: HelloFrame): void {
    const { host, log } = this.#server.options;
    // What the host posts right away leaves after this turn, so behind the welcome.
    this.#channel = new Channel<AgentToMaster, MasterToAgent>(
      this.#server.channels,
      this.#socket,
      this,
    );
    this.#linkId = host.linkOpened(this, this.#socket.remoteIp);
    if (this.#linkId === undefined) {
      this.#channel.close();
      this.#reject("this master does not lead", "debug");
      return;
    }
    this.#sendFrame(this.#welcome());
    log.write("debug", "agent connected", { agent: hello.agentId, from: this.#socket.remoteIp });
  }

  #welcome(): WelcomeFrame {
    const { host } = this.#server.options;
    return {
      kind: "welcome",
      protocol: LINK_PROTOCOL,
      version: host.version,
      epoch: host.info.id,
      masterInfo: host.info,
      heartbeatMs: host.heartbeatMs,
      reconnectSpreadMs: host.reconnectSpreadMs(),
      windowBytes: LINK_WINDOW_BYTES,
    };
  }

  #reject(message: string, level: LogLevel, isFinal = false): void {
    if (this.#isOver) return;
    const from = this.#socket.remoteIp;
    this.#server.options.log.write(level, "link of an agent was refused", {
      from,
      reason: message,
    });
    this.#sendFrame({ kind: "rejected", message, ...(isFinal && { isFinal }) });
    this.#socket.close(1008, closeReason(message));
    this.closed();
  }

  #sendFrame(frame: LinkFrame<never>): void {
    const { linkCodec, host } = this.#server.options;
    this.#socket.send(linkCodec.encode({ epoch: host.info.id, frames: [frame] }));
  }
}
