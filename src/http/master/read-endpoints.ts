/** Endpoints outside v1 that read what the master knows. Source: reference/http-api.md 9.2. */
import type { Context } from "hono";
import type { Document } from "../../master/core/views/document.ts";
import { tasksDocument } from "../../master/core/views/endpoint-tasks.ts";
import {
  type EndpointFacts,
  frameworksDocument,
  rolesDocument,
  slavesDocument,
  stateDocument,
  stateSummaryDocument,
} from "../../master/core/views/endpoints.ts";
import { getMaintenanceStatus } from "../../master/core/views/policy.ts";
import { registryView } from "../../master/core/views/registry-view.ts";
import { visibleState } from "../../master/core/views/visible-state.ts";
import type { MasterRuntime } from "../../master/runtime/master-runtime.ts";
import type { Acls } from "../../security/acls.ts";
import { Viewer } from "../../security/viewer.ts";
import type { Caller } from "../authentication.ts";
import { answerJson, type Endpoint, type RoutedEndpoint } from "../endpoints.ts";
import type { PacedReads } from "../paced-reads.ts";
import { badFunctionName, isFunctionName, textResponse } from "../responses.ts";
import { withoutEmptyLists } from "./operator-reads.ts";

/** All of them. */
export function readEndpoints(
  runtime: MasterRuntime,
  facts: EndpointFacts,
  { reads, acls }: { readonly reads: PacedReads; readonly acls: Acls },
): readonly Endpoint[] {
  const viewOf = (caller: Caller): View => {
    const viewer = new Viewer(acls, caller.principal);
    const flags = viewer.seesAll("view_flags") ? facts.flags : undefined;
    return {
      viewer,
      facts: { ...facts, flags },
      state: () => visibleState(runtime.state, viewer),
    };
  };
  const paced =
    (make: Make): RoutedEndpoint["answer"] =>
    (context, caller) =>
      answerPaced(reads, context, viewOf(caller), make);
  return [
    {
      path: "/state",
      realm: "readonly",
      help: "everything the master knows",
      answer: paced(({ state, facts: seen }, _, jsonp) => stateDocument(state(), seen, jsonp)),
    },
    {
      path: "/state-summary",
      realm: "readonly",
      help: "agents and frameworks with counts of their tasks",
      answer: paced(({ state }, _, jsonp) => stateSummaryDocument(state(), facts, jsonp)),
    },
    {
      path: "/slaves",
      realm: "readonly",
      help: "agents: slave_id=",
      answer: paced(({ state }, c, jsonp) =>
        slavesDocument(state(), c.req.query("slave_id"), jsonp),
      ),
    },
    {
      path: "/frameworks",
      realm: "readonly",
      help: "frameworks with their tasks: framework_id=",
      answer: paced(({ state }, c, jsonp) =>
        frameworksDocument(state(), c.req.query("framework_id"), jsonp),
      ),
    },
    {
      path: "/tasks",
      realm: "readonly",
      help: "tasks, the newest first: framework_id=, task_id=, limit=, offset=, order=asc or desc",
      answer: (c, caller) => tasks(viewOf(caller), reads, c),
    },
    {
      path: "/roles",
      realm: "readonly",
      help: "roles with weight, quota and what they have",
      answer: paced(({ state, viewer }, _, jsonp) => rolesDocument(state(), viewer, jsonp)),
    },
    {
      path: "/maintenance/status",
      realm: "readonly",
      methods: ["GET"],
      help: "machines that drain or are down",
      answer: (c, caller) => {
        const { status } = getMaintenanceStatus(viewOf(caller).state());
        return answerJson(c, withoutEmptyLists(status));
      },
    },
    {
      path: "/registrar(1)/registry",
      realm: "readonly",
      isPrefix: false,
      help: "what is kept for the next master",
      // Differs from Mesos, which shows here what it hides elsewhere.
      answer: (c, caller) => answerJson(c, withoutEmptyLists(registryView(viewOf(caller).state()))),
    },
  ];
}

/** What a caller may see. The state is taken when it is read. */
interface View {
  readonly viewer: Viewer;
  readonly facts: EndpointFacts;
  state(): MasterRuntime["state"];
}

/** `jsonp` is checked already. */
type Make = (view: View, context: Context, jsonp?: string) => Document;

/** Equal paths with equal queries share their answers among those who see the same. */
function answerPaced(
  reads: PacedReads,
  context: Context,
  view: View,
  make: Make,
): Response | Promise<Response> {
  const name = context.req.query("jsonp") ?? "";
  const jsonp = name === "" ? undefined : name;
  if (jsonp !== undefined && !isFunctionName(jsonp)) return badFunctionName(jsonp);
  const { path, url, raw } = context.req;
  const contentType = jsonp === undefined ? "application/json" : "text/javascript";
  return reads.respond(
    {
      key: `${path}${new URL(url).search} ${view.viewer.key}`,
      contentType,
      make: () => make(view, context, jsonp),
    },
    raw.signal,
  );
}

function tasks(view: View, reads: PacedReads, context: Context): Response | Promise<Response> {
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
  return answerPaced(reads, context, view, ({ state }, _, jsonp) =>
    tasksDocument(state(), wanted, jsonp),
  );
}

function countOf(text: string | undefined, preset: number): number | undefined {
  if (text === undefined) return preset;
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
