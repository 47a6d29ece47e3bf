/** A session with ZooKeeper for whoever looks again and again: a new one follows one that is over. */
import { setTimeout as sleep } from "node:timers/promises";
import { ZooKeeperSession } from "../../src/election/zookeeper/session.ts";
import { systemClock } from "../../src/platform/system.ts";

const SESSION_TIMEOUT_MS = 3000;

export class KeptSession {
  readonly #servers: readonly string[];
  #session: ZooKeeperSession | undefined;

  /** `host:port` of each server. */
  constructor(servers: readonly string[]) {
    this.#servers = servers;
  }

  /** One that is connected, or has tried for so long. */
  async connected(patienceMs: number = SESSION_TIMEOUT_MS): Promise<ZooKeeperSession> {
    this.#session ??= new ZooKeeperSession({
      servers: this.#servers,
      timeoutMs: SESSION_TIMEOUT_MS,
      credentials: undefined,
      clock: systemClock,
      onConnected: () => undefined,
      onDisconnected: () => undefined,
      onOver: () => {
        this.#session = undefined;
      },
    });
    const session = this.#session;
    await Promise.race([session.untilConnected(), sleep(patienceMs)]);
    return session;
  }

  close(): void {
    this.#session?.close();
    this.#session = undefined;
  }
}
