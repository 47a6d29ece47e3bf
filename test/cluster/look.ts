/** What a cluster is like right now, asked of its processes. */
import { KeptSession } from "../harness/kept-session.ts";
import type { LocalCluster } from "./local-cluster.ts";
import type { Member } from "./member.ts";

/** Of one question; who takes longer is shown as silent. */
const ANSWER_MS_MAX = 1000;
/** Where the masters keep the number of the reign, below the path of the URL. */
const EPOCH = "/cluster/log_replicas/allot/epoch";

export interface MemberStatus {
  readonly name: string;
  readonly address: string;
  readonly pid: number | undefined;
  /** `ended`, `silent`, or what it does: `leads`, `follows`, `leader`, `follower`, `runs`. */
  readonly does: string;
}

/** As the leader counts them. */
export interface Counts {
  readonly agentsActive: number;
  readonly agentsDisconnected: number;
  readonly agentsUnreachable: number;
  readonly staging: number;
  readonly running: number;
  readonly finished: number;
  readonly failed: number;
}

export interface ClusterStatus {
  readonly servers: readonly MemberStatus[];
  readonly masters: readonly MemberStatus[];
  readonly agents: readonly MemberStatus[];
  /** Who leads: the number of its reign, and what it counts. */
  readonly leader: MemberStatus | undefined;
  readonly epoch: number | undefined;
  readonly counts: Counts | undefined;
}

type Metrics = Readonly<Record<string, number>>;

/** Looks again and again; `close` ends its own session with ZooKeeper. */
export class Lookout {
  readonly #cluster: LocalCluster;
  readonly #session: KeptSession;

  constructor(cluster: LocalCluster) {
    this.#cluster = cluster;
    this.#session = new KeptSession(cluster.servers.map(({ server }) => server.address));
  }

  async look(): Promise<ClusterStatus> {
    const { servers, masters, agents } = this.#cluster;
    const [modes, metrics, epoch] = await Promise.all([
      Promise.all(servers.map(({ server }) => server.mode())),
      Promise.all(masters.map(metricsOf)),
      this.#epoch(),
    ]);
    const isLeading = metrics.map((one) => one?.["master/elected"] === 1);
    const masterStatuses = masters.map((master, at) =>
      statusOf(master, metrics[at] && (isLeading[at] === true ? "leads" : "follows")),
    );
    const at = isLeading.indexOf(true);
    const counted = metrics[at];
    return {
      servers: servers.map(({ member }, index) => statusOf(member, modes[index])),
      masters: masterStatuses,
      agents: agents.map((agent) => statusOf(agent, "runs")),
      leader: masterStatuses[at],
      epoch,
      counts: counted && countsOf(counted),
    };
  }

  close(): void {
    this.#session.close();
  }

  /** Undefined while ZooKeeper does not say. */
  async #epoch(): Promise<number | undefined> {
    const session = await this.#session.connected(ANSWER_MS_MAX);
    const node = await session.read(EPOCH);
    return node.ok ? node.value.version : undefined;
  }
}

function statusOf(member: Member, does: string | undefined): MemberStatus {
  const { name, address, pid } = member;
  return { name, address, pid, does: pid === undefined ? "ended" : (does ?? "silent") };
}

async function metricsOf(master: Member): Promise<Metrics | undefined> {
  if (master.pid === undefined) return undefined;
  try {
    const response = await fetch(`${master.address}/metrics/snapshot`, {
      signal: AbortSignal.timeout(ANSWER_MS_MAX),
    });
    return (await response.json()) as Metrics;
  } catch {
    return undefined;
  }
}

function countsOf(metrics: Metrics): Counts {
  const count = (name: string): number => metrics[`master/${name}`] ?? 0;
  return {
    agentsActive: count("slaves_active"),
    agentsDisconnected: count("slaves_disconnected"),
    agentsUnreachable: count("slaves_unreachable"),
    staging: count("tasks_staging") + count("tasks_starting"),
    running: count("tasks_running"),
    finished: count("tasks_finished"),
    failed: count("tasks_failed") + count("tasks_killed"),
  };
}
