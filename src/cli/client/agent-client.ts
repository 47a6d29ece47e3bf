/**
 * A client of an agent's own port, for what goes there directly: sessions in tasks.
 * Source: reference/http-api.md 3.1, 7.3.
 */
import { encodeUtf8, excerpt } from "../../base/text.ts";
import { decodeBase64, encodeBase64 } from "../../protocol/base64.ts";
import type { Codec } from "../../protocol/codec.ts";
import { frameRecord, RecordDecoder } from "../../protocol/recordio.ts";
import type {
  AgentCall,
  AgentProcessIO,
  AgentResponse,
  ContainerID,
} from "../../protocol/v1/types.ts";
import type { Credential } from "../../security/credentials.ts";
import { ClientError } from "./client-error.ts";
import { ERROR_TEXT_LENGTH, EVENT_BYTES_MAX } from "./limits.ts";

const JSON_TYPE = "application/json";

/** A piece of what a session's command writes. */
export interface SessionOutput {
  readonly isError: boolean;
  readonly data: Uint8Array;
}

export class AgentClient {
  readonly #codec: Codec;
  readonly #address: string;
  readonly #credential: Credential | undefined;

  /** `address` as `host:port`. */
  constructor(codec: Codec, address: string, credential: Credential | undefined) {
    this.#codec = codec;
    this.#address = address;
    this.#credential = credential;
  }

  /** A call with its answer. Errors: `ClientError`. */
  async call(call: AgentCall, signal?: AbortSignal): Promise<AgentResponse> {
    const response = await this.#post(call, signal);
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (bytes.length === 0) return {};
    const answer = this.#codec.decode("mesos.v1.agent.Response", JSON_TYPE, bytes);
    if (answer.ok) return answer.value;
    throw new ClientError("badAnswer", `${this.#address} is no agent: ${answer.error.message}`);
  }

  /**
   * A call whose answer is output; it has begun when this resolves. The signal breaks it off, which
   * the iteration throws. Errors: `ClientError`.
   */
  async output(
    call: AgentCall,
    signal: AbortSignal,
  ): Promise<AsyncGenerator<SessionOutput, void, void>> {
    return this.#read(await this.#post(call, signal));
  }

  /** Sends what the iteration gives until it, or the command, ends. Errors: `ClientError`. */
  async input(container_id: ContainerID, pieces: AsyncIterable<AgentProcessIO>): Promise<void> {
    const record = (input: AgentCall["attach_container_input"]): Uint8Array<ArrayBuffer> => {
      const call: AgentCall = { type: "ATTACH_CONTAINER_INPUT", attach_container_input: input };
      return frameRecord(this.#codec.encode("mesos.v1.agent.Call", JSON_TYPE, call));
    };
    async function* records(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
      yield record({ type: "CONTAINER_ID", container_id });
      for await (const process_io of pieces) yield record({ type: "PROCESS_IO", process_io });
    }
    const headers = { "Content-Type": "application/recordio", "Message-Content-Type": JSON_TYPE };
    await this.#fetch({ headers, body: streamOf(records()), duplex: "half" } as RequestInit);
  }

  async *#read(response: Response): AsyncGenerator<SessionOutput, void, void> {
    const decoder = new RecordDecoder(EVENT_BYTES_MAX);
    for await (const chunk of response.body ?? new ReadableStream<Uint8Array>()) {
      const records = decoder.push(chunk);
      if (!records.ok) throw new ClientError("badAnswer", records.error.message);
      for (const record of records.value) {
        const io = this.#codec.decode("mesos.v1.agent.ProcessIO", JSON_TYPE, record);
        const data = io.ok ? io.value.data : undefined;
        const bytes = decodeBase64(data?.data ?? "");
        if (bytes === undefined || bytes.length === 0) continue;
        yield { isError: data?.type === "STDERR", data: bytes };
      }
    }
  }

  #post(call: AgentCall, signal?: AbortSignal): Promise<Response> {
    return this.#fetch({
      headers: { "Content-Type": JSON_TYPE, Accept: JSON_TYPE },
      body: this.#codec.encode("mesos.v1.agent.Call", JSON_TYPE, call),
      ...(signal === undefined ? {} : { signal }),
    });
  }

  async #fetch(init: RequestInit): Promise<Response> {
    const url = `http://${this.#address}/slave(1)/api/v1`;
    const headers = { ...(init.headers as Record<string, string>), ...this.#authorization() };
    let response: Response;
    try {
      response = await fetch(url, { method: "POST", ...init, headers });
    } catch (cause) {
      const message = `cannot reach the agent at ${this.#address}; its port must be open to you`;
      throw new ClientError("unreachable", message, { cause });
    }
    const { status } = response;
    if (status === 200) return response;
    const text = excerpt((await response.text()).trim(), ERROR_TEXT_LENGTH);
    const reason = text === "" ? `HTTP status ${status}` : text;
    throw new ClientError("refused", `the agent at ${this.#address}: ${reason}`, { status });
  }

  #authorization(): Readonly<Record<string, string>> {
    if (this.#credential === undefined) return {};
    const { principal, secret } = this.#credential;
    return { Authorization: `Basic ${encodeBase64(encodeUtf8(`${principal}:${secret}`))}` };
  }
}

function streamOf(
  pieces: AsyncGenerator<Uint8Array<ArrayBuffer>>,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    pull: async (controller) => {
      const next = await pieces.next();
      if (next.done === true) controller.close();
      else controller.enqueue(next.value);
    },
    cancel: async () => {
      await pieces.return(undefined);
    },
  });
}
