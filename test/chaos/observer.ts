/** Looks from outside, by ZooKeeper: which reign it is, and who stands first among the masters. */
import { setTimeout as sleep } from "node:timers/promises";
import { decodeUtf8 } from "../../src/base/text.ts";
import { ZooKeeperSession } from "../../src/election/zookeeper/session.ts";
import { systemClock } from "../../src/platform/system.ts";
import type { EpochLook } from "./history.ts";

const SESSION_TIMEOUT_MS = 3000;
const CANDIDATE = /^json\.info_\d{10}$/;
/** Written before each look, so that what is read afterwards is not older. */
const MARK = "/chaos-observer";

export class Observer {
  readonly #servers: readonly string[];
  readonly #path: string;
  #session: ZooKeeperSession | undefined;
  /** What was found, until the candidates are others. */
  #seen: { session: ZooKeeperSession; isOld: boolean; leader: string | undefined } | undefined;

  constructor(servers: readonly string[], path: string) {
    this.#servers = servers;
    this.#path = path;
  }

  /** Undefined while ZooKeeper does not answer, or nobody has led yet. */
  async epoch(): Promise<EpochLook | undefined> {
    const session = await this.#connected();
    const startMs = performance.now();
    const mark = { kind: "set", path: MARK, data: new Uint8Array(0), version: -1 } as const;
    if (!(await session.write([mark])).ok) {
      await session.ensure(MARK);
      return undefined;
    }
    const node = await session.read(`${this.#path}/allot_registry/epoch`);
    if (!node.ok) return undefined;
    return { epoch: node.value.version, startMs, endMs: performance.now() };
  }

  /** `ip:port` of the master whose candidacy is the oldest, as far as is known. */
  async leader(): Promise<string | undefined> {
    const session = await this.#connected();
    if (this.#seen?.session !== session || this.#seen.isOld) {
      const seen = { session, isOld: false, leader: this.#seen?.leader };
      this.#seen = seen;
      const names = await session.children(this.#path, () => {
        seen.isOld = true;
      });
      const [first] = (names.ok ? names.value : [])
        .filter((name) => CANDIDATE.test(name))
        .toSorted();
      const node = await session.read(`${this.#path}/${first}`);
      if (node.ok) seen.leader = addressIn(node.value.data);
      else seen.isOld = true;
    }
    return this.#seen.leader;
  }

  close(): void {
    this.#session?.close();
  }

  /** A session that is connected, or tries to be. */
  async #connected(): Promise<ZooKeeperSession> {
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
    await Promise.race([session.untilConnected(), sleep(SESSION_TIMEOUT_MS)]);
    return session;
  }
}

function addressIn(masterInfo: Uint8Array): string {
  const { address } = JSON.parse(decodeUtf8(masterInfo) ?? "{}") as {
    readonly address?: { readonly ip?: string; readonly port?: number };
  };
  return `${address?.ip}:${address?.port}`;
}
