/**
 * Sends random requests to a cluster in this process and judges what comes of them. Inputs come in
 * episodes, each with a cluster and dice of its own, so that a fault is replayed by its episode.
 */
import { seededDice } from "../harness/malformed.ts";
import { below, Dictionary } from "./dictionary.ts";
import { LocalCluster } from "./local-cluster.ts";
import { describe, goodSubscribe, randomRequest, type Session } from "./requests.ts";
import { Streams } from "./streams.ts";

export const EPISODE_INPUTS = 1000;
/** Share of requests as large as may be; each costs as much as some hundred others. */
export const HEAVY_SHARE = 0.0005;
const LARGE_BYTES = 50_000;
const INPUTS_AFTER_LARGE = 20;
/** What one request may take at most; a shared, busy machine needs more patience. */
export const STALL_MS = 1000;

export interface FuzzReport {
  inputs: number;
  /** Answers by status. */
  readonly statuses: Map<number, number>;
  /** Calls that the cores themselves refused, with the state compared. */
  refusedByCore: number;
  slowest: { readonly ms: number; readonly what: string };
  readonly faults: string[];
}

export function emptyReport(): FuzzReport {
  return {
    inputs: 0,
    statuses: new Map(),
    refusedByCore: 0,
    slowest: { ms: 0, what: "" },
    faults: [],
  };
}

export function count(report: FuzzReport, status: number): void {
  report.statuses.set(status, (report.statuses.get(status) ?? 0) + 1);
}

export interface EpisodeOptions {
  readonly seed: number;
  readonly episode: number;
  readonly inputs: number;
  readonly heavyShare: number;
  readonly stallMs: number;
}

/** One episode; its faults name it. */
export async function fuzzEpisode(
  { seed, episode, inputs, heavyShare, stallMs }: EpisodeOptions,
  report: FuzzReport,
): Promise<void> {
  const dice = seededDice(seed * 1_000_003 + episode);
  const known = new Dictionary();
  const streams = new Streams(known);
  const session: Session = { dice, known, heavyShare, streamOf: (id) => streams.streamOf(id) };
  const cluster = await LocalCluster.start(dice, stallMs);
  for (const id of cluster.agentIds()) known.learn("agent", id);
  try {
    let end = inputs;
    for (let input = 0; input < end; input++) {
      const isLonely = streams.openCount < 2 && dice() < 0.5;
      const request = isLonely ? goodSubscribe(dice) : randomRequest(session);
      const abort = new AbortController();
      const response = await cluster.send(request, abort.signal);
      report.inputs += 1;
      if (response !== undefined) {
        count(report, response.status);
        streams.take(response, abort);
        // What a large request left behind makes every comparison of states long.
        const isLarge = (request.body?.length ?? 0) > LARGE_BYTES && response.status < 300;
        if (isLarge) end = Math.min(end, input + INPUTS_AFTER_LARGE);
      }
      if (cluster.faults.length > 0) {
        for (const fault of cluster.faults) {
          report.faults.push(`episode ${episode} input ${input}: ${describe(request)}\n  ${fault}`);
        }
        return;
      }
      await cluster.settle(dice() < 0.05 ? below(dice, 30_000) : below(dice, 600));
    }
  } finally {
    report.refusedByCore += cluster.refusedByCore;
    if (cluster.slowest.ms > report.slowest.ms) report.slowest = cluster.slowest;
    streams.end();
    await cluster.end();
  }
}
