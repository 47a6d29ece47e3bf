/**
 * Agents that are all connected with one master at the same time: they register, and all of them are
 * there still after the master has pinged each several times. What is told of them is the master's
 * own count.
 */
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { type BenchContext, perSecond } from "../bench.ts";
import type { FigureSet } from "../figures.ts";
import { withWorkDir } from "../processes.ts";
import { Cluster } from "./cluster.ts";
import { AGENT_RESOURCES } from "./sizes.ts";

/** Seconds; the master's default unless `BENCH_PING` says otherwise, as a slow machine needs it. */
const PING_SECONDS = Number(process.env["BENCH_PING"] ?? 15);
const PINGS = 3;
/** So few that the last of them is welcomed within a handshake's time on a slow machine. */
const AGENTS_PER_WAVE = 250;

export async function measureConnections(
  context: BenchContext,
  set: FigureSet,
  agents: number,
): Promise<void> {
  await withWorkDir((workDir) =>
    Cluster.with(workDir, [`--agent_ping_timeout=${PING_SECONDS}secs`], async (cluster) => {
      const { master } = cluster;
      const empty = await cluster.memory();
      const startMs = performance.now();
      await cluster.addAgents(agents, {
        resources: AGENT_RESOURCES,
        perWave: AGENTS_PER_WAVE,
        onWave: (registered) => context.progress(`${registered} of ${agents} agents registered`),
      });
      set.add(
        "connections, registration",
        "agents/s",
        perSecond(agents, performance.now() - startMs),
      );
      let connected = 0;
      for (let ping = 1; ping <= PINGS; ping += 1) {
        await sleep(PING_SECONDS * 1000);
        connected = await master.metric(CONNECTED);
        context.progress(`${connected} agents connected, pinged ${ping} times`);
        if (connected !== agents) throw new Error(`${connected} of ${agents} agents are connected`);
      }
      set.add("connections, agents connected", "agents", connected);
      set.add("connections, agents of GET_AGENTS", "agents", await activeAgents(master.url));
      set.add("connections, links lost", "", await master.metric(RETURNED));
      const memory = await cluster.memory();
      set.add("connections, memory", "bytes", memory.bytes);
      set.add("connections, memory per agent", "bytes", (memory.bytes - empty.bytes) / agents);
      const heapBytes = memory.heapBytes - empty.heapBytes;
      set.add("connections, heap per agent", "bytes", heapBytes / agents);
    }),
  );
}

const CONNECTED = "master/slaves_connected";
/** Registrations of agents that were registered before. */
const RETURNED = "master/messages_reregister_slave";

/** How many agents the master tells operators of as active. */
async function activeAgents(url: string): Promise<number> {
  const response = await fetch(`${url}/api/v1`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    body: JSON.stringify({ type: "GET_AGENTS" }),
  });
  const answer = (await response.json()) as { get_agents: { agents: { active: boolean }[] } };
  return answer.get_agents.agents.filter(({ active }) => active).length;
}
