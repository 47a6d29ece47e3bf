/**
 * The agent's HTTP face: which path reaches which handler. Paths are those of Mesos, with and
 * without `/slave(1)`. Source: reference/http-api.md 1, 10, 11.
 */
import { type Context, Hono } from "hono";
import { stateJson } from "../../agent/core/views/v0-state.ts";
import type { AgentRuntime } from "../../agent/runtime/agent-runtime.ts";
import type { Codec } from "../../protocol/codec.ts";
import { pathWithoutActor } from "../prefix.ts";
import type { ProcessFacts } from "../process-facts.ts";
import { emptyResponse, jsonResponse, textResponse } from "../responses.ts";
import { handleExecutorCall } from "./executor-api.ts";
import { handleFiles } from "./file-endpoints.ts";
import { handleAgentCall } from "./operator-api.ts";

/** The agent's actor in paths and pids. */
export const AGENT_ACTOR = "slave(1)";

export interface AgentAppOptions {
  readonly runtime: AgentRuntime;
  readonly codec: Codec;
  readonly facts: ProcessFacts;
  /** `slave(1)@ip:port` */
  readonly pid: string;
  /** Seconds since the Unix epoch. */
  readonly startTime: number;
  masterHostname(): string | undefined;
}

/** Answers one request to the agent's port. */
export function createAgentApp(
  options: AgentAppOptions,
): (request: Request) => Response | Promise<Response> {
  const { runtime, codec, facts } = options;
  const app = new Hono({ getPath: (request) => pathWithoutActor(request, AGENT_ACTOR) });
  // Before the gate: recovery waits for the executors that subscribe again here.
  app.all("/api/v1/executor", (c) => handleExecutorCall(runtime, codec, c.req.raw));
  app.use(async (_, next) => {
    if (runtime.state.phase !== "recovering") return await next();
    return textResponse(503, "Agent has not finished recovery");
  });
  app.all("/api/v1", (c) => handleAgentCall(runtime, codec, facts, c.req.raw));
  app.all("/health", () => emptyResponse(200));
  app.all("/version", (c) => answer(c, facts.version));
  app.all("/flags", (c) => answer(c, { flags: facts.flags }));
  app.all("/metrics/snapshot", (c) => answer(c, facts.metrics()));
  app.all("/state", (c) => answer(c, stateOf(options)));
  app.all("/containers", async (c) => answer(c, await containers(runtime)));
  app.all("/monitor/statistics", async (c) => answer(c, await statistics(runtime)));
  app.get("/files/:name", (c) => handleFiles(runtime.files, c.req.param("name"), c.req.raw));
  app.notFound((c) => textResponse(404, `404 Not Found: ${c.req.path.slice(0, 200)}`));
  app.onError((error) => textResponse(500, error.message));
  return (request) => app.fetch(request);
}

function answer(context: Context, value: unknown): Response {
  return jsonResponse(value, context.req.query("jsonp"));
}

function stateOf({ runtime, facts, pid, startTime, masterHostname }: AgentAppOptions): unknown {
  return stateJson(runtime.state, runtime.options, {
    pid,
    startTime,
    masterHostname: masterHostname(),
    flags: facts.flags,
  });
}

async function containers(runtime: AgentRuntime): Promise<unknown[]> {
  return (await runtime.containers()).map((container) => ({
    framework_id: container.framework_id?.value,
    executor_id: container.executor_id?.value,
    executor_name: container.executor_name,
    source: container.executor_id?.value,
    container_id: container.container_id?.value,
    status: container.container_status,
    statistics: container.resource_statistics,
  }));
}

async function statistics(runtime: AgentRuntime): Promise<unknown[]> {
  return (await runtime.containers())
    .filter((container) => container.resource_statistics !== undefined)
    .map((container) => ({
      framework_id: container.framework_id?.value,
      executor_id: container.executor_id?.value,
      executor_name: container.executor_name,
      source: container.executor_id?.value,
      statistics: container.resource_statistics,
    }));
}
