/**
 * CBOR of link packets: `[epoch, frame, …]`. The only place that knows cbor-x, imported in its pure
 * form because the native part corrupts memory on Bun (reference/stack.md §7). What comes out of
 * `decode` has the shape of a packet; the messages inside are checked by link-messages.ts.
 */
import { Encoder, setSizeLimits } from "cbor-x/index-no-eval";
import { ok, type Result, refuse } from "../base/result.ts";
import type { LinkFrame, LinkPacket } from "./link-frames.ts";
import { MAX_FRAMES_PER_PACKET, MAX_LINK_ARRAY } from "./link-limits.ts";

export interface LinkCodec {
  encode(packet: LinkPacket<unknown>): Uint8Array;
  /** Errors: `invalid`, when the bytes are not a packet. Never throws on input. */
  decode(bytes: Uint8Array): Result<LinkPacket<unknown>>;
}

/** Makes a codec; the size limits it sets hold for the whole process. */
export function createLinkCodec(): LinkCodec {
  setSizeLimits({
    maxArraySize: MAX_LINK_ARRAY,
    maxMapSize: MAX_LINK_ARRAY,
    maxObjectSize: MAX_LINK_ARRAY,
  });
  const encoder = new Encoder({ useRecords: false, variableMapSize: true, mapsAsObjects: true });
  return {
    encode: (packet) => encoder.encode([packet.epoch, ...packet.frames]),
    decode: (bytes) => {
      let value: unknown;
      try {
        value = encoder.decode(bytes);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        return refuse("invalid", `Link packet is not CBOR: ${reason}`);
      }
      return toPacket(value);
    },
  };
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
const isRecord: FieldCheck = (value) => typeof value === "object" && value !== null;

const FRAME_FIELDS: Readonly<Record<string, Readonly<Record<string, FieldCheck>>>> = {
  hello: { protocol: isCount, version: isText, agentId: isTextOrAbsent },
  welcome: {
    protocol: isCount,
    version: isText,
    epoch: isText,
    masterInfo: isRecord,
    heartbeatMs: isCount,
    reconnectSpreadMs: isCount,
    windowBytes: isCount,
  },
  rejected: { message: isText },
  messages: { messages: Array.isArray },
  heartbeat: {},
  credit: { bytes: isCount },
  streamOpen: { stream: isCount, request: isRecord },
  streamData: { stream: isCount, data: (value) => value instanceof Uint8Array },
  streamCredit: { stream: isCount, bytes: isCount },
  streamEnd: { stream: isCount, error: isTextOrAbsent },
};

function isFrame(value: unknown): value is LinkFrame<unknown> {
  if (typeof value !== "object" || value === null || !("kind" in value)) return false;
  const fields = Object.hasOwn(FRAME_FIELDS, String(value.kind))
    ? FRAME_FIELDS[String(value.kind)]
    : undefined;
  if (fields === undefined) return false;
  const record = value as Readonly<Record<string, unknown>>;
  return Object.entries(fields).every(([name, check]) => check(record[name]));
}
