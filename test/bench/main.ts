/**
 * `npm run bench [-- NAME… --json --runs N --scale quick|full]`: runs benchmarks one after the
 * other and prints their figures, as a table or as one JSON array. Exit status 2 for a wrong word
 * on the command line, 1 when something could not be measured.
 */
import { constants } from "node:os";
import process from "node:process";
import { compileBinary } from "../harness/compile-binary.ts";
import { allocatorBench } from "./allocator.ts";
import { allocatorMesosBench } from "./allocator-mesos.ts";
import { type Arguments, parseArguments } from "./arguments.ts";
import type { Bench, BenchContext } from "./bench.ts";
import { connectionsBench } from "./connections.ts";
import { containersBench } from "./containers.ts";
import { dockerBench } from "./docker.ts";
import { eventsBench } from "./events.ts";
import { failoverBench } from "./failover.ts";
import { type Figure, formatTable } from "./figures.ts";
import { footprintBench } from "./footprint.ts";
import { latencyBench } from "./latency.ts";
import { linkBench } from "./link.ts";
import { memoryBench } from "./memory.ts";
import { removeOpenFolders } from "./processes.ts";
import { protocolBench } from "./protocol.ts";
import { readsBench } from "./reads.ts";
import { registryBench } from "./registry.ts";
import { replicasBench } from "./replicas.ts";
import { scaleBench } from "./scale.ts";
import { startBench } from "./start.ts";
import { stepsBench } from "./steps.ts";
import { tenantsBench } from "./tenants.ts";
import { throughputBench } from "./throughput.ts";

const BENCHES: readonly Bench[] = [
  startBench,
  memoryBench,
  latencyBench,
  footprintBench,
  containersBench,
  dockerBench,
  tenantsBench,
  throughputBench,
  protocolBench,
  registryBench,
  replicasBench,
  failoverBench,
  allocatorBench,
  allocatorMesosBench,
  linkBench,
  scaleBench,
  connectionsBench,
  readsBench,
  eventsBench,
  stepsBench,
];

const PROGRESS_EVERY_MS = 2000;

async function main(): Promise<number> {
  const names = BENCHES.map((bench) => bench.name);
  const parsed = parseArguments(process.argv.slice(2), names);
  if (!parsed.ok) {
    console.error(`bench: ${parsed.message}`);
    return 2;
  }
  const { value: settings } = parsed;
  const benches = BENCHES.filter((bench) => settings.names.includes(bench.name));
  if (benches.some((bench) => bench.needsBinary) && !compileBinary()) return 1;
  const figures: Figure[] = [];
  let failedCount = 0;
  for (const bench of benches) {
    console.error(`bench: ${bench.name}: ${bench.summary}`);
    try {
      figures.push(...(await bench.run(makeContext(bench, settings))));
    } catch (error) {
      console.error(`bench: ${bench.name} failed:`, error);
      failedCount += 1;
    }
  }
  console.log(settings.isJson ? JSON.stringify(figures, null, 2) : formatTable(figures));
  return failedCount === 0 ? 0 : 1;
}

function makeContext(bench: Bench, { isQuick, runs }: Arguments): BenchContext {
  let lastMs = performance.now();
  return {
    runs: runs ?? (isQuick ? 1 : bench.defaultRuns),
    scale: isQuick ? "quick" : "full",
    size: (full, quick) => (isQuick ? quick : full),
    progress: (text) => {
      if (performance.now() - lastMs < PROGRESS_EVERY_MS) return;
      lastMs = performance.now();
      console.error(`bench: ${bench.name}: ${text}`);
    },
  };
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => {
    void removeOpenFolders().finally(() => process.exit(128 + constants.signals[signal]));
  });
}
process.exitCode = await main();
