/**
 * What the guard has to reach inside node-zookeeper-client for; the version is pinned, and a look at
 * the shape fails loudly if another one has it no more.
 */
import type { Socket } from "node:net";
import type { Client, Transaction } from "node-zookeeper-client";
import { assert } from "../../base/assert.ts";

/** As in the library's ConnectionManager. */
const CONNECTING = 1;
const SESSION_EXPIRED = -3;

/** The part of the client that holds the connection. */
interface ConnectionManager {
  state: number;
  socket: Socket | undefined;
  pendingBuffer: Uint8Array | null;
  packetQueue: { queue: unknown[] };
  onSocketConnected: () => void;
  on(event: "state", listener: (state: number) => void): void;
}

export class ClientInternals {
  readonly #manager: ConnectionManager;

  constructor(client: Client) {
    const manager = "connectionManager" in client ? client.connectionManager : undefined;
    assert(isConnectionManager(manager), "node-zookeeper-client has the shape that is relied on");
    this.#manager = manager;
    // Half a packet of one connection would be taken for the beginning of the next one's.
    manager.on("state", (state) => {
      if (state === CONNECTING) manager.pendingBuffer = null;
    });
  }

  /** The library connects again, to the next server. */
  dropConnection(): void {
    this.#manager.socket?.destroy();
  }

  /** What was asked for and did not leave must not leave on a later connection. */
  dropQueue(): void {
    this.#manager.packetQueue.queue = [];
  }

  /** No connection from here on, and no goodbye, that could reach the server late. */
  abandon(): void {
    const manager = this.#manager;
    manager.state = SESSION_EXPIRED;
    manager.onSocketConnected = () => manager.socket?.destroy();
    manager.socket?.destroy();
  }
}

/** The library takes the version 0 of the last write added for any version. */
export function setLastVersion(transaction: Transaction, version: number): void {
  const operations: unknown = "ops" in transaction ? transaction.ops : undefined;
  const last: unknown = Array.isArray(operations) ? operations.at(-1) : undefined;
  assert(
    typeof last === "object" && last !== null && "version" in last,
    "node-zookeeper-client keeps the writes of a transaction",
  );
  last.version = version;
}

function isConnectionManager(value: unknown): value is ConnectionManager {
  if (typeof value !== "object" || value === null) return false;
  return (
    "state" in value &&
    typeof value.state === "number" &&
    "pendingBuffer" in value &&
    "onSocketConnected" in value &&
    "packetQueue" in value &&
    typeof value.packetQueue === "object" &&
    value.packetQueue !== null &&
    "queue" in value.packetQueue &&
    Array.isArray(value.packetQueue.queue)
  );
}
