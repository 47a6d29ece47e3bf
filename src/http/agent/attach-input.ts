/**
 * ATTACH_CONTAINER_INPUT: a request in records, of which the first names the container and the
 * others are what somebody types. Source: http-api 3.1, 7.3.
 */
import type { InputWriter } from "../../agent/runtime/session.ts";
import { ok, type Result, refuse } from "../../base/result.ts";
import { decodeBase64 } from "../../protocol/base64.ts";
import type { Codec } from "../../protocol/codec.ts";
import { CODEC_LIMITS } from "../../protocol/limits.ts";
import { MEDIA_TYPES, type MediaType } from "../../protocol/media-types.ts";
import { RecordDecoder } from "../../protocol/recordio.ts";
import type { AgentCall, AgentProcessIO, ContainerID } from "../../protocol/v1/types.ts";
import { validateContainerId } from "../../protocol/validation/ids.ts";

/** Type of the records of a request. Errors: invalid, unsupportedMediaType. */
export function recordMediaType(headers: Headers): Result<MediaType> {
  const given = headers.get("message-content-type");
  if (given === null) return refuse("invalid", "Expecting 'Message-Content-Type' to be present");
  const mediaType = MEDIA_TYPES.find((one) => one === given);
  if (mediaType !== undefined) return ok(mediaType);
  const text = "Expecting 'Message-Content-Type' of application/json or application/x-protobuf";
  return refuse("unsupportedMediaType", text);
}

/** The calls of a request, one after the other. */
export class CallRecords {
  readonly #codec: Codec;
  readonly #mediaType: MediaType;
  readonly #decoder = new RecordDecoder(CODEC_LIMITS.bodyBytes);
  readonly #chunks: AsyncIterator<Uint8Array> | undefined;
  readonly #records: Uint8Array[] = [];

  constructor(codec: Codec, mediaType: MediaType, request: Request) {
    this.#codec = codec;
    this.#mediaType = mediaType;
    this.#chunks = request.body?.[Symbol.asyncIterator]();
  }

  /** Undefined at the end. Errors: invalid, what decoding says. */
  async next(): Promise<Result<AgentCall | undefined>> {
    while (this.#records.length === 0) {
      const chunk = await this.#nextChunk();
      if (chunk === undefined) {
        return this.#decoder.isIdle ? ok(undefined) : refuse("invalid", "A record was cut short");
      }
      const records = this.#decoder.push(chunk);
      if (!records.ok) return records;
      this.#records.push(...records.value);
    }
    const record = this.#records.shift() ?? new Uint8Array();
    return this.#codec.decode("mesos.v1.agent.Call", this.#mediaType, record);
  }

  async #nextChunk(): Promise<Uint8Array | undefined> {
    try {
      const chunk = await this.#chunks?.next();
      return chunk === undefined || chunk.done === true ? undefined : chunk.value;
    } catch {
      // The connection broke, which ends the input as well.
      return undefined;
    }
  }
}

/** The container that the first record names. Errors: invalid, unsupportedMediaType. */
export function attachedContainer(call: AgentCall | undefined): Result<ContainerID> {
  if (call === undefined) return refuse("invalid", "Received EOF while reading request body");
  if (call.type !== "ATTACH_CONTAINER_INPUT") {
    const text = `Streaming 'Content-Type' is not supported for ${call.type ?? "this"} call`;
    return refuse("unsupportedMediaType", text);
  }
  const { type, container_id: id } = call.attach_container_input ?? {};
  if (type !== "CONTAINER_ID" || id === undefined) {
    const reason = "Expecting 'attach_container_input.container_id' to be present";
    return refuse("invalid", `Failed to validate agent::Call: ${reason}`);
  }
  return validateContainerId(id, "attach_container_input.container_id");
}

/** Hands everything on until the input or the process ends. Errors: invalid. */
export async function passInput(records: CallRecords, writer: InputWriter): Promise<Result<void>> {
  for (;;) {
    const call = await Promise.race([records.next(), writer.ended.then(() => ok(undefined))]);
    if (!call.ok) return call;
    if (call.value === undefined) return ok(undefined);
    const { attach_container_input: input } = call.value;
    if (input?.type !== "PROCESS_IO" || input.process_io === undefined) {
      const reason = "Expecting 'attach_container_input.process_io' to be present";
      return refuse("invalid", `Failed to validate agent::Call: ${reason}`);
    }
    const passed = pass(input.process_io, writer);
    if (!passed.ok) return passed;
  }
}

function pass({ type, data, control }: AgentProcessIO, writer: InputWriter): Result<void> {
  if (type === "DATA") {
    if (data?.type !== "STDIN") return refuse("invalid", "Expecting 'data.type' to be STDIN");
    const bytes = decodeBase64(data.data ?? "");
    if (bytes === undefined) return refuse("invalid", "'data.data' is not base64");
    if (bytes.length === 0) writer.closeInput();
    else writer.write(bytes);
    return ok(undefined);
  }
  if (type === "CONTROL" && control?.type === "HEARTBEAT") return ok(undefined);
  const size = control?.tty_info?.window_size;
  if (type !== "CONTROL" || control?.type !== "TTY_INFO" || size === undefined) {
    return refuse("invalid", "Expecting data, a heartbeat or the size of a window");
  }
  writer.resize({ columns: size.columns, rows: size.rows });
  return ok(undefined);
}
