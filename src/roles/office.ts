/** The office of the leading master: held by one that acts alone, or stood for by one of several. */
import type { ZooKeeperUrl } from "../election/core/zookeeper-url.ts";
import { createFollowerApp } from "../http/master/follower-app.ts";
import type { Leadership } from "../http/master/leader-endpoints.ts";
import type { MasterInfo } from "../protocol/v1/types.ts";
import type { RegistryStore } from "../registry/store/registry-store.ts";
import type { ReplicatedRegistrar } from "../registry/store/replicated-registrar.ts";
import { ZooKeeperLog } from "../registry/zookeeper/zookeeper-log.ts";
import { Candidate } from "./candidate.ts";
import { aloneLeading, CandidateLeadership } from "./leadership.ts";
import { addressOf } from "./master-info.ts";
import { Reign, type ReignSettings } from "./reign.ts";
import { sessionTimeoutMs } from "./zookeeper-flags.ts";

export interface Office {
  /** While this master leads. */
  reign(): Reign | undefined;
  handle(request: Request): Response | Promise<Response>;
  /** `host:port` of who leads, as far as is known. */
  leaderAddress(): string | undefined;
  onLeaderChange(callback: () => void): void;
  readonly leadership: Leadership;
  stop(): void;
}

/** A master without others leads from the first moment on. */
export async function aloneInOffice(
  settings: ReignSettings,
  registry: RegistryStore,
  info: MasterInfo,
): Promise<Office> {
  const { context } = settings;
  const leadership = aloneLeading(context, info);
  const reign = new Reign(settings, { info, onFatal: context.onFatal }, leadership);
  await registry.putMaster(info);
  return {
    reign: () => reign,
    handle: reign.handle,
    leaderAddress: () => addressOf(info),
    onLeaderChange: () => undefined,
    leadership,
    stop: () => reign.end(),
  };
}

/** One of several: begins to stand, and follows until it is elected. */
export function candidateForOffice(
  settings: ReignSettings,
  registrar: ReplicatedRegistrar,
  { url, nextInfo }: { readonly url: ZooKeeperUrl; nextInfo(): MasterInfo },
): Office {
  const { context, facts, authentication, disabledPaths, registryCopy } = settings;
  const callbacks: (() => void)[] = [];
  const candidate: Candidate<Reign> = new Candidate({
    context,
    url,
    sessionTimeoutMs: sessionTimeoutMs(context.flags),
    registrar,
    nextInfo,
    openLog: (session, id) => new ZooKeeperLog(session, url.path, id),
    beginReign: (options) => new Reign(settings, options, leadership),
    onLeader: () => {
      for (const callback of callbacks) callback();
    },
  });
  const leadership = new CandidateLeadership({ context, url, candidate, registrar });
  const leader = (): MasterInfo | undefined =>
    candidate.standing === "following" ? candidate.leader : undefined;
  const proxyTo = (): string | undefined => {
    const info = leader();
    return info && addressOf(info);
  };
  const follow = createFollowerApp({
    facts,
    authentication,
    disabledPaths,
    leadership,
    registryCopy,
    // Elected and still reading the registry, it would lead to itself.
    isRecovering: () => candidate.standing === "recovering",
    leader,
    ...(context.flags.boolean("proxy_to_leader") ? { proxyTo } : {}),
  });
  candidate.start();
  return {
    reign: () => candidate.reign,
    handle: (request) => candidate.reign?.handle(request) ?? follow(request),
    leaderAddress: () => candidate.leader && addressOf(candidate.leader),
    onLeaderChange: (callback) => callbacks.push(callback),
    leadership,
    stop: () => candidate.stop(),
  };
}
