/** Joins the parts of a master: registry, core, runtime, link server and HTTP on one port. */
import { readFile } from "node:fs/promises";
import { posix as paths } from "node:path";
import { DrfAllocator } from "../allocator/drf-allocator.ts";
import { ok, type Result } from "../base/result.ts";
import { withLogFile } from "../http/file-source.ts";
import { createMasterApp } from "../http/master/master-app.ts";
import { LiveMetrics } from "../http/metrics/live-metrics.ts";
import { PacedReads } from "../http/paced-reads.ts";
import { type ProcessFacts, sortedMetrics, systemMetrics } from "../http/process-facts.ts";
import { textResponse } from "../http/responses.ts";
import { LINK_PATH, LinkServer } from "../link/server.ts";
import { MasterCore } from "../master/core/master-core.ts";
import type { MasterOptions } from "../master/core/master-options.ts";
import { MasterRuntime } from "../master/runtime/master-runtime.ts";
import { watchWhitelist } from "../master/runtime/whitelist.ts";
import { CODEC_LIMITS } from "../protocol/limits.ts";
import { MAX_PACKET_BYTES } from "../protocol/link-limits.ts";
import type { DomainInfo, MasterInfo } from "../protocol/v1/types.ts";
import { Registrar } from "../registry/store/registrar.ts";
import { ResourceKinds } from "../resources/kinds.ts";
import type { Acls } from "../security/acls.ts";
import { ipNumber, type RoleAddress, roleAddress } from "./address.ts";
import { masterOptions } from "./master-options.ts";
import { domainFlag } from "./policy-flags.ts";
import {
  MESOS_API_VERSION,
  type RoleContext,
  type RunningRole,
  versionInfo,
} from "./role-context.ts";
import { agentAdmission, firewallFlag, masterAuthentication } from "./security-flags.ts";

/** Starts a master. Errors: a refusal for bad flags; rejects when disk or port cannot be had. */
export async function startMaster(context: RoleContext): Promise<Result<RunningRole>> {
  const { flags, clock, codec } = context;
  const startedMs = clock.wallMs();
  const address = roleAddress(flags);
  const options = masterOptions(flags, codec);
  if (!options.ok) return options;
  const domain = domainFlag(flags, codec);
  if (!domain.ok) return domain;
  const authentication = masterAuthentication(flags, context.log);
  if (!authentication.ok) return authentication;
  const disabledPaths = firewallFlag(flags);
  if (!disabledPaths.ok) return disabledPaths;
  let runtime: MasterRuntime | undefined;
  const whitelist = await startWhitelist(context, (hostnames) => runtime?.setWhitelist(hostnames));
  if (!whitelist.ok) return whitelist;
  const registry = await Registrar.open({
    path: paths.join(context.workDir, "master", "registry.db"),
    open: context.openSql,
    clock,
    log: context.log,
  });
  let handle = (_request: Request): Response | Promise<Response> =>
    textResponse(503, "Master has not finished recovery");
  let links: LinkServer | undefined;
  const server = await context.serve({
    ip: address.listenIp,
    port: flags.integer("port") ?? 5050,
    maxBodyBytes: CODEC_LIMITS.bodyBytes,
    maxSocketMessageBytes: MAX_PACKET_BYTES,
    fetch: (request) => handle(request),
    webSocket: {
      path: LINK_PATH,
      accept: (socket) => {
        if (runtime === undefined || links === undefined) {
          throw new Error("a link was opened before the master started");
        }
        return runtime.paced(links.accept(socket));
      },
    },
  });
  const info = masterInfo(context, address, server.port, domain.value);
  runtime = makeRuntime(context, { ...options.value, info }, registry);
  const { linkCodec, log } = context;
  const { writes } = runtime;
  const refusalOf = agentAdmission(flags, authentication.value, options.value.acls);
  links = new LinkServer({ host: runtime, codec, linkCodec, clock, log, writes, refusalOf });
  runtime.start();
  if (whitelist.value.hostnames !== undefined) runtime.setWhitelist(whitelist.value.hostnames);
  const reads = PacedReads.on(clock);
  const facts = masterFacts(context, runtime, { startedMs, acls: options.value.acls, reads });
  facts.live.start();
  handle = createMasterApp({
    runtime,
    codec,
    facts,
    authentication: authentication.value,
    disabledPaths: disabledPaths.value,
    cluster: flags.string("cluster"),
    reads,
  });
  await registry.putMaster(info);
  const running = runtime;
  return ok({
    url: `http://${address.ip}:${server.port}`,
    port: server.port,
    stop: async () => {
      whitelist.value.stop();
      facts.live.stop();
      running.stop();
      await server.stop();
      await registry.close();
    },
  });
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

function makeRuntime(
  context: RoleContext,
  options: MasterOptions,
  registry: Registrar,
): MasterRuntime {
  const kinds = new ResourceKinds();
  const allocator = new DrfAllocator(kinds, {
    ...options,
    masterRegion: options.info.domain?.fault_domain?.region.name,
  });
  return new MasterRuntime({
    core: new MasterCore({ options, allocator, kinds }),
    info: options.info,
    version: context.allotVersion,
    heartbeatMs: options.agentPingTimeoutMs,
    registry,
    clock: context.clock,
    rng: context.rng,
    log: context.log,
    onFatal: context.onFatal,
  });
}

function masterFacts(
  context: RoleContext,
  runtime: MasterRuntime,
  parts: { readonly startedMs: number; readonly acls: Acls; readonly reads: PacedReads },
): ProcessFacts {
  const { startedMs, acls, reads } = parts;
  return {
    acls,
    version: versionInfo(context, startedMs),
    flags: context.flags.toFlagStrings(),
    loggingLevel: context.loggingLevel,
    live: new LiveMetrics(context.clock),
    files: withLogFile("/master/log", context.logFile),
    metrics: () =>
      sortedMetrics(systemMetrics(), runtime.metrics(), {
        "master/http_cache_hits": reads.sharedCount,
      }),
  };
}
