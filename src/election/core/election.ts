/**
 * Finding the leading master, and standing for it. Pure: it is told what ZooKeeper answers and says
 * what to ask next, so that production and simulator run the same decisions.
 *
 * | session | a leader | a follower |
 * |---|---|---|
 * | connected | leads | lists the candidates whenever they change |
 * | disconnected | leads on as long as its session cannot have expired | knows the leader it knew |
 * | over | is deposed | knows no leader; a new session is opened |
 *
 * Differs from Mesos, whose master exits when it is deposed: here it may stand again, as another.
 * Source: semantics 1.1–1.3, DESIGN §5.
 */
import { assert, unreachable } from "../../base/assert.ts";
import { type Candidate, candidatesOf } from "./candidates.ts";

/** Milliseconds before a request that failed is made again. */
const RETRY_MS = 1000;

/** Who leads: its znode, and what stands in it. */
export interface Leader extends Candidate {
  readonly data: Uint8Array;
}

export type ElectionInput =
  /** Stand, with these words in the znode. `id` tells one candidacy from another. */
  | { readonly kind: "stand"; readonly id: string; readonly data: Uint8Array }
  /** Stand no more; whoever led has ended it before. */
  | { readonly kind: "withdraw" }
  /** The session is there, new or again; it is the same one until `sessionOver`. */
  | { readonly kind: "sessionConnected" }
  | { readonly kind: "sessionDisconnected" }
  /** It has expired, or may have by now. Nothing of it is left, whatever ZooKeeper still shows. */
  | { readonly kind: "sessionOver"; readonly reason: string }
  /** Candidates came or went since they were listed. */
  | { readonly kind: "changed" }
  /** Children of the masters' node; undefined: they could not be listed. */
  | { readonly kind: "listed"; readonly names: readonly string[] | undefined }
  /** Undefined data: the node is gone. */
  | { readonly kind: "read"; readonly name: string; readonly data: Uint8Array | undefined }
  | { readonly kind: "readFailed"; readonly name: string }
  /** The znode of this candidacy, made now or found to be there. */
  | { readonly kind: "stood"; readonly id: string; readonly name: string }
  | { readonly kind: "standFailed"; readonly id: string }
  | { readonly kind: "retry" };

export type ElectionEffect =
  | { readonly kind: "openSession" }
  /** List the children and watch them; the node is made if need be. */
  | { readonly kind: "list" }
  | { readonly kind: "read"; readonly name: string }
  /**
   * Have one ephemeral znode with this data under this session: the one that is there already, when
   * an earlier request was carried out without an answer, or else a new one.
   */
  | { readonly kind: "stand"; readonly id: string; readonly data: Uint8Array }
  | { readonly kind: "remove"; readonly name: string }
  /** Give `retry` after so long. */
  | { readonly kind: "retryIn"; readonly delayMs: number }
  /** Undefined: nobody leads, as far as is known. */
  | { readonly kind: "leader"; readonly leader: Leader | undefined }
  /** This candidacy leads from here on. */
  | { readonly kind: "elected"; readonly id: string; readonly sequence: number }
  /** It does not any more, and must not act again. Standing again wants a new `stand`. */
  | { readonly kind: "deposed"; readonly id: string; readonly reason: string };

interface Candidacy {
  readonly id: string;
  readonly data: Uint8Array;
  phase: "waiting" | "standing" | "stood" | "leading";
  /** Its znode, once it is known. */
  name: string | undefined;
  /** A znode was asked for in this session, so that there may be one whose name is not known. */
  isAsked: boolean;
}

export class Election {
  #session: "none" | "connected" | "disconnected" = "none";
  #candidacy: Candidacy | undefined;
  #leader: Leader | undefined;
  /** First of the candidates that were listed last; its data may still be on its way. */
  #first: Candidate | undefined;
  /** A listing is on its way; `again`: it may be too old. */
  #listing: "none" | "asked" | "again" = "none";
  /** Znodes of ours that stand for nothing any more; asked to be removed until they are gone. */
  readonly #unwanted = new Set<string>();
  /** Withdrawn candidacies that may have a znode whose name is not known: it is found and removed. */
  readonly #strays = new Map<string, { readonly data: Uint8Array; isAsked: boolean }>();
  #isReading = false;
  #isRetrySet = false;
  #effects: ElectionEffect[] = [];

  /** Who leads, as far as is known. */
  get leader(): Leader | undefined {
    return this.#leader;
  }

  get hasSession(): boolean {
    return this.#session !== "none";
  }

  get isLeading(): boolean {
    return this.#candidacy?.phase === "leading";
  }

  /** What to do first. */
  start(): readonly ElectionEffect[] {
    return [{ kind: "openSession" }];
  }

  /** Takes one input; the effects are to be carried out in order. */
  step(input: ElectionInput): readonly ElectionEffect[] {
    this.#effects = [];
    this.#apply(input);
    assert(!this.isLeading || this.#session !== "none", "a leader has a session");
    return this.#effects;
  }

  #apply(input: ElectionInput): void {
    switch (input.kind) {
      case "stand":
        assert(this.#candidacy === undefined, "one candidacy at a time");
        this.#candidacy = { ...input, phase: "waiting", name: undefined, isAsked: false };
        this.#pursue();
        return;
      case "withdraw":
        this.#withdraw();
        return;
      case "sessionConnected":
        this.#session = "connected";
        this.#pursue();
        this.#list();
        return;
      case "sessionDisconnected":
        if (this.#session === "connected") this.#session = "disconnected";
        this.#forgetRequests();
        return;
      case "sessionOver":
        this.#sessionOver(input.reason);
        return;
      case "changed":
        this.#list();
        return;
      case "listed":
        this.#listed(input.names);
        return;
      case "read":
        this.#read(input.name, input.data);
        return;
      case "readFailed":
        this.#isReading = false;
        this.#retryLater();
        return;
      case "stood":
        this.#stood(input.id, input.name);
        return;
      case "standFailed":
        if (this.#candidacy?.id === input.id && this.#candidacy.phase === "standing") {
          this.#candidacy.phase = "waiting";
        }
        this.#strayUnanswered(input.id);
        this.#retryLater();
        return;
      case "retry":
        this.#isRetrySet = false;
        this.#pursue();
        this.#list();
        return;
      default:
        unreachable(input, "election input");
    }
  }

  /** Stands where it does not yet. */
  #pursue(): void {
    if (this.#session !== "connected") return;
    for (const [id, stray] of this.#strays) {
      if (!stray.isAsked) this.#effects.push({ kind: "stand", id, data: stray.data });
      stray.isAsked = true;
    }
    const candidacy = this.#candidacy;
    if (candidacy?.phase !== "waiting") return;
    candidacy.phase = "standing";
    candidacy.isAsked = true;
    this.#effects.push({ kind: "stand", id: candidacy.id, data: candidacy.data });
  }

  #list(): void {
    if (this.#session !== "connected") return;
    if (this.#listing === "none") this.#effects.push({ kind: "list" });
    this.#listing = this.#listing === "none" ? "asked" : "again";
  }

  #listed(names: readonly string[] | undefined): void {
    const isCurrent = this.#listing !== "again";
    this.#listing = "none";
    if (this.#session !== "connected") return;
    if (names === undefined) {
      this.#retryLater();
      return;
    }
    // Something changed while the list was made.
    if (!isCurrent) this.#list();
    const candidates = candidatesOf(names);
    this.#removeUnwanted(candidates);
    this.#first = candidates[0];
    if (this.#isVanished(candidates)) this.#end("its znode was removed");
    if (this.#first === undefined) this.#setLeader(undefined);
    else if (this.#first.name === this.#leader?.name) this.#judge();
    else this.#readFirst();
  }

  #removeUnwanted(candidates: readonly Candidate[]): void {
    const present = new Set(candidates.map(({ name }) => name));
    for (const name of this.#unwanted) {
      if (present.has(name)) this.#effects.push({ kind: "remove", name });
      else this.#unwanted.delete(name);
    }
    if (this.#unwanted.size > 0) this.#retryLater();
  }

  /** The own znode is not among them; when it was just made it may be younger than the list. */
  #isVanished(candidates: readonly Candidate[]): boolean {
    const { phase, name } = this.#candidacy ?? {};
    if (phase !== "stood" && phase !== "leading") return false;
    if (this.#listing !== "none") return false;
    return candidates.every((candidate) => candidate.name !== name);
  }

  #readFirst(): void {
    if (this.#first === undefined || this.#isReading || this.#session !== "connected") return;
    this.#isReading = true;
    this.#effects.push({ kind: "read", name: this.#first.name });
  }

  #read(name: string, data: Uint8Array | undefined): void {
    this.#isReading = false;
    if (this.#session !== "connected") return;
    if (name !== this.#first?.name) {
      // Another one is first by now.
      if (this.#first?.name !== this.#leader?.name) this.#readFirst();
      return;
    }
    if (data === undefined) {
      this.#setLeader(undefined);
      this.#list();
      return;
    }
    this.#setLeader({ ...this.#first, data });
    this.#judge();
  }

  #stood(id: string, name: string): void {
    const candidacy = this.#candidacy;
    if (this.#session === "none" || candidacy?.name === name) return;
    if (candidacy?.id !== id || candidacy.phase !== "standing") {
      this.#strays.delete(id);
      this.#discard(name);
      return;
    }
    candidacy.phase = "stood";
    candidacy.name = name;
    // What was listed before knows nothing of it.
    this.#list();
  }

  /** Whether it is our turn to lead, by what was listed and read last. */
  #judge(): void {
    const candidacy = this.#candidacy;
    const leader = this.#leader;
    if (candidacy === undefined || leader === undefined) return;
    if (candidacy.phase === "leading") {
      if (leader.name !== candidacy.name) this.#end(`${leader.name} leads`);
      return;
    }
    if (candidacy.phase !== "stood" || leader.name !== candidacy.name) return;
    candidacy.phase = "leading";
    this.#effects.push({ kind: "elected", id: candidacy.id, sequence: leader.sequence });
  }

  #setLeader(leader: Leader | undefined): void {
    if (leader?.name === this.#leader?.name) return;
    this.#leader = leader;
    this.#effects.push({ kind: "leader", leader });
  }

  #sessionOver(reason: string): void {
    if (this.#session === "none") {
      this.#effects.push({ kind: "openSession" });
      return;
    }
    this.#session = "none";
    this.#forgetRequests();
    this.#first = undefined;
    this.#unwanted.clear();
    this.#strays.clear();
    this.#isRetrySet = false;
    const candidacy = this.#candidacy;
    // First of all: from here on another may lead.
    if (candidacy?.phase === "leading") this.#end(reason);
    else if (candidacy !== undefined) {
      candidacy.phase = "waiting";
      candidacy.name = undefined;
      candidacy.isAsked = false;
    }
    this.#setLeader(undefined);
    this.#effects.push({ kind: "openSession" });
  }

  /** Ends the candidacy for good; who led is told. */
  #end(reason: string): void {
    const candidacy = this.#candidacy;
    if (candidacy === undefined) return;
    if (candidacy.phase === "leading") {
      this.#candidacy = undefined;
      this.#effects.push({ kind: "deposed", id: candidacy.id, reason });
      if (candidacy.name !== undefined) this.#discard(candidacy.name);
      return;
    }
    candidacy.phase = "waiting";
    candidacy.name = undefined;
    this.#pursue();
  }

  #withdraw(): void {
    const candidacy = this.#candidacy;
    this.#candidacy = undefined;
    if (candidacy?.name !== undefined) this.#discard(candidacy.name);
    else if (candidacy?.isAsked === true) {
      const { id, data, phase } = candidacy;
      this.#strays.set(id, { data, isAsked: phase === "standing" });
    }
  }

  #discard(name: string): void {
    if (this.#session === "none") return;
    this.#unwanted.add(name);
    if (this.#session === "connected") this.#effects.push({ kind: "remove", name });
  }

  /** Requests of a lost connection are answered as failed, or not at all. */
  #forgetRequests(): void {
    this.#listing = "none";
    this.#isReading = false;
    if (this.#candidacy?.phase === "standing") this.#candidacy.phase = "waiting";
    for (const id of this.#strays.keys()) this.#strayUnanswered(id);
  }

  #strayUnanswered(id: string): void {
    const stray = this.#strays.get(id);
    if (stray !== undefined) stray.isAsked = false;
  }

  #retryLater(): void {
    if (this.#isRetrySet || this.#session !== "connected") return;
    this.#isRetrySet = true;
    this.#effects.push({ kind: "retryIn", delayMs: RETRY_MS });
  }
}
