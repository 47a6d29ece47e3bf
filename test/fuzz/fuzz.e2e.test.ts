/**
 * A few thousand random calls of every API in both encodings; `npm run fuzz` sends as many as
 * asked. The seed is printed with a fault and taken from FUZZ_SEED.
 */
import { expect, test } from "bun:test";
import { EPISODE_INPUTS, emptyReport, fuzzEpisode, STALL_MS } from "./fuzz.ts";
import { fuzzRemote } from "./remote.ts";

const TIMEOUT_MS = 300_000;
const EPISODES = 5;
const REMOTE_INPUTS = 2000;

const { FUZZ_SEED } = process.env;
const seed = Number(FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));

test(
  `${EPISODES * EPISODE_INPUTS} random calls: no crash, no stall, no refused call changes state [issue 3]`,
  async () => {
    const report = emptyReport();
    for (let episode = 0; episode < EPISODES; episode++) {
      // The largest requests are for `npm run fuzz`, since they are judged by their time.
      const options = { seed, episode, inputs: EPISODE_INPUTS, heavyShare: 0, stallMs: STALL_MS };
      await fuzzEpisode(options, report);
    }
    const faults = report.faults.map((fault) => `npm run fuzz -- --seed ${seed}: ${fault}`);
    expect(faults).toEqual([]);
    // Both outcomes have to occur, and refusals by the cores themselves, or little was tried.
    expect(report.statuses.get(202) ?? 0).toBeGreaterThan(report.inputs / 50);
    expect(report.statuses.get(400) ?? 0).toBeGreaterThan(report.inputs / 10);
    expect(report.refusedByCore).toBeGreaterThan(report.inputs / 50);
  },
  TIMEOUT_MS,
);

test(
  "an episode is the same each time",
  async () => {
    const traceOf = async (): Promise<string> => {
      const report = emptyReport();
      const options = { seed, episode: 0, inputs: 200, heavyShare: 0.02, stallMs: Infinity };
      await fuzzEpisode(options, report);
      return report.trace.digest("hex");
    };
    expect(await traceOf()).toBe(await traceOf());
  },
  TIMEOUT_MS,
);

test(
  `${REMOTE_INPUTS} random calls over sockets are answered by the compiled master [issue 3]`,
  async () => {
    const report = emptyReport();
    await fuzzRemote(seed, REMOTE_INPUTS, report);
    expect(report.faults.map((fault) => `FUZZ_SEED=${seed} ${fault}`)).toEqual([]);
    expect(report.inputs).toBe(REMOTE_INPUTS);
  },
  TIMEOUT_MS,
);
