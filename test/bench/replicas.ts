/**
 * The registry of several masters in a real ZooKeeper of three servers: commits per second, and how
 * long a master takes that leads next, with a live copy and with none.
 */
import { ZooKeeperSession } from "../../src/election/zookeeper/session.ts";
import { loadSqlite } from "../../src/platform/sqlite.ts";
import { systemClock } from "../../src/platform/system.ts";
import type { AgentInfo } from "../../src/protocol/v1/types.ts";
import type { RegistryOperation } from "../../src/registry/core/registry-state.ts";
import { RegistryFile } from "../../src/registry/store/registry-file.ts";
import { ReplicatedRegistrar } from "../../src/registry/store/replicated-registrar.ts";
import { ZooKeeperLog } from "../../src/registry/zookeeper/zookeeper-log.ts";
import { MemoryLog, TempFolder } from "../database/support.ts";
import { until } from "../harness/wait.ts";
import { type Ensemble, hasZooKeeper, startZooKeeper } from "../harness/zookeeper.ts";
import { asyncRate, type Bench } from "./bench.ts";
import { FigureSet } from "./figures.ts";

const PATH = "/bench";
const TIMEOUT_MS = 5000;
const CONCURRENT_COMMITS = 500;
/** Registrations that a master may have under way, as after its start. */
const AT_ONCE = 2000;

export const replicasBench: Bench = {
  name: "replicas",
  summary: "the registry of several masters, committed through ZooKeeper",
  needsBinary: false,
  defaultRuns: 3,
  run: async ({ runs, size, progress }) => {
    const set = new FigureSet();
    if (!hasZooKeeper("replicas")) return set.figures();
    for (let run = 1; run <= runs; run += 1) {
      progress(`run ${run} of ${runs}`);
      const zookeeper = await startZooKeeper(3);
      const folder = new TempFolder();
      try {
        await measure(zookeeper, folder, {
          agents: size(50_000, 2000),
          set,
          durationMs: size(3000, 500),
        });
      } finally {
        await zookeeper.stop();
        folder.remove();
      }
    }
    return set.figures();
  },
};

interface Replica {
  readonly registrar: ReplicatedRegistrar;
  readonly shared: ZooKeeperLog;
  close(): Promise<void>;
}

async function measure(
  zookeeper: Ensemble,
  folder: TempFolder,
  { agents, set, durationMs }: { agents: number; set: FigureSet; durationMs: number },
): Promise<void> {
  const [server] = zookeeper.servers;
  const shares: number[] = [];
  /** What ZooKeeper holds for the registry, of what the registry itself takes. */
  const weigh = async (): Promise<void> => {
    const heldBytes = (await server?.dataBytes()) ?? 0;
    shares.push((heldBytes / leader.registrar.stats().bytes) * 100);
  };
  const leader = await replica(zookeeper, folder, "leader");
  await lead(leader);
  const follower = await replica(zookeeper, folder, "follower");
  for (let from = 0; from < agents; from += AT_ONCE) {
    const some = Array.from({ length: Math.min(AT_ONCE, agents - from) }, (_, at) =>
      agent(from + at),
    );
    await Promise.all(some.map((info) => leader.registrar.commit([{ kind: "admitAgent", info }])));
  }
  await weigh();
  let number = 0;
  const commit = async (): Promise<void> => {
    number += 1;
    const attributes: AgentInfo["attributes"] = [
      { name: "commit", type: "SCALAR", scalar: { value: number } },
    ];
    const operation: RegistryOperation = {
      kind: "updateAgent",
      info: { ...agent(number % agents), attributes },
    };
    await leader.registrar.commit([operation]);
  };
  const single = await asyncRate(durationMs, async () => {
    await commit();
    return 1;
  });
  set.add("replicas, commits one after the other", "commits/s", single);
  const together = await asyncRate(durationMs, async () => {
    await Promise.all(Array.from({ length: CONCURRENT_COMMITS }, commit));
    await weigh();
    return CONCURRENT_COMMITS;
  });
  set.add(`replicas, commits, ${CONCURRENT_COMMITS} at once`, "commits/s", together);
  set.add("replicas, ZooKeeper's data of the registry's file, at most", "%", Math.max(...shares));
  await until("the follower has it all", () => isSame(leader, follower));
  await leader.close();
  set.add("replicas, takeover by a live copy", "ms", await lead(follower));
  const rebuilt = await replica(zookeeper, folder, "rebuilt", { isFollowing: false });
  await follower.close();
  set.add("replicas, takeover without a copy", "ms", await lead(rebuilt));
  if (rebuilt.registrar.load().admitted.size !== agents) throw new Error("agents were lost");
  await rebuilt.close();
}

/** Milliseconds until commits are taken. */
async function lead({ registrar, shared }: Replica): Promise<number> {
  const startMs = performance.now();
  const outcome = await registrar.lead(shared);
  if (outcome !== "done") throw new Error(`the log could not be taken over: ${outcome}`);
  return performance.now() - startMs;
}

function isSame(one: Replica, other: Replica): boolean {
  return one.registrar.mark.hash === other.registrar.mark.hash;
}

async function replica(
  zookeeper: Ensemble,
  folder: TempFolder,
  name: string,
  { isFollowing = true }: { readonly isFollowing?: boolean } = {},
): Promise<Replica> {
  const connected = Promise.withResolvers<void>();
  const log = new MemoryLog();
  const file = await RegistryFile.open({
    path: folder.file(`${name}.db`),
    open: await loadSqlite(),
    log,
  });
  const registrar = new ReplicatedRegistrar({ file, clock: systemClock, log });
  const session = new ZooKeeperSession({
    servers: zookeeper.servers.map(({ address }) => address),
    timeoutMs: TIMEOUT_MS,
    credentials: undefined,
    clock: systemClock,
    onConnected: connected.resolve,
    onDisconnected: () => undefined,
    onOver: () => registrar.unfollow(),
  });
  await connected.promise;
  const shared = new ZooKeeperLog(session, PATH, name);
  if (isFollowing) registrar.follow(shared);
  return {
    registrar,
    shared,
    close: async () => {
      await registrar.close();
      session.close();
    },
  };
}

function agent(number: number): AgentInfo {
  return {
    id: { value: `5f8d0b5c-6d0b-4a6e-9d6a-0c1e3b9f7a11-S${number}` },
    hostname: `node-${number}.example.net`,
    port: 5051,
    resources: [
      { name: "cpus", type: "SCALAR", scalar: { value: 16 } },
      { name: "mem", type: "SCALAR", scalar: { value: 64_000 } },
      { name: "ports", type: "RANGES", ranges: { range: [{ begin: 31_000, end: 32_000 }] } },
    ],
  };
}
