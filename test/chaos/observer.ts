/** Looks from outside, by ZooKeeper: which reign it is, and who stands first among the masters. */
import { decodeUtf8 } from "../../src/base/text.ts";
import type { ZooKeeperSession } from "../../src/election/zookeeper/session.ts";
import { KeptSession } from "../harness/kept-session.ts";
import type { EpochLook } from "./history.ts";

const CANDIDATE = /^json\.info_\d{10}$/;
/** Written before each look, so that what is read afterwards is not older. */
const MARK = "/chaos-observer";

export class Observer {
  readonly #path: string;
  readonly #session: KeptSession;
  /** What was found, until the candidates are others. */
  #seen: { session: ZooKeeperSession; isOld: boolean; leader: string | undefined } | undefined;

  constructor(servers: readonly string[], path: string) {
    this.#path = path;
    this.#session = new KeptSession(servers);
  }

  /** Undefined while ZooKeeper does not answer, or nobody has led yet. */
  async epoch(): Promise<EpochLook | undefined> {
    const session = await this.#session.connected();
    const startMs = performance.now();
    const mark = { kind: "set", path: MARK, data: new Uint8Array(0), version: -1 } as const;
    if (!(await session.write([mark])).ok) {
      await session.ensure(MARK);
      return undefined;
    }
    const node = await session.read(`${this.#path}/log_replicas/allot/epoch`);
    if (!node.ok) return undefined;
    return { epoch: node.value.version, startMs, endMs: performance.now() };
  }

  /** `ip:port` of the master whose candidacy is the oldest, as far as is known. */
  async leader(): Promise<string | undefined> {
    const session = await this.#session.connected();
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
    this.#session.close();
  }
}

function addressIn(masterInfo: Uint8Array): string {
  const { address } = JSON.parse(decodeUtf8(masterInfo) ?? "{}") as {
    readonly address?: { readonly ip?: string; readonly port?: number };
  };
  return `${address?.ip}:${address?.port}`;
}
