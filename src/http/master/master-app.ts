/**
 * The master's HTTP face: which path reaches which handler. Paths are those of Mesos, with and
 * without `/master`. Source: reference/http-api.md 1, 9, 11.
 */
import { type Context, Hono } from "hono";
import {
  type EndpointFacts,
  frameworksView,
  rolesView,
  slavesView,
  stateSummaryView,
  stateView,
  tasksView,
} from "../../master/core/views/endpoints.ts";
import type { MasterRuntime } from "../../master/runtime/master-runtime.ts";
import type { Codec } from "../../protocol/codec.ts";
import { pathWithoutActor } from "../prefix.ts";
import type { ProcessFacts } from "../process-facts.ts";
import { emptyResponse, jsonResponse, refusalResponse, textResponse } from "../responses.ts";
import { handleFollow, handleKill } from "./allot-api.ts";
import { handleMasterCall } from "./operator-api.ts";
import { handleSchedulerCall } from "./scheduler-api.ts";

export interface MasterAppOptions {
  readonly runtime: MasterRuntime;
  readonly codec: Codec;
  readonly facts: ProcessFacts;
  readonly cluster: string | undefined;
}

/** Answers one request to the master's port. */
export function createMasterApp(
  options: MasterAppOptions,
): (request: Request) => Response | Promise<Response> {
  const { runtime, codec, facts } = options;
  const app = new Hono({ getPath: (request) => pathWithoutActor(request, "master") });
  app.all("/api/v1/scheduler", (c) => handleSchedulerCall(runtime, codec, c.req.raw));
  app.all("/api/v1", (c) => handleMasterCall(runtime, codec, facts, c.req.raw));
  app.all("/health", () => emptyResponse(200));
  app.all("/redirect", () => redirect(runtime));
  app.all("/version", (c) => answer(c, facts.version));
  app.all("/flags", (c) => answer(c, { flags: facts.flags }));
  app.all("/metrics/snapshot", (c) => answer(c, facts.metrics()));
  addStateEndpoints(app, options);
  app.post("/teardown", async (c) => await handleTeardown(runtime, c.req.raw));
  app.post("/allot/v1/kill", (c) => handleKill(runtime, c.req.raw));
  app.get("/allot/v1/agents/:id/files/follow", (c) =>
    handleFollow(runtime, c.req.param("id"), c.req.raw),
  );
  app.notFound((c) => textResponse(404, `404 Not Found: ${c.req.path.slice(0, 200)}`));
  app.onError((error) => textResponse(500, error.message));
  return (request) => app.fetch(request);
}

function addStateEndpoints(app: Hono, { runtime, facts, cluster }: MasterAppOptions): void {
  const endpointFacts: EndpointFacts = { version: facts.version, cluster, flags: facts.flags };
  app.all("/state", (c) => answer(c, stateView(runtime.state, endpointFacts)));
  app.all("/state-summary", (c) => answer(c, stateSummaryView(runtime.state, endpointFacts)));
  app.all("/slaves", (c) => answer(c, slavesView(runtime.state, c.req.query("slave_id"))));
  app.all("/frameworks", (c) =>
    answer(c, frameworksView(runtime.state, c.req.query("framework_id"))),
  );
  app.all("/roles", (c) => answer(c, rolesView(runtime.state)));
  app.all("/tasks", (c) => tasks(runtime, c));
}

function answer(context: Context, value: unknown): Response {
  return jsonResponse(value, context.req.query("jsonp"));
}

function redirect(runtime: MasterRuntime): Response {
  const { hostname, port } = runtime.info;
  const headers = { Location: `//${hostname ?? ""}:${port}`, "Content-Length": "0" };
  return new Response(null, { status: 307, headers });
}

function tasks(runtime: MasterRuntime, context: Context): Response {
  const query = (name: string): string | undefined => context.req.query(name);
  const limit = Number(query("limit") ?? 100);
  const offset = Number(query("offset") ?? 0);
  if (!Number.isSafeInteger(limit) || !Number.isSafeInteger(offset) || limit < 0 || offset < 0) {
    return textResponse(400, "Expecting 'limit' and 'offset' to be whole numbers, 0 or more");
  }
  const order = query("order") === "asc" ? "asc" : "desc";
  const frameworkId = query("framework_id");
  const taskId = query("task_id");
  return answer(context, tasksView(runtime.state, { frameworkId, taskId, limit, offset, order }));
}

/** The form-encoded `/teardown` of http-api 9.3. */
async function handleTeardown(runtime: MasterRuntime, request: Request): Promise<Response> {
  const form = new URLSearchParams(await request.text());
  const frameworkId = form.get("frameworkId");
  if (frameworkId === null) {
    return textResponse(400, "Missing 'frameworkId' query parameter in the request body");
  }
  const call = { type: "TEARDOWN", teardown: { framework_id: { value: frameworkId } } } as const;
  const outcome = await runtime.operatorCall(call, undefined);
  return outcome.ok ? emptyResponse(200) : refusalResponse(outcome.error);
}
