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
  readonly #body: ReadableStreamDefaultReader<Uint8Array> | undefined;
  #records: Iterator<Uint8Array, undefined> = [].values();
  #isStopped = false;

  constructor(codec: Codec, mediaType: MediaType, request: Request) {
    this.#codec = codec;
    this.#mediaType = mediaType;
    this.#body = request.body?.getReader();
  }

  /** Undefined at the end, or once stopped. Errors: invalid, what decoding says. */
  async next(): Promise<Result<AgentCall | undefined>> {
    for (;;) {
      if (this.#isStopped) return ok(undefined);
      const record = this.#records.next();
      if (record.done !== true) {
        return this.#codec.decode("mesos.v1.agent.Call", this.#mediaType, record.value);
      }
      const chunk = await this.#nextChunk();
      if (!chunk.ok) return chunk;
      if (chunk.value === undefined) break;
      const records = this.#decoder.push(chunk.value);
      if (!records.ok) return records;
      this.#records = records.value.values();
    }
    const isWhole = this.#isStopped || this.#decoder.isIdle;
    return isWhole ? ok(undefined) : refuse("invalid", "A record was cut short");
  }

  /** Whoever waits for the next call learns that there is none. */
  stop(): void {
    this.#isStopped = true;
    this.#body?.cancel().catch(() => undefined);
  }

  async #nextChunk(): Promise<Result<Uint8Array | undefined>> {
    try {
      return ok((await this.#body?.read())?.value);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return refuse("invalid", `The request body ended before it was complete: ${reason}`);
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

/**
 * Hands everything on until the input or the process ends, no faster than the process takes it. A
 * connection that breaks leaves the process' input open for the next one. Errors: invalid.
 */
export async function passInput(records: CallRecords, writer: InputWriter): Promise<Result<void>> {
  void writer.ended.then(() => records.stop());
  for (;;) {
    const call = await records.next();
    if (!call.ok) return call;
    if (call.value === undefined) return ok(undefined);
    const { attach_container_input: input } = call.value;
    if (input?.type !== "PROCESS_IO" || input.process_io === undefined) {
      const reason = "Expecting 'attach_container_input.process_io' to be present";
      return refuse("invalid", `Failed to validate agent::Call: ${reason}`);
    }
    const passed = pass(input.process_io, writer);
    if (!passed.ok) return passed;
    await passed.value;
  }
}

/** A promise asks for no more until it resolves. */
function pass(
  { type, data, control }: AgentProcessIO,
  writer: InputWriter,
): Result<Promise<void> | undefined> {
  if (type === "DATA") {
    if (data?.type !== "STDIN") return refuse("invalid", "Expecting 'data.type' to be STDIN");
    const bytes = decodeBase64(data.data ?? "");
    if (bytes === undefined) return refuse("invalid", "'data.data' is not base64");
    if (bytes.length > 0) return ok(writer.write(bytes));
    writer.closeInput();
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
