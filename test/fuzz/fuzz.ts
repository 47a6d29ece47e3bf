/**
 * Sends random requests to a cluster in this process and judges what comes of them. Inputs come in
 * episodes, each with a cluster and dice of its own, so that a fault is replayed by its episode.
 */
import { createHash, type Hash } from "node:crypto";
import { seededDice } from "../harness/malformed.ts";
import { below, Dictionary } from "./dictionary.ts";
import { LocalCluster } from "./local-cluster.ts";
import { describe, goodSubscribe, randomRequest, type Session } from "./requests.ts";
import { Slowest } from "./slowest.ts";
import { Streams } from "./streams.ts";
import type { Phase } from "./watchdog.ts";

export const EPISODE_INPUTS = 1000;
/** Share of requests as large as may be; each costs as much as some hundred others. */
export const HEAVY_SHARE = 0.0005;
const LARGE_BYTES = 50_000;
const INPUTS_AFTER_LARGE = 20;
/** What one request, and one step of a core, may take at most of the main thread. */
export const STALL_MS = 1000;

export interface FuzzReport {
  inputs: number;
  /** Answers by status. */
  readonly statuses: Map<number, number>;
  /** Calls that the cores themselves refused, with the state compared. */
  refusedByCore: number;
  readonly slowest: Slowest;
  /** Of all requests and answers so far: the same seed, the same trace. */
  readonly trace: Hash;
  readonly faults: string[];
}

export function emptyReport(): FuzzReport {
  return {
    inputs: 0,
    statuses: new Map(),
    refusedByCore: 0,
    slowest: new Slowest(),
    trace: createHash("sha1"),
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
  onPhase?(phase: Phase, episode: number, input: number): void;
}

/** One episode; its faults name it. */
export async function fuzzEpisode(
  { seed, episode, inputs, heavyShare, stallMs, onPhase }: EpisodeOptions,
  report: FuzzReport,
): Promise<void> {
  const dice = seededDice(seed * 1_000_003 + episode);
  const known = new Dictionary();
  const streams = new Streams(known);
  const session: Session = { dice, known, heavyShare, streamOf: (id) => streams.streamOf(id) };
  const cluster = await LocalCluster.start({ dice, stallMs, slowest: report.slowest });
  for (const id of cluster.agentIds()) known.learn("agent", id);
  try {
    let end = inputs;
    for (let input = 0; input < end; input++) {
      const isLonely = streams.openCount < 2 && dice() < 0.5;
      const request = isLonely ? goodSubscribe(dice) : randomRequest(session);
      const abort = new AbortController();
      onPhase?.("asked", episode, input);
      const response = await cluster.send(request, abort.signal);
      report.inputs += 1;
      report.trace.update(`${response?.status} ${request.what}\n`).update(request.body ?? "");
      if (response !== undefined) {
        count(report, response.status);
        streams.take(response, abort);
        // What a large request left behind makes every comparison of states long.
        const isLarge = (request.body?.length ?? 0) > LARGE_BYTES && response.status < 300;
        if (isLarge) end = Math.min(end, input + INPUTS_AFTER_LARGE);
      }
      onPhase?.("time passes", episode, input);
      await cluster.settle(dice() < 0.05 ? below(dice, 30_000) : below(dice, 600));
      if (cluster.faults.length > 0) {
        for (const fault of cluster.faults) {
          report.faults.push(`episode ${episode} input ${input}: ${describe(request)}\n  ${fault}`);
        }
        return;
      }
    }
  } finally {
    onPhase?.("ends", episode, 0);
    report.refusedByCore += cluster.refusedByCore;
    streams.end();
    await cluster.end();
  }
}
