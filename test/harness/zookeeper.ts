/** Real ZooKeeper servers on loopback, from Debian's package: one alone, or an ensemble. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseZooKeeperUrl } from "../../src/election/core/zookeeper-url.ts";
import { ZooKeeperSession } from "../../src/election/zookeeper/session.ts";
import { systemClock } from "../../src/platform/system.ts";
import { freePort } from "./free-port.ts";
import { type Host, LOOPBACK } from "./hosts.ts";
import { until } from "./wait.ts";

const JAR = "/usr/share/java/zookeeper.jar";
const JAVA = "/usr/bin/java";
const MAIN = "org.apache.zookeeper.server.quorum.QuorumPeerMain";
/** Small and quick to start; a test has a few thousand nodes at most. */
const JAVA_OPTIONS = ["-Xmx96m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto"];
const TICK_MS = 250;
const START_MS_MAX = 60_000;
const SESSION_TIMEOUT_MS = 3000;

/** One server, which may be stopped, paused and started again. */
export class ZooKeeperServer {
  readonly port: number;
  readonly #config: string;
  readonly #host: Host;
  #process: ChildProcess | undefined;

  constructor(port: number, config: string, host: Host = LOOPBACK) {
    this.port = port;
    this.#config = config;
    this.#host = host;
  }

  get address(): string {
    return `${this.#host.ip}:${this.port}`;
  }

  /** Undefined while it does not run. */
  get pid(): number | undefined {
    return this.#process?.exitCode === null && this.#process.signalCode === null
      ? this.#process.pid
      : undefined;
  }

  start(): void {
    const java = [JAVA, ...JAVA_OPTIONS, "-cp", JAR, MAIN, this.#config];
    const [program = JAVA, ...args] = [...this.#host.words, ...java];
    this.#process = spawn(program, args, { stdio: "ignore" });
  }

  /** Ends it as a crash does. */
  async kill(): Promise<void> {
    const running = this.#process;
    this.#process = undefined;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const ended = new Promise((resolve) => running.once("exit", resolve));
    running.kill("SIGKILL");
    await ended;
  }

  /** It keeps its connections and says nothing. */
  pause(): void {
    this.#process?.kill("SIGSTOP");
  }

  resume(): void {
    this.#process?.kill("SIGCONT");
  }

  /** Waits until it answers clients, which in an ensemble takes a quorum. */
  async untilServing(): Promise<void> {
    await until(
      `ZooKeeper at ${this.address} serves`,
      async () => (await this.mode()) !== undefined,
      START_MS_MAX,
    );
  }

  /** `leader`, `follower` or `standalone`; undefined while it does not serve. */
  async mode(): Promise<string | undefined> {
    return /^Mode: (\w+)$/m.exec(await this.#say("srvr"))?.[1];
  }

  /** Of all nodes it holds, by its own count. */
  async dataBytes(): Promise<number> {
    const found = /^zk_approximate_data_size\s+(\d+)$/m.exec(await this.#say("mntr"));
    if (found === null) throw new Error(`ZooKeeper at ${this.address} does not say what it holds`);
    return Number(found[1]);
  }

  /** The answer to one of the four-letter words; empty when there is none. */
  #say(word: string): Promise<string> {
    return new Promise((resolve) => {
      let text = "";
      const socket = connect(this.port, this.#host.ip, () => socket.write(word));
      socket.setTimeout(1000, () => socket.destroy());
      socket.on("data", (data) => {
        text += data;
      });
      socket.on("error", () => undefined);
      socket.on("close", () => resolve(text));
    });
  }
}

export interface Ensemble {
  readonly servers: readonly ZooKeeperServer[];
  /** `zk://…` of all servers, with that path. */
  url(path: string): string;
  stop(): Promise<void>;
}

/** Why there can be none here, with what to do about it; undefined when there can. */
export function zooKeeperObstacle(
  exists: (path: string) => boolean = existsSync,
): string | undefined {
  const missing = [
    ...(exists(JAVA) ? [] : [`java (${JAVA})`]),
    ...(exists(JAR) ? [] : [`ZooKeeper (${JAR})`]),
  ];
  if (missing.length === 0) return undefined;
  const verb = missing.length === 1 ? "is" : "are";
  return `${missing.join(" and ")} ${verb} not installed; Debian's package zookeeper brings both: apt-get install zookeeper`;
}

/** False, with the reason printed, where ZooKeeper is not installed. */
export function hasZooKeeper(what: string): boolean {
  const obstacle = zooKeeperObstacle();
  if (obstacle !== undefined) console.warn(`skipped: ${what} (${obstacle})`);
  return obstacle === undefined;
}

export interface ZooKeeperOptions {
  readonly tickMs?: number;
  /** Exists, and goes with the servers; a new one unless told. */
  readonly folder?: string;
  /** Of each server; this machine's loopback unless told. */
  readonly hosts?: readonly Host[];
}

/**
 * One server alone, or an ensemble; serving when this returns. Session timeouts may be two to twenty
 * times `tickMs`.
 */
export async function startZooKeeper(
  size: 1 | 3,
  { tickMs = TICK_MS, folder = temporaryFolder(), hosts = [] }: ZooKeeperOptions = {},
): Promise<Ensemble> {
  const ports = await Promise.all(Array.from({ length: size * 3 }, () => freePort()));
  const portOf = (index: number, kind: number): number => ports[index * 3 + kind] ?? 0;
  const hostOf = (index: number): Host => hosts[index] ?? LOOPBACK;
  const peers = Array.from({ length: size }, (_, index) => {
    const ports = `${portOf(index, 1)}:${portOf(index, 2)}`;
    return `server.${index + 1}=${hostOf(index).ip}:${ports}`;
  });
  const servers = peers.map((_, index) => {
    const data = join(folder, `${index + 1}`);
    mkdirSync(data);
    writeFileSync(join(data, "myid"), `${index + 1}\n`);
    const config = join(folder, `${index + 1}.cfg`);
    const lines = [
      `tickTime=${tickMs}`,
      "initLimit=40",
      "syncLimit=20",
      `dataDir=${data}`,
      `clientPort=${portOf(index, 0)}`,
      `clientPortAddress=${hostOf(index).ip}`,
      "admin.enableServer=false",
      "4lw.commands.whitelist=srvr,mntr",
      "maxClientCnxns=0",
      ...(size > 1 ? peers : []),
    ];
    writeFileSync(config, `${lines.join("\n")}\n`);
    return new ZooKeeperServer(portOf(index, 0), config, hostOf(index));
  });
  const stop = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.kill()));
    rmSync(folder, { recursive: true, force: true });
  };
  for (const server of servers) server.start();
  try {
    await Promise.all(servers.map((server) => server.untilServing()));
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    servers,
    url: (path) => `zk://${servers.map(({ address }) => address).join(",")}${path}`,
    stop,
  };
}

function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), "allot-zookeeper-"));
}

/** Asks by a session of its own, which ends with the answer. */
export async function askZooKeeper<T>(
  url: string,
  ask: (session: ZooKeeperSession, path: string) => Promise<T>,
): Promise<T> {
  const parsed = parseZooKeeperUrl(url);
  if (!parsed.ok) throw new Error(parsed.error.message);
  const { servers, path } = parsed.value;
  const { promise, resolve } = Promise.withResolvers<void>();
  const session = new ZooKeeperSession({
    servers,
    timeoutMs: SESSION_TIMEOUT_MS,
    credentials: undefined,
    clock: systemClock,
    onConnected: resolve,
    onDisconnected: () => undefined,
    onOver: () => undefined,
  });
  await promise;
  const answer = await ask(session, path);
  session.close();
  return answer;
}
