/** Clusters of several masters for the tests of a file, on one ensemble of ZooKeeper. */
import { afterAll, afterEach, beforeAll } from "bun:test";
import { Masters } from "./masters.ts";
import { type Ensemble, hasZooKeeper, startZooKeeper } from "./zookeeper.ts";

const START_MS_MAX = 240_000;

export interface OwnMasters {
  /** ZooKeeper can be had here; else why not has been printed. */
  readonly isThere: boolean;
  /** Of the file; only in tests. */
  ensemble(): Ensemble;
  /** Masters under a path of their own, gone after the test. */
  start(size: number): Promise<Masters>;
}

/** To be called once at the top of a file. `what` is skipped where there is no ZooKeeper. */
export function ownMasters(what: string, servers: 1 | 3): OwnMasters {
  const isThere = hasZooKeeper(what);
  let zookeeper: Ensemble | undefined;
  let clusters = 0;
  const running: Masters[] = [];
  beforeAll(async () => {
    if (isThere) zookeeper = await startZooKeeper(servers);
  }, START_MS_MAX);
  afterEach(async () => {
    for (const one of running.splice(0)) await one.end();
  });
  afterAll(() => zookeeper?.stop());
  const ensemble = (): Ensemble => {
    if (zookeeper === undefined) throw new Error(`${what}: ZooKeeper has not been started`);
    return zookeeper;
  };
  return {
    isThere,
    ensemble,
    start: async (size) => {
      const started = await Masters.start(ensemble().url(`/cluster${clusters++}`), size);
      running.push(started);
      return started;
    },
  };
}
