/**
 * Three ZooKeeper servers, three masters and five agents on loopback, each a real process below one
 * work folder, kept running until they are stopped.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type AllotProcess, removeWorkDir, startAllot } from "../harness/allot-process.ts";
import { freePort } from "../harness/free-port.ts";
import { type Ensemble, startZooKeeper, type ZooKeeperServer } from "../harness/zookeeper.ts";
import { Member } from "./member.ts";

const MASTERS = 3;
const AGENTS = 5;
const PATH = "/cluster";
/** Short, so that somebody who kills a master sees another one lead soon. */
const SESSION_TIMEOUT = "3secs";
/** With the last two nothing of this machine is changed. */
const AGENT_FLAGS = [
  "--resources=cpus:2;mem:1024;disk:1024",
  "--launcher=posix",
  "--isolation=posix/cpu,posix/mem",
];

/** After that a process that was asked to end is killed: it may be paused. */
const END_MS_MAX = 5000;

export interface ServerMember {
  readonly member: Member;
  readonly server: ZooKeeperServer;
}

export class LocalCluster {
  /** `zk://…` of all servers. */
  readonly url: string;
  readonly workDir: string;
  readonly servers: readonly ServerMember[];
  readonly masters: Member[] = [];
  readonly agents: Member[] = [];
  readonly #zookeeper: Ensemble;
  readonly #running = new Map<string, AllotProcess>();
  #isStopping = false;

  private constructor(workDir: string, zookeeper: Ensemble) {
    this.workDir = workDir;
    this.url = zookeeper.url(PATH);
    this.#zookeeper = zookeeper;
    this.servers = zookeeper.servers.map((server, index) => ({
      server,
      member: new Member({
        name: `zookeeper-${index + 1}`,
        address: server.address,
        pid: () => server.pid,
        start: () => server.start(),
      }),
    }));
  }

  /** All of it below `workDir`, an empty folder, which `stop` removes. */
  static async start(workDir: string): Promise<LocalCluster> {
    const folder = join(workDir, "zookeeper");
    mkdirSync(folder);
    const cluster = new LocalCluster(workDir, await startZooKeeper(3, { folder }));
    try {
      await cluster.#startAllots();
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  get members(): readonly Member[] {
    return [...this.servers.map(({ member }) => member), ...this.masters, ...this.agents];
  }

  /** Starts again what has ended by itself. Errors: it cannot be started. */
  async tend(): Promise<void> {
    if (this.#isStopping) return;
    await Promise.all(this.members.map((member) => member.tend(performance.now())));
  }

  /** Ends every process by its id, tasks among them, and removes the folder. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    const running = [...this.#running.values()].filter((allot) => allot.isRunning());
    await Promise.all(running.map(endSoon));
    await this.#zookeeper.stop();
    await removeWorkDir(this.workDir);
  }

  async #startAllots(): Promise<void> {
    for (let number = 1; number <= MASTERS; number++) {
      this.masters.push(await this.#makeAllot("master", number, [`--zk=${this.url}`]));
    }
    for (let number = 1; number <= AGENTS; number++) {
      const flags = [`--master=${this.url}`, ...AGENT_FLAGS];
      this.agents.push(await this.#makeAllot("agent", number, flags));
    }
  }

  /** On one port through all its restarts; has been started when this resolves. */
  async #makeAllot(role: "master" | "agent", number: number, more: string[]): Promise<Member> {
    const name = `${role}-${number}`;
    const port = await freePort();
    const flags = [`--port=${port}`, `--zk_session_timeout=${SESSION_TIMEOUT}`, ...more];
    const start = async (): Promise<void> => {
      const workDir = join(this.workDir, name);
      this.#running.set(name, await startAllot({ role, workDir, flags }));
    };
    await start();
    return new Member({
      name,
      address: `http://127.0.0.1:${port}`,
      pid: () => {
        const allot = this.#running.get(name);
        return allot?.isRunning() === true ? allot.pid : undefined;
      },
      start,
    });
  }
}

async function endSoon(allot: AllotProcess): Promise<void> {
  await Promise.race([allot.end("SIGTERM"), sleep(END_MS_MAX, undefined, { ref: false })]);
  if (allot.isRunning()) await allot.end("SIGKILL");
}
