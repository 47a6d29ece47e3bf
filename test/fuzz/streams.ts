/** The streams that fuzzed SUBSCRIBE calls open: read to learn what is alive, a few kept open. */
import type { Event } from "../harness/test-framework.ts";
import { JSON_WIRE, PROTOBUF_WIRE } from "../harness/wire.ts";
import type { Dictionary, KnownOffer } from "./dictionary.ts";

/** More would only make the state large. */
const OPEN_MAX = 6;

interface Open {
  readonly abort: AbortController;
  readonly streamId: string;
  frameworkId: string;
}

export class Streams {
  readonly #known: Dictionary;
  #open: Open[] = [];

  constructor(known: Dictionary) {
    this.#known = known;
  }

  get openCount(): number {
    return this.#open.length;
  }

  streamOf(frameworkId: string): string | undefined {
    return this.#open.findLast((one) => one.frameworkId === frameworkId)?.streamId;
  }

  /** Takes over the response when it is a stream of scheduler events; cuts the oldest one. */
  take(response: Response, abort: AbortController): void {
    const streamId = response.headers.get("Mesos-Stream-Id");
    if (streamId === null || response.body === null) {
      void response.body?.cancel().catch(() => undefined);
      return;
    }
    const open = { abort, streamId, frameworkId: "" };
    this.#open.push(open);
    void this.#read(open, response.body, response.headers.get("Content-Type") ?? "");
    if (this.#open.length > OPEN_MAX) this.#open.shift()?.abort.abort();
  }

  end(): void {
    for (const { abort } of this.#open.splice(0)) abort.abort();
  }

  async #read(open: Open, body: ReadableStream<Uint8Array>, mediaType: string): Promise<void> {
    const wire = mediaType === JSON_WIRE.mediaType ? JSON_WIRE : PROTOBUF_WIRE;
    let rest = new Uint8Array();
    try {
      for await (const chunk of body) {
        const joined = new Uint8Array(rest.length + chunk.length);
        joined.set(rest);
        joined.set(chunk, rest.length);
        rest = this.#records(joined, (record) => {
          this.#learn(open, wire.decode("mesos.v1.scheduler.Event", record) as Event);
        });
      }
    } catch {
      // Cut, here or there.
    } finally {
      this.#open = this.#open.filter((other) => other !== open);
      const isBack = this.#open.some(({ frameworkId }) => frameworkId === open.frameworkId);
      if (!isBack) this.#known.forget("framework", open.frameworkId);
    }
  }

  #records(
    bytes: Uint8Array<ArrayBuffer>,
    take: (record: Uint8Array) => void,
  ): Uint8Array<ArrayBuffer> {
    let rest = bytes;
    for (;;) {
      const lineFeed = rest.indexOf(10);
      if (lineFeed < 0) return rest;
      const end = lineFeed + 1 + Number(new TextDecoder().decode(rest.subarray(0, lineFeed)));
      if (rest.length < end) return rest;
      take(rest.subarray(lineFeed + 1, end));
      rest = rest.slice(end);
    }
  }

  #learn(open: Open, event: Event): void {
    if (event.subscribed !== undefined) {
      open.frameworkId = event.subscribed.framework_id.value;
      this.#known.learn("framework", open.frameworkId);
    }
    for (const offer of event.offers?.offers ?? []) this.#known.learnOffer(offer as KnownOffer);
    const rescinded = (event as { rescind?: { offer_id: { value: string } } }).rescind;
    if (rescinded !== undefined) this.#known.forgetOffer(rescinded.offer_id.value);
    const inverse = (event as { inverse_offers?: { inverse_offers?: { id: { value: string } }[] } })
      .inverse_offers?.inverse_offers;
    for (const { id } of inverse ?? []) this.#known.learn("inverseOffer", id.value);
    const status = event.update?.status;
    if (status?.uuid !== undefined) {
      this.#known.learn("uuid", status.uuid);
      this.#known.learnStatus({ ...status, frameworkId: open.frameworkId });
    }
    const operation = event.update_operation_status?.status["uuid"];
    if (typeof operation === "object" && operation !== null && "value" in operation) {
      this.#known.learn("uuid", String(operation.value));
    }
  }
}
