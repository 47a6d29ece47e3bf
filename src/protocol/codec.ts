/**
 * Turns bodies into v1 messages and back, in JSON and in protobuf. Both encodings give equal
 * objects: fresh, of known fields only, explicit proto defaults filled in, empty lists left out.
 * Source: reference/http-api.md 3.2.
 */

import { ok, type Result, refuse } from "../base/result.ts";
import { decodeUtf8, encodeUtf8, excerpt } from "../base/text.ts";
import { BadMessage } from "./bad-message.ts";
import { findJsonExcess } from "./json-bounds.ts";
import { JsonReader } from "./json-reader.ts";
import { writeJson } from "./json-writer.ts";
import { CODEC_LIMITS, type CodecLimits, PARSE_MESSAGE_LENGTH } from "./limits.ts";
import type { MediaType } from "./media-types.ts";
import { readProtobuf } from "./protobuf-reader.ts";
import { writeProtobuf } from "./protobuf-writer.ts";
import { type MessageType, Schema } from "./v1/schema.ts";
import type { V1Messages } from "./v1/types.ts";

/** Encodes and decodes every v1 message, named by its full protobuf name. */
export interface Codec {
  /**
   * Reads a whole body. Errors: tooLarge (body above the limit), invalid (all else), with Mesos'
   * own opening words and, where one is to blame, the path of the field.
   */
  decode<N extends keyof V1Messages>(
    name: N,
    mediaType: MediaType,
    body: Uint8Array,
  ): Result<V1Messages[N]>;

  /** Writes a message of our own making; one that lacks a required field fails an assertion. */
  encode<N extends keyof V1Messages>(
    name: N,
    mediaType: MediaType,
    message: V1Messages[N],
  ): Uint8Array<ArrayBuffer>;

  /** Any JSON document within the limits of `decode`, for `fromJson` piece by piece. */
  parseJson(body: Uint8Array): Result<unknown>;

  /** As `decode`, from a JSON value that is parsed already. */
  fromJson<N extends keyof V1Messages>(name: N, value: unknown): Result<V1Messages[N]>;

  /** The JSON text of a message as Mesos writes it: infinite doubles are strings. */
  toJsonText<N extends keyof V1Messages>(name: N, message: V1Messages[N]): string;
}

/** Makes a codec; message types are compiled when first used. One per process is enough. */
export function createCodec(limits: CodecLimits = CODEC_LIMITS): Codec {
  return new V1Codec(new Schema(), limits);
}

class V1Codec implements Codec {
  readonly #schema: Schema;
  readonly #limits: CodecLimits;

  constructor(schema: Schema, limits: CodecLimits) {
    this.#schema = schema;
    this.#limits = limits;
  }

  decode<N extends keyof V1Messages>(
    name: N,
    mediaType: MediaType,
    body: Uint8Array,
  ): Result<V1Messages[N]> {
    if (mediaType === "application/json") return this.#decodeJson(name, body);
    if (body.length > this.#limits.bodyBytes) return this.#tooLarge(body);
    const type = this.#schema.messageType(name);
    return guard(`Failed to parse body into ${type.shortName} protobuf`, () =>
      asMessage<N>(readProtobuf(type, body, this.#limits)),
    );
  }

  encode<N extends keyof V1Messages>(
    name: N,
    mediaType: MediaType,
    message: V1Messages[N],
  ): Uint8Array<ArrayBuffer> {
    if (mediaType === "application/json") return encodeUtf8(writeJson(message));
    return writeProtobuf(this.#schema.messageType(name), message);
  }

  fromJson<N extends keyof V1Messages>(name: N, value: unknown): Result<V1Messages[N]> {
    return this.#convertJson(this.#schema.messageType(name), value);
  }

  toJsonText<N extends keyof V1Messages>(_name: N, message: V1Messages[N]): string {
    return writeJson(message);
  }

  parseJson(body: Uint8Array): Result<unknown> {
    if (body.length > this.#limits.bodyBytes) return this.#tooLarge(body);
    const excess = findJsonExcess(body, this.#limits);
    if (excess !== undefined) return refuse("invalid", `${JSON_FAILURE}: ${excess}`);
    const text = decodeUtf8(body);
    if (text === undefined) return refuse("invalid", `${JSON_FAILURE}: it is not valid UTF-8`);
    return parseJson(text);
  }

  #tooLarge(body: Uint8Array): Result<never> {
    const limit = this.#limits.bodyBytes;
    return refuse("tooLarge", `Body has ${body.length} bytes, above the limit of ${limit}`);
  }

  #decodeJson<N extends keyof V1Messages>(name: N, body: Uint8Array): Result<V1Messages[N]> {
    const parsed = this.parseJson(body);
    if (!parsed.ok) return parsed;
    return this.#convertJson(this.#schema.messageType(name), parsed.value);
  }

  #convertJson<N extends keyof V1Messages>(
    type: MessageType,
    value: unknown,
  ): Result<V1Messages[N]> {
    return guard(`Failed to convert JSON into ${type.shortName} protobuf`, () =>
      asMessage<N>(new JsonReader(this.#limits).read(type, value)),
    );
  }
}

const JSON_FAILURE = "Failed to parse body into JSON";

/** The readers build exactly the shape that the type generator writes from the same schema. */
function asMessage<N extends keyof V1Messages>(value: object): V1Messages[N] {
  return value as V1Messages[N];
}

function parseJson(text: string): Result<unknown> {
  try {
    return ok(JSON.parse(text) as unknown);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return refuse("invalid", `${JSON_FAILURE}: ${excerpt(reason, PARSE_MESSAGE_LENGTH)}`);
  }
}

/** Runs a reader and turns what it found wrong with its input into a refusal. */
function guard<T>(failure: string, read: () => T): Result<T> {
  try {
    return ok(read());
  } catch (error) {
    if (!(error instanceof BadMessage)) throw error;
    return refuse("invalid", `${failure}: ${error.message}`, error.field);
  }
}
