/**
 * The link between agent and master over a real WebSocket on loopback. Both ends live in this
 * process, so a figure includes the work of both.
 */
import type { AgentToMaster } from "../../src/protocol/link-frames.ts";
import { until } from "../harness/wait.ts";
import { TestAgent, TestMaster } from "../link/link-pair.ts";
import { type Bench, perSecond } from "./bench.ts";
import { FigureSet, percentile } from "./figures.ts";

const WARM_UP_ROUND_TRIPS = 200;

export const linkBench: Bench = {
  name: "link",
  summary: "status updates per second and round trips over a WebSocket on loopback",
  needsBinary: false,
  defaultRuns: 5,
  run: async ({ runs, size, progress }) => {
    const messages = size(10_000, 2000);
    const roundTrips = size(2000, 200);
    const set = new FigureSet();
    const pair = await openPair();
    try {
      await pair.sendUpdates(messages);
      await pair.roundTrips(WARM_UP_ROUND_TRIPS);
      for (let run = 1; run <= runs; run += 1) {
        progress(`run ${run} of ${runs}`);
        const elapsedMs = await pair.sendUpdates(messages);
        set.add("link, status updates to the master", "messages/s", perSecond(messages, elapsedMs));
        const latencies = await pair.roundTrips(roundTrips);
        set.add("link, round trip, p50", "ms", percentile(latencies, 50));
        set.add("link, round trip, p99", "ms", percentile(latencies, 99));
      }
    } finally {
      await pair.close();
    }
    return set.figures();
  },
};

interface Pair {
  /** Milliseconds until the master has taken the last one. */
  sendUpdates(count: number): Promise<number>;
  /** Milliseconds of each: a pong to the master, answered with a ping. */
  roundTrips(count: number): Promise<number[]>;
  close(): Promise<void>;
}

async function openPair(): Promise<Pair> {
  const master = await TestMaster.start();
  let onPing: () => void = () => undefined;
  const agent = new TestAgent(master.port, { onMessage: () => onPing() });
  agent.client.start();
  await until("the link to be open", () => agent.events.length > 0);
  /** The master answers the pongs and counts the rest. */
  const expectUpdates = (count: number): Promise<void> => {
    let left = count;
    return new Promise((resolve) => {
      master.onMessage = (message) => {
        if (message.kind === "pong") {
          master.link().send({ kind: "ping", number: message.number, connected: true });
          return;
        }
        left -= 1;
        if (left === 0) resolve();
      };
    });
  };
  return {
    sendUpdates: async (count) => {
      const arrival = expectUpdates(count);
      const startMs = performance.now();
      for (let number = 0; number < count; number += 1) agent.client.send(update(number));
      await arrival;
      const elapsedMs = performance.now() - startMs;
      master.received.length = 0;
      return elapsedMs;
    },
    roundTrips: async (count) => {
      const latencies: number[] = [];
      for (let number = 0; number < count; number += 1) {
        const startMs = performance.now();
        await new Promise<void>((resolve) => {
          onPing = resolve;
          agent.client.send({ kind: "pong", number });
        });
        latencies.push(performance.now() - startMs);
      }
      master.received.length = 0;
      return latencies;
    },
    close: async () => {
      agent.client.stop();
      await master.stop();
    },
  };
}

function update(number: number): AgentToMaster {
  const taskId = { value: `task-${number}` };
  return {
    kind: "statusUpdate",
    frameworkId: "5f8d0b5c-6d0b-4a6e-9d6a-0c1e3b9f7a11-0003",
    latestState: "TASK_RUNNING",
    status: {
      task_id: taskId,
      executor_id: taskId,
      agent_id: { value: "5f8d0b5c-6d0b-4a6e-9d6a-0c1e3b9f7a11-S12" },
      state: "TASK_RUNNING",
      source: "SOURCE_EXECUTOR",
      timestamp: 1_760_000_000.125,
      uuid: "3q2+796tvu/erb7v3q2+7w==",
    },
  };
}
