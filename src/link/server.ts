/**
 * The master's end of the links: takes WebSockets on `LINK_PATH`, shakes hands, checks every
 * message and hands it to the runtime. An agent that breaks the protocol is cut, never obeyed.
 */
import type { LinkId } from "../base/ids.ts";
import type { Clock, Log, LogLevel } from "../base/ports.ts";
import { excerpt } from "../base/text.ts";
import type { AgentLink } from "../master/runtime/ports.ts";
import type { Codec } from "../protocol/codec.ts";
import type { LinkCodec } from "../protocol/link-codec.ts";
import type {
  AgentToMaster,
  HelloFrame,
  LinkFrame,
  MasterToAgent,
  WelcomeFrame,
} from "../protocol/link-frames.ts";
import { HANDSHAKE_TIMEOUT_MS, LINK_PROTOCOL, LINK_WINDOW_BYTES } from "../protocol/link-limits.ts";
import { checkAgentMessage } from "../protocol/link-messages.ts";
import type { MasterInfo } from "../protocol/v1/types.ts";
import { Channel, type ChannelSocket, closeReason } from "./channel.ts";
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
}

export interface LinkServerOptions {
  readonly host: LinkHost;
  readonly codec: Codec;
  readonly linkCodec: LinkCodec;
  readonly clock: Clock;
  readonly log: Log;
}

/** Handler of one accepted WebSocket, as the platform's server wants it. */
export interface LinkConnection {
  message(data: Uint8Array): void;
  drained(): void;
  closed(): void;
}

/** Takes one WebSocket from an agent that has yet to say hello. */
export function acceptLink(
  options: LinkServerOptions,
  socket: ChannelSocket & { readonly remoteIp: string },
): LinkConnection {
  return new ServerLink(options, socket);
}

/** Shaking hands until `#channel` is there, then open; over once `#isOver`. */
class ServerLink implements LinkConnection {
  readonly #options: LinkServerOptions;
  readonly #socket: ChannelSocket & { readonly remoteIp: string };
  readonly #cancelHandshake: () => void;
  #channel: Channel<MasterToAgent> | undefined;
  #streams: StreamReader | undefined;
  #linkId: LinkId | undefined;
  #isOver = false;

  constructor(options: LinkServerOptions, socket: ChannelSocket & { readonly remoteIp: string }) {
    this.#options = options;
    this.#socket = socket;
    this.#cancelHandshake = options.clock.schedule(HANDSHAKE_TIMEOUT_MS, () =>
      this.#reject("no hello arrived in time", "warning"),
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
    if (linkId !== undefined) this.#options.host.linkClosed(linkId);
  }

  #handshake(data: Uint8Array): void {
    this.#cancelHandshake();
    const packet = this.#options.linkCodec.decode(data);
    const hello = packet.ok ? packet.value.frames[0] : undefined;
    if (hello?.kind !== "hello") {
      this.#reject("expecting a hello frame first", "warning");
    } else if (hello.protocol !== LINK_PROTOCOL) {
      const versions = `agent ${excerpt(hello.version)} speaks link protocol ${hello.protocol}, this master speaks ${LINK_PROTOCOL}`;
      this.#reject(`${versions}; bring both to the same version`, "warning");
    } else {
      this.#open(hello);
    }
  }

  #open(hello: HelloFrame): void {
    const { host, log } = this.#options;
    const channel = this.#makeChannel();
    const streams = new StreamReader((frame) => channel.sendStreamFrame(frame));
    const linkId = host.linkOpened(
      {
        send: (message) => channel.post(message),
        close: (reason) => channel.break(reason),
        openStream: (request) => streams.open(request),
      },
      this.#socket.remoteIp,
    );
    if (linkId === undefined) {
      channel.close();
      this.#reject("this master does not lead", "debug");
      return;
    }
    this.#channel = channel;
    this.#streams = streams;
    this.#linkId = linkId;
    // What the host posted already leaves after this turn, so behind the welcome.
    this.#sendFrame(this.#welcome());
    log.write("debug", "agent connected", { agent: hello.agentId, from: this.#socket.remoteIp });
  }

  #welcome(): WelcomeFrame {
    const { host } = this.#options;
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

  #makeChannel(): Channel<MasterToAgent> {
    const { host, linkCodec, clock, log } = this.#options;
    return new Channel<MasterToAgent>({
      socket: this.#socket,
      codec: linkCodec,
      clock,
      epoch: host.info.id,
      heartbeatMs: host.heartbeatMs,
      windowBytes: LINK_WINDOW_BYTES,
      onMessages: (messages) => this.#deliver(messages),
      onStreamFrame: (frame) => this.#streams?.take(frame),
      onBroken: (reason) => {
        log.write("warning", "link to an agent was cut", { from: this.#socket.remoteIp, reason });
        // The socket of an agent that is stuck may take long to close; the link is over now.
        this.closed();
      },
    });
  }

  #deliver(messages: readonly unknown[]): void {
    for (const message of messages) {
      // The host may close the link while it takes a message.
      if (this.#linkId === undefined) return;
      const checked = checkAgentMessage(message, this.#options.codec);
      if (!checked.ok) {
        this.#channel?.break(checked.error.message);
        return;
      }
      this.#options.host.linkMessage(this.#linkId, checked.value);
    }
  }

  #reject(message: string, level: LogLevel): void {
    if (this.#isOver) return;
    const from = this.#socket.remoteIp;
    this.#options.log.write(level, "link of an agent was refused", { from, reason: message });
    this.#sendFrame({ kind: "rejected", message });
    this.#socket.close(1008, closeReason(message));
    this.closed();
  }

  #sendFrame(frame: LinkFrame<never>): void {
    const { linkCodec, host } = this.#options;
    this.#socket.send(linkCodec.encode({ epoch: host.info.id, frames: [frame] }));
  }
}
