/** Joins the parts of a master: registry, core, runtime, link server and HTTP on one port. */
import { posix as paths } from "node:path";
import { DrfAllocator } from "../allocator/drf-allocator.ts";
import { ok, type Result } from "../base/result.ts";
import { withLogFile } from "../http/file-source.ts";
import { createMasterApp } from "../http/master/master-app.ts";
import { type ProcessFacts, sortedMetrics, systemMetrics } from "../http/process-facts.ts";
import { textResponse } from "../http/responses.ts";
import { acceptLink, LINK_PATH } from "../link/server.ts";
import { MasterCore } from "../master/core/master-core.ts";
import type { MasterOptions } from "../master/core/master-options.ts";
import { metricsSnapshot } from "../master/core/views/metrics.ts";
import { MasterRuntime } from "../master/runtime/master-runtime.ts";
import { CODEC_LIMITS } from "../protocol/limits.ts";
import { MAX_PACKET_BYTES } from "../protocol/link-limits.ts";
import type { MasterInfo } from "../protocol/v1/types.ts";
import { Registrar } from "../registry/store/registrar.ts";
import { ResourceKinds } from "../resources/kinds.ts";
import { ipNumber, roleAddress } from "./address.ts";
import { masterOptions } from "./master-options.ts";
import {
  MESOS_API_VERSION,
  type RoleContext,
  type RunningRole,
  versionInfo,
} from "./role-context.ts";

/** Starts a master. Errors: a refusal for bad flags; rejects when disk or port cannot be had. */
export async function startMaster(context: RoleContext): Promise<Result<RunningRole>> {
  const { flags, clock, codec } = context;
  const startedMs = clock.wallMs();
  const address = roleAddress(flags);
  const options = masterOptions(flags);
  if (!options.ok) return options;
  const registry = await Registrar.open({
    path: paths.join(context.workDir, "master", "registry.db"),
    open: context.openSql,
    clock,
    log: context.log,
  });
  let handle = (_request: Request): Response | Promise<Response> =>
    textResponse(503, "Master has not finished recovery");
  let runtime: MasterRuntime | undefined;
  const server = await context.serve({
    ip: address.listenIp,
    port: flags.integer("port") ?? 5050,
    maxBodyBytes: CODEC_LIMITS.bodyBytes,
    maxSocketMessageBytes: MAX_PACKET_BYTES,
    fetch: (request) => handle(request),
    webSocket: {
      path: LINK_PATH,
      accept: (socket) => {
        if (runtime === undefined) throw new Error("a link was opened before the master started");
        const { linkCodec, log } = context;
        const link = acceptLink({ host: runtime, codec, linkCodec, clock, log }, socket);
        return { ...runtime.paced(link), drained: () => link.drained() };
      },
    },
  });
  const info = masterInfo(context, address.ip, address.hostname, server.port);
  runtime = makeRuntime(context, { ...options.value, info }, registry);
  runtime.start();
  const facts = masterFacts(context, runtime, startedMs);
  const cluster = flags.string("cluster");
  handle = createMasterApp({ runtime, codec, facts, cluster, clock });
  await registry.putMaster(info);
  const running = runtime;
  return ok({
    url: `http://${address.ip}:${server.port}`,
    port: server.port,
    stop: async () => {
      running.stop();
      await server.stop();
      await registry.close();
    },
  });
}

function masterInfo(
  context: RoleContext,
  ip: string,
  hostname: string,
  listenPort: number,
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
    capabilities: [{ type: "AGENT_UPDATE" }],
  };
}

function makeRuntime(
  context: RoleContext,
  options: MasterOptions,
  registry: Registrar,
): MasterRuntime {
  const kinds = new ResourceKinds();
  const allocator = new DrfAllocator(kinds, { ...options, masterRegion: undefined });
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
  startedMs: number,
): ProcessFacts {
  return {
    version: versionInfo(context, startedMs),
    flags: context.flags.toFlagStrings(),
    loggingLevel: context.loggingLevel,
    files: withLogFile("/master/log", context.logFile),
    metrics: () =>
      sortedMetrics(systemMetrics(), metricsSnapshot(runtime.state, runtime.nowMs()), {
        "master/event_queue_messages": runtime.queueLength,
      }),
  };
}
