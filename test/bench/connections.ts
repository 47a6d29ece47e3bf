/**
 * 50,000 agents connected with one master at the same time; `BENCH_AGENTS` asks for another number.
 * Each needs an open file of the master and a port: where one process may not have so many, all of
 * it runs in the counted machine, with longer periods between pings. Where this host gives it a
 * processor of its own that takes about an hour.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import process from "node:process";
import { ROOT } from "../../build/tools.mjs";
import { runCounted } from "../appliance/counted/counted-machine.ts";
import { BINARY } from "../harness/allot-process.ts";
import type { Bench, BenchContext } from "./bench.ts";
import { type Figure, FigureSet } from "./figures.ts";
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
const LINES_TOLD = 30;

export const connectionsBench: Bench = {
  name: "connections",
  summary: "agents connected with one master at the same time",
  needsBinary: true,
  defaultRuns: 1,
  run: async (context) => {
    const agents = Number(process.env["BENCH_AGENTS"] ?? context.size(50_000, 1000));
    if (agents > AGENTS_MAX) throw new Error(`one address has ports for ${AGENTS_MAX} agents`);
    if (agents > Math.min(connectionsMax(), portCount())) return await inMachine(context, agents);
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

async function inMachine({ runs, progress }: BenchContext, agents: number): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), "allot-connections-"));
  try {
    const archive = join(folder, "project.tar");
    packProject(archive);
    const bun = `./${relative(ROOT, process.execPath)}`;
    const settings = `BENCH_AGENTS=${agents} BENCH_PING=${PING_SECONDS_IN_MACHINE} NO_COLOR=1`;
    const lines: string[] = [];
    let figures: Figure[] | undefined;
    const status = await runCounted({
      files: new Map([["project.tar", archive]]),
      command: [
        "set -e",
        "mkdir /project && cd /project && tar -xf /src/project.tar && rm /src/project.tar",
        "ulimit -n $(ulimit -Hn)",
        `echo "${FIRST_PORT_IN_MACHINE} ${LAST_PORT_IN_MACHINE}" >${PORT_RANGE}`,
        `${settings} ${bun} test/bench/main.ts connections --json --runs=${runs} >/figures`,
        "tr -d '\\n' </figures && echo",
      ].join("\n"),
      memoryMib: Math.ceil(MEMORY_MIB + agents * MEMORY_MIB_PER_AGENT),
      wallMsMax: WALL_MS_MAX,
      onLine: (line) => {
        if (/^\[\s*\{/.test(line)) figures = JSON.parse(line) as Figure[];
        else progress(line.replace("bench: connections: ", ""));
        lines.push(line);
      },
    });
    if (status === 0 && figures !== undefined) return figures;
    throw new Error(lines.slice(-LINES_TOLD).join("\n"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The project as far as its benchmarks need it: sources, the program, and packages they run with. */
function packProject(archive: string): void {
  const lock = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")) as {
    readonly packages: Readonly<Record<string, { readonly dev?: boolean }>>;
  };
  const packages = Object.entries(lock.packages).filter(([path, { dev }]) => path !== "" && !dev);
  const paths = [
    ...["src", "test", "build", "package.json", "package-lock.json", "tsconfig.json"],
    relative(ROOT, BINARY),
    relative(ROOT, process.execPath),
    // Those for other systems are not there.
    ...packages.map(([path]) => path).filter((path) => existsSync(join(ROOT, path))),
  ];
  execFileSync("tar", ["-C", ROOT, "-cf", archive, ...paths]);
}
