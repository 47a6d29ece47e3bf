/**
 * The processes of a run of chaos, on hosts of their own where there can be such: three ZooKeeper
 * servers, three masters with disks of their own and two agents; what goes wrong with them, and how
 * it is put right. What has ended is started again when faults are put right, as a service manager
 * does it; nothing else is done for them.
 */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import {
  type AllotProcess,
  BINARY,
  makeWorkDir,
  removeWorkDir,
  startAllot,
} from "../harness/allot-process.ts";
import { type Host, Hosts, LOOPBACK } from "../harness/hosts.ts";
import { mustRun, runProgram } from "../harness/run-program.ts";
import { type Ensemble, startZooKeeper, type ZooKeeperServer } from "../harness/zookeeper.ts";
import { AGENTS, type Fault, MASTERS, type Place, ZOOKEEPERS } from "./schedule.ts";

/** Where the masters stand. */
export const PATH = "/chaos";
const SESSION_TIMEOUT = "3secs";
const DISK_SIZE = "32m";
/** More than there is room for. */
const FILLER_MB = 64;
const AGENT_FLAGS = [
  "--resources=cpus:1000;mem:100000;disk:100000",
  "--launcher=posix",
  "--isolation=posix/cpu,posix/mem",
];

/** Before there is one, and where none could be started. */
const NO_ENSEMBLE: Ensemble = {
  servers: [],
  url: (path) => path,
  stop: () => Promise.resolve(),
};

/** A master or an agent, through all its processes. */
export interface Program {
  readonly name: string;
  readonly role: "master" | "agent";
  readonly host: Host;
  readonly workDir: string;
  readonly flags: readonly string[];
  /** The newest one. */
  process: AllotProcess;
}

/** Puts right what was begun. */
type Heal = () => Promise<void>;

/** Where a fault happens: the host, and what runs there. */
interface Target {
  readonly host: Host;
  readonly pid: number | undefined;
  kill(signal: "SIGKILL" | "SIGTERM"): Promise<void>;
}

export class World {
  readonly workDir: string;
  readonly masters: Program[] = [];
  readonly agents: Program[] = [];
  readonly #hosts: Hosts | undefined;
  readonly #mounts: string[] = [];
  /** Of those that were told to: a paused one can only once it goes on. */
  readonly #ends: Promise<unknown>[] = [];
  #ensemble: Ensemble = NO_ENSEMBLE;

  private constructor(workDir: string, hosts: Hosts | undefined) {
    this.workDir = workDir;
    this.#hosts = hosts;
  }

  /** `hasHosts`: with networks and disks of their own. */
  static async start(hasHosts: boolean): Promise<World> {
    const hosts = hasHosts ? await Hosts.make(ZOOKEEPERS + MASTERS + AGENTS) : undefined;
    const world = new World(makeWorkDir(), hosts);
    try {
      await world.#start();
    } catch (error) {
      await world.end();
      throw error;
    }
    return world;
  }

  async #start(): Promise<void> {
    const all = this.#hosts?.all ?? [];
    this.#ensemble = await startZooKeeper(ZOOKEEPERS, { hosts: all.slice(0, ZOOKEEPERS) });
    const url = this.#ensemble.url(PATH);
    for (let index = 0; index < MASTERS; index++) {
      const host = all[ZOOKEEPERS + index] ?? LOOPBACK;
      const name = `master-${index}`;
      const workDir = join(this.workDir, name);
      if (this.#hosts !== undefined) await this.#mount(workDir);
      const flags = [`--zk=${url}`];
      this.masters.push(await launch({ name, role: "master", host, workDir, flags }));
    }
    for (let index = 0; index < AGENTS; index++) {
      const host = all[ZOOKEEPERS + MASTERS + index] ?? LOOPBACK;
      const name = `agent-${index}`;
      const workDir = join(this.workDir, name);
      const flags = [`--master=${url}`, ...AGENT_FLAGS];
      this.agents.push(await launch({ name, role: "agent", host, workDir, flags }));
    }
  }

  /** `host:port` of each ZooKeeper server. */
  get servers(): readonly string[] {
    return this.#ensemble.servers.map(({ address }) => address);
  }

  /** Begins the fault. Whoever is named is whoever it is now. */
  async begin(fault: Fault, leader: Program): Promise<Heal> {
    switch (fault.kind) {
      case "kill":
      case "stop": {
        const signal = fault.kind === "kill" ? "SIGKILL" : "SIGTERM";
        this.#ends.push((await this.#at(fault.place, leader)).kill(signal));
        return async () => undefined;
      }
      case "pause":
        return pause(await this.#at(fault.place, leader));
      case "slow":
        return await this.#slow((await this.#at(fault.place, leader)).host);
      case "cut": {
        const from = (await this.#at(fault.from, leader)).host;
        const to = (await this.#at(fault.to, leader)).host;
        if (from === to) return async () => undefined;
        return await this.#cut(from, [to], fault.bothWays);
      }
      case "isolate": {
        const { host } = await this.#at(fault.place, leader);
        const others = this.#hosts?.all.filter((other) => other !== host) ?? [];
        return await this.#cut(host, others, true);
      }
      case "noQuorum": {
        const lost = this.#ensemble.servers.filter((_, index) => index !== fault.left);
        await Promise.all(lost.map((server) => server.kill()));
        return async () => undefined;
      }
      case "fillDisk":
        return await fillDisk(this.#programAt(fault.place, leader));
    }
  }

  /** Starts again what has ended. */
  async restart(): Promise<void> {
    await Promise.all(this.#ends.splice(0));
    for (const server of this.#ensemble.servers) if (server.pid === undefined) server.start();
    for (const program of [...this.masters, ...this.agents]) {
      if (!program.process.isRunning()) program.process = (await launch(program)).process;
    }
  }

  /** All ZooKeeper servers answer clients. */
  async untilServing(): Promise<void> {
    await Promise.all(this.#ensemble.servers.map((server) => server.untilServing()));
  }

  async end(): Promise<void> {
    for (const { process: running } of [...this.masters, ...this.agents]) {
      if (running.isRunning()) await running.end("SIGKILL");
    }
    await this.#ensemble.stop();
    for (const folder of this.#mounts) await runProgram("umount", [folder]);
    await removeWorkDir(this.workDir);
    await this.#hosts?.remove();
  }

  /** A disk of its own. */
  async #mount(folder: string): Promise<void> {
    mkdirSync(folder);
    await mustRun("mount", "-t", "tmpfs", "-o", `size=${DISK_SIZE}`, "allot-chaos", folder);
    this.#mounts.push(folder);
  }

  async #at(place: Place, leader: Program): Promise<Target> {
    if (place.kind === "zookeeper" || place.kind === "zookeeperLeader") {
      const index = place.kind === "zookeeper" ? place.index : await this.#leadingServer();
      const server = this.#ensemble.servers[index];
      if (server === undefined) throw new Error(`there is no ZooKeeper server ${index}`);
      return serverTarget(server, this.#hosts?.all[index] ?? LOOPBACK);
    }
    const program = this.#programAt(place, leader);
    const { process: running, host } = program;
    return {
      host,
      pid: running.isRunning() ? running.pid : undefined,
      kill: async (signal) => {
        if (running.isRunning()) await running.end(signal);
      },
    };
  }

  #programAt(place: Place, leader: Program): Program {
    const found =
      place.kind === "leader"
        ? leader
        : place.kind === "follower"
          ? this.masters.filter((master) => master !== leader)[place.index]
          : place.kind === "agent"
            ? this.agents[place.index]
            : undefined;
    if (found === undefined) throw new Error(`no program is at ${JSON.stringify(place)}`);
    return found;
  }

  /** The first one where none leads. */
  async #leadingServer(): Promise<number> {
    const modes = await Promise.all(this.#ensemble.servers.map((server) => server.mode()));
    return Math.max(0, modes.indexOf("leader"));
  }

  async #cut(one: Host, others: readonly Host[], bothWays: boolean): Promise<Heal> {
    const hosts = this.#hosts;
    if (hosts === undefined) throw new Error("without hosts there are no links to cut");
    const pairs = others.flatMap((other) => [
      [one, other] as const,
      ...(bothWays ? [[other, one] as const] : []),
    ]);
    await Promise.all(pairs.map(([from, to]) => hosts.cut(from, to)));
    return async () => {
      await Promise.all(pairs.map(([from, to]) => hosts.join(from, to)));
    };
  }

  async #slow(host: Host): Promise<Heal> {
    const hosts = this.#hosts;
    if (hosts === undefined) throw new Error("without hosts there are no slow links");
    await hosts.slow(host);
    return () => hosts.quicken(host);
  }
}

async function launch(program: Omit<Program, "process">): Promise<Program> {
  const { role, host, workDir, flags } = program;
  const running = await startAllot({
    role,
    workDir,
    command: [
      host.words[0] ?? BINARY,
      ...host.words.slice(1),
      ...(host.words.length > 0 ? [BINARY] : []),
    ],
    flags: [`--ip=${host.ip}`, `--zk_session_timeout=${SESSION_TIMEOUT}`, ...flags],
  });
  const { port } = new URL(running.url);
  // The same port again, as a service has.
  return {
    ...program,
    flags: [...flags.filter((flag) => !flag.startsWith("--port=")), `--port=${port}`],
    process: running,
  };
}

function serverTarget(server: ZooKeeperServer, host: Host): Target {
  return { host, pid: server.pid, kill: () => server.kill() };
}

function pause({ pid }: Target): Heal {
  if (pid === undefined) return async () => undefined;
  const signal = (name: "SIGSTOP" | "SIGCONT"): void => {
    try {
      process.kill(pid, name);
    } catch {
      // Another fault has ended it.
    }
  };
  signal("SIGSTOP");
  return async () => signal("SIGCONT");
}

async function fillDisk({ workDir }: Program): Promise<Heal> {
  const filler = join(workDir, "filler");
  // Ends with an error, as it is to.
  await runProgram("dd", ["if=/dev/zero", `of=${filler}`, "bs=1M", `count=${FILLER_MB}`]);
  return async () => rmSync(filler, { force: true });
}
