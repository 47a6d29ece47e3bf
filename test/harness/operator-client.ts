/**
 * An operator over HTTP in one encoding: v1 calls, the event stream, and the endpoints outside v1.
 * Shares nothing with the program's own client. Source: reference/http-api.md 6, 9.
 */
import { records } from "./records.ts";
import { until } from "./wait.ts";
import type { Wire } from "./wire.ts";

/** A decoded message of which tests look at parts. */
// biome-ignore lint/suspicious/noExplicitAny: answers are looked into at any depth by matchers.
export type Message = Record<string, any>;

/** An answer, whatever it is. */
export interface Answer {
  readonly status: number;
  readonly text: string;
  /** The decoded response; empty without one. */
  readonly body: Message;
}

/** The records of an event stream so far. */
export interface EventStream {
  readonly events: Message[];
  readonly contentType: string | null;
  /** The first event of that type that has not been waited for yet; those before it are passed over. */
  next(type: string, test?: (event: Message) => boolean): Promise<Message>;
  isOver(): boolean;
  close(): void;
}

export class OperatorClient {
  readonly #url: string;
  readonly #wire: Wire;

  constructor(url: string, wire: Wire) {
    this.#url = url;
    this.#wire = wire;
  }

  /** A call of the v1 API. */
  async call(type: string, payload: object = {}): Promise<Answer> {
    const response = await this.#post({ type, ...payload });
    const bytes = new Uint8Array(await response.arrayBuffer());
    const isMessage = response.headers.get("content-type") === this.#wire.mediaType;
    const decoded = isMessage ? this.#wire.decode("mesos.v1.master.Response", bytes) : {};
    const text = new TextDecoder().decode(bytes);
    return { status: response.status, text, body: decoded as Message };
  }

  /** SUBSCRIBE. */
  async subscribe(): Promise<EventStream> {
    const abort = new AbortController();
    const response = await this.#post({ type: "SUBSCRIBE" }, abort.signal);
    if (response.body === null) throw new Error(`SUBSCRIBE: ${response.status}`);
    const events: Message[] = [];
    let isOver = false;
    let position = 0;
    void (async () => {
      try {
        for await (const record of records(response.body ?? new ReadableStream())) {
          events.push(this.#wire.decode("mesos.v1.master.Event", record) as Message);
        }
      } catch {
        // Cut here or there; `isOver` tells.
      }
      isOver = true;
    })();
    return {
      events,
      contentType: response.headers.get("content-type"),
      isOver: () => isOver,
      close: () => abort.abort(),
      next: async (type, test = () => true) =>
        await until(`event ${type}`, () => {
          while (position < events.length) {
            const event = events[position++] as Message;
            if (event["type"] === type && test(event)) return event;
          }
          return undefined;
        }),
    };
  }

  #post(call: object, signal?: AbortSignal): Promise<Response> {
    const { mediaType } = this.#wire;
    return fetch(`${this.#url}/api/v1`, {
      method: "POST",
      headers: { "Content-Type": mediaType, Accept: mediaType },
      body: this.#wire.encode("mesos.v1.master.Call", call),
      ...(signal !== undefined && { signal }),
    });
  }
}

/** A request to an endpoint outside v1. */
export async function request(url: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, { redirect: "manual", ...init });
  const text = await response.text();
  const isJson = response.headers.get("content-type") === "application/json";
  return { status: response.status, text, body: isJson ? (JSON.parse(text) as Message) : {} };
}
