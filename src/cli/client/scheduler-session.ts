/**
 * One subscription of a framework: the event stream and the calls that belong to it. Ends for good
 * when the stream breaks, when the master falls silent or when a call cannot be delivered; the
 * framework then subscribes again. Source: reference/http-api.md 3.1, 3.4, 4.
 */
import type { MediaType } from "../../protocol/media-types.ts";
import { RecordDecoder } from "../../protocol/recordio.ts";
import type { FrameworkInfo, SchedulerCall, SchedulerEvent } from "../../protocol/v1/types.ts";
import { ClientError } from "./client-error.ts";
import { EVENT_BYTES_MAX, HEARTBEATS_MISSED_MAX } from "./limits.ts";
import type { MasterClient } from "./master-client.ts";

const SCHEDULER_PATH = "/api/v1/scheduler";
const STREAM_ID_HEADER = "Mesos-Stream-Id";
const HEARTBEAT_SECONDS = 15;

/** A call without what the session adds to it. */
export type SessionCall = Omit<SchedulerCall, "framework_id">;

export class SchedulerSession {
  readonly #client: MasterClient;
  readonly #mediaType: MediaType;
  readonly #streamId: string;
  readonly #response: Response;
  readonly #ending: AbortController;
  #frameworkId: string | undefined;
  #silenceMs = HEARTBEAT_SECONDS * 1000 * HEARTBEATS_MISSED_MAX;
  #isStreamOver = false;
  #silenceTimer: ReturnType<typeof setTimeout> | undefined;

  private constructor(
    client: MasterClient,
    mediaType: MediaType,
    answer: {
      readonly response: Response;
      readonly streamId: string;
      readonly ending: AbortController;
    },
  ) {
    this.#client = client;
    this.#mediaType = mediaType;
    this.#response = answer.response;
    this.#streamId = answer.streamId;
    this.#ending = answer.ending;
  }

  /** Subscribes; the id in `info` makes it a return. Errors: `ClientError`. */
  static async open(
    client: MasterClient,
    mediaType: MediaType,
    info: FrameworkInfo,
  ): Promise<SchedulerSession> {
    const ending = new AbortController();
    const response = await client.request({
      method: "POST",
      path: SCHEDULER_PATH,
      headers: { "Content-Type": mediaType, Accept: mediaType },
      body: client.codec.encode("mesos.v1.scheduler.Call", mediaType, {
        type: "SUBSCRIBE",
        ...(info.id === undefined ? {} : { framework_id: info.id }),
        subscribe: { framework_info: info },
      }),
      signal: ending.signal,
    });
    const streamId = response.headers.get(STREAM_ID_HEADER);
    if (streamId !== null) {
      return new SchedulerSession(client, mediaType, { response, streamId, ending });
    }
    ending.abort();
    throw new ClientError("badAnswer", `${client.address} is no master: no ${STREAM_ID_HEADER}`);
  }

  /** Every event in order; ends or throws an `unreachable` error when the stream is over. */
  async *events(): AsyncGenerator<SchedulerEvent> {
    const records = new RecordDecoder(EVENT_BYTES_MAX);
    this.#expectSign();
    try {
      for await (const chunk of this.#client.stream(this.#response)) {
        this.#expectSign();
        const pushed = records.push(chunk);
        if (!pushed.ok) throw new ClientError("badAnswer", pushed.error.message);
        for (const record of pushed.value) {
          const event = this.#decode(record);
          this.#learn(event);
          yield event;
        }
      }
    } finally {
      // Not `end`: the answer to a call that made the master close the stream is still on its way.
      clearTimeout(this.#silenceTimer);
      this.#isStreamOver = true;
    }
  }

  /** Sends a call of this framework. Errors: `ClientError`; an undelivered one ends the session. */
  async call(call: SessionCall): Promise<void> {
    const id = this.#frameworkId;
    try {
      const response = await this.#client.request({
        method: "POST",
        path: SCHEDULER_PATH,
        headers: { "Content-Type": this.#mediaType, [STREAM_ID_HEADER]: this.#streamId },
        body: this.#client.codec.encode("mesos.v1.scheduler.Call", this.#mediaType, {
          ...(id === undefined ? {} : { framework_id: { value: id } }),
          ...call,
        }),
        signal: this.#ending.signal,
      });
      await response.body?.cancel();
    } catch (error) {
      this.end();
      throw error;
    }
  }

  get isOver(): boolean {
    return this.#isStreamOver || this.#ending.signal.aborted;
  }

  /** Hangs up. Safe to repeat. */
  end(): void {
    clearTimeout(this.#silenceTimer);
    this.#ending.abort();
  }

  #decode(record: Uint8Array): SchedulerEvent {
    const event = this.#client.codec.decode("mesos.v1.scheduler.Event", this.#mediaType, record);
    if (!event.ok) throw new ClientError("badAnswer", `bad event: ${event.error.message}`);
    return event.value;
  }

  #learn(event: SchedulerEvent): void {
    if (event.subscribed === undefined) return;
    this.#frameworkId = event.subscribed.framework_id.value;
    const seconds = event.subscribed.heartbeat_interval_seconds ?? HEARTBEAT_SECONDS;
    this.#silenceMs = seconds * 1000 * HEARTBEATS_MISSED_MAX;
  }

  #expectSign(): void {
    clearTimeout(this.#silenceTimer);
    this.#silenceTimer = setTimeout(() => this.end(), this.#silenceMs);
  }
}
