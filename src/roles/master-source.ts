/** Where an agent learns who its master is: an address that it was given, or ZooKeeper. */
import { ok, type Result, refuse } from "../base/result.ts";
import { Elector } from "../election/zookeeper/elector.ts";
import { masterOf } from "./candidate.ts";
import { addressOf } from "./office.ts";
import type { RoleContext } from "./role-context.ts";
import { sessionTimeoutMs, zooKeeperFlag } from "./zookeeper-flags.ts";

export interface MasterSource {
  /** `host:port` of who leads, as far as is known. */
  leaderAddress(): string | undefined;
  /** Calls back whenever another one leads. */
  onLeaderChange(callback: () => void): void;
  stop(): void;
}

/** From `--master` of an agent. Errors: a refusal that names the flag. */
export function masterSource(context: RoleContext): Result<MasterSource> {
  const { flags, codec, clock, rng, log } = context;
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
  if (url.value === undefined) {
    return ok({
      leaderAddress: () => text,
      onLeaderChange: () => undefined,
      stop: () => undefined,
    });
  }
  const callbacks: (() => void)[] = [];
  let address: string | undefined;
  const elector = new Elector({
    url: url.value,
    sessionTimeoutMs: sessionTimeoutMs(flags),
    clock,
    rng,
    log,
    onLeader: (leader) => {
      const info = leader && masterOf(codec, leader.data);
      address = info && addressOf(info);
      for (const callback of callbacks) callback();
    },
  });
  elector.start();
  return ok({
    leaderAddress: () => address,
    onLeaderChange: (callback) => callbacks.push(callback),
    stop: () => elector.stop(),
  });
}
