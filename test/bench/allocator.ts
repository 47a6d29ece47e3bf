/** The allocator alone: a cycle over a whole cluster, and one change in it. */

import type { Allocation } from "../../src/allocator/allocator.ts";
import { DrfAllocator } from "../../src/allocator/drf-allocator.ts";
import { brand } from "../../src/base/ids.ts";
import { Bundle } from "../../src/resources/bundle.ts";
import { ResourceKinds } from "../../src/resources/kinds.ts";
import { framework, OPTIONS, resources } from "../allocator/allocator-fixtures.ts";
import type { Bench } from "./bench.ts";
import { FigureSet } from "./figures.ts";

const AGENTS = 1000;
const FRAMEWORKS = 100;
const ROLES = 10;
const WARM_UP_RUNS = 3;

export const allocatorBench: Bench = {
  name: "allocator",
  summary: `${AGENTS} agents, ${FRAMEWORKS} frameworks in ${ROLES} roles`,
  needsBinary: false,
  defaultRuns: 9,
  run: async ({ runs, size, progress }) => {
    const events = size(2000, 200);
    const set = new FigureSet();
    for (let run = 1 - WARM_UP_RUNS; run <= runs; run += 1) {
      progress(`run ${run} of ${runs}`);
      const allocator = idleCluster();
      let startMs = performance.now();
      const offers = allocator.allocate(0);
      const fullMs = performance.now() - startMs;
      expectCount(offers, AGENTS);
      startMs = performance.now();
      returnOneByOne(allocator, offers, events);
      const eventMs = (performance.now() - startMs) / events;
      if (run < 1) continue;
      set.add("allocator, full cycle", "ms", fullMs);
      set.add("allocator, incremental event", "ms", eventMs);
    }
    return set.figures();
  },
};

/** Everything is free, everyone is hungry. */
function idleCluster(): DrfAllocator {
  const kinds = new ResourceKinds();
  const allocator = new DrfAllocator(kinds, OPTIONS);
  for (let index = 0; index < FRAMEWORKS; index += 1) {
    const record = framework([`role-${index % ROLES}`]);
    allocator.addFramework(brand(`framework-${index}`), record, new Map(), true);
  }
  for (let index = 0; index < AGENTS; index += 1) {
    const total = Bundle.from(kinds, resources("cpus:32;mem:131072;disk:1000000"));
    allocator.addAgent(brand(`agent-${index}`), { hostname: `host-${index}` }, total, new Map());
  }
  return allocator;
}

/** An offer is declined without a filter and its resources are offered anew, over and over. */
function returnOneByOne(
  allocator: DrfAllocator,
  allocations: readonly Allocation[],
  events: number,
): void {
  const offers = [...allocations];
  for (let index = 0; index < events; index += 1) {
    const slot = index % offers.length;
    const offer = offers[slot];
    if (offer === undefined) throw new Error("there is no offer to return");
    allocator.recover(offer.frameworkId, offer.agentId, offer.resources, 0, index);
    const [next] = expectCount(allocator.allocate(index), 1);
    if (next !== undefined) offers[slot] = next;
  }
}

function expectCount(offers: readonly Allocation[], count: number): readonly Allocation[] {
  if (offers.length !== count) throw new Error(`${offers.length} offers in place of ${count}`);
  return offers;
}
