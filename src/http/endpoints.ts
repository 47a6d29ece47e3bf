/**
 * Endpoints as data, and the app made of them: which path and method reach which handler, 405 with
 * `Allow`, the list of it all under `/help`. The longest path that fits wins and what follows it is
 * left to the handler. Source: reference/http-api.md 1, 2.1.
 */
import { type Context, Hono } from "hono";
import type { Authentication, Caller, Realm } from "./authentication.ts";
import { compressed } from "./compression.ts";
import { helpPage } from "./help.ts";
import { pathWithoutActor, withoutActor } from "./prefix.ts";
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
  /** Who is heard here: `readwrite` when left out, so that forgetting it opens nothing. */
  readonly realm?: Realm | "open";
  readonly answer: (context: Context, caller: Caller) => Response | Promise<Response>;
}

export interface EndpointsAppOptions {
  /** First segment that may be left out of every path. */
  readonly actor: string;
  readonly endpoints: readonly Endpoint[];
  readonly authentication: Authentication;
  /** Paths of endpoints that are closed to everybody, with or without the actor. */
  readonly disabledPaths: readonly string[];
  /** Answers in place of any endpoint but the excepted ones; undefined: go on. */
  readonly gate?: () => Response | undefined;
  readonly ungatedPaths?: readonly string[];
  /** Answers where there is no endpoint; 404 when left out. */
  readonly elsewhere?: (request: Request) => Response | Promise<Response>;
}

/** Answers requests by the longest endpoint that fits. */
export function createEndpointsApp(
  options: EndpointsAppOptions,
): (request: Request) => Response | Promise<Response> {
  const { actor, endpoints } = options;
  const app = new Hono({ getPath: (request) => pathWithoutActor(request, actor) });
  const longestFirst = [...endpoints].sort((a, b) => b.path.length - a.path.length);
  for (const endpoint of longestFirst) add(app, endpoint, options);
  app.all("/help/*", (context) => helpPage(actor, endpoints, context.req.path));
  app.notFound(
    ({ req }) =>
      options.elsewhere?.(req.raw) ??
      textResponse(404, "404 Not Found. /help lists what there is\n"),
  );
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

function add(app: Hono, endpoint: Endpoint, options: EndpointsAppOptions): void {
  const { path, methods, isPrefix, realm = "readwrite", answer } = endpoint;
  const { actor, authentication, disabledPaths, ungatedPaths } = options;
  const rule = disabledPaths.find((disabled) => withoutActor(disabled, actor) === path);
  const gate = ungatedPaths?.includes(path) === true ? undefined : options.gate;
  app.all(isPrefix === false ? path : `${path}/*`, async (context) => {
    if (rule !== undefined) return textResponse(403, `Endpoint '${rule}' is disabled`);
    const request = context.req.raw;
    const caller = authentication.check(realm === "open" ? undefined : realm, request);
    if (caller instanceof Response) return caller;
    const closed = gate?.();
    if (closed !== undefined) return closed;
    const { method } = request;
    const isAllowed = methods?.includes(method === "HEAD" ? "GET" : method) ?? true;
    if (!isAllowed) return methodNotAllowed(method, methods);
    return await compressed(await answer(context, caller), request);
  });
}
