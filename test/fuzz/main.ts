/**
 * `npm run fuzz -- [--inputs N] [--seed S] [--episode E] [--stall-ms M]`: random calls of every API in both
 * encodings, one in fifty over a socket to the compiled master. Ends with status 1 when one crashed, stalled, broke an invariant or changed state
 * though it was refused; a fault prints its request and its episode, which replays it.
 */
import { parseArgs } from "node:util";
import { EPISODE_INPUTS, emptyReport, fuzzEpisode, HEAVY_SHARE, STALL_MS } from "./fuzz.ts";
import { fuzzRemote } from "./remote.ts";

const FAULTS_MAX = 20;
const REPORT_EVERY_MS = 30_000;
const SOCKET_SHARE = 1 / 50;

const { values } = parseArgs({
  options: {
    inputs: { type: "string", default: "100000" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 31)) },
    episode: { type: "string" },
    "stall-ms": { type: "string", default: String(STALL_MS) },
  },
});
const seed = Number(values.seed);
const inputs = Number(values.inputs);
const limits = { seed, heavyShare: HEAVY_SHARE, stallMs: Number(values["stall-ms"]) };
const report = emptyReport();
const startedMs = performance.now();
let toldMs = startedMs;
console.log(`fuzz: ${inputs} inputs, --seed ${seed}`);
if (values.episode !== undefined) {
  await fuzzEpisode({ ...limits, episode: Number(values.episode), inputs: EPISODE_INPUTS }, report);
} else {
  await fuzzRemote(seed, Math.ceil(inputs * SOCKET_SHARE), report);
  console.log(`  over sockets: ${summary()}`);
  for (let episode = 0; report.inputs < inputs && report.faults.length < FAULTS_MAX; episode++) {
    const left = Math.min(EPISODE_INPUTS, inputs - report.inputs);
    await fuzzEpisode({ ...limits, episode, inputs: left }, report);
    if (performance.now() - toldMs < REPORT_EVERY_MS) continue;
    toldMs = performance.now();
    console.log(`  ${summary()}`);
  }
}
console.log(summary());
for (const fault of report.faults) console.log(`FAULT (--seed ${seed}) ${fault}`);
process.exit(report.faults.length === 0 ? 0 : 1);

function summary(): string {
  const seconds = (performance.now() - startedMs) / 1000;
  const statuses = [...report.statuses].toSorted(([left], [right]) => left - right);
  const counts = statuses.map(([status, count]) => `${count}x${status}`).join(" ");
  const rate = Math.round(report.inputs / seconds);
  const slowest = `slowest ${Math.round(report.slowest.ms)} ms (${report.slowest.what})`;
  const faults = `${report.faults.length} faults`;
  return `${report.inputs} inputs, ${rate}/s, ${report.refusedByCore} refused by a core, ${slowest}, ${faults}: ${counts}`;
}
