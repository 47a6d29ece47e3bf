/** All masters that stand under one path of ZooKeeper, and who of them took the registry over. */
import { ok } from "../base/result.ts";
import { candidatesOf } from "../election/core/candidates.ts";
import {
  childOf,
  type SessionResult,
  type ZooKeeperSession,
} from "../election/zookeeper/session.ts";
import type { Codec } from "../protocol/codec.ts";
import type { MasterInfo } from "../protocol/v1/types.ts";
import { type LogEpoch, readEpoch } from "../registry/zookeeper/zookeeper-log.ts";
import { masterOf } from "./master-info.ts";

export interface MastersSurvey {
  /** In the order in which they would lead; the first one is elected. */
  readonly masters: readonly MasterInfo[];
  readonly epoch: LogEpoch | undefined;
}

/** Nodes that cannot be read as a master's are left out. */
export async function surveyMasters(
  session: ZooKeeperSession,
  path: string,
  codec: Codec,
): Promise<SessionResult<MastersSurvey>> {
  const epoch = await readEpoch(session, path);
  if (!epoch.ok) return epoch;
  const names = await session.children(path);
  if (!names.ok) {
    return names.error.code === "noNode" ? ok({ masters: [], epoch: epoch.value }) : names;
  }
  const nodes = await Promise.all(
    candidatesOf(names.value).map(({ name }) => session.read(childOf(path, name))),
  );
  const masters: MasterInfo[] = [];
  for (const node of nodes) {
    // One that goes meanwhile stands no more.
    if (!node.ok && node.error.code !== "noNode") return node;
    const master = node.ok ? masterOf(codec, node.value.data) : undefined;
    if (master !== undefined) masters.push(master);
  }
  return ok({ masters, epoch: epoch.value });
}
