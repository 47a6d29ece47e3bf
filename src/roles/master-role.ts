/** Joins the parts of a master: registry, core, runtime, link server and HTTP on one port. */
import { readFile } from "node:fs/promises";
import { ok, type Result } from "../base/result.ts";
import { withLogFile } from "../http/file-source.ts";
import { LiveMetrics } from "../http/metrics/live-metrics.ts";
import { PacedReads } from "../http/paced-reads.ts";
import { type ProcessFacts, sortedMetrics, systemMetrics } from "../http/process-facts.ts";
import { textResponse } from "../http/responses.ts";
import { LINK_PATH } from "../link/server.ts";
import type { MasterRuntime } from "../master/runtime/master-runtime.ts";
import { watchWhitelist } from "../master/runtime/whitelist.ts";
import type { ServerSocket, SocketHandler } from "../platform/server-types.ts";
import { CODEC_LIMITS } from "../protocol/limits.ts";
import { MAX_PACKET_BYTES } from "../protocol/link-limits.ts";
import type { DomainInfo, MasterInfo } from "../protocol/v1/types.ts";
import { Registrar } from "../registry/store/registrar.ts";
import { RegistryFile } from "../registry/store/registry-file.ts";
import { ReplicatedRegistrar } from "../registry/store/replicated-registrar.ts";
import type { Acls } from "../security/acls.ts";
import { ipNumber, type RoleAddress, roleAddress } from "./address.ts";
import { masterOptions } from "./master-options.ts";
import { aloneInOffice, candidateForOffice, type Office } from "./office.ts";
import { domainFlag } from "./policy-flags.ts";
import { registryCopies } from "./registry-copies.ts";
import { registryPath } from "./registry-path.ts";
import type { ReignSettings } from "./reign.ts";
import {
  MESOS_API_VERSION,
  type RoleContext,
  type RunningRole,
  versionInfo,
} from "./role-context.ts";
import { firewallFlag, masterAuthentication } from "./security-flags.ts";
import { withoutPasswords, zooKeeperFlag } from "./zookeeper-flags.ts";

/** A started master: itself alone, or one of several. */
export interface RunningMaster extends RunningRole {
  /** `host:port` of who leads, as far as is known. */
  leaderAddress(): string | undefined;
  /** Calls back whenever another one leads. */
  onLeaderChange(callback: () => void): void;
  /** Why none is, in sentences. */
  why(): Promise<readonly string[]>;
}

/** Starts a master. Errors: a refusal for bad flags; rejects when disk or port cannot be had. */
export async function startMaster(context: RoleContext): Promise<Result<RunningMaster>> {
  const { flags, clock, codec } = context;
  const startedMs = clock.wallMs();
  const address = roleAddress(flags);
  const options = masterOptions(flags, codec);
  if (!options.ok) return options;
  const domain = domainFlag(flags, codec);
  if (!domain.ok) return domain;
  const zooKeeper = zooKeeperFlag(flags, "zk");
  if (!zooKeeper.ok) return zooKeeper;
  const authentication = masterAuthentication(flags, context.log);
  if (!authentication.ok) return authentication;
  const disabledPaths = firewallFlag(flags);
  if (!disabledPaths.ok) return disabledPaths;
  let office: Office | undefined;
  let hostnames: ReadonlySet<string> | undefined;
  const whitelist = await startWhitelist(context, (list) => {
    hostnames = list;
    office?.reign()?.runtime.setWhitelist(list);
  });
  if (!whitelist.ok) return whitelist;
  hostnames = whitelist.value.hostnames;
  const registry = await openRegistry(context, zooKeeper.value !== undefined);
  const server = await context.serve({
    ip: address.listenIp,
    port: flags.integer("port") ?? 5050,
    maxBodyBytes: CODEC_LIMITS.bodyBytes,
    maxSocketMessageBytes: MAX_PACKET_BYTES,
    fetch: (request) =>
      office?.handle(request) ?? textResponse(503, "Master has not finished recovery"),
    webSocket: {
      path: LINK_PATH,
      accept: (socket) => office?.reign()?.accept(socket) ?? refuseSocket(socket),
    },
  });
  const reads = PacedReads.on(clock);
  const facts = masterFacts(context, () => office?.reign()?.runtime, {
    startedMs,
    acls: options.value.acls,
    reads,
  });
  facts.live.start();
  const settings: ReignSettings = {
    context,
    options: options.value,
    registry,
    authentication: authentication.value,
    disabledPaths: disabledPaths.value,
    reads,
    facts,
    registryCopy: registryCopies({
      ...{ registry, clock, log: context.log, open: context.openSql },
      path: `${registryPath(context.workDir)}.copy`,
    }),
    hostnames: () => hostnames,
  };
  const nextInfo = (): MasterInfo => masterInfo(context, address, server.port, domain.value);
  office =
    registry instanceof ReplicatedRegistrar && zooKeeper.value !== undefined
      ? candidateForOffice(settings, registry, { url: zooKeeper.value, nextInfo })
      : await aloneInOffice(settings, registry, nextInfo());
  const running = office;
  return ok({
    url: `http://${address.ip}:${server.port}`,
    port: server.port,
    leaderAddress: running.leaderAddress,
    onLeaderChange: running.onLeaderChange,
    why: async () => (await running.leadership.report()).why,
    stop: async () => {
      whitelist.value.stop();
      facts.live.stop();
      running.stop();
      await server.stop();
      await registry.close();
    },
  });
}

type OwnRegistry = Registrar | ReplicatedRegistrar;

/** Several masters keep their copies of one registry in the same kind of file. */
async function openRegistry(context: RoleContext, isShared: boolean): Promise<OwnRegistry> {
  const { clock, log } = context;
  const options = {
    path: registryPath(context.workDir),
    open: context.openSql,
    clock,
    log,
  };
  if (!isShared) return Registrar.open(options);
  const file = await RegistryFile.open(options);
  return new ReplicatedRegistrar({ file, clock, log, onForeignLog: context.onFatal });
}

/** An agent that comes to a master which does not lead looks again. */
function refuseSocket(socket: ServerSocket): SocketHandler {
  socket.close(1013, "this master does not lead");
  const nothing = (): void => undefined;
  return { message: nothing, drained: nothing, closed: nothing };
}

/** The list as it is now, if there is one; later ones go to `onList`. */
async function startWhitelist(
  context: RoleContext,
  onList: (hostnames: ReadonlySet<string>) => void,
): Promise<Result<{ readonly hostnames: ReadonlySet<string> | undefined; stop(): void }>> {
  const path = context.flags.string("whitelist");
  if (path === undefined) return ok({ hostnames: undefined, stop: () => undefined });
  let hostnames: ReadonlySet<string> | undefined;
  const watching = await watchWhitelist({
    path,
    readFile: (name) => readFile(name, "utf8"),
    clock: context.clock,
    log: context.log,
    onList: (list) => {
      hostnames = list;
      onList(list);
    },
  });
  return watching.ok ? ok({ hostnames, stop: watching.value }) : watching;
}

function masterInfo(
  context: RoleContext,
  { ip, hostname }: RoleAddress,
  listenPort: number,
  domain: DomainInfo | undefined,
): MasterInfo {
  const port = context.flags.integer("advertise_port") ?? listenPort;
  return {
    id: context.rng.uuid(),
    ip: ipNumber(ip),
    port,
    pid: `master@${ip}:${port}`,
    hostname,
    version: MESOS_API_VERSION,
    address: { hostname, ip, port },
    capabilities: [{ type: "AGENT_UPDATE" }, { type: "AGENT_DRAINING" }, { type: "QUOTA_V2" }],
    ...(domain !== undefined && { domain }),
  };
}

function masterFacts(
  context: RoleContext,
  runtime: () => MasterRuntime | undefined,
  parts: { readonly startedMs: number; readonly acls: Acls; readonly reads: PacedReads },
): ProcessFacts {
  const { startedMs, acls, reads } = parts;
  return {
    acls,
    version: versionInfo(context, startedMs),
    flags: withoutPasswords(context.flags.toFlagStrings()),
    loggingLevel: context.loggingLevel,
    live: new LiveMetrics(context.clock),
    files: withLogFile("/master/log", context.logFile),
    metrics: () =>
      sortedMetrics(systemMetrics(), runtime()?.metrics() ?? NOT_LEADING, {
        "master/http_cache_hits": reads.sharedCount,
      }),
  };
}

const NOT_LEADING: Readonly<Record<string, number>> = { "master/elected": 0 };
