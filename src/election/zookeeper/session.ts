/**
 * One ZooKeeper session, which tells when it can be relied on. The client library notices neither a
 * silent server nor the end of a session that it cannot reach, and carries out late what was asked
 * while there was no connection (reference/stack.md §4); all of that is mended here:
 *
 * - the session counts as proven until one timeout after the last request was *sent* that was
 *   answered, and is over, for us, some time before that;
 * - a server that says nothing is left for another one;
 * - without a connection a request is refused at once, and what was under way when it broke fails as
 *   `unknown`: it may have been carried out or not;
 * - a version of 0 is a version.
 */
import type { Clock } from "../../base/ports.ts";
import { ok, type Result } from "../../base/result.ts";
import type {
  Answer,
  ClientState,
  CreateMode,
  NodeData,
  OpenClient,
  SessionError,
  Write,
  ZooKeeperClient,
} from "./client.ts";
import { CLOSE_MS_MAX, LEASE_MARGIN, PROVES_PER_TIMEOUT, SILENCE_SHARE } from "./limits.ts";
import { nodeClient } from "./node-client.ts";

export type SessionResult<T> = Result<T, SessionError>;

export interface SessionOptions {
  /** `host:port`, tried in random order. */
  readonly servers: readonly string[];
  readonly timeoutMs: number;
  /** `user:password` of the digest scheme. */
  readonly credentials: string | undefined;
  readonly clock: Clock;
  /** How servers are spoken to, unless with the library. */
  readonly openClient?: OpenClient | undefined;
  /** Connected, new or again. */
  onConnected(): void;
  onDisconnected(): void;
  /** Called once; the session must not be used from here on. */
  onOver(reason: string): void;
}

/** Whatever version the node has. */
export const ANY_VERSION = -1;

/** The path of a node below another, which may be the root. */
export function childOf(path: string, name: string): string {
  return path === "/" ? `/${name}` : `${path}/${name}`;
}

export class ZooKeeperSession {
  readonly #options: SessionOptions;
  readonly #client: ZooKeeperClient;
  /** Requests under way: each fails as `unknown` when the connection breaks. */
  readonly #pending = new Set<() => void>();
  #waiting: ((isConnected: boolean) => void)[] = [];
  #phase: "connecting" | "proving" | "connected" | "over" = "connecting";
  #timeoutMs: number;
  /** The session cannot have expired before, by the monotonic clock. */
  #provenUntilMs: number;
  /** When the server was asked the question that it has not answered yet. */
  #askedMs: number | undefined;
  #phaseSinceMs: number;
  #cancelTick: () => void = () => undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#timeoutMs = options.timeoutMs;
    this.#phaseSinceMs = options.clock.monotonicMs();
    this.#provenUntilMs = this.#phaseSinceMs + options.timeoutMs;
    const openClient = options.openClient ?? nodeClient;
    const { servers, timeoutMs, credentials } = options;
    const onState = (state: ClientState): void => this.#stateChanged(state);
    this.#client = openClient({ servers, timeoutMs, credentials, onState });
    this.#client.connect();
    this.#tick();
  }

  /** What the servers agreed to, milliseconds. */
  get timeoutMs(): number {
    return this.#timeoutMs;
  }

  get isConnected(): boolean {
    return this.#phase === "connected";
  }

  /**
   * Until when what relies on the session may be done, by the monotonic clock. To be compared before
   * each act: after a pause of the whole process, timers are late.
   */
  get reliedOnUntilMs(): number {
    return this.#phase === "over"
      ? Number.NEGATIVE_INFINITY
      : this.#provenUntilMs - this.#timeoutMs * LEASE_MARGIN;
  }

  /** Resolves at once or when there is a connection again; false when the session is over. */
  untilConnected(): Promise<boolean> {
    if (this.#phase === "connected" || this.#phase === "over") {
      return Promise.resolve(this.#phase === "connected");
    }
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  /** The path of the new node, with its number where it is sequential. */
  create(
    path: string,
    data: Uint8Array,
    mode: CreateMode = "persistent",
  ): Promise<SessionResult<string>> {
    return this.#ask((done) => this.#client.create(path, data, mode, done));
  }

  /** Makes the node and those above it, where they are not there yet. */
  async ensure(path: string): Promise<SessionResult<void>> {
    let made = "";
    for (const part of path.split("/").filter((name) => name !== "")) {
      made += `/${part}`;
      const created = await this.create(made, new Uint8Array(0));
      if (!created.ok && created.error.code !== "nodeExists") return created;
    }
    return ok(undefined);
  }

  /** Names of the children; `onChange` is called once when they are others, or the node is gone. */
  children(path: string, onChange?: () => void): Promise<SessionResult<readonly string[]>> {
    const changed = onChange && (() => this.#phase !== "over" && onChange());
    return this.#ask((done) => this.#client.children(path, changed, done));
  }

  read(path: string): Promise<SessionResult<NodeData>> {
    return this.#ask((done) => this.#client.read(path, done));
  }

  remove(path: string, version: number = ANY_VERSION): Promise<SessionResult<void>> {
    return this.#ask((done) => this.#client.remove(path, version, done));
  }

  /** Carries out all or none. Errors: of the first that cannot be. */
  write(writes: readonly Write[]): Promise<SessionResult<void>> {
    return this.#ask((done) => this.#client.write(writes, done));
  }

  /** Ends the session at the server too, so that its ephemeral nodes go at once. `onOver` is not called. */
  close(): void {
    if (this.#phase === "over") return;
    const hasConnection = this.#phase !== "connecting";
    this.#leave();
    if (!hasConnection) {
      this.#client.abandon();
      return;
    }
    const cancel = this.#options.clock.schedule(CLOSE_MS_MAX, () => this.#client.abandon());
    this.#client.close(cancel);
  }

  #ask<T>(send: (done: Answer<T>) => void): Promise<SessionResult<T>> {
    if (this.#phase !== "connected" && this.#phase !== "proving") {
      const message = "there is no connection to ZooKeeper";
      return Promise.resolve({ ok: false, error: { code: "notConnected", message } });
    }
    const askedMs = this.#options.clock.monotonicMs();
    return new Promise((resolve) => {
      const fail = (): void => {
        this.#pending.delete(fail);
        const message = "the connection to ZooKeeper broke before the answer came";
        resolve({ ok: false, error: { code: "unknown", message } });
      };
      this.#pending.add(fail);
      send((error, value) => {
        // Late answers are of a connection that was given up.
        if (!this.#pending.delete(fail)) return;
        if (error?.code !== "unknown") this.#proven(askedMs);
        resolve(error === undefined ? ok(value as T) : { ok: false, error });
      });
    });
  }

  #stateChanged(state: ClientState): void {
    if (this.#phase === "over") return;
    if (state === "connected") {
      this.#enter("proving");
      this.#timeoutMs = this.#client.timeoutMs();
      void this.#prove();
    } else if (state === "expired") this.#over("the ZooKeeper session has expired");
    else if (state === "refused") this.#over("ZooKeeper refuses the credentials");
    else this.#disconnected();
  }

  #disconnected(): void {
    const wasConnected = this.#phase === "connected";
    this.#enter("connecting");
    this.#client.dropQueue();
    for (const fail of [...this.#pending]) fail();
    if (wasConnected) this.#options.onDisconnected();
  }

  #enter(phase: "connecting" | "proving" | "connected"): void {
    this.#phase = phase;
    this.#phaseSinceMs = this.#options.clock.monotonicMs();
    this.#askedMs = undefined;
  }

  /** Asks something cheap; the answer says that the session lived when it was asked. */
  async #prove(): Promise<void> {
    if (this.#askedMs !== undefined) return;
    this.#askedMs = this.#options.clock.monotonicMs();
    await this.#ask((done) => this.#client.exists("/", done));
  }

  #proven(askedMs: number): void {
    if (this.#phase === "over") return;
    this.#provenUntilMs = Math.max(this.#provenUntilMs, askedMs + this.#timeoutMs);
    this.#askedMs = undefined;
    if (this.#phase !== "proving") return;
    this.#enter("connected");
    this.#tellWaiting(true);
    this.#options.onConnected();
  }

  /** Some times each timeout: is the session over, is the server silent, shall it be asked again? */
  #tick(): void {
    if (this.#phase === "over") return;
    const { clock } = this.#options;
    const nowMs = clock.monotonicMs();
    if (nowMs >= this.reliedOnUntilMs) {
      this.#over(`ZooKeeper has not answered for ${Math.round(this.#timeoutMs)} ms`);
      return;
    }
    const silenceMs = this.#timeoutMs * SILENCE_SHARE;
    const sinceMs = this.#phase === "connecting" ? this.#phaseSinceMs : this.#askedMs;
    if (sinceMs !== undefined && nowMs - sinceMs >= silenceMs) {
      this.#phaseSinceMs = nowMs;
      this.#client.dropConnection();
    } else if (this.#phase === "connected") void this.#prove();
    this.#cancelTick = clock.schedule(this.#timeoutMs / PROVES_PER_TIMEOUT, () => this.#tick());
  }

  #over(reason: string): void {
    this.#leave();
    this.#client.abandon();
    this.#options.onOver(reason);
  }

  #leave(): void {
    this.#cancelTick();
    this.#phase = "over";
    for (const fail of [...this.#pending]) fail();
    this.#tellWaiting(false);
  }

  #tellWaiting(isConnected: boolean): void {
    for (const tell of this.#waiting.splice(0)) tell(isConnected);
  }
}
