/**
 * More agents than one process may have connections with: they register in parts, each part before
 * the next one begins, and all of them stay registered.
 */
import type { BenchContext } from "../bench.ts";
import type { FigureSet } from "../figures.ts";
import { withWorkDir } from "../processes.ts";
import { Cluster } from "./cluster.ts";
import { AGENT_RESOURCES, agentCount } from "./sizes.ts";

export async function measureRegistrations(context: BenchContext, set: FigureSet): Promise<void> {
  const total = context.size(50_000, 2000);
  const part = Math.min(agentCount(context), total / 2);
  await withWorkDir((workDir) =>
    Cluster.with(workDir, ["--max_agent_ping_timeouts=1000"], async (cluster) => {
      const before = await cluster.memory();
      for (let first = 0; first < total; first += part) {
        context.progress(`${first} of ${total} agents are registered`);
        const count = Math.min(part, total - first);
        await cluster.addAgents(count, { resources: AGENT_RESOURCES, firstIndex: first });
        await cluster.endAgents();
        await cluster.master.settled("master/slaves_connected", 0);
      }
      const known = await cluster.master.metric("master/slaves_disconnected");
      const after = await cluster.memory();
      set.add("registered, connected or not", "agents", known);
      set.add("registered, memory per agent", "bytes", (after.bytes - before.bytes) / known);
    }),
  );
}
