/**
 * CBOR of link packets: `[epoch, frame, …]`. The only place that knows cbor-x, which writes them,
 * imported in its pure form because the native part corrupts memory on Bun (reference/stack.md §7).
 * What comes out of `decode` has the shape of a packet; link-messages.ts checks what is inside.
 */
import { Encoder } from "cbor-x/index-no-eval";
import { ok, type Result, refuse } from "../base/result.ts";
import { encodeUtf8 } from "../base/text.ts";
import { CborReader } from "./cbor-reader.ts";
import type { LinkFrame, LinkPacket } from "./link-frames.ts";
import { MAX_FRAMES_PER_PACKET } from "./link-limits.ts";

export interface LinkCodec {
  encode(packet: LinkPacket<unknown>): Uint8Array;
  /** One message by itself, for `joinMessages`; so that a queue knows how many bytes it holds. */
  encodeMessage(message: unknown): Uint8Array;
  /** A packet with one `messages` frame of messages from `encodeMessage`. */
  joinMessages(epoch: string, messages: readonly Uint8Array[]): Uint8Array;
  /** Errors: `invalid`, when the bytes are not a packet. Never throws on input. */
  decode(bytes: Uint8Array): Result<LinkPacket<unknown>>;
}

/** Makes a codec; one per process is enough. */
export function createLinkCodec(): LinkCodec {
  const encoder = new Encoder({
    useRecords: false,
    variableMapSize: true,
    mapsAsObjects: true,
    tagUint8Array: false,
  });
  const reader = new CborReader();
  let head = { epoch: "", bytes: packetHead("") };
  return {
    encode: (packet) => encoder.encode([packet.epoch, ...packet.frames]),
    encodeMessage: (message) => encoder.encode(message),
    joinMessages: (epoch, messages) => {
      if (head.epoch !== epoch) head = { epoch, bytes: packetHead(epoch) };
      return joinMessages(head.bytes, messages);
    },
    decode: (bytes) => {
      const value = reader.read(bytes);
      return value.ok ? toPacket(value.value) : value;
    },
  };
}

/** The map `{kind: "messages", messages: …}` up to its list, as CBOR. */
const MESSAGES_HEAD: readonly number[] = [
  0xa2,
  ...[0x64, ...encodeUtf8("kind")],
  ...[0x68, ...encodeUtf8("messages")],
  ...[0x68, ...encodeUtf8("messages")],
];

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

/** First bytes of a CBOR text (0x60) or array (0x80) of a 16-bit length. */
function cborHead(type: number, length: number): readonly number[] {
  if (length < 24) return [type | length];
  return length < 256 ? [type | 24, length] : [type | 25, length >> 8, length & 0xff];
}

function toPacket(value: unknown): Result<LinkPacket<unknown>> {
  if (!Array.isArray(value)) return refuse("invalid", "Link packet is not an array");
  const [epoch, ...rest] = value as unknown[];
  if (typeof epoch !== "string") return refuse("invalid", "Link packet has no epoch", "epoch");
  if (rest.length > MAX_FRAMES_PER_PACKET) {
    return refuse("tooLarge", `Link packet holds more than ${MAX_FRAMES_PER_PACKET} frames`);
  }
  const frames: LinkFrame<unknown>[] = [];
  for (const [index, candidate] of rest.entries()) {
    if (!isFrame(candidate)) {
      return refuse("invalid", "Link frame is of no known form", `frames[${index}]`);
    }
    frames.push(candidate);
  }
  return ok({ epoch, frames });
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
