/**
 * An operator who sets one weight again and again, each time to a number of its own, and reads it,
 * at whichever master: those that do not lead any more and do not know it yet are asked too.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { postTo } from "../harness/masters.ts";
import type { Read, Write } from "./history.ts";
import type { Program } from "./world.ts";

const ROLE = "chaos";
const CALL_MS_MAX = 2000;
const PAUSE_MS = 60;

interface Weights {
  readonly get_weights?: {
    readonly weight_infos?: readonly { readonly role: string; readonly weight: number }[];
  };
}

export class Operator {
  readonly writes: Write[] = [{ value: 1, startMs: 0, endMs: 0, by: "the beginning" }];
  readonly reads: Read[] = [];
  readonly #masters: () => readonly Program[];
  #value = 1;

  constructor(masters: () => readonly Program[]) {
    this.#masters = masters;
  }

  /** Goes on until the signal; several may work at once. */
  async work(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      for (const master of shuffled(this.#masters())) {
        await this.#write(master);
        await this.#read(master);
      }
      await sleep(PAUSE_MS);
    }
  }

  /** A write that began after that time was acknowledged. */
  hasWrittenSince(timeMs: number): boolean {
    return this.writes.some(({ startMs, endMs }) => startMs > timeMs && endMs !== undefined);
  }

  async #write(master: Program): Promise<void> {
    this.#value += 1;
    const write: Write = {
      value: this.#value,
      startMs: performance.now(),
      endMs: undefined,
      by: undefined,
    };
    this.writes.push(write);
    const weight_infos = [{ role: ROLE, weight: write.value }];
    const call = { type: "UPDATE_WEIGHTS", update_weights: { weight_infos } };
    const answer = await postTo(master.process, call, CALL_MS_MAX).catch(() => undefined);
    if (answer?.status === 200) {
      write.endMs = performance.now();
      write.by = master.name;
    } else if (answer?.status === 307) {
      // Led elsewhere, and certainly not carried out.
      this.writes.splice(this.writes.indexOf(write), 1);
    }
  }

  async #read(master: Program): Promise<void> {
    const startMs = performance.now();
    const answer = await postTo(master.process, { type: "GET_WEIGHTS" }, CALL_MS_MAX).catch(
      () => undefined,
    );
    const body = (await answer?.json().catch(() => undefined)) as Weights | undefined;
    if (answer?.status !== 200 || body === undefined) return;
    const infos = body.get_weights?.weight_infos ?? [];
    const value = infos.find(({ role }) => role === ROLE)?.weight ?? 1;
    this.reads.push({ value, startMs, endMs: performance.now(), by: master.name });
  }
}

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, key: Math.random() }))
    .toSorted((one, other) => one.key - other.key)
    .map(({ item }) => item);
}
