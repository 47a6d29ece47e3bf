/**
 * The workloads for which figures of Mesos' own allocator are known, each printed beside them. They
 * were taken from the C++ code driven directly, on a machine with two cores like ours; a cycle
 * there looks at every agent. Where ours would see that nothing changed, it is made to look at
 * every agent too; what the cycle costs without that is a row of its own without a comparison.
 * Times are the thread's own processor time; Mesos' are the time that passed.
 */
import type { Allocation } from "../../src/allocator/allocator.ts";
import type { Bundle } from "../../src/resources/bundle.ts";
import {
  AGENT_CPUS,
  agentId,
  Cluster,
  type ClusterShape,
  expectCount,
  frameworkId,
  idleCluster,
  roleName,
  timed,
} from "./allocator-cluster.ts";
import type { Bench, BenchContext } from "./bench.ts";
import { calibrate } from "./calibration.ts";
import { FigureSet } from "./figures.ts";

const LONG_MS = 86_400_000;
const WARM_UP_RUNS = 1;
/** With `--scale quick` only rows up to this many agents and frameworks are run. */
const QUICK_SIZE_MAX = 1000;

/** Mesos' medians, milliseconds. */
interface CycleRow extends ClusterShape {
  readonly addMs: number;
  readonly fullMs: number;
  readonly idleMs: number;
}

/** Frameworks hungry, agents free; then a cycle that offers everything, then one with nothing. */
const CYCLE_ROWS: readonly CycleRow[] = [
  { agents: 1000, frameworks: 50, roles: 1, addMs: 150, fullMs: 73, idleMs: 5 },
  { agents: 1000, frameworks: 1000, roles: 1, addMs: 227, fullMs: 111, idleMs: 6 },
  { agents: 5000, frameworks: 200, roles: 1, addMs: 686, fullMs: 344, idleMs: 23 },
  { agents: 10_000, frameworks: 50, roles: 1, addMs: 1429, fullMs: 623, idleMs: 132 },
  { agents: 10_000, frameworks: 1000, roles: 1, addMs: 2938, fullMs: 904, idleMs: 60 },
  { agents: 1000, frameworks: 50, roles: 10, addMs: 58, fullMs: 37, idleMs: 5 },
  { agents: 1000, frameworks: 1000, roles: 1000, addMs: 48, fullMs: 553, idleMs: 427 },
  { agents: 10_000, frameworks: 200, roles: 50, addMs: 319, fullMs: 397, idleMs: 100 },
  { agents: 10_000, frameworks: 1000, roles: 200, addMs: 282, fullMs: 681, idleMs: 219 },
  { agents: 10_000, frameworks: 1000, roles: 1000, addMs: 268, fullMs: 4396, idleMs: 2568 },
  { agents: 2000, frameworks: 1000, roles: 1000, addMs: 105, fullMs: 598, idleMs: 462 },
];

/**
 * As many agents as roles, one framework in each role. Of six roles five have a guarantee, and no
 * limit, of one whole agent; frameworks of all roles are hungry.
 */
const QUOTA_ROWS: readonly CycleRow[] = [
  { agents: 300, frameworks: 300, roles: 300, addMs: 14, fullMs: 339, idleMs: 330 },
  { agents: 3000, frameworks: 3000, roles: 3000, addMs: 107, fullMs: 52_630, idleMs: 51_862 },
];

/** All resources are free, and every framework has declined every agent for a day. */
const FILTERED_ROWS = [
  { agents: 1000, frameworks: 200, roles: 1, idleMs: 2330 },
  { agents: 10_000, frameworks: 50, roles: 1, idleMs: 6011 },
  { agents: 1000, frameworks: 1000, roles: 1, idleMs: 12_772 },
];

const SUPPRESSED_ROW = { agents: 10_000, frameworks: 1000, roles: 1, idleMs: 132 };
const DECLINE_ROW = { agents: 10_000, frameworks: 200, roles: 1, roundMs: 777 };
const ADD_FRAMEWORKS_ROW = { agents: 10_000, frameworks: 1000, roles: 1000, addMs: 42_957 };
const REVIVE_ROW = { agents: 10_000, frameworks: 1000, roles: 1000, reviveMs: 7160 };
const UPDATE_ROW = { agents: 10_000, frameworks: 1000, roles: 1000, updateMs: 1015 };
/** Longest filter that counts as short in the decline round. */
const SHORT_MS = 5000;

export const allocatorMesosBench: Bench = {
  name: "allocator-mesos",
  summary: "workloads with known figures of Mesos' own allocator",
  needsBinary: false,
  defaultRuns: 5,
  run: async (context) => {
    const set = new FigureSet();
    const rows = new Rows(set, context);
    calibrate(set, "before");
    for (const row of CYCLE_ROWS) rows.cycle(row);
    for (const row of QUOTA_ROWS) rows.quota(row);
    for (const row of QUOTA_ROWS) rows.headroom(row);
    rows.suppressed();
    for (const row of FILTERED_ROWS) rows.filtered(row);
    rows.declineRound();
    rows.addFrameworks();
    rows.reviveAll();
    rows.updateAgents();
    calibrate(set, "after");
    return set.figures();
  },
};

class Rows {
  readonly #set: FigureSet;
  readonly #context: BenchContext;

  constructor(set: FigureSet, context: BenchContext) {
    this.#set = set;
    this.#context = context;
  }

  cycle(row: CycleRow): void {
    this.#repeat("cycles", row, (add) => {
      const cluster = new Cluster(row);
      cluster.addFrameworks();
      add(
        "add agents",
        timed(() => cluster.addAgents()),
        row.addMs,
      );
      add(
        "full",
        timed(() => expectCount(cluster.allocate(), row.agents)),
        row.fullMs,
      );
      this.#idleCycles(cluster, add, row.idleMs);
    });
  }

  quota(row: CycleRow): void {
    this.#repeat("quota", row, (add) => {
      const cluster = new Cluster(row);
      cluster.addFrameworks();
      setQuotas(cluster);
      add(
        "add agents",
        timed(() => cluster.addAgents()),
        row.addMs,
      );
      add(
        "full",
        timed(() => expectCount(cluster.allocate(), row.agents)),
        row.fullMs,
      );
      this.#idleCycles(cluster, add, row.idleMs);
    });
  }

  /** As `quota`, with nobody to take what is guaranteed: the others must leave it alone. */
  headroom(row: CycleRow): void {
    this.#repeat("quota held back", row, (add) => {
      const cluster = new Cluster(row);
      for (let index = 0; index < row.frameworks; index++)
        cluster.addFramework(index, hasQuota(index));
      setQuotas(cluster);
      cluster.addAgents();
      add(
        "full",
        timed(() => cluster.allocate()),
        undefined,
      );
      cluster.touchAgents();
      add(
        "no-op",
        timed(() => expectCount(cluster.allocate(), 0)),
        undefined,
      );
    });
  }

  suppressed(): void {
    const row = SUPPRESSED_ROW;
    this.#repeat("all suppressed", row, (add) => {
      const cluster = idleCluster(row);
      for (let index = 0; index < row.frameworks; index++) {
        cluster.allocator.suppress(frameworkId(index), []);
      }
      this.#idleCycles(cluster, add, row.idleMs);
    });
  }

  /** The filters take long to make, so all runs are on one cluster. */
  filtered(row: (typeof FILTERED_ROWS)[number]): void {
    let cluster: Cluster | undefined;
    this.#repeat("all filtered", row, (add) => {
      cluster ??= clusterWithFilters(row);
      this.#idleCycles(cluster, add, row.idleMs);
    });
  }

  /** All offers are declined for a short time, and the next cycle offers everything to others. */
  declineRound(): void {
    const row = DECLINE_ROW;
    this.#repeat("decline round", row, (add) => {
      const cluster = idleCluster(row);
      const offers = cluster.allocate();
      const elapsedMs = timed(() => {
        for (const offer of offers) cluster.recover(offer, SHORT_MS);
        expectCount(cluster.allocate(), row.agents);
      });
      add("decline all and offer again", elapsedMs, row.roundMs);
    });
  }

  /** Agents are there; frameworks come one by one, each followed by a cycle. */
  addFrameworks(): void {
    const row = ADD_FRAMEWORKS_ROW;
    this.#repeat("add frameworks", row, (add) => {
      const cluster = new Cluster(row);
      cluster.addAgents();
      let offers = 0;
      const elapsedMs = timed(() => {
        for (let index = 0; index < row.frameworks; index++) {
          cluster.addFramework(index);
          offers += cluster.allocate().length;
        }
      });
      if (offers !== row.agents) throw new Error(`${offers} offers in place of ${row.agents}`);
      add("add frameworks, a cycle each", elapsedMs, row.addMs);
    });
  }

  /** Everybody is suppressed and all is free; they revive one by one, each followed by a cycle. */
  reviveAll(): void {
    const row = REVIVE_ROW;
    this.#repeat("revive", row, (add) => {
      const cluster = new Cluster(row);
      for (let index = 0; index < row.frameworks; index++) cluster.addFramework(index, true);
      cluster.addAgents();
      const elapsedMs = timed(() => {
        for (let index = 0; index < row.frameworks; index++) {
          cluster.allocator.revive(frameworkId(index), []);
          cluster.allocate();
        }
      });
      add("revive all, a cycle each", elapsedMs, row.reviveMs);
    });
  }

  /**
   * All is offered; then each agent gets one cpu more. Mesos coalesces: at most one run waits behind
   * the updates, and its figure is below what a run for each of them costs there (a run that offers
   * nothing takes 0.25 ms per agent with that many roles). Ours with a cycle each has no comparison.
   */
  updateAgents(): void {
    const row = UPDATE_ROW;
    this.#repeat("update agents", row, (add) => {
      const cluster = idleCluster(row);
      cluster.allocate();
      const [more, most] = [cluster.bundle(AGENT_CPUS + 1), cluster.bundle(AGENT_CPUS + 2)];
      const update = (index: number, total: Bundle): void => {
        const info = { hostname: `host-${index}` };
        cluster.allocator.updateAgent(agentId(index), info, total);
      };
      const allMs = timed(() => {
        for (let index = 0; index < row.agents; index++) update(index, more);
        expectCount(cluster.allocate(), row.agents);
      });
      add("update all agents, then a cycle", allMs, row.updateMs);
      const eachMs = timed(() => {
        for (let index = 0; index < row.agents; index++) {
          update(index, most);
          expectCount(cluster.allocate(), 1);
        }
      });
      add("update all agents, a cycle each", eachMs, undefined);
    });
  }

  #idleCycles(cluster: Cluster, add: Add, mesosMs: number): void {
    add(
      "no-op, nothing changed",
      timed(() => expectCount(cluster.allocate(), 0)),
      undefined,
    );
    cluster.touchAgents();
    add(
      "no-op",
      timed(() => expectCount(cluster.allocate(), 0)),
      mesosMs,
    );
  }

  #repeat(title: string, shape: ClusterShape, work: (add: Add) => void): void {
    const { agents, frameworks, roles } = shape;
    const isTooLarge = agents > QUICK_SIZE_MAX || frameworks >= QUICK_SIZE_MAX;
    if (isTooLarge && this.#context.size(1, 0) === 0) return;
    const name = `${title}, ${agents} x ${frameworks} (${roles})`;
    for (let run = 1 - WARM_UP_RUNS; run <= this.#context.runs; run += 1) {
      this.#context.progress(`${name}: run ${run} of ${this.#context.runs}`);
      work((what, elapsedMs, mesosMs) => {
        if (run >= 1) this.#set.add(`${name}: ${what}`, "ms", elapsedMs, mesosMs);
      });
    }
  }
}

/** Counts one measured part of a run, milliseconds, with Mesos' figure where there is one. */
type Add = (what: string, elapsedMs: number, mesosMs: number | undefined) => void;

function hasQuota(role: number): boolean {
  return role % 6 !== 0;
}

function setQuotas(cluster: Cluster): void {
  const guarantees = Object.fromEntries(cluster.bundle(AGENT_CPUS).scalarTotals());
  for (let role = 0; role < cluster.shape.roles; role++) {
    if (hasQuota(role)) cluster.allocator.updateQuota(roleName(role), { guarantees, limits: {} });
  }
}

/** Offers all agents and has them declined until nobody is left who would take one. */
function clusterWithFilters(shape: ClusterShape): Cluster {
  const cluster = idleCluster(shape);
  for (let round = 0; round < shape.frameworks; round++) {
    const offers: readonly Allocation[] = expectCount(cluster.allocate(), shape.agents);
    for (const offer of offers) cluster.recover(offer, LONG_MS);
  }
  expectCount(cluster.allocate(), 0);
  return cluster;
}
