/** The guard around the client library, on real ZooKeeper servers that are killed, paused and cut off. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ZooKeeperSession } from "../../../src/election/zookeeper/session.ts";
import { systemClock } from "../../../src/platform/system.ts";
import { TcpProxy } from "../../harness/tcp-proxy.ts";
import { until } from "../../harness/wait.ts";
import { type Ensemble, hasZooKeeper, startZooKeeper } from "../../harness/zookeeper.ts";

const TIMEOUT_MS = 3000;
const NOTHING = new Uint8Array(0);

const isThere = hasZooKeeper("sessions of ZooKeeper");
let zookeeper: Ensemble | undefined;
beforeAll(async () => {
  if (isThere) zookeeper = await startZooKeeper(1);
});
afterAll(() => zookeeper?.stop());

const running: { stop(): void }[] = [];
afterEach(() => {
  for (const one of running.splice(0)) one.stop();
});

class Watched {
  readonly events: string[] = [];
  readonly session: ZooKeeperSession;
  whenDisconnected: () => void = () => undefined;

  constructor(servers: readonly string[], timeoutMs: number = TIMEOUT_MS) {
    this.session = new ZooKeeperSession({
      servers,
      timeoutMs,
      credentials: undefined,
      clock: systemClock,
      onConnected: () => this.events.push("connected"),
      onDisconnected: () => {
        this.events.push("disconnected");
        this.whenDisconnected();
      },
      onOver: () => this.events.push("over"),
    });
    running.push({ stop: () => this.session.close() });
  }

  async has(count: number, event: string): Promise<void> {
    await until(
      `${event} ${count} times`,
      () => this.events.filter((one) => one === event).length >= count,
    );
  }
}

async function connected(servers?: readonly string[]): Promise<Watched> {
  const watched = new Watched(servers ?? [server().address]);
  await watched.has(1, "connected");
  return watched;
}

function server() {
  const [first] = zookeeper?.servers ?? [];
  if (first === undefined) throw new Error("there is no ZooKeeper");
  return first;
}

async function proxied(): Promise<TcpProxy> {
  const proxy = await TcpProxy.start(server().port);
  running.push(proxy);
  return proxy;
}

describe.skipIf(!isThere)("a ZooKeeper session", () => {
  test("writes with version 0 are refused once the node has another one [stack 4.1]", async () => {
    const { session } = await connected();
    await session.create("/versions", NOTHING);
    const set = { kind: "set", path: "/versions", data: NOTHING, version: 0 } as const;
    expect(await session.write([set])).toEqual({ ok: true, value: undefined });
    const late = await session.write([set]);
    expect(!late.ok && late.error.code).toBe("badVersion");
    const checked = await session.write([
      { kind: "check", path: "/versions", version: 0 },
      { kind: "create", path: "/versions/late", data: NOTHING },
    ]);
    expect(!checked.ok && checked.error.code).toBe("badVersion");
    const read = await session.read("/versions/late");
    expect(!read.ok && read.error.code).toBe("noNode");
  });

  test("a server that says nothing any more ends the session here before it ends there [stack 4.2]", async () => {
    const proxy = await proxied();
    const watched = await connected([`127.0.0.1:${proxy.port}`]);
    const observer = await connected();
    const created = await watched.session.create("/silent-", NOTHING, "ephemeralSequential");
    const path = created.ok ? created.value : "";
    proxy.freeze();
    await watched.has(1, "over");
    const still = await observer.session.read(path);
    expect(still.ok).toBe(true);
    expect(watched.session.reliedOnUntilMs).toBe(Number.NEGATIVE_INFINITY);
    await until("the node goes", async () => !(await observer.session.read(path)).ok);
  });

  test("an answer that is cut in its middle harms no later one [stack 4.3]", async () => {
    const proxy = await proxied();
    const watched = await connected([`127.0.0.1:${proxy.port}`]);
    proxy.cutAnswersAfterBytes = 7;
    const cut = await watched.session.read("/");
    expect(!cut.ok && cut.error.code).toBe("unknown");
    await watched.has(2, "connected");
    expect((await watched.session.read("/")).ok).toBe(true);
  });

  test("without a connection nothing is sent, neither now nor later [stack 4.5]", async () => {
    const proxy = await proxied();
    const watched = await connected([`127.0.0.1:${proxy.port}`]);
    const own = await watched.session.create("/own-", NOTHING, "ephemeralSequential");
    const refusal = new Promise<unknown>((resolve) => {
      watched.whenDisconnected = () => resolve(watched.session.create("/late", NOTHING));
    });
    proxy.cut();
    expect(await refusal).toMatchObject({ ok: false, error: { code: "notConnected" } });
    await watched.has(2, "connected");
    const late = await watched.session.read("/late");
    expect(!late.ok && late.error.code).toBe("noNode");
    const kept = await watched.session.read(own.ok ? own.value : "");
    expect(kept.ok && kept.value.isOwn).toBe(true);
  });

  test("a watch outlives the connection that it was set on", async () => {
    const proxy = await proxied();
    const watched = await connected([`127.0.0.1:${proxy.port}`]);
    const observer = await connected();
    await watched.session.ensure("/watched/here");
    let changes = 0;
    await watched.session.children("/watched/here", () => changes++);
    proxy.cut();
    await observer.session.create("/watched/here/child", NOTHING);
    await until("the change is told", () => changes === 1);
  });

  test("a session that could not begin is over after its timeout", async () => {
    const watched = new Watched(["127.0.0.1:1"], 1000);
    await watched.has(1, "over");
    expect(watched.events).toEqual(["over"]);
  });

  test("the orderly end takes its ephemeral nodes along at once", async () => {
    const watched = await connected();
    const observer = await connected();
    const created = await watched.session.create("/leaving-", NOTHING, "ephemeralSequential");
    watched.session.close();
    const startMs = systemClock.monotonicMs();
    const path = created.ok ? created.value : "";
    await until("the node goes", async () => !(await observer.session.read(path)).ok);
    expect(systemClock.monotonicMs() - startMs).toBeLessThan(TIMEOUT_MS);
    await sleep(50);
    expect(watched.events).toEqual(["connected"]);
  });

  test("with credentials others may read and not write [semantics 1.1]", async () => {
    const events: string[] = [];
    const session = new ZooKeeperSession({
      servers: [server().address],
      timeoutMs: TIMEOUT_MS,
      credentials: "me:secret",
      clock: systemClock,
      onConnected: () => events.push("connected"),
      onDisconnected: () => undefined,
      onOver: () => undefined,
    });
    running.push({ stop: () => session.close() });
    await until("the connection", () => events.length > 0);
    expect((await session.create("/guarded", NOTHING)).ok).toBe(true);
    const other = await connected();
    expect((await other.session.read("/guarded")).ok).toBe(true);
    const write = await other.session.create("/guarded/x", NOTHING);
    expect(!write.ok && write.error.code).toBe("forbidden");
    expect((await session.create("/guarded/x", NOTHING)).ok).toBe(true);
  });
});
