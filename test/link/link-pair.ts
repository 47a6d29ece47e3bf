/**
 * A real master's end and real agents' ends on loopback: the platform's server with `acceptLink`,
 * and `LinkClient`. Hosts here only write down what they are told.
 */
import { type LinkId, linkIdOf } from "../../src/base/ids.ts";
import type { Clock, Log } from "../../src/base/ports.ts";
import { LinkClient, type LinkClientOptions } from "../../src/link/client.ts";
import {
  LINK_PATH,
  type LinkHost,
  LinkServer,
  type LinkServerOptions,
} from "../../src/link/server.ts";
import type { StreamSource } from "../../src/link/streams.ts";
import type { AgentLink } from "../../src/master/runtime/ports.ts";
import { loadServe } from "../../src/platform/server.ts";
import type { Server } from "../../src/platform/server-types.ts";
import { systemClock } from "../../src/platform/system.ts";
import { type Codec, createCodec } from "../../src/protocol/codec.ts";
import { createLinkCodec, type LinkCodec } from "../../src/protocol/link-codec.ts";
import type { AgentToMaster, MasterToAgent } from "../../src/protocol/link-frames.ts";
import { MAX_PACKET_BYTES } from "../../src/protocol/link-limits.ts";
import type { MasterInfo } from "../../src/protocol/v1/types.ts";
import { seededRandom } from "../protocol/seeded-random.ts";

export const codec: Codec = createCodec();
export const linkCodec: LinkCodec = createLinkCodec();

/** A log that keeps its lines as `level message reason`. */
export class ListLog implements Log {
  readonly lines: string[] = [];

  write(level: string, message: string, fields?: Readonly<Record<string, unknown>>): void {
    this.lines.push([level, message, fields?.["reason"] ?? ""].join(" ").trim());
  }

  /** True when some line holds the text. */
  has(text: string): boolean {
    return this.lines.some((line) => line.includes(text));
  }
}

export interface MasterOptions {
  readonly port?: number;
  readonly epoch?: string;
  readonly heartbeatMs?: number;
  readonly spreadMs?: number;
  readonly clock?: Clock;
  readonly refusalOf?: LinkServerOptions["refusalOf"];
}

/** One master: its server and what came over its links. */
export class TestMaster implements LinkHost {
  readonly info: MasterInfo;
  readonly version: string = "1.0.0";
  readonly heartbeatMs: number;
  readonly log: ListLog = new ListLog();
  readonly links: Map<LinkId, AgentLink> = new Map();
  readonly received: AgentToMaster[] = [];
  readonly closed: LinkId[] = [];
  isLeading: boolean = true;
  onMessage: (message: AgentToMaster, linkId: LinkId) => void = () => undefined;
  /** Nothing that has arrived waits here, unless a test makes it. */
  afterArrivals: (callback: () => void) => void = (callback) => callback();
  #spreadMs: number;
  #server: Server | undefined;
  #nextLink = 1;

  private constructor(options: MasterOptions) {
    const epoch = options.epoch ?? "epoch-1";
    this.info = { id: epoch, ip: 1, port: 5050, hostname: "here", capabilities: [] } as MasterInfo;
    this.heartbeatMs = options.heartbeatMs ?? 5000;
    this.#spreadMs = options.spreadMs ?? 0;
  }

  static async start(options: MasterOptions = {}): Promise<TestMaster> {
    const master = new TestMaster(options);
    const clock = options.clock ?? systemClock;
    const serve = await loadServe();
    const links = new LinkServer({
      host: master,
      linkCodec,
      clock,
      log: master.log,
      writes: { request: (writer) => queueMicrotask(() => writer.flush()) },
      refusalOf: options.refusalOf,
    });
    master.#server = await serve({
      ip: "127.0.0.1",
      port: options.port ?? 0,
      maxBodyBytes: 1024,
      maxSocketMessageBytes: MAX_PACKET_BYTES,
      fetch: () => new Response("not a link", { status: 404 }),
      webSocket: {
        path: LINK_PATH,
        accept: (socket) => links.accept(socket),
      },
    });
    return master;
  }

  get port(): number {
    return this.#server?.port ?? 0;
  }

  reconnectSpreadMs(): number {
    return this.#spreadMs;
  }

  linkOpened(link: AgentLink): LinkId | undefined {
    if (!this.isLeading) return undefined;
    const linkId = linkIdOf(this.#nextLink++);
    this.links.set(linkId, link);
    return linkId;
  }

  linkMessage(linkId: LinkId, message: AgentToMaster): void {
    this.received.push(message);
    this.onMessage(message, linkId);
  }

  linkClosed(linkId: LinkId): void {
    this.links.delete(linkId);
    this.closed.push(linkId);
  }

  /** The one open link. */
  link(): AgentLink {
    const [link] = this.links.values();
    if (link === undefined) throw new Error("there is no open link");
    return link;
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
  }
}

/** One agent and what it was told. */
export class TestAgent {
  readonly log: ListLog = new ListLog();
  readonly received: MasterToAgent[] = [];
  readonly events: string[] = [];
  readonly client: LinkClient;
  address: string | undefined;

  constructor(
    port: number | undefined,
    options: Partial<LinkClientOptions> & { readonly streams?: StreamSource } = {},
  ) {
    this.address = port === undefined ? undefined : `127.0.0.1:${port}`;
    const random = seededRandom(7);
    this.client = new LinkClient({
      version: "1.0.0",
      codec,
      linkCodec,
      clock: systemClock,
      rng: { next: () => random.integer(1000) / 1000, uuid: () => "" },
      log: this.log,
      streams: () => {
        throw new Error("this agent serves no streams");
      },
      masterAddress: () => this.address,
      agentId: () => "agent-1",
      onUp: (epoch) => this.events.push(`up ${epoch}`),
      onMessage: (message) => this.received.push(message),
      onDown: () => this.events.push("down"),
      ...options,
    });
  }
}
