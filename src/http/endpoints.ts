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

/** One path and who is heard there. */
interface EndpointBase {
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
}

export interface RoutedEndpoint extends EndpointBase {
  readonly answer: (context: Context, caller: Caller) => Response | Promise<Response>;
}

/** Calls come by the thousand a second: a POST to the very path is not led through the router. */
interface CallEndpoint extends EndpointBase {
  readonly answerCall: (request: Request, caller: Caller) => Response | Promise<Response>;
}

/** One path and what answers there. */
export type Endpoint = RoutedEndpoint | CallEndpoint;

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
  const calls = new Map<string, (request: Request) => Promise<Response>>();
  const longestFirst = [...endpoints].sort((a, b) => b.path.length - a.path.length);
  for (const endpoint of longestFirst) {
    const enter = entrance(endpoint, options);
    const { path, isPrefix } = endpoint;
    const route = isPrefix === false ? path : `${path}/*`;
    if ("answerCall" in endpoint) {
      const call = (request: Request): Promise<Response> =>
        enter(request, (caller) => endpoint.answerCall(request, caller));
      calls.set(path, call);
      app.all(route, (context) => call(context.req.raw));
    } else {
      app.all(route, (context) =>
        enter(context.req.raw, (caller) => endpoint.answer(context, caller)),
      );
    }
  }
  app.all("/help/*", (context) => helpPage(actor, endpoints, context.req.path));
  app.notFound(
    ({ req }) =>
      options.elsewhere?.(req.raw) ??
      textResponse(404, "404 Not Found. /help lists what there is\n"),
  );
  app.onError(failure);
  return (request) => {
    const call =
      request.method === "POST" ? calls.get(pathWithoutActor(request, actor)) : undefined;
    return call === undefined ? app.fetch(request) : call(request);
  };
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

type Answer = (caller: Caller) => Response | Promise<Response>;

/** Lets in who may ask, and answers for what goes wrong behind. */
function entrance(
  endpoint: Endpoint,
  options: EndpointsAppOptions,
): (request: Request, answer: Answer) => Promise<Response> {
  const { path, methods, realm = "readwrite" } = endpoint;
  const { actor, authentication, disabledPaths, ungatedPaths } = options;
  const rule = disabledPaths.find((disabled) => withoutActor(disabled, actor) === path);
  const gate = ungatedPaths?.includes(path) === true ? undefined : options.gate;
  return async (request, answer) => {
    if (rule !== undefined) return textResponse(403, `Endpoint '${rule}' is disabled`);
    const caller = authentication.check(realm === "open" ? undefined : realm, request);
    if (caller instanceof Response) return caller;
    const closed = gate?.();
    if (closed !== undefined) return closed;
    const { method } = request;
    const isAllowed = methods?.includes(method === "HEAD" ? "GET" : method) ?? true;
    if (!isAllowed) return methodNotAllowed(method, methods);
    try {
      return await compressed(await answer(caller), request);
    } catch (error) {
      return failure(error);
    }
  };
}

function failure(error: unknown): Response {
  return textResponse(500, error instanceof Error ? error.message : String(error));
}
