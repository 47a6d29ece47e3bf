/** Registries of several masters on one log in a real ZooKeeper: commits, fences, copies made anew. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Result } from "../../../src/base/result.ts";
import { ZooKeeperSession } from "../../../src/election/zookeeper/session.ts";
import { loadSqlite } from "../../../src/platform/sqlite.ts";
import { systemClock } from "../../../src/platform/system.ts";
import { applyOperation } from "../../../src/registry/core/registry-operations.ts";
import type {
  RegistryOperation,
  RegistryState,
} from "../../../src/registry/core/registry-state.ts";
import { ENTRY_BYTES_PER_SNAPSHOT } from "../../../src/registry/store/limits.ts";
import { Registrar } from "../../../src/registry/store/registrar.ts";
import { RegistryFile } from "../../../src/registry/store/registry-file.ts";
import { ReplicatedRegistrar } from "../../../src/registry/store/replicated-registrar.ts";
import { ZooKeeperLog } from "../../../src/registry/zookeeper/zookeeper-log.ts";
import { TcpProxy } from "../../harness/tcp-proxy.ts";
import { until } from "../../harness/wait.ts";
import { type Ensemble, hasZooKeeper, startZooKeeper } from "../../harness/zookeeper.ts";

const sqliteOpen = await loadSqlite();
const isThere = hasZooKeeper("registries in ZooKeeper");
const TIMEOUT_MS = 3000;
const PER_SNAPSHOT = 20;

let zookeeper: Ensemble | undefined;
beforeAll(async () => {
  if (isThere) zookeeper = await startZooKeeper(1);
});
afterAll(() => zookeeper?.stop());

let folder = "";
let path = "";
let count = 0;
const running: { stop(): void }[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "allot-replicas-"));
  path = `/registry${count++}`;
});
afterEach(() => {
  for (const one of running.splice(0).reverse()) one.stop();
  rmSync(folder, { recursive: true, force: true });
});

const admit = (number: number): RegistryOperation => ({
  kind: "admitAgent",
  info: { id: { value: `S${number}` }, hostname: `host${number}` },
});

/** One master's copy, on a session of its own. */
class Replica {
  readonly registrar: ReplicatedRegistrar;
  readonly name: string;
  readonly log: string[] = [];
  readonly foreign: string[] = [];
  session: ZooKeeperSession | undefined;
  shared: ZooKeeperLog | undefined;

  private constructor(name: string, file: RegistryFile) {
    this.name = name;
    this.registrar = new ReplicatedRegistrar({
      file,
      clock: systemClock,
      log: { write: (level, message) => this.log.push(`${level} ${message}`) },
      entriesPerSnapshot: PER_SNAPSHOT,
      onForeignLog: ({ message }) => this.foreign.push(message),
    });
    running.push({ stop: () => void this.registrar.close() });
  }

  static async open(name: string): Promise<Replica> {
    const file = await RegistryFile.open({
      path: join(folder, name, "registry.db"),
      open: sqliteOpen,
      log: { write: () => undefined },
    });
    return new Replica(name, file);
  }

  async connect(port: number = zookeeper?.servers[0]?.port ?? 0): Promise<this> {
    const connected = Promise.withResolvers<void>();
    const session = new ZooKeeperSession({
      servers: [`127.0.0.1:${port}`],
      timeoutMs: TIMEOUT_MS,
      credentials: undefined,
      clock: systemClock,
      onConnected: connected.resolve,
      onDisconnected: () => undefined,
      onOver: () => this.registrar.unfollow(),
    });
    running.push({ stop: () => session.close() });
    await connected.promise;
    this.session = session;
    this.shared = new ZooKeeperLog(session, path, this.name);
    this.registrar.follow(this.shared);
    return this;
  }

  /** Its file stays. */
  async leave(): Promise<void> {
    await this.registrar.close();
    this.session?.close();
  }

  async lead(): Promise<this> {
    if (this.shared === undefined) throw new Error("not connected");
    expect(await this.registrar.lead(this.shared)).toBe("done");
    return this;
  }
}

async function leading(name: string): Promise<Replica> {
  return (await (await Replica.open(name)).connect()).lead();
}

/** Insertion order included. */
const lists = ({ admitted, unreachable, gone, ...rest }: RegistryState): unknown[] => [
  [...admitted],
  [...unreachable],
  [...gone],
  rest,
];

async function untilSame(one: Replica, other: Replica): Promise<void> {
  await until(`${other.name} is as ${one.name}`, () => {
    const { position, hash } = other.registrar.mark;
    return position === one.registrar.mark.position && hash === one.registrar.mark.hash;
  });
  expect(lists(other.registrar.load())).toEqual(lists(one.registrar.load()));
}

/** A copy, named b, that has all so far and nothing of what comes. */
async function leaveBehind(leader: Replica): Promise<void> {
  const b = await (await Replica.open("b")).connect();
  await untilSame(leader, b);
  await b.leave();
}

describe.skipIf(!isThere)("the registry of several masters", () => {
  test("followers have what the leader committed, and one that leads later goes on from there", async () => {
    const a = await leading("a");
    const b = await (await Replica.open("b")).connect();
    const results = await a.registrar.commit([admit(1), admit(1), admit(2)]);
    expect(results.map(({ ok }) => ok)).toEqual([true, false, true]);
    await untilSame(a, b);
    await a.registrar.putMaster({ id: "a", ip: 1, port: 5050 });
    await untilSame(a, b);
    expect(b.registrar.masters().map(({ id }) => id)).toEqual(["a"]);
    await b.lead();
    await b.registrar.commit([admit(3)]);
    expect([...b.registrar.load().admitted.keys()]).toEqual(["S1", "S2", "S3"]);
  });

  test("who was fenced commits nothing, and forgets what it had begun", async () => {
    const a = await leading("a");
    await a.registrar.commit([admit(1)]);
    const b = await (await Replica.open("b")).connect();
    await b.lead();
    const rejected = a.registrar.commit([admit(2)]);
    expect(rejected).rejects.toThrow("another master leads");
    await rejected.catch(() => undefined);
    expect([...a.registrar.load().admitted.keys()]).toEqual(["S1"]);
    expect(a.registrar.commit([admit(2)])).rejects.toThrow("does not lead");
    await b.registrar.commit([admit(7)]);
    if (a.shared !== undefined) a.registrar.follow(a.shared);
    await untilSame(b, a);
  });

  test("commits of one turn share an entry", async () => {
    const a = await leading("a");
    const before = a.registrar.mark.position;
    await Promise.all(Array.from({ length: 50 }, (_, index) => a.registrar.commit([admit(index)])));
    expect(a.registrar.mark.position).toBe(before + 1);
  });

  test("a copy that is asked for while a batch is under way is whole, and has its mark", async () => {
    const a = await leading("a");
    await a.registrar.commit([admit(0)]);
    // Of the batch before there is nothing left to do.
    await Bun.sleep(0);
    const before = a.registrar.mark;
    const commits = [1, 2, 3].map((number) => a.registrar.commit([admit(number)]));
    await Promise.resolve();
    const under = await a.registrar.image();
    await Promise.all(commits);
    const after = await a.registrar.image();
    expect(under.mark.position).toBe(before.position + 1);
    expect(under.state.admitted.size).toBe(4);
    expect([after.mark.position, after.state.admitted.size]).toEqual([under.mark.position, 4]);
    expect(await a.registrar.image()).toEqual(after);
  });

  test("what is too large for one entry is committed apart, and refused where it is too large alone", async () => {
    const a = await leading("a");
    const machines = (count: number) =>
      Array.from({ length: count }, () => ({
        hostname: crypto.randomUUID() + crypto.randomUUID(),
      }));
    const schedule = (count: number): RegistryOperation => ({
      kind: "updateSchedule",
      schedule: {
        windows: [{ machine_ids: machines(count), unavailability: { start: { nanoseconds: 5 } } }],
      },
    });
    const [huge, small, next] = await Promise.all([
      a.registrar.commit([schedule(40_000)]),
      a.registrar.commit([admit(1)]),
      a.registrar.commit([schedule(5)]),
    ]);
    expect(huge).toMatchObject([{ ok: false, error: { code: "tooLarge" } }]);
    expect([small, next]).toEqual([[{ ok: true, value: true }], [{ ok: true, value: true }]]);
    expect(a.registrar.load().machines.size).toBe(5);
    const b = await (await Replica.open("b")).connect();
    await untilSame(a, b);
  });

  test("large entries make ZooKeeper hold no more than a few times what the registry is", async () => {
    const a = await leading("a");
    // All of it random, so that it cannot be packed.
    const machines = Array.from({ length: 12_000 }, () => ({ hostname: crypto.randomUUID() }));
    const commit = (window: number): Promise<readonly Result<boolean>[]> => {
      const start = { nanoseconds: window };
      const windows = [{ machine_ids: machines, unavailability: { start } }];
      return a.registrar.commit([{ kind: "updateSchedule", schedule: { windows } }]);
    };
    const held = async (): Promise<number> => (await zookeeper?.servers[0]?.dataBytes()) ?? 0;
    const beforeBytes = await held();
    let entryBytes = 0;
    let mostBytes = 0;
    for (let window = 1; window <= PER_SNAPSHOT * 3; window++) {
      expect(await commit(window)).toEqual([{ ok: true, value: true }]);
      const heldBytes = (await held()) - beforeBytes;
      if (window === 1) entryBytes = heldBytes;
      mostBytes = Math.max(mostBytes, heldBytes);
    }
    expect(entryBytes).toBeGreaterThan(200_000);
    expect(mostBytes).toBeLessThan(2 * ENTRY_BYTES_PER_SNAPSHOT + 10 * entryBytes);
  });

  test("an answer that is lost costs nothing: the entry is there once", async () => {
    const proxy = await TcpProxy.start(zookeeper?.servers[0]?.port ?? 0);
    running.push(proxy);
    const a = await (await (await Replica.open("a")).connect(proxy.port)).lead();
    const b = await (await Replica.open("b")).connect();
    for (let number = 0; number < 10; number++) {
      proxy.cutAnswersAfterBytes = number % 2 === 0 ? 3 : Number.POSITIVE_INFINITY;
      const [result] = await a.registrar.commit([admit(number)]);
      expect(result).toEqual({ ok: true, value: true });
    }
    await untilSame(a, b);
    expect(b.registrar.load().admitted.size).toBe(10);
  });

  test("a master that comes anew reads the newest snapshot and what follows; old entries are gone", async () => {
    const a = await leading("a");
    for (let number = 0; number < 250; number++) await a.registrar.commit([admit(number)]);
    const entries = await a.session?.children(`${path}/log_replicas/allot/log`, () => undefined);
    expect(entries?.ok === true && entries.value.length < 245).toBe(true);
    const snapshots = await a.session?.children(
      `${path}/log_replicas/allot/snapshots`,
      () => undefined,
    );
    expect(snapshots?.ok === true && snapshots.value.length).toBe(1);
    const b = await (await Replica.open("b")).connect();
    await untilSame(a, b);
    await a.registrar.commit([admit(1000)]);
    await untilSame(a, b);
  });

  test("a copy that differs is replaced, and what it held is kept beside", async () => {
    const a = await leading("a");
    await a.registrar.commit([admit(1), admit(2)]);
    const b = await (await Replica.open("b")).connect();
    await untilSame(a, b);
    await b.leave();
    const path = join(folder, "b", "registry.db");
    const open = (name: string): Promise<RegistryFile> =>
      RegistryFile.open({ path: name, open: sqliteOpen, log: { write: () => undefined } });
    const file = await open(path);
    applyOperation(file.state, admit(100));
    file.write([admit(100)], { mark: { position: file.mark.position, hash: "another" } });
    file.close();
    await a.registrar.commit([admit(3)]);
    const again = await (await Replica.open("b")).connect();
    await untilSame(a, again);
    expect(again.log).toContain(
      "error this master's registry differs from the shared one and is replaced",
    );
    const kept = await open(`${path}.replaced`);
    expect([...kept.state.admitted.keys()]).toEqual(["S1", "S2", "S100"]);
    kept.close();
  });

  test.each([
    ["its first node", ""],
    ["an entry", "/log/0000000003"],
  ])("a log that is broken in %s takes nothing from any copy, and is told of", async (_, node) => {
    const told = "the shared registry cannot be read";
    const a = await leading("a");
    await a.registrar.commit([admit(1)]);
    await leaveBehind(a);
    await a.registrar.commit([admit(2)]);
    await a.registrar.commit([admit(3)]);
    const broken = {
      kind: "set",
      path: `${path}/log_replicas/allot${node}`,
      data: new TextEncoder().encode('{"snapshot":"../else"}'),
      version: -1,
    } as const;
    expect(await a.session?.write([broken])).toMatchObject({ ok: true });
    const again = await (await Replica.open("b")).connect();
    await until("b complains", () => again.log.some((line) => line.includes(told)));
    expect([...again.registrar.load().admitted.keys()].slice(0, 1)).toEqual(["S1"]);
    expect(await again.registrar.lead(again.shared as ZooKeeperLog)).toBe("lost");
    const fresh = await (await Replica.open("fresh")).connect();
    await until("it complains", () => fresh.log.some((line) => line.includes(told)));
    expect(fresh.registrar.mark.position).toBe(0);
  });

  test("a registry of another cluster is neither read nor replaced; one that is empty joins any", async () => {
    const other = await leading("other");
    await other.registrar.commit([admit(100)]);
    await other.leave();
    path += "b";
    const a = await leading("a");
    await a.registrar.commit([admit(1)]);
    const b = await Replica.open("other");
    await b.connect();
    await until("b complains", () => b.foreign.length > 0);
    expect(b.foreign[0]).toContain("move");
    expect([...b.registrar.load().admitted.keys()]).toEqual(["S100"]);
    // Alone before, and never in use.
    const lone = await Registrar.open({
      path: join(folder, "lone", "registry.db"),
      open: sqliteOpen,
      clock: systemClock,
      log: { write: () => undefined },
    });
    await lone.close();
    await untilSame(a, await (await Replica.open("lone")).connect());
  });

  test("a master that was one of several does not start alone", async () => {
    const a = await leading("a");
    await a.registrar.close();
    const alone = Registrar.open({
      path: join(folder, "a", "registry.db"),
      open: sqliteOpen,
      clock: systemClock,
      log: { write: () => undefined },
    });
    const error: unknown = await alone.catch((failure: unknown) => failure);
    expect(error).toMatchObject({ code: "shared", message: expect.stringContaining("--zk") });
  });

  test("a follower that came before there was a log has what comes", async () => {
    const b = await (await Replica.open("b")).connect();
    await b.session?.read("/");
    const a = await leading("a");
    await a.registrar.commit([admit(1)]);
    await untilSame(a, b);
    await a.registrar.commit([admit(2)]);
    await untilSame(a, b);
  });

  test("a copy of long ago catches up", async () => {
    const a = await leading("a");
    await a.registrar.commit([admit(1)]);
    await leaveBehind(a);
    for (let number = 2; number < 240; number++) await a.registrar.commit([admit(number)]);
    const again = await (await Replica.open("b")).connect();
    await untilSame(a, again);
    expect(again.log).toEqual([]);
  });

  test("a log that is empty begins with what its first leader has, whatever was before", async () => {
    const a = await leading("a");
    await a.registrar.commit([admit(1), admit(2)]);
    await a.registrar.commit([admit(3)]);
    await a.leave();
    // Another ensemble, or one that lost all it had.
    path += "b";
    const again = await (await Replica.open("a")).connect();
    expect([...again.registrar.load().admitted.keys()]).toEqual(["S1", "S2", "S3"]);
    await again.lead();
    const b = await (await Replica.open("b")).connect();
    await untilSame(again, b);
    expect([...b.registrar.load().admitted.keys()]).toEqual(["S1", "S2", "S3"]);
    await again.registrar.commit([admit(4)]);
    await untilSame(again, b);
  });
});
