/**
 * `/allot/v1/tasks`, `/allot/v1/agents` and `/allot/v1/frameworks`: pages, filters and changes. A
 * reader walks the pages once and then asks for what is new since the cursor of the first one.
 */
import type { Context } from "hono";
import type { Document } from "../../master/core/views/document.ts";
import {
  agentListing,
  FILTERS,
  type Filters,
  frameworkListing,
  taskListing,
} from "../../master/core/views/listing-kinds.ts";
import { type Listing, listDocument, numberOfCursor } from "../../master/core/views/listings.ts";
import { visibleState } from "../../master/core/views/visible-state.ts";
import type { MasterRuntime } from "../../master/runtime/master-runtime.ts";
import type { Acls } from "../../security/acls.ts";
import { Viewer } from "../../security/viewer.ts";
import type { Endpoint } from "../endpoints.ts";
import { LIST_LIMIT_DEFAULT, LIST_LIMIT_MAX } from "../limits.ts";
import type { PacedReads } from "../paced-reads.ts";
import { refusalResponse, textResponse } from "../responses.ts";

type State = MasterRuntime["state"];

/** All three. */
export function listingEndpoints(
  runtime: MasterRuntime,
  { reads, acls }: { readonly reads: PacedReads; readonly acls: Acls },
): readonly Endpoint[] {
  const listings = { tasks: taskListing, agents: agentListing, frameworks: frameworkListing };
  return (["tasks", "agents", "frameworks"] as const).map((name) => ({
    path: `/allot/v1/${name}`,
    isPrefix: false,
    realm: "readonly",
    methods: ["GET"],
    help: `${name}: limit=, after=, since=, ${FILTERS[name].map((filter) => `${filter}=`).join(", ")}`,
    answer: (context, { principal }) =>
      answer(runtime, reads, context, {
        viewer: new Viewer(acls, principal),
        // Agents are hidden from nobody.
        tellsUnknown: name === "agents",
        filters: FILTERS[name],
        listing: (state, filters) => listings[name](state, filters) as Listing<unknown>,
      }),
  }));
}

interface Kind {
  readonly viewer: Viewer;
  readonly tellsUnknown: boolean;
  readonly filters: readonly string[];
  listing(state: State, filters: Filters): Listing<unknown>;
}

function answer(
  runtime: MasterRuntime,
  reads: PacedReads,
  context: Context,
  kind: Kind,
): Response | Promise<Response> {
  const { viewer } = kind;
  const query = context.req.query();
  const known = ["limit", "after", "since", ...kind.filters];
  const unknown = Object.keys(query).find((name) => !known.includes(name));
  if (unknown !== undefined) {
    return textResponse(
      400,
      `There is no '${unknown.slice(0, 40)}' here, only ${known.join(", ")}`,
    );
  }
  const limit = query["limit"] === undefined ? LIST_LIMIT_DEFAULT : Number(query["limit"]);
  if (!Number.isInteger(limit) || limit < 1 || limit > LIST_LIMIT_MAX) {
    return textResponse(400, `Expecting 'limit' to be a whole number, 1 to ${LIST_LIMIT_MAX}`);
  }
  const cursor = query["since"];
  const since = cursor === undefined ? undefined : numberOfCursor(runtime.state, cursor);
  if (since?.ok === false) return refusalResponse(since.error);
  const tellsUnknown = kind.tellsUnknown || viewer.isUnrestricted;
  const asked = { limit, after: query["after"], since: since?.value, tellsUnknown };
  const make = (): Document => {
    const state = visibleState(runtime.state, viewer);
    return listDocument(state, kind.listing(state, query), asked);
  };
  // Changes are looked up before they can be forgotten, and so shared with nobody.
  const changes = since === undefined ? undefined : make();
  const { search } = new URL(context.req.url);
  const key =
    changes === undefined ? `${context.req.path}${search} ${viewer.key}` : context.req.raw;
  return reads.respond(
    { key, contentType: "application/json", make: () => changes ?? make() },
    context.req.raw.signal,
  );
}
