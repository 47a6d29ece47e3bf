/**
 * Carries out what an election decides, on real ZooKeeper sessions: agents, tools and followers use
 * it to find the leader, masters to stand as well.
 */
import type { Clock, Log, Rng } from "../../base/ports.ts";
import { isSameBytes } from "../../base/text.ts";
import { CANDIDATE_PREFIX } from "../core/candidates.ts";
import {
  Election,
  type ElectionEffect,
  type ElectionInput,
  type Leader,
} from "../core/election.ts";
import type { ZooKeeperContact } from "../core/why-no-leader.ts";
import type { ZooKeeperUrl } from "../core/zookeeper-url.ts";
import type { OpenClient } from "./client.ts";
import { REOPEN_MS } from "./limits.ts";
import { childOf, type SessionResult, ZooKeeperSession } from "./session.ts";

export interface ElectorOptions {
  readonly url: ZooKeeperUrl;
  readonly sessionTimeoutMs: number;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Log;
  readonly openClient?: OpenClient | undefined;
  onLeader(leader: Leader | undefined): void;
  /** There is a session, or none any more; called before what follows from it. */
  onSession?(session: ZooKeeperSession | undefined): void;
  onElected?(id: string, sequence: number): void;
  /** What it led must be ended before this returns. */
  onDeposed?(id: string, reason: string): void;
}

export class Elector {
  readonly #options: ElectorOptions;
  readonly #election = new Election();
  #session: ZooKeeperSession | undefined;
  #isStopped = false;
  #cancelTimer: () => void = () => undefined;
  #lastProblem = "";
  #isConnected = false;
  /** Connected, or not, since then. */
  #contactSinceMs: number;

  constructor(options: ElectorOptions) {
    this.#options = options;
    this.#contactSinceMs = options.clock.monotonicMs();
  }

  /** Whether ZooKeeper can be reached, and for how long it could, or could not. */
  get contact(): ZooKeeperContact {
    const forMs = this.#options.clock.monotonicMs() - this.#contactSinceMs;
    return { isConnected: this.#isConnected, forMs };
  }

  get leader(): Leader | undefined {
    return this.#election.leader;
  }

  /** Begins to look for the leader; returns at once. */
  start(): void {
    this.#carryOut(this.#election.start());
  }

  /** Stands with these words until it is withdrawn or deposed; `id` tells candidacies apart. */
  stand(id: string, data: Uint8Array): void {
    this.#input({ kind: "stand", id, data });
  }

  /** Gives the candidacy up; whoever leads has ended its reign before. */
  withdraw(): void {
    this.#input({ kind: "withdraw" });
  }

  /**
   * Whether a leader may still act: its session cannot have expired. To be asked before each act, as
   * `onDeposed` comes late to a process that was paused.
   */
  isLeaseValid(): boolean {
    const untilMs = this.#session?.reliedOnUntilMs ?? Number.NEGATIVE_INFINITY;
    return this.#election.isLeading && this.#options.clock.monotonicMs() < untilMs;
  }

  /** Ends the session, so that the next leader is found at once. No callback comes any more. */
  stop(): void {
    this.#isStopped = true;
    this.#cancelTimer();
    this.#session?.close();
    this.#session = undefined;
  }

  #input(input: ElectionInput): void {
    if (!this.#isStopped) this.#carryOut(this.#election.step(input));
  }

  #carryOut(effects: readonly ElectionEffect[]): void {
    for (const effect of effects) {
      if (this.#isStopped) return;
      this.#carryOutOne(effect);
    }
  }

  #carryOutOne(effect: ElectionEffect): void {
    const { onLeader, onElected, onDeposed, clock } = this.#options;
    switch (effect.kind) {
      case "openSession":
        this.#openSession();
        return;
      case "list":
        void this.#ask((session) => this.#list(session));
        return;
      case "read":
        void this.#ask((session) => this.#read(session, effect.name));
        return;
      case "stand":
        void this.#ask((session) => this.#stand(session, effect));
        return;
      case "remove":
        void this.#ask(async (session) => {
          this.#note(await session.remove(this.#pathOf(effect.name)));
          return undefined;
        });
        return;
      case "retryIn":
        this.#cancelTimer = clock.schedule(effect.delayMs, () => this.#input({ kind: "retry" }));
        return;
      case "leader":
        onLeader(effect.leader);
        return;
      case "elected":
        onElected?.(effect.id, effect.sequence);
        return;
      case "deposed":
        onDeposed?.(effect.id, effect.reason);
    }
  }

  /** The answer counts only as long as the session that was asked is the present one. */
  async #ask(
    ask: (session: ZooKeeperSession) => Promise<ElectionInput | undefined>,
  ): Promise<void> {
    const session = this.#session;
    if (session === undefined) return;
    const input = await ask(session);
    if (input !== undefined && session === this.#session) this.#input(input);
  }

  async #list(session: ZooKeeperSession): Promise<ElectionInput> {
    const { path } = this.#options.url;
    const changed = (): void => {
      if (session === this.#session) this.#input({ kind: "changed" });
    };
    let names = await session.children(path, changed);
    if (!names.ok && names.error.code === "noNode") {
      const made = await session.ensure(path);
      names = made.ok ? await session.children(path, changed) : made;
    }
    this.#note(names);
    return { kind: "listed", names: names.ok ? names.value : undefined };
  }

  async #read(session: ZooKeeperSession, name: string): Promise<ElectionInput> {
    const node = await session.read(this.#pathOf(name));
    if (node.ok) return { kind: "read", name, data: node.value.data };
    if (node.error.code === "noNode") return { kind: "read", name, data: undefined };
    this.#note(node);
    return { kind: "readFailed", name };
  }

  async #stand(
    session: ZooKeeperSession,
    { id, data }: Extract<ElectionEffect, { kind: "stand" }>,
  ): Promise<ElectionInput> {
    const failed = { kind: "standFailed", id } as const;
    const made = this.#note(await session.ensure(this.#options.url.path));
    if (!made.ok) return failed;
    const own = await this.#findOwn(session, data);
    if (!own.ok) return failed;
    if (own.value !== undefined) return { kind: "stood", id, name: own.value };
    const path = this.#pathOf(CANDIDATE_PREFIX);
    const created = this.#note(await session.create(path, data, "ephemeralSequential"));
    if (!created.ok) return failed;
    return { kind: "stood", id, name: created.value.slice(created.value.lastIndexOf("/") + 1) };
  }

  /** A znode of this session with the same words, which an earlier request made. */
  async #findOwn(
    session: ZooKeeperSession,
    data: Uint8Array,
  ): Promise<SessionResult<string | undefined>> {
    const names = this.#note(await session.children(this.#options.url.path));
    if (!names.ok) return names;
    for (const name of names.value) {
      if (!name.startsWith(CANDIDATE_PREFIX)) continue;
      const node = await session.read(this.#pathOf(name));
      if (!node.ok && node.error.code !== "noNode") return this.#note(node);
      if (node.ok && node.value.isOwn && isSameBytes(node.value.data, data)) {
        return { ok: true, value: name };
      }
    }
    return { ok: true, value: undefined };
  }

  #openSession(): void {
    const { url, sessionTimeoutMs, clock, rng, openClient } = this.#options;
    this.#cancelTimer();
    const openedMs = clock.monotonicMs();
    const session: ZooKeeperSession = new ZooKeeperSession({
      servers: url.servers.toSorted(() => rng.next() - 0.5),
      timeoutMs: sessionTimeoutMs,
      credentials: url.credentials,
      clock,
      openClient,
      onConnected: () => this.#sessionInput(session, { kind: "sessionConnected" }),
      onDisconnected: () => this.#sessionInput(session, { kind: "sessionDisconnected" }),
      onOver: (reason) => {
        if (session !== this.#session) return;
        this.#setConnected(false);
        this.#report(reason);
        // Refused at once, it would be refused again and again.
        const pauseMs = Math.max(0, openedMs + REOPEN_MS - clock.monotonicMs());
        this.#session = undefined;
        if (this.#election.hasSession) this.#options.onSession?.(undefined);
        if (!this.#election.hasSession && pauseMs > 0) {
          this.#cancelTimer = clock.schedule(pauseMs, () => this.#openSession());
        } else this.#input({ kind: "sessionOver", reason });
      },
    });
    this.#session = session;
  }

  #sessionInput(session: ZooKeeperSession, input: ElectionInput): void {
    if (session !== this.#session) return;
    this.#setConnected(input.kind === "sessionConnected");
    if (input.kind === "sessionConnected") {
      this.#lastProblem = "";
      if (!this.#election.hasSession) this.#options.onSession?.(session);
    }
    this.#input(input);
  }

  #setConnected(isConnected: boolean): void {
    if (isConnected === this.#isConnected) return;
    this.#isConnected = isConnected;
    this.#contactSinceMs = this.#options.clock.monotonicMs();
  }

  #pathOf(name: string): string {
    return childOf(this.#options.url.path, name);
  }

  /** Logs why something failed, once however often it does. */
  #note<T>(result: SessionResult<T>): SessionResult<T> {
    if (!result.ok && result.error.code !== "noNode" && result.error.code !== "nodeExists") {
      this.#report(result.error.message);
    }
    return result;
  }

  #report(problem: string): void {
    if (problem !== this.#lastProblem) {
      this.#options.log.write("warning", "trouble with ZooKeeper", { problem });
    }
    this.#lastProblem = problem;
  }
}
