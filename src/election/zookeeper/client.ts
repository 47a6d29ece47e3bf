/**
 * What a session needs of a client of ZooKeeper: one connection after the other to servers of the
 * ensemble, and requests on it. `node-client.ts` implements it with the library; it promises no more
 * than what the library does (reference/stack.md §4).
 */

export type SessionErrorCode =
  | "noNode"
  | "nodeExists"
  | "badVersion"
  | "notEmpty"
  | "forbidden"
  /** Nothing was sent. */
  | "notConnected"
  /** Sent, and perhaps carried out. */
  | "unknown"
  | "failed";

export interface SessionError {
  readonly code: SessionErrorCode;
  readonly message: string;
}

export interface NodeData {
  readonly data: Uint8Array;
  readonly version: number;
  /** Whether this session holds the ephemeral node. */
  readonly isOwn: boolean;
  /** When the data was written, by the servers' clock: wall milliseconds. */
  readonly writtenMs: number;
}

/** One write of several that are carried out together or not at all. */
export type Write =
  | { readonly kind: "create"; readonly path: string; readonly data: Uint8Array }
  | {
      readonly kind: "set";
      readonly path: string;
      readonly data: Uint8Array;
      readonly version: number;
    }
  | { readonly kind: "check"; readonly path: string; readonly version: number }
  | { readonly kind: "remove"; readonly path: string; readonly version: number };

export type CreateMode = "persistent" | "sequential" | "ephemeralSequential";

export type ClientState = "connected" | "disconnected" | "expired" | "refused";

/** Called with an error, or with the value. */
export type Answer<T> = (error: SessionError | undefined, value: T | undefined) => void;

export interface ClientOptions {
  /** `host:port`, tried in order. */
  readonly servers: readonly string[];
  /** What is asked for; the servers may agree to another. */
  readonly timeoutMs: number;
  /** `user:password` of the digest scheme. */
  readonly credentials: string | undefined;
  onState(state: ClientState): void;
}

export interface ZooKeeperClient {
  /** What the servers agreed to, milliseconds; of meaning once connected. */
  timeoutMs(): number;
  /** Begins to connect, and again after each loss; `onState` is not called before this returns. */
  connect(): void;
  exists(path: string, done: Answer<boolean>): void;
  /** `done` gets the path with its number, where it is sequential. */
  create(path: string, data: Uint8Array, mode: CreateMode, done: Answer<string>): void;
  /** `onChange` is called once, when the children are others or the node is gone. */
  children(path: string, onChange: (() => void) | undefined, done: Answer<readonly string[]>): void;
  read(path: string, done: Answer<NodeData>): void;
  remove(path: string, version: number, done: Answer<void>): void;
  /** All or none; an error is that of the first that cannot be done. */
  write(writes: readonly Write[], done: Answer<void>): void;
  /** Gives the connection up for one to the next server. */
  dropConnection(): void;
  /** What was asked for and did not leave must not leave on a later connection. */
  dropQueue(): void;
  /** No connection from here on, and no goodbye, that could reach a server late. */
  abandon(): void;
  /** Ends the session at the server; `done` once the connection is gone. */
  close(done: () => void): void;
}

export type OpenClient = (options: ClientOptions) => ZooKeeperClient;
