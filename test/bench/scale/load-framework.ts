/**
 * A framework that launches as many tasks as it is told on whatever it is offered, acknowledges
 * every update and keeps nothing but counts. Tasks whose offer is withdrawn while they are being
 * launched are launched again on another.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { RawHttp } from "./raw-http.ts";

interface Id {
  readonly value: string;
}

interface Offer {
  readonly id: Id;
  readonly agent_id: Id;
  readonly resources: readonly {
    readonly name: string;
    readonly scalar?: { readonly value: number };
    readonly allocation_info?: object;
  }[];
}

interface Event {
  readonly type: string;
  readonly subscribed?: { readonly framework_id: { readonly value: string } };
  readonly offers?: { readonly offers: readonly Offer[] };
  readonly rescind?: { readonly offer_id: Id };
  readonly update?: { readonly status: Status };
  readonly error?: { readonly message: string };
}

interface Status {
  readonly task_id: Id;
  readonly agent_id?: Id;
  readonly state: string;
  readonly message?: string;
  readonly uuid?: string;
}

export interface LoadOptions {
  readonly master: string;
  readonly name: string;
  readonly command: string;
  readonly tasksPerOffer: number;
  /** Per task. */
  readonly cpus: number;
  readonly mem: number;
  /** Tasks it may still launch, shared by all frameworks of a measurement. */
  readonly budget: { left: number };
  /** See `RawHttp`. */
  readonly windowLength: number;
}

export class LoadFramework {
  /** Statuses by state. */
  readonly counts: Map<string, number> = new Map();
  readonly #options: LoadOptions;
  readonly #http: RawHttp;
  readonly #abort = new AbortController();
  #headers = "";
  #id = "";
  #launched = 0;
  #isSuppressed = false;
  #failure: string | undefined;
  readonly #withdrawn = new Set<string>();

  private constructor(options: LoadOptions, http: RawHttp) {
    this.#options = options;
    this.#http = http;
  }

  static async subscribe(options: LoadOptions): Promise<LoadFramework> {
    const framework = new LoadFramework(
      options,
      await RawHttp.connect(options.master, options.windowLength),
    );
    await framework.#subscribe();
    return framework;
  }

  count(state: string): number {
    if (this.#failure !== undefined) throw new Error(this.#failure);
    return this.counts.get(state) ?? 0;
  }

  async teardown(): Promise<void> {
    await this.#call("TEARDOWN", "");
    this.disconnect();
  }

  disconnect(): void {
    this.#abort.abort();
    this.#http.close();
  }

  async #subscribe(): Promise<void> {
    const framework_info = {
      user: "root",
      name: this.#options.name,
      roles: ["*"],
      checkpoint: true,
      failover_timeout: 3600,
      capabilities: [{ type: "MULTI_ROLE" }, { type: "PARTITION_AWARE" }],
      ...(this.#id === "" ? {} : { id: { value: this.#id } }),
    };
    const response = await fetch(`${this.#options.master}/api/v1/scheduler`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify({ type: "SUBSCRIBE", subscribe: { framework_info } }),
      signal: this.#abort.signal,
    });
    if (response.body === null || response.status !== 200) throw new Error(await response.text());
    this.#headers = `Mesos-Stream-Id: ${response.headers.get("Mesos-Stream-Id")}\r\n`;
    void this.#read(response.body).catch((error: unknown) => {
      if (!this.#abort.signal.aborted) this.#failure = `the stream ended: ${String(error)}`;
    });
    while (this.#id === "") {
      if (this.#failure !== undefined) throw new Error(this.#failure);
      await sleep(1);
    }
  }

  async #read(body: ReadableStream<Uint8Array>): Promise<void> {
    let chunks: Uint8Array[] = [];
    let byteCount = 0;
    let wanted = 1;
    for await (const chunk of body) {
      chunks.push(chunk);
      byteCount += chunk.byteLength;
      // Joined only once a record is whole: a large one comes in a thousand chunks.
      if (byteCount < wanted) continue;
      const { rest, bytesOfNext } = this.#takeRecords(Buffer.concat(chunks));
      chunks = [rest];
      byteCount = rest.length;
      wanted = bytesOfNext;
    }
    throw new Error("by the master");
  }

  /** Takes all records that are whole; `bytesOfNext` is what the next one needs to be whole. */
  #takeRecords(bytes: Buffer): { readonly rest: Buffer; readonly bytesOfNext: number } {
    let start = 0;
    for (;;) {
      const lineFeed = bytes.indexOf(10, start);
      if (lineFeed < 0)
        return { rest: bytes.subarray(start), bytesOfNext: bytes.length - start + 1 };
      const end = lineFeed + 1 + Number(bytes.toString("latin1", start, lineFeed));
      if (bytes.length < end) return { rest: bytes.subarray(start), bytesOfNext: end - start };
      this.#take(JSON.parse(bytes.toString("utf8", lineFeed + 1, end)) as Event);
      start = end;
    }
  }

  #take(event: Event): void {
    if (event.error !== undefined) this.#failure = event.error.message;
    if (event.subscribed !== undefined) this.#id = event.subscribed.framework_id.value;
    if (event.rescind !== undefined) this.#withdrawn.add(event.rescind.offer_id.value);
    if (event.offers !== undefined) this.#answer(event.offers.offers);
    if (event.update !== undefined) this.#update(event.update.status);
  }

  #update({ task_id, agent_id, state, uuid, message }: Status): void {
    this.counts.set(state, (this.counts.get(state) ?? 0) + 1);
    if (this.#isOfWithdrawnOffer(message)) this.#launchAgain();
    else if (/ERROR|LOST|DROPPED|FAILED/.test(state)) this.#failure = `${state}: ${message}`;
    if (uuid === undefined || agent_id === undefined) return;
    // Put together by hand, as there are three for each task; nothing in it needs to be escaped.
    const ids = `"agent_id":{"value":"${agent_id.value}"},"task_id":{"value":"${task_id.value}"}`;
    void this.#call("ACKNOWLEDGE", `"acknowledge":{${ids},"uuid":"${uuid}"}`);
  }

  #isOfWithdrawnOffer(message = ""): boolean {
    return this.#withdrawn.has(/Offer (\S+) is no longer valid$/.exec(message)?.[1] ?? "");
  }

  #launchAgain(): void {
    this.#options.budget.left += 1;
    if (!this.#isSuppressed) return;
    this.#isSuppressed = false;
    void this.#call("REVIVE", "");
  }

  /** Launches on what has room; once there is nothing left to launch, it asks for no more offers. */
  #answer(offers: readonly Offer[]): void {
    const { budget } = this.#options;
    const declined = offers.filter((offer) => !this.#launchOn(offer));
    if (budget.left === 0 && !this.#isSuppressed) {
      this.#isSuppressed = true;
      void this.#call("SUPPRESS", "");
    }
    if (declined.length === 0) return;
    const decline = {
      offer_ids: declined.map(({ id }) => id),
      filters: { refuse_seconds: budget.left > 0 ? 0 : 3600 },
    };
    void this.#call("DECLINE", `"decline":${JSON.stringify(decline)}`);
  }

  /** False when no task fits. */
  #launchOn(offer: Offer): boolean {
    const { budget, cpus, mem, tasksPerOffer } = this.#options;
    const room = (name: string, each: number): number => {
      const has = offer.resources.find((resource) => resource.name === name)?.scalar?.value ?? 0;
      return Math.floor(has / each + 1e-9);
    };
    const count = Math.min(tasksPerOffer, budget.left, room("cpus", cpus), room("mem", mem));
    if (count === 0) return false;
    budget.left -= count;
    const tasks = Array.from({ length: count }, () => this.#task(offer));
    const accept = {
      offer_ids: [offer.id],
      operations: [{ type: "LAUNCH", launch: { task_infos: tasks } }],
      filters: { refuse_seconds: 0 },
    };
    void this.#call("ACCEPT", `"accept":${JSON.stringify(accept)}`);
    return true;
  }

  #task(offer: Offer): object {
    const { cpus, mem, name, command } = this.#options;
    this.#launched += 1;
    const allocation_info = offer.resources[0]?.allocation_info;
    const scalar = (resource: string, value: number): object => {
      return { name: resource, type: "SCALAR", scalar: { value }, allocation_info };
    };
    return {
      name: `${name} task`,
      task_id: { value: `${name}-${this.#launched}` },
      agent_id: offer.agent_id,
      resources: [scalar("cpus", cpus), scalar("mem", mem)],
      command: { value: command },
    };
  }

  async #call(type: string, payload: string): Promise<void> {
    const body = `{"framework_id":{"value":"${this.#id}"},"type":"${type}"${payload === "" ? "" : ","}${payload}}`;
    // An update that waits for its acknowledgement is sent again, which only makes more work.
    const isUrgent = type === "ACKNOWLEDGE";
    const path = "/api/v1/scheduler";
    const { status, text } = await this.#http.post(path, this.#headers, body, isUrgent);
    if (status !== 202) this.#failure = `${type}: ${status} ${text}`;
  }
}
