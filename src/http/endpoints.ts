/**
 * Endpoints as data, and the app made of them: which path and method reach which handler, 405 with
 * `Allow`, the list of it all under `/help`. The longest path that fits wins and what follows it is
 * left to the handler. Source: reference/http-api.md 1, 2.1.
 */
import { type Context, Hono } from "hono";
import { compressed } from "./compression.ts";
import { helpPage } from "./help.ts";
import { pathWithoutActor } from "./prefix.ts";
import { jsonResponse, methodNotAllowed, textResponse } from "./responses.ts";

/** One path and what answers there. */
export interface Endpoint {
  /** Without the actor, as `/quota`. */
  readonly path: string;
  /** All of them when left out: Mesos' reading endpoints do not look at the method. */
  readonly methods?: readonly string[];
  /** What it is for, in a line, with its parameters. */
  readonly help: string;
  /** False: a path that goes on is not found. */
  readonly isPrefix?: boolean;
  readonly answer: (context: Context) => Response | Promise<Response>;
}

export interface EndpointsAppOptions {
  /** First segment that may be left out of every path. */
  readonly actor: string;
  readonly endpoints: readonly Endpoint[];
  /** Answers in place of any endpoint but the excepted ones; undefined: go on. */
  readonly gate?: () => Response | undefined;
  readonly ungatedPaths?: readonly string[];
}

/** Answers requests by the longest endpoint that fits. */
export function createEndpointsApp(
  options: EndpointsAppOptions,
): (request: Request) => Response | Promise<Response> {
  const { actor, endpoints, gate, ungatedPaths = [] } = options;
  const app = new Hono({ getPath: (request) => pathWithoutActor(request, actor) });
  app.use(async (context, next) => {
    const closed = ungatedPaths.includes(context.req.path) ? undefined : gate?.();
    return closed ?? (await next());
  });
  const longestFirst = [...endpoints].sort((a, b) => b.path.length - a.path.length);
  for (const endpoint of longestFirst) add(app, endpoint);
  app.all("/help/*", (context) => helpPage(actor, endpoints, context.req.path));
  app.notFound(() => textResponse(404, "404 Not Found. /help lists what there is\n"));
  app.onError((error) => textResponse(500, error.message));
  return (request) => app.fetch(request);
}

/** Anything as JSON, wrapped where `jsonp=name` asks for it. */
export function answerJson(context: Context, value: unknown): Response {
  return jsonResponse(value, context.req.query("jsonp"));
}

/** What follows the endpoint's own path, without the slash between; undefined when it is not text. */
export function restOfPath(context: Context, path: string): string | undefined {
  try {
    return decodeURIComponent(context.req.path.slice(path.length + 1));
  } catch {
    return undefined;
  }
}

function add(app: Hono, { path, methods, isPrefix, answer }: Endpoint): void {
  app.all(isPrefix === false ? path : `${path}/*`, async (context) => {
    const { method } = context.req;
    const isAllowed = methods?.includes(method === "HEAD" ? "GET" : method) ?? true;
    if (!isAllowed) return methodNotAllowed(method, methods);
    return await compressed(await answer(context), context.req.raw);
  });
}
