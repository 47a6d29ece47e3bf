/** Watches who leads among the masters that meet in ZooKeeper. */
import type { Clock, Log, Rng } from "../base/ports.ts";
import type { ZooKeeperUrl } from "../election/core/zookeeper-url.ts";
import { Elector } from "../election/zookeeper/elector.ts";
import type { Codec } from "../protocol/codec.ts";
import type { MasterInfo } from "../protocol/v1/types.ts";
import { masterOf } from "./master-info.ts";

export interface LeaderWatchOptions {
  readonly url: ZooKeeperUrl;
  readonly sessionTimeoutMs: number;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Log;
  readonly codec: Codec;
  /** Undefined while nobody is known to lead. */
  onLeader(leader: MasterInfo | undefined): void;
}

/** Begins at once; what it returns says how it stands with ZooKeeper, and stops it. */
export function watchLeader({
  codec,
  onLeader,
  ...options
}: LeaderWatchOptions): Pick<Elector, "contact" | "stop"> {
  const elector = new Elector({
    ...options,
    onLeader: (leader) => onLeader(leader && masterOf(codec, leader.data)),
  });
  elector.start();
  return elector;
}
