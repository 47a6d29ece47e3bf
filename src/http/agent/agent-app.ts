/**
 * The agent's HTTP face: which path reaches which handler. Paths are those of Mesos, with and
 * without `/slave(1)`. Source: reference/http-api.md 1, 10, 11.
 */
import type { Context } from "hono";
import { stateJson } from "../../agent/core/views/v0-state.ts";
import { visibleAgentState } from "../../agent/core/views/visible-state.ts";
import type { AgentRuntime } from "../../agent/runtime/agent-runtime.ts";
import type { ContainerReport, ContainerScope } from "../../agent/runtime/container-reports.ts";
import type { Clock } from "../../base/ports.ts";
import { ok, type Result, refuse } from "../../base/result.ts";
import type { Codec } from "../../protocol/codec.ts";
import type { VersionInfo } from "../../protocol/v1/types.ts";
import { Viewer } from "../../security/viewer.ts";
import type { Authentication, Caller } from "../authentication.ts";
import { answerJson, createEndpointsApp, type Endpoint } from "../endpoints.ts";
import { guarded, processEndpoints } from "../process-endpoints.ts";
import type { ProcessFacts } from "../process-facts.ts";
import { refusalResponse, textResponse } from "../responses.ts";
import { containersJson, statisticsBody, visibleContainers } from "./containers.ts";
import { handleExecutorCall } from "./executor-api.ts";
import { handleAgentCall } from "./operator-api.ts";
import { handleProviderCall } from "./provider-api.ts";

/** The agent's actor in paths and pids. */
export const AGENT_ACTOR = "slave(1)";
const EXECUTOR_PATH = "/api/v1/executor";
const LINK_PATH = "/allot/v1/link";

export interface AgentAppOptions {
  readonly runtime: AgentRuntime;
  readonly codec: Codec;
  readonly clock: Clock;
  /** `--http_heartbeat_interval` */
  readonly heartbeatMs: number;
  readonly facts: ProcessFacts;
  readonly authentication: Authentication;
  readonly disabledPaths: readonly string[];
  /** `slave(1)@ip:port` */
  readonly pid: string;
  /** Seconds since the Unix epoch. */
  readonly startTime: number;
  masterHostname(): string | undefined;
  link(): Promise<LinkReport>;
}

/** What an agent says of its way to the master: an addition of allot's own. */
export interface LinkReport {
  /** `host:port` of who leads, as far as is known. */
  readonly master: string | null;
  readonly is_linked: boolean;
  /** Linked, or not, since then: ISO 8601. */
  readonly since: string;
  /** Sentences on why there is no link or no leader; empty when all is well. */
  readonly why: readonly string[];
}

/** Answers one request to the agent's port. */
export function createAgentApp(
  options: AgentAppOptions,
): (request: Request) => Response | Promise<Response> {
  const { runtime, authentication, disabledPaths } = options;
  return createEndpointsApp({
    actor: AGENT_ACTOR,
    authentication,
    disabledPaths,
    endpoints: agentEndpoints(options),
    // Recovery waits for the executors that subscribe again, so they are let in before it is over.
    ungatedPaths: [EXECUTOR_PATH, "/health", LINK_PATH],
    gate: () =>
      runtime.state.phase === "recovering"
        ? textResponse(503, "Agent has not finished recovery")
        : undefined,
  });
}

function agentEndpoints(options: AgentAppOptions): readonly Endpoint[] {
  const { runtime, codec, facts } = options;
  const viewerOf = ({ principal }: Caller): Viewer => new Viewer(facts.acls, principal);
  return [
    {
      path: EXECUTOR_PATH,
      realm: "executor",
      help: "the executor API of Mesos v1 (POST)",
      answerCall: (request, caller) => handleExecutorCall(runtime, codec, request, caller),
    },
    {
      path: "/api/v1",
      help: "the agent's operator API of Mesos v1 (POST)",
      answerCall: (request, caller) => handleAgentCall(options, request, caller),
    },
    {
      path: "/api/v1/resource_provider",
      help: "the resource provider API of Mesos v1 (POST), of which every call is refused",
      answerCall: (request) => handleProviderCall(codec, request),
    },
    {
      path: LINK_PATH,
      realm: "readonly",
      methods: ["GET"],
      isPrefix: false,
      help: "whether there is a link to the master, and why not",
      answer: async (c) => answerJson(c, await options.link()),
    },
    {
      path: "/state",
      realm: "readonly",
      help: "everything the agent knows",
      answer: (c, caller) => answerJson(c, stateOf(options, viewerOf(caller))),
    },
    {
      path: "/containers",
      realm: "readonly",
      help: "what runs, with what it uses",
      answer: async (c, caller) => {
        const refused = guarded(facts, caller, "/containers");
        if (refused !== undefined) return refused;
        const named = namedContainers(c);
        if (!named.ok) return refusalResponse(named.error);
        const all = await visibleContainers(runtime, viewerOf(caller), scopeOf(c));
        return answerJson(c, containersJson(all.filter(named.value)));
      },
    },
    {
      path: "/containerizer/debug",
      realm: "readonly",
      help: "what containerizers wait for",
      // Every call to what they depend on has a deadline of its own, so that none hangs here.
      answer: (c, caller) =>
        guarded(facts, caller, "/containerizer/debug") ?? answerJson(c, { pending: [] }),
    },
    {
      path: "/monitor/statistics",
      realm: "readonly",
      help: "what the executors use",
      answer: async (c, caller) =>
        guarded(facts, caller, "/monitor/statistics") ??
        answerJson(c, await statisticsBody(runtime, viewerOf(caller))),
    },
    ...processEndpoints(facts),
  ];
}

/** Which containers are asked for: one, a framework's, or an executor's. Errors: invalid. */
function namedContainers(context: Context): Result<(report: ContainerReport) => boolean> {
  const containerId = context.req.query("container_id");
  const frameworkId = context.req.query("framework_id");
  const executorId = context.req.query("executor_id");
  const isMixed = containerId !== undefined && (frameworkId ?? executorId) !== undefined;
  if (isMixed || (executorId !== undefined && frameworkId === undefined)) {
    const forms = "'container_id', 'framework_id', or 'framework_id' with 'executor_id'";
    return refuse("invalid", `Expecting ${forms} in the query`);
  }
  return ok(
    ({ container: { container_id, framework_id, executor_id } }) =>
      (containerId === undefined || container_id.value === containerId) &&
      (frameworkId === undefined || framework_id?.value === frameworkId) &&
      (executorId === undefined || executor_id?.value === executorId),
  );
}

/** `show_nested` and `show_standalone`; neither is when nothing is said (http-api 10). */
function scopeOf(context: Context): ContainerScope {
  return {
    isNestedShown: context.req.query("show_nested") === "true",
    isStandaloneShown: context.req.query("show_standalone") === "true",
  };
}

function buildOf({
  build_date,
  build_time,
  build_user,
  git_tag,
}: VersionInfo): Record<string, unknown> {
  return { build_date, build_time, build_user, git_tag };
}

function stateOf(
  { runtime, facts, pid, startTime, masterHostname }: AgentAppOptions,
  viewer: Viewer,
): unknown {
  return stateJson(visibleAgentState(runtime.state, viewer), runtime.options, {
    pid,
    startTime,
    masterHostname: masterHostname(),
    build: buildOf(facts.version),
    flags: viewer.seesAll("view_flags") ? facts.flags : undefined,
    containerizers: runtime.health().map(({ name, isHealthy, message, sinceMs }) => ({
      name,
      healthy: isHealthy,
      message,
      since: sinceMs === undefined ? undefined : sinceMs / 1000,
    })),
  });
}
