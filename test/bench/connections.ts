/**
 * 50,000 agents connected with one master at the same time; `BENCH_AGENTS` asks for another number.
 * Each needs an open file of the master and a port: where one process may not have so many, all of
 * it runs in the counted machine, with longer periods between pings. Where this host gives it a
 * processor of its own that takes about an hour.
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import type { Bench } from "./bench.ts";
import { FigureSet } from "./figures.ts";
import { runInMachine } from "./in-machine.ts";
import { measureConnections } from "./scale/measure-connections.ts";
import { connectionsMax } from "./scale/sizes.ts";

const PORT_RANGE = "/proc/sys/net/ipv4/ip_local_port_range";
/** Ports the machine gives to connections; the master's among them is never taken again. */
const FIRST_PORT_IN_MACHINE = 10_000;
const LAST_PORT_IN_MACHINE = 65_535;
const AGENTS_MAX = LAST_PORT_IN_MACHINE - FIRST_PORT_IN_MACHINE;
/** What the machine, the master and the processes of agents need, and each agent in them. */
const MEMORY_MIB = 3500;
const MEMORY_MIB_PER_AGENT = 0.18;
/**
 * To answer all of them takes its one processor of 500 million instructions a second more than two
 * minutes; what is idle time then takes none of this host's.
 */
const PING_SECONDS_IN_MACHINE = 600;
const WALL_MS_MAX = 10_800_000;

export const connectionsBench: Bench = {
  name: "connections",
  summary: "agents connected with one master at the same time",
  needsBinary: true,
  defaultRuns: 1,
  run: async (context) => {
    const agents = Number(process.env["BENCH_AGENTS"] ?? context.size(50_000, 1000));
    if (agents > AGENTS_MAX) throw new Error(`one address has ports for ${AGENTS_MAX} agents`);
    if (agents > Math.min(connectionsMax(), portCount())) {
      return await runInMachine(context, {
        name: "connections",
        before: `echo "${FIRST_PORT_IN_MACHINE} ${LAST_PORT_IN_MACHINE}" >${PORT_RANGE}`,
        settings: { BENCH_AGENTS: agents, BENCH_PING: PING_SECONDS_IN_MACHINE },
        memoryMib: Math.ceil(MEMORY_MIB + agents * MEMORY_MIB_PER_AGENT),
        wallMsMax: WALL_MS_MAX,
      });
    }
    const set = new FigureSet();
    for (let run = 1; run <= context.runs; run += 1) await measureConnections(context, set, agents);
    return set.figures();
  },
};

/** Ports that this machine gives to connections. */
function portCount(): number {
  const [first = 0, last = 0] = readFileSync(PORT_RANGE, "utf8").trim().split(/\s+/).map(Number);
  return last - first + 1;
}
