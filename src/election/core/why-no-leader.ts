/** Why no master leads, in sentences for people: what ZooKeeper and the election look like from here. */

/** One ZooKeeper server as it says itself. `away`: nobody listens there; `unknown`: it will not say. */
export interface ServerReport {
  readonly address: string;
  readonly state: "serving" | "noQuorum" | "silent" | "away" | "unknown";
}

/** How the way to ZooKeeper is. */
export interface ZooKeeperContact {
  readonly isConnected: boolean;
  /** Connected, or not, for so long. */
  readonly forMs: number;
}

export interface ElectionView {
  readonly contact: ZooKeeperContact;
  /** Asked while there is no connection; empty otherwise. */
  readonly servers: readonly ServerReport[];
  /** `host:port` of who is elected, as far as is known. */
  readonly leader: string | undefined;
  /** Whether that one is known to read the registry yet. */
  readonly isRecovering: boolean;
}

const MEANWHILE =
  "Until then nothing is offered, launched or committed; running tasks go on, and their updates are kept.";

/** Empty while somebody leads, as far as can be told. */
export function whyNoLeader(view: ElectionView): readonly string[] {
  const { contact, servers, leader, isRecovering } = view;
  if (!contact.isConnected) {
    const since = `for ${durationText(contact.forMs)}`;
    const details = servers.length === 0 ? "" : ` (${serversText(servers)})`;
    return [
      `ZooKeeper has not been reachable ${since}${details}.`,
      remedyOf(servers),
      leader === undefined ? MEANWHILE : `${leader} led when it was last heard of.`,
    ];
  }
  if (leader === undefined) {
    return [
      "ZooKeeper answers, but no master stands for election there.",
      "Start a master with this --zk, or wait for one that just lost its session: it stands again within seconds.",
      MEANWHILE,
    ];
  }
  if (!isRecovering) return [];
  return [`${leader} is elected and still reads the registry.`, MEANWHILE];
}

/** As `10.0.0.1:2181 serves; 10.0.0.2:2181 cannot be connected to`. */
export function serversText(servers: readonly ServerReport[]): string {
  return servers.map(({ address, state }) => `${address} ${STATE_TEXT[state]}`).join("; ");
}

const STATE_TEXT: Readonly<Record<ServerReport["state"], string>> = {
  serving: "serves",
  noQuorum: "runs, but has no quorum",
  silent: "does not answer",
  away: "cannot be connected to",
  unknown: "answers, but does not say how it is",
};

function remedyOf(servers: readonly ServerReport[]): string {
  const serving = servers.filter(({ state }) => state === "serving").length;
  if (serving > 0) return "A server serves again: the connection comes back by itself.";
  const quorum = Math.floor(servers.length / 2) + 1;
  const enough = servers.length < 2 ? "it" : `${quorum} of these ${servers.length}`;
  return `Bring ${enough} up again, or mend the network between; all goes on by itself then.`;
}

/** `34s`, `12m` or `3h`. */
function durationText(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 120 ? `${minutes}m` : `${Math.floor(minutes / 60)}h`;
}
