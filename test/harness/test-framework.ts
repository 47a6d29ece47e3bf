/**
 * A framework over the v1 scheduler API with nothing but `fetch`: an implementation of its own, so
 * that a mistake of the program's own client is not repeated here. JSON unless told.
 * Source: reference/http-api.md 1-5.
 */
import { records } from "./records.ts";
import { PATIENCE_MS, until } from "./wait.ts";
import { JSON_WIRE, type Wire } from "./wire.ts";

/** The parts of messages that tests look at; everything else is there all the same. */
export interface Offer {
  readonly id: { readonly value: string };
  readonly agent_id: { readonly value: string };
  readonly hostname: string;
  readonly resources: readonly Resource[];
}

export interface Resource {
  readonly name: string;
  readonly type: string;
  readonly scalar?: { readonly value: number };
  readonly ranges?: { readonly range: readonly { begin: number; end: number }[] };
  readonly allocation_info?: { readonly role: string };
}

export interface Status {
  readonly task_id: { readonly value: string };
  readonly agent_id?: { readonly value: string };
  readonly state: string;
  readonly reason?: string;
  readonly source?: string;
  readonly message?: string;
  readonly uuid?: string;
  readonly timestamp?: number;
  readonly healthy?: boolean;
}

export interface Event {
  readonly type: string;
  readonly subscribed?: { readonly framework_id: { readonly value: string } };
  readonly offers?: { readonly offers: readonly Offer[] };
  readonly update?: { readonly status: Status };
  readonly update_operation_status?: {
    readonly status: Record<string, unknown> & {
      readonly operation_id?: { readonly value: string };
    };
  };
  readonly error?: { readonly message: string };
}

export interface FrameworkOptions {
  readonly master: string;
  /** Merged over `{user: "root", name: "test", roles: ["*"]}`. */
  readonly info?: Record<string, unknown>;
  /** Beside `framework_info` in SUBSCRIBE. */
  readonly subscribe?: Record<string, unknown>;
  /** Answer every update that has a uuid; true unless told. */
  readonly acknowledges?: boolean;
  /** JSON unless told. */
  readonly wire?: Wire;
  /** Until SUBSCRIBED; afterwards the attempt is given up. */
  readonly patienceMs?: number;
  /** Sent with every call. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface TaskOptions {
  readonly id: string;
  readonly command: string;
  /** 0.001 unless told. */
  readonly cpus?: number;
  /** Megabytes; 1 unless told. */
  readonly mem?: number;
  readonly extra?: Record<string, unknown>;
}

/** Over FrameworkInfo: its tasks outlive agents and masters, and it is told of what is out of reach. */
export const LASTING = {
  checkpoint: true,
  failover_timeout: 3600,
  capabilities: [{ type: "MULTI_ROLE" }, { type: "PARTITION_AWARE" }],
} as const;

export class TestFramework {
  readonly events: Event[] = [];
  /** Every status of every task, in the order of arrival, repeated ones too. */
  readonly updates: (Status & { readonly atMs: number })[] = [];
  readonly offers: Offer[] = [];
  readonly #options: FrameworkOptions;
  readonly #abort = new AbortController();
  readonly #wire: Wire;
  #streamId = "";
  #id = "";
  #isOver = false;

  private constructor(options: FrameworkOptions) {
    this.#options = options;
    this.#wire = options.wire ?? JSON_WIRE;
  }

  /** Subscribes and waits for SUBSCRIBED; with `info.id` it is a return. */
  static async subscribe(options: FrameworkOptions): Promise<TestFramework> {
    const framework = new TestFramework(options);
    const timer = setTimeout(() => framework.disconnect(), options.patienceMs ?? PATIENCE_MS);
    try {
      await framework.#subscribe();
    } finally {
      clearTimeout(timer);
    }
    return framework;
  }

  get id(): string {
    return this.#id;
  }

  /** Of the open stream, as every call but SUBSCRIBE has to carry it. */
  get streamId(): string {
    return this.#streamId;
  }

  /** The stream has ended. */
  get isOver(): boolean {
    return this.#isOver;
  }

  async #subscribe(): Promise<void> {
    const framework_info = {
      user: "root",
      name: "test",
      roles: ["*"],
      capabilities: [{ type: "MULTI_ROLE" }],
      ...this.#options.info,
    };
    const known = (framework_info as { id?: { value: string } }).id;
    const response = await this.#post({
      type: "SUBSCRIBE",
      ...(known === undefined ? {} : { framework_id: known }),
      subscribe: { framework_info, ...this.#options.subscribe },
    });
    if (response.status !== 200 || response.body === null) {
      throw new Error(`SUBSCRIBE: ${response.status} ${await response.text()}`);
    }
    this.#streamId = response.headers.get("Mesos-Stream-Id") ?? "";
    void this.#read(response.body);
    await until("SUBSCRIBED", () => {
      const refusal = this.events.find(({ error }) => error !== undefined);
      if (refusal !== undefined) throw new Error(`SUBSCRIBE: ${refusal.error?.message}`);
      if (this.#isOver) throw new Error("SUBSCRIBE: the stream has ended");
      return this.#id !== "";
    });
  }

  async #read(body: ReadableStream<Uint8Array>): Promise<void> {
    try {
      for await (const record of records(body)) {
        this.#take(this.#wire.decode("mesos.v1.scheduler.Event", record) as Event);
      }
    } catch {
      // The stream was cut, here or there; `isOver` tells.
    } finally {
      this.#isOver = true;
    }
  }

  #take(event: Event): void {
    this.events.push(event);
    if (event.subscribed !== undefined) this.#id = event.subscribed.framework_id.value;
    this.offers.push(...(event.offers?.offers ?? []));
    const status = event.update?.status;
    if (status === undefined) return;
    this.updates.push({ ...status, atMs: performance.now() });
    if (status.uuid !== undefined && this.#options.acknowledges !== false) {
      void this.acknowledge(status).catch(() => undefined);
    }
  }

  #post(call: object): Promise<Response> {
    const { mediaType } = this.#wire;
    return fetch(`${this.#options.master}/api/v1/scheduler`, {
      method: "POST",
      headers: {
        "Content-Type": mediaType,
        Accept: mediaType,
        ...(this.#streamId === "" ? {} : { "Mesos-Stream-Id": this.#streamId }),
        ...this.#options.headers,
      },
      body: this.#wire.encode("mesos.v1.scheduler.Call", call),
      signal: this.#abort.signal,
    });
  }

  /** A call of this framework, whatever the answer is. */
  async send(type: string, payload: object = {}): Promise<{ status: number; text: string }> {
    const response = await this.#post({ framework_id: { value: this.#id }, type, ...payload });
    return { status: response.status, text: await response.text() };
  }

  /** Errors: any answer but 202, with its text. */
  async call(type: string, payload: object = {}): Promise<void> {
    const { status, text } = await this.send(type, payload);
    if (status !== 202) throw new Error(`${type}: ${status} ${text}`);
  }

  async acknowledge({ agent_id, task_id, uuid }: Status): Promise<void> {
    await this.call("ACKNOWLEDGE", { acknowledge: { agent_id, task_id, uuid } });
  }

  /** Takes the oldest offer that has not been taken. */
  async offer(): Promise<Offer> {
    return await until("an offer", () => this.offers.shift());
  }

  /** Launches on one offer; what is left of it comes back at once. */
  async launch(offer: Offer, tasks: readonly TaskOptions[]): Promise<void> {
    const task_infos = tasks.map((task) => taskInfo(offer, task));
    await this.call("ACCEPT", {
      accept: {
        offer_ids: [offer.id],
        operations: [{ type: "LAUNCH", launch: { task_infos } }],
        filters: { refuse_seconds: 0 },
      },
    });
  }

  /** States of the task so far, each once, in the order of arrival. */
  states(taskId: string): string[] {
    const states = this.updates
      .filter((one) => one.task_id.value === taskId)
      .map((one) => one.state);
    return states.filter((state, at) => state !== states[at - 1]);
  }

  /** The newest status of the task in that state, waited for. */
  async status(taskId: string, state: string, timeoutMs?: number): Promise<Status> {
    return await until(
      `${taskId} to be ${state}`,
      () => this.updates.findLast((one) => one.task_id.value === taskId && one.state === state),
      timeoutMs,
    );
  }

  /** Cuts the stream as a framework that dies does. */
  disconnect(): void {
    this.#abort.abort();
  }

  async teardown(): Promise<void> {
    await this.call("TEARDOWN");
    this.disconnect();
  }
}

/** A TaskInfo for the offer's agent, with resources of the offer's role. */
export function taskInfo(offer: Offer, task: TaskOptions): Record<string, unknown> {
  const allocation_info = offer.resources[0]?.allocation_info;
  const scalar = (name: string, value: number): object => ({
    name,
    type: "SCALAR",
    scalar: { value },
    allocation_info,
  });
  return {
    name: task.id,
    task_id: { value: task.id },
    agent_id: offer.agent_id,
    resources: [scalar("cpus", task.cpus ?? 0.001), scalar("mem", task.mem ?? 1)],
    command: { value: task.command },
    ...task.extra,
  };
}
