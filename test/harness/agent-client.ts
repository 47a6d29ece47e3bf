/**
 * An operator of an agent over HTTP in one encoding: calls of the v1 API, sessions and what is typed
 * into them. Shares nothing with the program's own client. Source: reference/http-api.md 3.1, 7.
 */
import { frameRecord, records } from "./records.ts";
import { until } from "./wait.ts";
import type { Wire } from "./wire.ts";

// biome-ignore lint/suspicious/noExplicitAny: answers are looked into at any depth by matchers.
export type Message = Record<string, any>;

export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly body: Message;
}

/** What a container writes, as it comes. */
export interface Output {
  readonly status: number;
  readonly headers: Headers;
  /** All of it so far; a refusal's text for a status other than 200. */
  stdout(): string;
  stderr(): string;
  heartbeats(): number;
  isOver(): boolean;
  close(): void;
}

/** Somebody at a keyboard. */
export interface Input {
  readonly answer: Promise<Response>;
  send(processIo: object): void;
  type(text: string): void;
  /** Of the request, not of the process' input. */
  close(): void;
  /** The connection breaks. */
  abort(): void;
}

const RECORD_IO = "application/recordio";
const base64 = (text: string): string => Buffer.from(text).toString("base64");

export class AgentClient {
  readonly #url: string;
  readonly #wire: Wire;

  constructor(url: string, wire: Wire) {
    this.#url = url;
    this.#wire = wire;
  }

  async call(type: string, payload: object = {}, headers: object = {}): Promise<Answer> {
    const response = await this.#post({ type, ...payload }, { ...headers });
    const bytes = await response.bytes();
    const isMessage = response.headers.get("content-type") === this.#wire.mediaType;
    const decoded = isMessage ? this.#wire.decode("mesos.v1.agent.Response", bytes) : {};
    const text = new TextDecoder().decode(bytes);
    return { status: response.status, text, body: decoded as Message };
  }

  /** A call that is answered with a stream of ProcessIO. */
  async stream(type: string, payload: object, headers: object = {}): Promise<Output> {
    const abort = new AbortController();
    const response = await this.#post({ type, ...payload }, { ...headers }, abort.signal);
    const texts = { stdout: "", stderr: "" };
    let heartbeats = 0;
    let isOver = false;
    const read = async (): Promise<void> => {
      if (response.status !== 200) {
        texts.stdout = await response.text();
        return;
      }
      for await (const record of records(response.body ?? new ReadableStream())) {
        const io = this.#wire.decode("mesos.v1.agent.ProcessIO", record) as Message;
        if (io["type"] === "CONTROL") heartbeats += 1;
        const stream = io["data"]?.type === "STDERR" ? "stderr" : "stdout";
        texts[stream] += Buffer.from(io["data"]?.data ?? "", "base64").toString();
      }
    };
    void read()
      .catch(() => undefined)
      .finally(() => {
        isOver = true;
      });
    return {
      status: response.status,
      headers: response.headers,
      stdout: () => texts.stdout,
      stderr: () => texts.stderr,
      heartbeats: () => heartbeats,
      isOver: () => isOver,
      close: () => abort.abort(),
    };
  }

  /** ATTACH_CONTAINER_INPUT; `first` replaces the record that names the container. */
  attachInput(containerId: object, first?: object): Input {
    let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
    const body = new ReadableStream<Uint8Array>({
      start: (one) => {
        controller = one;
      },
    });
    const write = (input: object): void => {
      const call = { type: "ATTACH_CONTAINER_INPUT", attach_container_input: input };
      controller?.enqueue(frameRecord(this.#wire.encode("mesos.v1.agent.Call", call)));
    };
    write(first ?? { type: "CONTAINER_ID", container_id: containerId });
    const broken = new AbortController();
    const send = (process_io: object): void => write({ type: "PROCESS_IO", process_io });
    const answer = fetch(`${this.#url}/slave(1)/api/v1`, {
      method: "POST",
      headers: { "Content-Type": RECORD_IO, "Message-Content-Type": this.#wire.mediaType },
      body,
      signal: broken.signal,
      duplex: "half",
    } as RequestInit);
    return {
      answer,
      send,
      type: (text) => send({ type: "DATA", data: { type: "STDIN", data: base64(text) } }),
      close: () => controller?.close(),
      abort: () => broken.abort(),
    };
  }

  #post(call: object, headers: Record<string, string>, signal?: AbortSignal): Promise<Response> {
    return fetch(`${this.#url}/api/v1`, {
      method: "POST",
      headers: {
        "Content-Type": this.#wire.mediaType,
        Accept: this.#wire.mediaType,
        ...headers,
      },
      body: this.#wire.encode("mesos.v1.agent.Call", call),
      ...(signal === undefined ? {} : { signal }),
    });
  }
}

/** Until the output holds the text. */
export async function written(output: Output, text: string): Promise<void> {
  await until(`the output to hold ${text}`, () => {
    if (output.stdout().includes(text)) return true;
    if (output.isOver()) throw new Error(`the output ended: ${output.stdout()}`);
    return false;
  });
}
