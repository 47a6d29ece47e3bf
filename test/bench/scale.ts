/**
 * One master with as many agents, tasks and frameworks as a datacenter has, on emulated agents in
 * processes of their own. `BENCH_SCALE` may name parts, with commas between; `BENCH_PROFILE` names a
 * folder where the master, then run from source, leaves profiles of its processor time.
 */
import process from "node:process";
import type { Bench, BenchContext } from "./bench.ts";
import { FigureSet } from "./figures.ts";
import { measureCluster } from "./scale/measure-cluster.ts";
import { measureRegistrations } from "./scale/measure-registrations.ts";
import { measureSubscribers } from "./scale/measure-subscribers.ts";
import { measureThroughput } from "./scale/measure-throughput.ts";

type Part = (context: BenchContext, set: FigureSet) => Promise<void>;

const PARTS: ReadonlyMap<string, Part> = new Map([
  ["cluster", measureCluster],
  ["throughput", measureThroughput],
  ["subscribers", measureSubscribers],
  ["registrations", measureRegistrations],
]);

export const scaleBench: Bench = {
  name: "scale",
  summary: "one master at the size of a datacenter, on emulated agents",
  needsBinary: true,
  defaultRuns: 1,
  run: async (context) => {
    const names = process.env["BENCH_SCALE"]?.split(",") ?? [...PARTS.keys()];
    const set = new FigureSet();
    for (let run = 1; run <= context.runs; run += 1) {
      for (const [name, measure] of PARTS) {
        if (names.includes(name)) await measure(context, set);
      }
    }
    return set.figures();
  },
};
