/**
 * CBOR of link packets: `[epoch, frame, …]`. The only place that knows cbor-x, which writes them,
 * imported in its pure form because the native part corrupts memory on Bun (reference/stack.md §7).
 */
import { Encoder } from "cbor-x/index-no-eval";
import { ok, type Refusal, type Result, refuse } from "../base/result.ts";
import { encodeUtf8 } from "../base/text.ts";
import { BadCbor, CborCursor, MAJOR } from "./cbor-cursor.ts";
import { cborHead } from "./cbor-head.ts";
import type { AgentToMaster, LinkFrame, LinkPacket, MasterToAgent } from "./link-frames.ts";
import { MAX_FRAMES_PER_PACKET } from "./link-limits.ts";
import { AGENT_MESSAGES, MASTER_MESSAGES } from "./link-messages.ts";
import { LinkReader } from "./link-reader.ts";
import { BadLinkValue } from "./link-scalars.ts";
import { Planner, type UnionPlan } from "./link-shapes.ts";
import { Schema } from "./v1/schema.ts";

/** Who says what. */
export interface LinkMessages {
  readonly agent: AgentToMaster;
  readonly master: MasterToAgent;
}

/** What could be read of a packet. */
export interface ReadPacket<Message> extends LinkPacket<Message> {
  /** Why nothing is known of what follows the last message: `invalid`, with a path. */
  readonly fault: Refusal | undefined;
}

export interface LinkCodec {
  encode(packet: LinkPacket<unknown>): Uint8Array;
  /** One message by itself, for `joinMessages`; so that a queue knows how many bytes it holds. */
  encodeMessage(message: unknown): Uint8Array;
  /** A packet with one `messages` frame of messages from `encodeMessage`. */
  joinMessages(epoch: string, messages: readonly Uint8Array[]): Uint8Array;
  /** Errors: `invalid`, when the bytes are not a packet. Never throws on input. */
  decode(bytes: Uint8Array): Result<LinkPacket<unknown>>;
  /**
   * As `decode`, with the messages read as what they have to be, up to one that is not. Equal parts
   * that follow one another may be one object.
   */
  decodeFrom<Sender extends keyof LinkMessages>(
    sender: Sender,
    bytes: Uint8Array,
  ): Result<ReadPacket<LinkMessages[Sender]>>;
}

/** Makes a codec; one per process is enough. */
export function createLinkCodec(): LinkCodec {
  const encoder = new Encoder({
    useRecords: false,
    variableMapSize: true,
    mapsAsObjects: true,
    tagUint8Array: false,
  });
  const reader = new PacketReader();
  let head = { epoch: "", bytes: packetHead("") };
  return {
    encode: (packet) => encoder.encode([packet.epoch, ...packet.frames]),
    encodeMessage: (message) => encoder.encode(message),
    joinMessages: (epoch, messages) => {
      if (head.epoch !== epoch) head = { epoch, bytes: packetHead(epoch) };
      return joinMessages(head.bytes, messages);
    },
    decode: (bytes) => reader.read(bytes, undefined),
    decodeFrom: (sender, bytes) => reader.readFrom(sender, bytes),
  };
}

/** The map `{kind: "messages", messages: …}` up to its list, as CBOR. */
const MESSAGES_HEAD: Uint8Array = Uint8Array.of(
  0xa2,
  ...[0x64, ...encodeUtf8("kind")],
  ...[0x68, ...encodeUtf8("messages")],
  ...[0x68, ...encodeUtf8("messages")],
);

/** What packets of messages begin with, up to the length of the list; the same for a whole epoch. */
function packetHead(epoch: string): Uint8Array {
  const epochBytes = encodeUtf8(epoch);
  return Uint8Array.of(0x82, ...cborHead(0x60, epochBytes.length), ...epochBytes, ...MESSAGES_HEAD);
}

function joinMessages(head: Uint8Array, messages: readonly Uint8Array[]): Uint8Array {
  const listHead = cborHead(0x80, messages.length);
  let position = head.length + listHead.length;
  const length = messages.reduce((sum, message) => sum + message.length, position);
  const packet = new Uint8Array(length);
  packet.set(head);
  packet.set(listHead, head.length);
  for (const message of messages) {
    packet.set(message, position);
    position += message.length;
  }
  return packet;
}

class PacketReader {
  readonly #cursor = new CborCursor();
  readonly #messages = new LinkReader(this.#cursor);
  readonly #plans: Readonly<Record<keyof LinkMessages, UnionPlan>>;
  /** Of a message of the packet that is being read. */
  #fault: Refusal | undefined;

  constructor() {
    const planner = new Planner(new Schema());
    this.#plans = {
      agent: planner.union(AGENT_MESSAGES),
      master: planner.union(MASTER_MESSAGES),
    };
  }

  readFrom<Sender extends keyof LinkMessages>(
    sender: Sender,
    bytes: Uint8Array,
  ): Result<ReadPacket<LinkMessages[Sender]>> {
    // What the plan of a sender lets through has the type that the sender's messages have.
    return this.read(bytes, this.#plans[sender]) as Result<ReadPacket<LinkMessages[Sender]>>;
  }

  /** Without a plan messages may be anything. */
  read(bytes: Uint8Array, plan: UnionPlan | undefined): Result<ReadPacket<unknown>> {
    this.#cursor.open(bytes);
    this.#fault = undefined;
    try {
      const packet = this.#packet(plan);
      if (packet.ok && this.#fault === undefined) this.#cursor.expectEnd();
      return packet;
    } catch (error) {
      if (!(error instanceof BadCbor)) throw error;
      return refuse("invalid", error.message);
    } finally {
      this.#cursor.close();
    }
  }

  #packet(plan: UnionPlan | undefined): Result<ReadPacket<unknown>> {
    const cursor = this.#cursor;
    if (cursor.peek() >> 5 !== MAJOR.list) {
      cursor.value();
      return refuse("invalid", "Link packet is not an array");
    }
    const count = cursor.enter(MAJOR.list);
    const epoch = count === 0 ? undefined : cursor.value();
    if (typeof epoch !== "string") return refuse("invalid", "Link packet has no epoch", "epoch");
    if (count - 1 > MAX_FRAMES_PER_PACKET) {
      return refuse("tooLarge", `Link packet holds more than ${MAX_FRAMES_PER_PACKET} frames`);
    }
    const frames: LinkFrame<unknown>[] = [];
    for (let index = 0; index < count - 1 && this.#fault === undefined; index++) {
      const frame = this.#frame(plan);
      if (frame === undefined) {
        return refuse("invalid", "Link frame is of no known form", `frames[${index}]`);
      }
      frames.push(frame);
    }
    cursor.leave();
    return ok({ epoch, frames, fault: this.#fault });
  }

  /** Undefined for what is no frame. */
  #frame(plan: UnionPlan | undefined): LinkFrame<unknown> | undefined {
    const cursor = this.#cursor;
    if (plan !== undefined && cursor.takes(MESSAGES_HEAD, MESSAGES_HEAD.length)) {
      return this.#messagesFrame(plan);
    }
    const frame = cursor.value();
    // Nobody writes messages in another form, and they would be unread.
    return isFrame(frame) && (plan === undefined || frame.kind !== "messages") ? frame : undefined;
  }

  #messagesFrame(plan: UnionPlan): LinkFrame<unknown> | undefined {
    const cursor = this.#cursor;
    if (cursor.peek() >> 5 !== MAJOR.list) return undefined;
    const count = cursor.enter(MAJOR.list);
    const messages: unknown[] = [];
    try {
      for (let index = 0; index < count; index++) messages.push(this.#messages.read(plan));
    } catch (error) {
      if (!(error instanceof BadLinkValue)) throw error;
      const field = `message${this.#messages.path}${error.part}`;
      this.#fault = { code: "invalid", message: `${field}: ${error.message}`, field };
    }
    cursor.leave();
    return { kind: "messages", messages };
  }
}

type FieldCheck = (value: unknown) => boolean;

const isText: FieldCheck = (value) => typeof value === "string";
const isCount: FieldCheck = (value) => Number.isSafeInteger(value) && Number(value) >= 0;
const isTextOrAbsent: FieldCheck = (value) => value === undefined || typeof value === "string";
const isBooleanOrAbsent: FieldCheck = (value) => value === undefined || typeof value === "boolean";
const isLoginOrAbsent: FieldCheck = (value) => value === undefined || isLogin(value);
const isRecord: FieldCheck = (value) => typeof value === "object" && value !== null;

const FRAME_FIELDS: Readonly<Record<string, Readonly<Record<string, FieldCheck>>>> = {
  hello: { protocol: isCount, version: isText, agentId: isTextOrAbsent, login: isLoginOrAbsent },
  welcome: {
    protocol: isCount,
    version: isText,
    epoch: isText,
    masterInfo: isRecord,
    heartbeatMs: isCount,
    reconnectSpreadMs: isCount,
    windowBytes: isCount,
  },
  rejected: { message: isText, isFinal: isBooleanOrAbsent },
  messages: { messages: Array.isArray },
  heartbeat: {},
  credit: { bytes: isCount },
  streamOpen: { stream: isCount, request: isRecord },
  streamData: { stream: isCount, data: (value) => value instanceof Uint8Array },
  streamCredit: { stream: isCount, bytes: isCount },
  streamEnd: { stream: isCount, error: isTextOrAbsent },
};

function isLogin(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return (
    "principal" in value && "secret" in value && isText(value.principal) && isText(value.secret)
  );
}

function isFrame(value: unknown): value is LinkFrame<unknown> {
  if (typeof value !== "object" || value === null || !("kind" in value)) return false;
  const { kind } = value;
  if (typeof kind !== "string" || !Object.hasOwn(FRAME_FIELDS, kind)) return false;
  const fields = FRAME_FIELDS[kind];
  const record = value as Readonly<Record<string, unknown>>;
  for (const name in fields) if (fields[name]?.(record[name]) !== true) return false;
  return true;
}
