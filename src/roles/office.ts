/** The office of the leading master: held by one that acts alone, or stood for by one of several. */
import type { ZooKeeperUrl } from "../election/core/zookeeper-url.ts";
import { createFollowerApp } from "../http/master/follower-app.ts";
import { textResponse } from "../http/responses.ts";
import type { MasterInfo } from "../protocol/v1/types.ts";
import type { RegistryStore } from "../registry/store/registry-store.ts";
import type { ReplicatedRegistrar } from "../registry/store/replicated-registrar.ts";
import { ZooKeeperLog } from "../registry/zookeeper/zookeeper-log.ts";
import { Candidate } from "./candidate.ts";
import { Reign, type ReignSettings } from "./reign.ts";
import { sessionTimeoutMs } from "./zookeeper-flags.ts";

export interface Office {
  /** While this master leads. */
  reign(): Reign | undefined;
  handle(request: Request): Response | Promise<Response>;
  /** `host:port` of who leads, as far as is known. */
  leaderAddress(): string | undefined;
  onLeaderChange(callback: () => void): void;
  stop(): void;
}

/** A master without others leads from the first moment on. */
export async function aloneInOffice(
  settings: ReignSettings,
  registry: RegistryStore,
  info: MasterInfo,
): Promise<Office> {
  const reign = new Reign(settings, { info, onFatal: settings.context.onFatal });
  await registry.putMaster(info);
  return {
    reign: () => reign,
    handle: reign.handle,
    leaderAddress: () => addressOf(info),
    onLeaderChange: () => undefined,
    stop: () => reign.end(),
  };
}

/** One of several: begins to stand, and follows until it is elected. */
export function candidateForOffice(
  settings: ReignSettings,
  registrar: ReplicatedRegistrar,
  { url, nextInfo }: { readonly url: ZooKeeperUrl; nextInfo(): MasterInfo },
): Office {
  const { context, facts, authentication, disabledPaths } = settings;
  const callbacks: (() => void)[] = [];
  let leader: MasterInfo | undefined;
  const candidate = new Candidate({
    context,
    url,
    sessionTimeoutMs: sessionTimeoutMs(context.flags),
    registrar,
    nextInfo,
    openLog: (session, id) => new ZooKeeperLog(session, url.path, id),
    beginReign: (options) => new Reign(settings, options),
    onLeader: (info) => {
      leader = info;
      for (const callback of callbacks) callback();
    },
  });
  const follow = createFollowerApp({
    facts,
    authentication,
    disabledPaths,
    // Elected and still reading the registry, it would lead to itself.
    leader: () => (candidate.isOwn(leader) ? undefined : leader),
  });
  candidate.start();
  return {
    reign: () => candidate.reign,
    handle: (request) =>
      candidate.reign?.handle(request) ??
      (candidate.isOwn(leader)
        ? textResponse(503, "Master has not finished recovery")
        : follow(request)),
    leaderAddress: () => leader && addressOf(leader),
    onLeaderChange: (callback) => callbacks.push(callback),
    stop: () => candidate.stop(),
  };
}

/** Where a master is reached: by its address, since names need not be known everywhere. */
export function addressOf({ address, hostname, port }: MasterInfo): string {
  return `${address?.ip ?? hostname ?? ""}:${address?.port ?? port}`;
}
