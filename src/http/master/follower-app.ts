/**
 * What a master answers that does not lead: what belongs to the process itself, and for all else the
 * way to the leader, before anything else is looked at. Source: reference/http-api.md 2.5, semantics 1.3.
 */
import type { MasterInfo } from "../../protocol/v1/types.ts";
import type { Authentication } from "../authentication.ts";
import { createEndpointsApp } from "../endpoints.ts";
import { processEndpoints } from "../process-endpoints.ts";
import type { ProcessFacts } from "../process-facts.ts";
import { textResponse } from "../responses.ts";
import { type Leadership, whoLeadsEndpoint } from "./leader-endpoints.ts";
import { passOn, wasPassedOn } from "./leader-proxy.ts";
import { type RegistryCopy, registryEndpoint } from "./registry-endpoint.ts";

export interface FollowerAppOptions {
  readonly facts: ProcessFacts;
  readonly authentication: Authentication;
  readonly disabledPaths: readonly string[];
  readonly leadership: Leadership;
  readonly registryCopy: RegistryCopy;
  /** Another one that leads, as far as is known. */
  leader(): MasterInfo | undefined;
  /** Elected, this one reads the registry yet. */
  isRecovering(): boolean;
  /** `host:port` of the leader, where requests are to be carried there instead of being sent. */
  proxyTo?(): string | undefined;
}

export function createFollowerApp(
  options: FollowerAppOptions,
): (request: Request) => Response | Promise<Response> {
  const { facts, authentication, disabledPaths, leadership, registryCopy } = options;
  const { leader, isRecovering, proxyTo } = options;
  return createEndpointsApp({
    actor: "master",
    endpoints: [
      {
        path: "/redirect",
        realm: "open",
        isPrefix: false,
        help: "leads a browser to the leading master",
        answer: () => toMaster(leader(), ""),
      },
      whoLeadsEndpoint(leadership),
      registryEndpoint(registryCopy, facts.acls),
      ...processEndpoints(facts),
    ],
    authentication,
    disabledPaths,
    elsewhere: (request) => {
      const { pathname, search } = new URL(request.url);
      if (isRecovering()) return textResponse(503, "Master has not finished recovery");
      const address = wasPassedOn(request) ? undefined : proxyTo?.();
      if (address !== undefined) return passOn(request, address);
      return toMaster(leader(), `${pathname}${search}`);
    },
  });
}

/** 307 to that master, or 503. */
export function toMaster(master: MasterInfo | undefined, path: string): Response {
  if (master === undefined)
    return textResponse(503, "No leader elected; /allot/v1/leader says why");
  const { hostname, port } = master;
  const headers = { Location: `//${hostname ?? ""}:${port}${path}`, "Content-Length": "0" };
  return new Response(null, { status: 307, headers });
}
