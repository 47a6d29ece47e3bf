/**
 * The same random requests over sockets to the compiled master, several at once, with emulated
 * agents beside it. What cannot be seen from outside is left to the cluster in this process.
 */
import { makeWorkDir, removeWorkDir, startAllot } from "../harness/allot-process.ts";
import { EmulatedAgents } from "../harness/emulated-agents.ts";
import { seededDice } from "../harness/malformed.ts";
import { Dictionary } from "./dictionary.ts";
import { count, type FuzzReport, HEAVY_SHARE } from "./fuzz.ts";
import {
  describe,
  type FuzzRequest,
  goodSubscribe,
  randomRequest,
  type Session,
} from "./requests.ts";
import { Streams } from "./streams.ts";

const AT_ONCE = 8;
/** Far above a stall of 1 s, since a shared machine may hold up this process as well. */
const PATIENCE_MS = 60_000;
const AGENTS = 20;

/** Sends `inputs` requests; ends early with the first fault. */
export async function fuzzRemote(
  seed: number,
  inputs: number,
  report: FuzzReport,
  onInput?: (input: number) => void,
): Promise<void> {
  const workDir = makeWorkDir();
  const master = await startAllot({ role: "master", workDir, flags: ["--offer_timeout=500ms"] });
  const agents = await EmulatedAgents.start(workDir, { master: master.url, count: AGENTS });
  const dice = seededDice(seed);
  const known = new Dictionary();
  const streams = new Streams(known);
  const session: Session = {
    dice,
    known,
    heavyShare: HEAVY_SHARE,
    streamOf: (id) => streams.streamOf(id),
  };
  let left = inputs;
  const worker = async (): Promise<void> => {
    while (left > 0 && report.faults.length === 0) {
      left -= 1;
      const isLonely = streams.openCount < 2 && dice() < 0.5;
      const request = isLonely ? goodSubscribe(dice) : randomRequest(session);
      const fault = await send(master.url, { ...request, to: "master" }, streams, report);
      report.inputs += 1;
      onInput?.(report.inputs);
      if (fault !== undefined)
        report.faults.push(`over a socket: ${describe(request)}\n  ${fault}`);
    }
  };
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    if (!master.isRunning())
      report.faults.push(`the master ended: ${master.stderr().slice(-2000)}`);
  } finally {
    streams.end();
    await agents.end();
    await master.end("SIGKILL");
    await removeWorkDir(workDir);
  }
}

/** What is wrong with the answer; undefined when nothing is. */
async function send(
  url: string,
  { path, method, headers, body }: FuzzRequest,
  streams: Streams,
  report: FuzzReport,
): Promise<string | undefined> {
  const abort = new AbortController();
  const init = { method, headers, signal: abort.signal, redirect: "manual" } as const;
  const timer = setTimeout(() => abort.abort(new Error("no answer in time")), PATIENCE_MS);
  try {
    const response = await fetch(`${url}${path}`, {
      ...init,
      ...(body === undefined ? {} : { body }),
    });
    count(report, response.status);
    const { status } = response;
    if (status >= 500 && status !== 501 && status !== 503) {
      return `status ${status}: ${await response.text()}`;
    }
    streams.take(response, abort);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    clearTimeout(timer);
  }
}
