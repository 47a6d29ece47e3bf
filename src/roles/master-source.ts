/** Where an agent learns who its master is: an address that it was given, or ZooKeeper. */
import { ok, type Result, refuse } from "../base/result.ts";
import { whyNoLeader } from "../election/core/why-no-leader.ts";
import type { ZooKeeperUrl } from "../election/core/zookeeper-url.ts";
import { askServers } from "../election/zookeeper/servers.ts";
import { watchLeader } from "./leader-watch.ts";
import { addressOf } from "./master-info.ts";
import type { RoleContext } from "./role-context.ts";
import { sessionTimeoutMs, zooKeeperFlag } from "./zookeeper-flags.ts";

export interface MasterSource {
  /** `host:port` of who leads, as far as is known. */
  leaderAddress(): string | undefined;
  /** Calls back whenever another one leads. */
  onLeaderChange(callback: () => void): void;
  /** Why no leader is known, in sentences; empty while one is. */
  why(): Promise<readonly string[]>;
  stop(): void;
}

/** From `--master` of an agent. Errors: a refusal that names the flag. */
export function masterSource(context: RoleContext): Result<MasterSource> {
  const { flags } = context;
  const text = flags.string("master");
  if (text === undefined) {
    return refuse(
      "invalid",
      "an agent needs --master=HOST:PORT or --master=zk://HOST:PORT/PATH to find its master",
      "master",
    );
  }
  const url = zooKeeperFlag(flags, "master");
  if (!url.ok) return url;
  if (url.value === undefined) return ok(fixedSource(text));
  const sessionTimeout = sessionTimeoutMs(flags);
  return ok(zooKeeperSource({ url: url.value, sessionTimeoutMs: sessionTimeout, ...context }));
}

/** The one master there is. */
export function fixedSource(address: string): MasterSource {
  return {
    leaderAddress: () => address,
    onLeaderChange: () => undefined,
    why: async () => [],
    stop: () => undefined,
  };
}

export interface ZooKeeperSourceOptions
  extends Pick<RoleContext, "clock" | "rng" | "log" | "codec"> {
  readonly url: ZooKeeperUrl;
  readonly sessionTimeoutMs: number;
}

/** Begins to look for the leader; returns at once. */
export function zooKeeperSource(options: ZooKeeperSourceOptions): MasterSource {
  const callbacks: (() => void)[] = [];
  let address: string | undefined;
  const watch = watchLeader({
    ...options,
    onLeader: (info) => {
      address = info && addressOf(info);
      for (const callback of callbacks) callback();
    },
  });
  return {
    leaderAddress: () => address,
    onLeaderChange: (callback) => callbacks.push(callback),
    why: async () => {
      const { contact } = watch;
      const { url, clock } = options;
      const servers = contact.isConnected ? [] : await askServers(url.servers, clock);
      return whyNoLeader({ contact, servers, leader: address, isRecovering: false });
    },
    stop: () => watch.stop(),
  };
}

/** Gives up the link whenever another one leads than the one it was made to. */
export function followLeader(
  master: Pick<MasterSource, "leaderAddress" | "onLeaderChange">,
  link: { reconnect(reason: string): void },
): void {
  let leader = master.leaderAddress();
  master.onLeaderChange(() => {
    const known = master.leaderAddress();
    // Without a known leader the link, where there is one, may be as good as ever.
    if (known === undefined || known === leader) return;
    leader = known;
    link.reconnect(`${known} leads`);
  });
}
