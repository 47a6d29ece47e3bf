/** Masters that stand and agents that look for them, on a real ensemble of three servers. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { parseZooKeeperUrl } from "../../../src/election/core/zookeeper-url.ts";
import { Elector } from "../../../src/election/zookeeper/elector.ts";
import { systemClock, systemRng } from "../../../src/platform/system.ts";
import { TcpProxy } from "../../harness/tcp-proxy.ts";
import { until } from "../../harness/wait.ts";
import {
  askZooKeeper,
  type Ensemble,
  hasZooKeeper,
  startZooKeeper,
} from "../../harness/zookeeper.ts";

const TIMEOUT_MS = 3000;
const QUIET = { write: () => undefined };

const isThere = hasZooKeeper("elections by ZooKeeper");
let zookeeper: Ensemble | undefined;
beforeAll(async () => {
  if (isThere) zookeeper = await startZooKeeper(3);
}, 120_000);
afterAll(() => zookeeper?.stop());

const running: { stop(): void }[] = [];
afterEach(() => {
  for (const one of running.splice(0)) one.stop();
});

/** What happened to all of a test, in order. */
class Party {
  readonly elector: Elector;
  readonly events: string[] = [];
  leader: string | undefined;

  constructor(url: string) {
    const parsed = parseZooKeeperUrl(url);
    if (!parsed.ok) throw new Error(parsed.error.message);
    this.elector = new Elector({
      url: parsed.value,
      sessionTimeoutMs: TIMEOUT_MS,
      clock: systemClock,
      rng: systemRng,
      log: QUIET,
      onLeader: (leader) => {
        this.leader = leader === undefined ? undefined : new TextDecoder().decode(leader.data);
      },
      onElected: (id) => this.events.push(`elected ${id}`),
      onDeposed: (id) => this.events.push(`deposed ${id}`),
    });
    running.push(this.elector);
    this.elector.start();
  }

  stand(id: string): this {
    this.elector.stand(id, new TextEncoder().encode(id));
    return this;
  }
}

function ensemble(): Ensemble {
  if (zookeeper === undefined) throw new Error("there is no ZooKeeper");
  return zookeeper;
}

async function untilLed(parties: readonly Party[], id: string): Promise<void> {
  await until(`${id} leads`, () => parties.every(({ leader }) => leader === id));
}

describe.skipIf(!isThere)("an election", () => {
  test("the first of three leads, all and an onlooker know it; the next one follows an orderly end", async () => {
    const url = ensemble().url("/first");
    const onlooker = new Party(url);
    const [a, b, c] = [new Party(url), new Party(url), new Party(url)];
    a.stand("a");
    await untilLed([onlooker, a, b, c], "a");
    b.stand("b");
    await until("b stands", async () => (await names(url)).length === 2);
    c.stand("c");
    expect([a.elector.isLeaseValid(), b.elector.isLeaseValid()]).toEqual([true, false]);
    const startMs = performance.now();
    a.elector.stop();
    await untilLed([onlooker, b, c], "b");
    // Without waiting for a session to expire.
    expect(performance.now() - startMs).toBeLessThan(TIMEOUT_MS);
    expect([a.events, b.events, c.events]).toEqual([["elected a"], ["elected b"], []]);
  });

  test("the loss of a ZooKeeper server, of its leader too, leaves the master leading", async () => {
    const url = ensemble().url("/servers");
    const [a, onlooker] = [new Party(url).stand("a"), new Party(url)];
    await untilLed([a, onlooker], "a");
    for (const server of ensemble().servers) {
      await server.kill();
      await until("two servers serve", async () => {
        const others = ensemble().servers.filter((other) => other !== server);
        return (await Promise.all(others.map((other) => other.mode()))).includes("leader");
      });
      server.start();
      await server.untilServing();
    }
    await until("the lease is valid", () => a.elector.isLeaseValid());
    expect(a.events).toEqual(["elected a"]);
    expect(onlooker.leader).toBe("a");
  }, 120_000);

  test("a leader that is cut off is deposed before another leads, and may stand again as another", async () => {
    const proxy = await TcpProxy.start(ensemble().servers[0]?.port ?? 0);
    running.push(proxy);
    const url = ensemble().url("/cut");
    const order: string[] = [];
    const a = new Party(`zk://127.0.0.1:${proxy.port}/cut`);
    const b = new Party(url);
    a.events.push = (event) => order.push(event);
    b.events.push = (event) => order.push(event);
    a.stand("a");
    await untilLed([a, b], "a");
    b.stand("b");
    await until("b stands", async () => (await names(url)).length === 2);
    proxy.freeze();
    await untilLed([b], "b");
    expect(order).toEqual(["elected a", "deposed a", "elected b"]);
    expect([a.leader, a.elector.isLeaseValid()]).toEqual([undefined, false]);
    proxy.thaw();
    a.stand("a again");
    await until("a follows", () => a.leader === "b");
    b.elector.stop();
    await untilLed([a], "a again");
  }, 60_000);

  test("without a quorum the leader is deposed, and all goes on by itself when it is back", async () => {
    const url = ensemble().url("/quorum");
    const [a, onlooker] = [new Party(url).stand("a"), new Party(url)];
    await untilLed([a, onlooker], "a");
    const [, second, third] = ensemble().servers;
    await second?.kill();
    await third?.kill();
    await until("a is deposed", () => a.events.includes("deposed a"));
    await until("the onlooker knows no leader", () => onlooker.leader === undefined);
    a.stand("b");
    second?.start();
    third?.start();
    await untilLed([a, onlooker], "b");
    expect(a.events).toEqual(["elected a", "deposed a", "elected b"]);
  }, 120_000);

  test("a node that somebody removed deposes its master [semantics 1.3]", async () => {
    const url = ensemble().url("/removed");
    const a = new Party(url).stand("a");
    await untilLed([a], "a");
    await removeAll(url);
    await until("a is deposed", () => a.events.includes("deposed a"));
    expect(a.elector.isLeaseValid()).toBe(false);
  });
});

/** Candidates as a client of its own sees them. */
async function names(url: string): Promise<readonly string[]> {
  return askZooKeeper(url, async (session, path) => {
    const children = await session.children(path, () => undefined);
    return children.ok ? children.value : [];
  });
}

async function removeAll(url: string): Promise<void> {
  await askZooKeeper(url, async (session, path) => {
    const children = await session.children(path, () => undefined);
    for (const name of children.ok ? children.value : []) await session.remove(`${path}/${name}`);
  });
}
