/**
 * A framework that lives through everything: it follows the leader by ZooKeeper, keeps its id,
 * launches tasks that write down their beginning and their end, and asks after those it hears nothing
 * of, once the call that launched them is over.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Offer, TestFramework } from "../harness/test-framework.ts";
import type { Wire } from "../harness/wire.ts";
import type { TaskStatus } from "./history.ts";

const LOOK_MS = 50;
const RECONCILE_EVERY_MS = 2000;
const SUBSCRIBE_MS_MAX = 5000;
/** Of a task that ends by itself, seconds. */
const TASK_SECONDS_MAX = 4;
const REFUSE_SECONDS = 1;
/** Nothing more becomes of a task that is told as this. */
const CLOSED = /FINISHED|FAILED|KILLED|ERROR|LOST|DROPPED|GONE|UNKNOWN/;
/** Said of a task that got lost on its way to the agent. */
const NEVER_WAS = /ERROR|LOST|DROPPED|GONE|UNKNOWN/;

interface Task {
  readonly id: string;
  readonly agentId: object;
  /** By the clock of the history. */
  readonly askedMs: number;
  /** The call that launched it is answered, or never will be. */
  isSettled: boolean;
  state: string | undefined;
}

export interface TenantOptions {
  readonly wire: Wire;
  /** Where tasks write down what they do. */
  readonly notes: string;
  /** Lasting tasks end once it exists. */
  readonly sign: string;
  /** URL of who leads, as far as is known. */
  leader(): string | undefined;
}

export class Tenant {
  readonly statuses: TaskStatus[] = [];
  readonly #options: TenantOptions;
  readonly #tasks = new Map<string, Task>();
  readonly #ids = new Set<string>();
  #stream: TestFramework | undefined;
  #url: string | undefined;
  #reconciledMs = 0;
  #lasting = 0;
  #short = 0;

  constructor(options: TenantOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.wire.name;
  }

  get asked(): readonly string[] {
    return [...this.#tasks.keys()];
  }

  /** More than one would be a framework that lost its id. */
  get ids(): ReadonlySet<string> {
    return this.#ids;
  }

  /** Tasks of which the end is not known. */
  get open(): readonly string[] {
    return [...this.#tasks.values()]
      .filter(({ state }) => !CLOSED.test(state ?? ""))
      .map(({ id, state, isSettled }) => `${id} (${state}${isSettled ? "" : ", not answered"})`);
  }

  /** Launches so many more as offers come. */
  want({ lasting = 0, short = 0 }: { readonly lasting?: number; readonly short?: number }): void {
    this.#lasting += lasting;
    this.#short += short;
  }

  /** A task that was asked for after that time has run. */
  hasRunSince(timeMs: number): boolean {
    return [...this.#tasks.values()].some(
      ({ askedMs, state }) =>
        askedMs > timeMs && (state === "TASK_RUNNING" || state === "TASK_FINISHED"),
    );
  }

  /** Goes on until the signal. */
  async work(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      // What is refused or broken off is tried again.
      await this.#turn().catch(() => undefined);
      await sleep(LOOK_MS);
    }
    this.#stream?.disconnect();
  }

  async #turn(): Promise<void> {
    this.#hear();
    const leader = this.#options.leader();
    if (this.#stream === undefined || this.#stream.isOver || leader !== this.#url) {
      this.#stream?.disconnect();
      this.#stream = undefined;
      if (leader === undefined) return;
      this.#url = leader;
      this.#stream = await this.#subscribe(leader);
      this.#ids.add(this.#stream.id);
      this.#reconciledMs = 0;
    }
    for (const offer of this.#stream.offers.splice(0)) this.#answer(this.#stream, offer);
    if (performance.now() - this.#reconciledMs > RECONCILE_EVERY_MS) {
      this.#reconciledMs = performance.now();
      const tasks = this.#open().map(({ id, agentId }) => ({
        task_id: { value: id },
        agent_id: agentId,
      }));
      if (tasks.length > 0) void later(this.#stream.call("RECONCILE", { reconcile: { tasks } }));
    }
  }

  #subscribe(master: string): Promise<TestFramework> {
    const { wire } = this.#options;
    const [id] = this.#ids;
    const info = {
      name: wire.name,
      checkpoint: true,
      failover_timeout: 36_000,
      capabilities: [{ type: "MULTI_ROLE" }, { type: "PARTITION_AWARE" }],
      ...(id !== undefined && { id: { value: id } }),
    };
    return TestFramework.subscribe({ master, wire, info, patienceMs: SUBSCRIBE_MS_MAX });
  }

  #hear(): void {
    for (const { task_id, state } of this.#stream?.updates.splice(0) ?? []) {
      const task = this.#tasks.get(task_id.value);
      this.statuses.push({ task: task_id.value, state });
      // Late repetitions of what came before its end say nothing.
      if (task === undefined || CLOSED.test(task.state ?? "")) continue;
      task.state = state;
      if (NEVER_WAS.test(state)) this.#short += 1;
    }
  }

  #open(): Task[] {
    return [...this.#tasks.values()].filter(
      ({ isSettled, state }) => isSettled && !CLOSED.test(state ?? ""),
    );
  }

  #answer(stream: TestFramework, offer: Offer): void {
    if (this.#lasting + this.#short === 0) {
      const filters = { refuse_seconds: REFUSE_SECONDS };
      // Of an offer that nobody answered, the master would wait for an answer for ever.
      stream
        .call("DECLINE", { decline: { offer_ids: [offer.id], filters } })
        .catch(() => stream.offers.push(offer));
      return;
    }
    const isLasting = this.#lasting > 0;
    if (isLasting) this.#lasting -= 1;
    else this.#short -= 1;
    const id = `${this.name}-${this.#tasks.size}`;
    const { notes, sign } = this.#options;
    const seconds = (Math.random() * TASK_SECONDS_MAX).toFixed(1);
    const wait = isLasting ? `while ! [ -e ${sign} ]; do sleep 0.5; done` : `sleep ${seconds}`;
    const command = `echo start ${id} >> ${notes}; ${wait}; echo end ${id} >> ${notes}`;
    const askedMs = performance.now();
    const task = { id, agentId: offer.agent_id, askedMs, isSettled: false, state: undefined };
    this.#tasks.set(id, task);
    stream
      .launch(offer, [{ id, command }])
      .catch(() => stream.offers.push(offer))
      .finally(() => {
        task.isSettled = true;
      });
  }
}

/** Done or not: what became of it is heard otherwise. */
async function later(call: Promise<void>): Promise<void> {
  await call.catch(() => undefined);
}
