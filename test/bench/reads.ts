/**
 * Long reads of a master that is full: how soon and how fast they come, and how long `/health` and
 * the event loop wait meanwhile. The master is in this process, its readers are in others.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { bunPath } from "../../build/tools.mjs";
import type { Bench } from "./bench.ts";
import { FigureSet, percentile } from "./figures.ts";
import type { ReadTimes } from "./reads-client.ts";
import { startFullMaster } from "./reads-master.ts";

const BYTES_PER_MB = 1e6;
/** Between two looks at how late a timer is. */
const LOOK_EVERY_MS = 1;

interface Read {
  readonly name: string;
  readonly path: string;
  readonly accept?: string;
  readonly body?: string;
}

const READS: readonly Read[] = [
  { name: "/state", path: "/state" },
  { name: "/slaves", path: "/slaves" },
  { name: "/tasks, first page", path: "/tasks" },
  { name: "/state-summary", path: "/state-summary" },
  { name: "GET_TASKS, JSON", path: "/api/v1", body: JSON.stringify({ type: "GET_TASKS" }) },
  {
    name: "GET_STATE, protobuf",
    path: "/api/v1",
    accept: "application/x-protobuf",
    body: JSON.stringify({ type: "GET_STATE" }),
  },
];

export const readsBench: Bench = {
  name: "reads",
  summary: "/state and its like of 20,000 agents with 400,000 tasks, and /health meanwhile",
  needsBinary: false,
  defaultRuns: 3,
  run: async ({ runs, size, progress }) => {
    const agents = size(20_000, 2000);
    const tasks = size(400_000, 40_000);
    progress(`filling a master with ${agents} agents and ${tasks} tasks`);
    const master = await startFullMaster(agents, tasks);
    const set = new FigureSet();
    try {
      for (const read of READS) {
        await measure(master.port, read);
        for (let run = 1; run <= runs; run += 1) {
          progress(`${read.name}, run ${run} of ${runs}`);
          await addRun(set, master.port, read);
        }
      }
    } finally {
      await master.stop();
    }
    return set.figures();
  },
};

async function addRun(set: FigureSet, port: number, read: Read): Promise<void> {
  const { times, healthMs, stallMs } = await measure(port, read);
  const { name } = read;
  set.add(`${name}, size`, "MB", times.byteCount / BYTES_PER_MB);
  set.add(`${name}, first byte`, "ms", times.firstByteMs);
  set.add(`${name}, whole`, "ms", times.totalMs);
  set.add(`${name}, /health meanwhile, p50`, "ms", percentile(healthMs, 50));
  set.add(`${name}, /health meanwhile, p99`, "ms", percentile(healthMs, 99));
  set.add(`${name}, /health meanwhile, max`, "ms", Math.max(...healthMs));
  set.add(`${name}, longest stall`, "ms", stallMs);
}

interface Measured {
  readonly times: ReadTimes;
  readonly healthMs: readonly number[];
  readonly stallMs: number;
}

async function measure(port: number, read: Read): Promise<Measured> {
  const url = `http://127.0.0.1:${port}`;
  const pinger = client("ping", `${url}/health`);
  // The first lines of a client take longer than the read does; the others are what is measured.
  await new Promise((resolve) => setTimeout(resolve, 300));
  const watch = watchLoop();
  const body = read.body === undefined ? [] : [read.accept ?? "application/json", read.body];
  const times = (await answerOf(client("read", url + read.path, ...body))) as ReadTimes;
  const stallMs = watch();
  pinger.stdin?.end();
  const healthMs = (await answerOf(pinger)) as readonly number[];
  return { times, healthMs, stallMs };
}

/** The returned function ends the watch and tells the longest wait beyond what was asked for. */
function watchLoop(): () => number {
  let lastMs = performance.now();
  let longestMs = 0;
  const timer = setInterval(() => {
    const nowMs = performance.now();
    longestMs = Math.max(longestMs, nowMs - lastMs - LOOK_EVERY_MS);
    lastMs = nowMs;
  }, LOOK_EVERY_MS);
  return () => {
    clearInterval(timer);
    return longestMs;
  };
}

function client(...args: readonly string[]): ChildProcess {
  const file = new URL("reads-client.ts", import.meta.url).pathname;
  return spawn(bunPath(), [file, ...args], { stdio: ["pipe", "pipe", "inherit"] });
}

async function answerOf(child: ChildProcess): Promise<unknown> {
  if (child.stdout === null) throw new Error("a client has no output");
  return JSON.parse(await text(child.stdout)) as unknown;
}
