/** Endpoints outside v1 that read what the master knows. Source: reference/http-api.md 9.2. */
import type { Context } from "hono";
import {
  type EndpointFacts,
  frameworksView,
  rolesView,
  slavesView,
  stateSummaryView,
  stateView,
  tasksView,
} from "../../master/core/views/endpoints.ts";
import { getMaintenanceStatus } from "../../master/core/views/policy.ts";
import { registryView } from "../../master/core/views/registry-view.ts";
import type { MasterRuntime } from "../../master/runtime/master-runtime.ts";
import { answerJson, type Endpoint } from "../endpoints.ts";
import { textResponse } from "../responses.ts";
import { withoutEmptyLists } from "./operator-reads.ts";

/** All of them. */
export function readEndpoints(runtime: MasterRuntime, facts: EndpointFacts): readonly Endpoint[] {
  return [
    {
      path: "/state",
      help: "everything the master knows",
      answer: (c) => answerJson(c, stateView(runtime.state, facts)),
    },
    {
      path: "/state-summary",
      help: "agents and frameworks with counts of their tasks",
      answer: (c) => answerJson(c, stateSummaryView(runtime.state, facts)),
    },
    {
      path: "/slaves",
      help: "agents: slave_id=",
      answer: (c) => answerJson(c, slavesView(runtime.state, c.req.query("slave_id"))),
    },
    {
      path: "/frameworks",
      help: "frameworks with their tasks: framework_id=",
      answer: (c) => answerJson(c, frameworksView(runtime.state, c.req.query("framework_id"))),
    },
    {
      path: "/tasks",
      help: "tasks, the newest first: framework_id=, task_id=, limit=, offset=, order=asc or desc",
      answer: (c) => tasks(runtime, c),
    },
    {
      path: "/roles",
      help: "roles with weight, quota and what they have",
      answer: (c) => answerJson(c, rolesView(runtime.state)),
    },
    {
      path: "/maintenance/status",
      methods: ["GET"],
      help: "machines that drain or are down",
      answer: (c) => answerJson(c, withoutEmptyLists(getMaintenanceStatus(runtime.state).status)),
    },
    {
      path: "/registrar(1)/registry",
      isPrefix: false,
      help: "what is kept for the next master",
      answer: (c) => answerJson(c, withoutEmptyLists(registryView(runtime.state))),
    },
  ];
}

function tasks(runtime: MasterRuntime, context: Context): Response {
  const query = (name: string): string | undefined => context.req.query(name);
  const limit = countOf(query("limit"), 100);
  const offset = countOf(query("offset"), 0);
  if (limit === undefined || offset === undefined) {
    return textResponse(400, "Expecting 'limit' and 'offset' to be whole numbers, 0 or more");
  }
  const order = query("order") === "asc" ? "asc" : "desc";
  const frameworkId = query("framework_id");
  const taskId = query("task_id");
  const wanted = { frameworkId, taskId, limit, offset, order } as const;
  return answerJson(context, tasksView(runtime.state, wanted));
}

function countOf(text: string | undefined, preset: number): number | undefined {
  if (text === undefined) return preset;
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
