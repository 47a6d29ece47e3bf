/**
 * `npm run fuzz -- [--inputs N] [--seed S] [--episode E] [--stall-ms M]`: random calls of every API in both
 * encodings, one in fifty over a socket to the compiled master. Ends with status 1 when one crashed, stalled, broke an invariant or changed state
 * though it was refused; a fault prints its request and its episode, which replays it. A run that
 * stands still says where, and is killed in the end.
 */
import { parseArgs } from "node:util";
import { EPISODE_INPUTS, emptyReport, fuzzEpisode, HEAVY_SHARE, STALL_MS } from "./fuzz.ts";
import { fuzzRemote } from "./remote.ts";
import { Watchdog } from "./watchdog.ts";

const FAULTS_MAX = 20;
const REPORT_EVERY_MS = 15_000;
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
const watchdog = new Watchdog(seed);
const limits = {
  seed,
  heavyShare: HEAVY_SHARE,
  stallMs: Number(values["stall-ms"]),
  onPhase: watchdog.at.bind(watchdog),
};
const report = emptyReport();
const startedMs = performance.now();
console.log(`fuzz: ${inputs} inputs, --seed ${seed}`);
const progress = setInterval(() => {
  console.log(`  ${watchdog.place}: ${summary()}`);
}, REPORT_EVERY_MS);
if (values.episode !== undefined) {
  await fuzzEpisode({ ...limits, episode: Number(values.episode), inputs: EPISODE_INPUTS }, report);
} else {
  const remoteInputs = Math.ceil(inputs * SOCKET_SHARE);
  await fuzzRemote(seed, remoteInputs, report, (input) => watchdog.at("over sockets", 0, input));
  console.log(`  over sockets: ${summary()}`);
  for (let episode = 0; report.inputs < inputs && report.faults.length < FAULTS_MAX; episode++) {
    const left = Math.min(EPISODE_INPUTS, inputs - report.inputs);
    await fuzzEpisode({ ...limits, episode, inputs: left }, report);
  }
}
clearInterval(progress);
const statuses = [...report.statuses].toSorted(([left], [right]) => left - right);
console.log(`${summary()}: ${statuses.map(([status, count]) => `${count}x${status}`).join(" ")}`);
for (const fault of report.faults) console.log(`FAULT (--seed ${seed}) ${fault}`);
process.exit(report.faults.length === 0 ? 0 : 1);

function summary(): string {
  const rate = Math.round(report.inputs / ((performance.now() - startedMs) / 1000));
  const refused = `${report.refusedByCore} refused by a core`;
  const faults = `${report.faults.length} faults`;
  return `${report.inputs} inputs, ${rate}/s, ${refused}, ${faults}; slowest ${report.slowest}`;
}
