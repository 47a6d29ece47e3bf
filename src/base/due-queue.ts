/**
 * Members that are each due at a time, of which there are as many as agents: they come in the order
 * of their times, as those do that wait for equally long. Members know when they are due; who is
 * removed, or due at another time since, is passed over when the turn of the old time comes.
 */
import { assert } from "./assert.ts";
import { Fifo } from "./fifo.ts";

/** Who can be due. */
export interface Due {
  /** Milliseconds; Infinity while it is in no queue. Only the queue changes it. */
  dueMs: number;
}

export class DueQueue<Member extends Due> {
  #members = new Fifo<Member>();
  /** When each of them was due by the time it came here. */
  #times = new Fifo<number>();
  #lastMs = Number.NEGATIVE_INFINITY;
  #size = 0;

  /** How many members are due at some time. */
  get size(): number {
    return this.#size;
  }

  /** Adds a member, or puts it off; to no earlier time than those before it. */
  set(member: Member, dueMs: number): void {
    assert(dueMs >= this.#lastMs, "members come in the order in which they are due");
    if (member.dueMs === Number.POSITIVE_INFINITY) this.#size += 1;
    this.#lastMs = dueMs;
    member.dueMs = dueMs;
    this.#members.push(member);
    this.#times.push(dueMs);
  }

  /** Safe to repeat. */
  remove(member: Member): void {
    if (member.dueMs === Number.POSITIVE_INFINITY) return;
    this.#size -= 1;
    member.dueMs = Number.POSITIVE_INFINITY;
    if (this.#size > 0) return;
    this.#members = new Fifo();
    this.#times = new Fifo();
  }

  /** When the next one is due; undefined when nobody is. */
  firstMs(): number | undefined {
    for (;;) {
      const dueMs = this.#times.first();
      if (dueMs === undefined || this.#members.first()?.dueMs === dueMs) return dueMs;
      this.#times.take();
      this.#members.take();
    }
  }

  /** Removes the member that is due first, if that is no later than `untilMs`. */
  take(untilMs: number): Member | undefined {
    const dueMs = this.firstMs();
    if (dueMs === undefined || dueMs > untilMs) return undefined;
    this.#times.take();
    const member = this.#members.take();
    if (member !== undefined) this.remove(member);
    return member;
  }
}
