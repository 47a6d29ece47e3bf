/**
 * The allocator alone: a cycle over a whole cluster, one change in it, how the time grows with the
 * agents, and what filters and quiet frameworks cost. Times are the thread's own processor time; a
 * calibration loop around it tells how fast, and how busy, the machine was.
 */
import type { Allocation } from "../../src/allocator/allocator.ts";
import {
  Cluster,
  type ClusterShape,
  expectCount,
  frameworkId,
  idleCluster,
  timed,
} from "./allocator-cluster.ts";
import type { Bench, BenchContext } from "./bench.ts";
import { calibrate } from "./calibration.ts";
import { FigureSet, median } from "./figures.ts";

const WARM_UP_RUNS = 2;
/** Long enough that no filter ends during a run. */
const LONG_MS = 86_400_000;
/** Of the smallest cluster whose growth is watched; the others have 2, 4 and 8 times as many. */
const SCALING_AGENTS = 1250;
const SCALING_STEPS = [1, 2, 4, 8];

export const allocatorBench: Bench = {
  name: "allocator",
  summary: "full cycles, single events, growth, filters, quiet frameworks",
  needsBinary: false,
  defaultRuns: 5,
  run: async (context) => {
    const set = new FigureSet();
    calibrate(set, "before");
    fullCycles(set, context);
    singleEvents(set, context);
    scaling(set, context);
    filtersAndSuppression(set, context);
    calibrate(set, "after");
    return set.figures();
  },
};

/** Everything is free and offered in one cycle; on agents that are alike, and on others. */
function fullCycles(set: FigureSet, context: BenchContext): void {
  const shapes = [{ agents: 1000, frameworks: 100, roles: 10 }];
  if (context.size(1, 0) === 1) shapes.push({ agents: 20_000, frameworks: 2000, roles: 100 });
  for (const shape of shapes) {
    for (const areAgentsUnlike of [false, true]) {
      const name = `full cycle, ${nameOf(shape)}${areAgentsUnlike ? ", no two agents alike" : ""}`;
      repeat(context, name, (isCounted) => {
        const cluster = idleCluster({ ...shape, areAgentsUnlike });
        const elapsedMs = timed(() => expectCount(cluster.allocate(), shape.agents));
        if (isCounted) set.add(name, "ms", elapsedMs);
      });
    }
  }
}

/** One task ends on one of many agents, all in use, and what it used is offered. */
function singleEvents(set: FigureSet, context: BenchContext): void {
  const shape = { agents: context.size(10_000, 1000), frameworks: 1000, roles: 100 };
  const name = `one task ends, ${nameOf(shape)}`;
  repeat(context, name, (isCounted) => {
    const cluster = idleCluster(shape);
    const offers = cluster.allocate();
    const eventMs = returnOneByOne(cluster, offers, context.size(2000, 200), 0);
    if (isCounted) set.add(name, "ms", eventMs);
  });
}

/** Time of a full cycle by number of agents, and the exponent of its growth. */
function scaling(set: FigureSet, context: BenchContext): void {
  const smallest = context.size(SCALING_AGENTS, SCALING_AGENTS / 10);
  const medians = SCALING_STEPS.map((factor) => {
    const shape = { agents: smallest * factor, frameworks: 200, roles: 20 };
    const values: number[] = [];
    repeat(context, `growth, ${nameOf(shape)}`, (isCounted) => {
      const cluster = idleCluster(shape);
      const elapsedMs = timed(() => expectCount(cluster.allocate(), shape.agents));
      if (isCounted) values.push(elapsedMs);
    });
    for (const value of values) set.add(`growth, ${nameOf(shape)}`, "ms", value);
    return median(values);
  });
  const growth = (medians.at(-1) ?? 0) / (medians[0] ?? 1);
  const exponent = Math.log(growth) / Math.log(SCALING_STEPS.at(-1) ?? 1);
  set.add(`growth, exponent from ${smallest} to ${smallest * 8} agents`, "", exponent);
}

/** The event of `singleEvents`, with and without many live filters and many quiet frameworks. */
function filtersAndSuppression(set: FigureSet, context: BenchContext): void {
  const agents = context.size(10_000, 1000);
  const events = context.size(2000, 200);
  repeat(context, "filters", (isCounted) => {
    const cluster = idleCluster({ agents, frameworks: 50, roles: 10 });
    const offers = cluster.allocate();
    const declineMs = returnOneByOne(cluster, offers, events, LONG_MS);
    declineAll(cluster, offers, 10);
    const filteredMs = returnOneByOne(cluster, cluster.allocate(), events, 0);
    if (!isCounted) return;
    set.add(`decline with a filter, ${agents} x 50`, "ms", declineMs);
    set.add(`one task ends, ${agents} x 50, ${agents * 10} filters`, "ms", filteredMs);
  });
  for (const quiet of [0, context.size(2000, 200)]) {
    const name = `one task ends, ${agents} x 50 and ${quiet} suppressed`;
    repeat(context, name, (isCounted) => {
      const cluster = new Cluster({ agents, frameworks: 50, roles: 10 });
      cluster.addFrameworks();
      for (let index = 0; index < quiet; index++) cluster.addFramework(50 + index, true);
      cluster.addAgents();
      const eventMs = returnOneByOne(cluster, cluster.allocate(), events, 0);
      if (isCounted) set.add(name, "ms", eventMs);
    });
  }
  const shape = { agents, frameworks: context.size(1000, 100), roles: 100 };
  repeat(context, "all suppressed", (isCounted) => {
    const cluster = idleCluster(shape);
    for (let index = 0; index < shape.frameworks; index++) {
      cluster.allocator.suppress(frameworkId(index), []);
    }
    const elapsedMs = timed(() => expectCount(cluster.allocate(), 0));
    if (isCounted) set.add(`all suppressed, cycle, ${nameOf(shape)}`, "ms", elapsedMs);
  });
}

/** Every offer is declined for long, `rounds` times over, each time by another framework. */
function declineAll(cluster: Cluster, allocations: readonly Allocation[], rounds: number): void {
  let offers = [...allocations];
  for (let round = 0; round < rounds; round++) {
    for (const offer of offers) cluster.recover(offer, LONG_MS);
    offers = round === rounds - 1 ? [] : cluster.allocate();
  }
}

/** An offer comes back and its resources are offered anew, over and over; milliseconds per turn. */
function returnOneByOne(
  cluster: Cluster,
  allocations: readonly Allocation[],
  events: number,
  refuseMs: number,
): number {
  const offers = allocations as Allocation[];
  const elapsedMs = timed(() => {
    for (let index = 0; index < events; index++) {
      // A stride that is prime to the number of agents, so that each turn meets another one.
      const slot = (index * 7919) % offers.length;
      const offer = offers[slot];
      if (offer === undefined) throw new Error("there is no offer to return");
      cluster.recover(offer, refuseMs);
      const [next] = expectCount(cluster.allocate(), 1);
      if (next !== undefined) offers[slot] = next;
    }
  });
  return elapsedMs / events;
}

/** Runs the work to warm up, and then as often as it is to be measured. */
function repeat(context: BenchContext, name: string, work: (isCounted: boolean) => void): void {
  for (let run = 1 - WARM_UP_RUNS; run <= context.runs; run += 1) {
    context.progress(`${name}: run ${run} of ${context.runs}`);
    work(run >= 1);
  }
}

function nameOf({ agents, frameworks, roles }: ClusterShape): string {
  return `${agents} x ${frameworks} (${roles})`;
}
