/**
 * The master's HTTP face: which path reaches which handler. Paths are those of Mesos, with and
 * without `/master`. Source: reference/http-api.md 1, 9, 11.
 */
import type { MasterRuntime } from "../../master/runtime/master-runtime.ts";
import type { Codec } from "../../protocol/codec.ts";
import type { Acls } from "../../security/acls.ts";
import type { Authentication } from "../authentication.ts";
import { createEndpointsApp, type Endpoint } from "../endpoints.ts";
import type { PacedReads } from "../paced-reads.ts";
import { processEndpoints } from "../process-endpoints.ts";
import type { ProcessFacts } from "../process-facts.ts";
import { handleFollow, handleKill } from "./allot-api.ts";
import { toMaster } from "./follower-app.ts";
import { type Leadership, leaderEndpoints } from "./leader-endpoints.ts";
import { listingEndpoints } from "./listing-endpoints.ts";
import { handleMasterCall } from "./operator-api.ts";
import { readEndpoints } from "./read-endpoints.ts";
import { type RegistryCopy, registryEndpoint } from "./registry-endpoint.ts";
import { handleSchedulerCall } from "./scheduler-api.ts";
import { whyEndpoints } from "./why-endpoints.ts";
import { writeEndpoints } from "./write-endpoints.ts";

export interface MasterAppOptions {
  readonly runtime: MasterRuntime;
  readonly codec: Codec;
  readonly facts: ProcessFacts;
  readonly authentication: Authentication;
  readonly disabledPaths: readonly string[];
  readonly cluster: string | undefined;
  readonly reads: PacedReads;
  readonly leadership: Leadership;
  readonly registryCopy: RegistryCopy;
}

/** Answers one request to the master's port. */
export function createMasterApp(
  options: MasterAppOptions,
): (request: Request) => Response | Promise<Response> {
  const { authentication, disabledPaths } = options;
  const endpoints = masterEndpoints(options);
  return createEndpointsApp({ actor: "master", endpoints, authentication, disabledPaths });
}

function masterEndpoints({
  runtime,
  codec,
  facts,
  cluster,
  reads,
  leadership,
  registryCopy,
}: MasterAppOptions): readonly Endpoint[] {
  const endpointFacts = { version: facts.version, cluster, flags: facts.flags };
  return [
    // These two look at the method themselves: other faults come before it.
    {
      path: "/api/v1/scheduler",
      realm: "scheduler",
      help: "the scheduler API of Mesos v1 (POST)",
      answerCall: (request, caller) =>
        handleSchedulerCall({ runtime, codec, live: facts.live }, request, caller),
    },
    {
      path: "/api/v1",
      help: "the operator API of Mesos v1 (POST)",
      answerCall: (request, caller) =>
        handleMasterCall({ runtime, codec, facts, reads }, request, caller),
    },
    {
      path: "/redirect",
      realm: "open",
      isPrefix: false,
      help: "leads a browser to the leading master",
      answer: () => toMaster(runtime.info, ""),
    },
    ...readEndpoints(runtime, endpointFacts, { reads, acls: facts.acls }),
    ...writeEndpoints(runtime, codec, facts.acls),
    ...processEndpoints(facts),
    ...listingEndpoints(runtime, { reads, acls: facts.acls }),
    ...allotEndpoints(runtime, facts.acls),
    ...whyEndpoints(runtime, facts.acls),
    ...leaderEndpoints(leadership, facts.acls),
    registryEndpoint(registryCopy, facts.acls),
  ];
}

function allotEndpoints(runtime: MasterRuntime, acls: Acls): readonly Endpoint[] {
  return [
    {
      path: "/allot/v1/kill",
      methods: ["POST"],
      help: "ends a task: {task_id, framework_id, grace_ms}",
      answer: (c, caller) => handleKill(runtime, c.req.raw, caller),
    },
    {
      path: "/allot/v1/agents/:id/files/follow",
      realm: "readonly",
      methods: ["GET"],
      help: "a file on an agent as it grows: path=, offset=, follow=",
      answer: (c, caller) =>
        handleFollow(runtime, c.req.param("id") ?? "", c.req.raw, { acls, caller }),
    },
  ];
}
