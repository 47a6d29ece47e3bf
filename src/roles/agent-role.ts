/** Joins the parts of an agent: checkpoint, containerizer, core, runtime, link and HTTP. */
import { mkdirSync } from "node:fs";
import { posix as paths } from "node:path";
import process from "node:process";
import { Checkpoint } from "../agent/checkpoint/checkpoint.ts";
import {
  type AgentOptions,
  DEFAULT_CAPABILITIES,
  type ReconfigurationPolicy,
} from "../agent/core/agent-options.ts";
import { AgentRuntime } from "../agent/runtime/agent-runtime.ts";
import { readBootId } from "../agent/runtime/boot-id.ts";
import type { GarbageOptions } from "../agent/runtime/garbage.ts";
import { ok, type Result, refuse } from "../base/result.ts";
import { Fetcher } from "../fetcher/fetcher.ts";
import { AGENT_ACTOR, createAgentApp, type LinkReport } from "../http/agent/agent-app.ts";
import { RECORD_IO } from "../http/agent/answer-form.ts";
import { withLogFile } from "../http/file-source.ts";
import { LiveMetrics } from "../http/metrics/live-metrics.ts";
import { type ProcessFacts, sortedMetrics, systemMetrics } from "../http/process-facts.ts";
import { textResponse } from "../http/responses.ts";
import { LinkClient } from "../link/client.ts";
import type { StreamSource } from "../link/streams.ts";
import { CODEC_LIMITS } from "../protocol/limits.ts";
import { MAX_PACKET_BYTES } from "../protocol/link-limits.ts";
import type { MasterInfo } from "../protocol/v1/types.ts";
import type { Acls } from "../security/acls.ts";
import { type RoleAddress, roleAddress } from "./address.ts";
import { agentInfo } from "./agent-info.ts";
import { openContainerizers } from "./containerizers.ts";
import { logBounds } from "./log-flags.ts";
import { followLeader, type MasterSource } from "./master-source.ts";
import { chooseContainerizer } from "./native-flags.ts";
import { oversubscriptionFlags } from "./oversubscription-flags.ts";
import {
  MESOS_API_VERSION,
  type RoleContext,
  type RunningRole,
  versionInfo,
} from "./role-context.ts";
import { checkSandboxDirectory, sandboxDirectory } from "./sandbox-flag.ts";
import {
  aclsFlag,
  agentAuthentication,
  agentLogin,
  executorTokens,
  firewallFlag,
} from "./security-flags.ts";
import { withoutPasswords } from "./zookeeper-flags.ts";

const DEFAULT_PORT = 5051;

export interface AgentRoleOptions {
  /** Port to listen on. */
  readonly port: number | undefined;
  /** Who leads, and when that is another one. */
  readonly master: Omit<MasterSource, "stop">;
  /** The agent has to end: the master shut it down, or it may not join. */
  onExit(reason: string): void;
}

/** Starts an agent. Errors: a refusal for bad flags; rejects when disk or port cannot be had. */
export async function startAgent(
  context: RoleContext,
  role: AgentRoleOptions,
): Promise<Result<RunningRole>> {
  const { flags, clock, codec, log, workDir } = context;
  const startedMs = clock.wallMs();
  const address = roleAddress(flags);
  const acls = aclsFlag(flags);
  if (!acls.ok) return acls;
  const sandbox = checkSandboxDirectory(sandboxDirectory(flags));
  if (!sandbox.ok) return sandbox;
  const tokens = executorTokens(flags, log);
  if (!tokens.ok) return tokens;
  const variables = executorVariables(flags);
  if (!variables.ok) return variables;
  const authentication = agentAuthentication(flags, log, tokens.value);
  if (!authentication.ok) return authentication;
  const login = agentLogin(flags, log);
  if (!login.ok) return login;
  const disabledPaths = firewallFlag(flags);
  if (!disabledPaths.ok) return disabledPaths;
  const oversubscription = oversubscriptionFlags(flags);
  if (!oversubscription.ok) return oversubscription;
  const runtimeDir = flags.string("runtime_dir") ?? paths.join(workDir, "runtime");
  const native = await chooseContainerizer(context, runtimeDir);
  if (!native.ok) return native;
  mkdirSync(workDir, { recursive: true, mode: 0o755 });
  let handle = (_request: Request): Response | Promise<Response> =>
    textResponse(503, "Agent has not finished recovery");
  const server = await context.serve({
    ip: address.listenIp,
    port: role.port ?? DEFAULT_PORT,
    maxBodyBytes: CODEC_LIMITS.bodyBytes,
    maxSocketMessageBytes: MAX_PACKET_BYTES,
    isStream: ({ headers }) => headers.get("content-type") === RECORD_IO,
    fetch: (request) => handle(request),
  });
  const options = await agentOptions(context, address, {
    port: server.port,
    acls: acls.value,
    areLimitsEnforced: native.value.areLimitsEnforced,
    gpus: native.value.gpus,
  });
  if (!options.ok) {
    await server.stop();
    return options;
  }
  const containerizer = openContainerizers({
    flags,
    workDir,
    runtimeDir,
    clock,
    log,
    openNative: () => native.value.containerizer,
  });
  if (!containerizer.ok) {
    await server.stop();
    return containerizer;
  }
  const fetcher = new Fetcher({
    helper: context.fetchHelper,
    // Not in a folder for everybody's temporary files, which another user could have made.
    cacheDir: flags.string("fetcher_cache_dir") ?? paths.join(workDir, "fetcher_cache"),
    cacheBytes: flags.sizeBytes("fetcher_cache_size") ?? 2 ** 31,
    stallTimeoutMs: flags.durationMs("fetcher_stall_timeout") ?? 60_000,
    frameworksHome: flags.string("frameworks_home"),
    log,
  });
  const checkpoint = await Checkpoint.open({
    path: paths.join(workDir, "agent", "checkpoint.db"),
    open: context.openSql,
    log,
  });
  let master: MasterInfo | undefined;
  const runtime: AgentRuntime = new AgentRuntime({
    options: options.value,
    environment: {
      agentPort: server.port,
      recoveryTimeoutMs: flags.durationMs("recovery_timeout") ?? 900_000,
      executorEnvironmentVariables: variables.value,
      sandboxDirectory: sandbox.value,
      libprocessIp: undefined,
      tokens: flags.boolean("authenticate_http_executors") ? tokens.value : undefined,
    },
    bootId: await readBootId(),
    garbage: garbageFlags(flags),
    diskReserve: paths.join(workDir, "agent", "reserve"),
    logs: logBounds(flags),
    oversubscription: oversubscription.value,
    containerizer: containerizer.value,
    fetcher,
    images: native.value.images,
    probeHelper: context.probeHelper,
    checkpoint,
    link: {
      send: (message) => link.send(message),
      reconnect: (reason) => link.reconnect(reason),
    },
    clock,
    rng: context.rng,
    log,
    onExit: role.onExit,
    onFatal: context.onFatal,
  });
  const link: LinkClient = new LinkClient({
    version: context.allotVersion,
    codec,
    linkCodec: context.linkCodec,
    clock,
    rng: context.rng,
    log,
    streams: sandboxStreams(runtime),
    masterAddress: role.master.leaderAddress,
    agentId: () => runtime.state.info.id?.value,
    login: login.value,
    onRefused: role.onExit,
    onUp: (epoch, info) => {
      master = info;
      runtime.input({ kind: "linkUp", epoch });
    },
    onMessage: (message) => runtime.input({ kind: "masterMessage", message }),
    onDown: () => runtime.input({ kind: "linkDown" }),
  });
  const facts = agentFacts(context, runtime, {
    startedMs,
    acls: acls.value,
    flags: native.value.flags,
  });
  handle = createAgentApp({
    runtime,
    codec,
    clock,
    heartbeatMs: flags.durationMs("http_heartbeat_interval") ?? 30_000,
    facts,
    authentication: authentication.value,
    disabledPaths: disabledPaths.value,
    pid: `${AGENT_ACTOR}@${address.ip}:${server.port}`,
    startTime: startedMs / 1000,
    masterHostname: () => master?.hostname,
    link: () => linkReport(clock, link, role.master),
  });
  facts.live.start();
  await runtime.start();
  link.start();
  followLeader(role.master, link);
  return ok({
    url: `http://${address.ip}:${server.port}`,
    port: server.port,
    stop: async () => {
      facts.live.stop();
      link.stop();
      await runtime.stop();
      await server.stop();
    },
  });
}

/** The way to the master, and why there is none. */
async function linkReport(
  clock: RoleContext["clock"],
  link: LinkClient,
  source: Omit<MasterSource, "stop">,
): Promise<LinkReport> {
  const { isUp, forMs, problem } = link.status;
  const why = await source.why();
  const isExplained = isUp || why.length > 0 || problem === "";
  return {
    master: source.leaderAddress() ?? null,
    is_linked: isUp,
    since: new Date(clock.wallMs() - forMs).toISOString(),
    why: isExplained ? why : [`There is no link to the master: ${problem}.`],
  };
}

async function agentOptions(
  context: RoleContext,
  address: RoleAddress,
  {
    port,
    acls,
    areLimitsEnforced,
    gpus,
  }: {
    readonly port: number;
    readonly acls: Acls;
    readonly areLimitsEnforced: boolean;
    readonly gpus: number | undefined;
  },
): Promise<Result<AgentOptions>> {
  const { flags, workDir } = context;
  const isDockerThere = (flags.string("containerizers") ?? "").includes("docker");
  const info = await agentInfo(context, address, { port, gpus });
  if (!info.ok) return info;
  return ok({
    info: info.value,
    version: MESOS_API_VERSION,
    // Told to the master, which refuses tasks with limits that nothing here would enforce.
    capabilities: DEFAULT_CAPABILITIES.filter(
      ({ type }) => type !== "TASK_RESOURCE_LIMITS" || areLimitsEnforced || isDockerThere,
    ),
    workDir,
    ip: address.ip,
    acls,
    executorRegistrationTimeoutMs: flags.durationMs("executor_registration_timeout") ?? 60_000,
    executorReregistrationTimeoutMs: flags.durationMs("executor_reregistration_timeout") ?? 2000,
    executorShutdownGraceMs: flags.durationMs("executor_shutdown_grace_period") ?? 5000,
    isUserSwitched: (flags.boolean("switch_user") ?? true) && process.getuid?.() === 0,
    areLimitsEnforced,
    reconfigurationPolicy: reconfigurationPolicy(flags.string("reconfiguration_policy")),
  });
}

function reconfigurationPolicy(text: string | undefined): ReconfigurationPolicy {
  return text === "additive" || text === "fitting" ? text : "equal";
}

function garbageFlags(flags: RoleContext["flags"]): GarbageOptions {
  return {
    delayMs: flags.durationMs("gc_delay") ?? 604_800_000,
    headroom: flags.float("gc_disk_headroom") ?? 0.1,
    intervalMs: flags.durationMs("disk_watch_interval") ?? 60_000,
    areOthersCollected: flags.boolean("gc_non_executor_container_sandboxes"),
    trashBytes: flags.sizeBytes("volume_trash_size") ?? Number.POSITIVE_INFINITY,
  };
}

/** `--executor_environment_variables`: an object of texts. Errors: `invalid`. */
function executorVariables(
  flags: RoleContext["flags"],
): Result<Readonly<Record<string, string>> | undefined> {
  const name = "executor_environment_variables";
  if (!flags.isSet(name)) return ok(undefined);
  const value = flags.json(name);
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  const entries = isObject ? Object.entries(value) : [];
  if (!isObject || entries.some(([, text]) => typeof text !== "string")) {
    return refuse("invalid", `--${name}: is no JSON object of texts, as {"NAME": "value"}`, name);
  }
  return ok(Object.fromEntries(entries));
}

/** What the master may read through the link: files in sandboxes. */
function sandboxStreams(runtime: AgentRuntime): StreamSource {
  return (request, signal) => {
    if (request.kind !== "tailFile")
      throw new Error(`streams of ${request.kind} are not served yet`);
    return runtime.files.tail(request.path, request.offset, request.follow, signal);
  };
}

function agentFacts(
  context: RoleContext,
  runtime: AgentRuntime,
  {
    startedMs,
    acls,
    flags,
  }: {
    readonly startedMs: number;
    readonly acls: Acls;
    readonly flags: Readonly<Record<string, string>>;
  },
): ProcessFacts {
  return {
    acls,
    version: versionInfo(context, startedMs),
    flags: { ...withoutPasswords(context.flags.toFlagStrings()), ...flags },
    loggingLevel: context.loggingLevel,
    live: new LiveMetrics(context.clock),
    files: withLogFile("/slave/log", context.logFile, runtime.files),
    metrics: () => sortedMetrics(systemMetrics(), runtime.metrics()),
  };
}
