/** Random requests to a master's and an agent's port. The same dice and dictionary, the same request. */
import { JSON_WIRE, PROTOBUF_WIRE } from "../harness/wire.ts";
import { below, type Dice, type Dictionary, oddString, pick } from "./dictionary.ts";
import { Generator } from "./generator.ts";
import { encodeHeavy, heavyBytes, heavyCall } from "./heavy.ts";
import { deepBytes, mutateBytes, mutateText, mutateTree } from "./mutations.ts";

export interface FuzzRequest {
  readonly to: "master" | "agent";
  /** Which agent, modulo their number. */
  readonly agent: number;
  /** For people, and for counting. */
  readonly what: string;
  readonly path: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array<ArrayBuffer> | undefined;
}

interface Api {
  readonly to: "master" | "agent";
  readonly path: string;
  readonly type: string;
  readonly weight: number;
}

const APIS: readonly Api[] = [
  { to: "master", path: "/api/v1/scheduler", type: "mesos.v1.scheduler.Call", weight: 55 },
  { to: "master", path: "/api/v1", type: "mesos.v1.master.Call", weight: 30 },
  { to: "agent", path: "/api/v1/executor", type: "mesos.v1.executor.Call", weight: 8 },
  { to: "agent", path: "/api/v1", type: "mesos.v1.agent.Call", weight: 7 },
];

/** Of the scheduler calls, those that lead deepest come most. */
const FAVOURITES = ["ACCEPT", "ACCEPT", "ACCEPT", "DECLINE", "SUBSCRIBE", "ACKNOWLEDGE", "KILL"];

/** Calls after which less is left to call; seldom. */
const FINAL: ReadonlySet<string> = new Set([
  "TEARDOWN",
  "MARK_AGENT_GONE",
  "START_MAINTENANCE",
  "DRAIN_AGENT",
  "DEACTIVATE_AGENT",
  "SUPPRESS",
]);

const ENDPOINTS = [
  "/state",
  "/state-summary",
  "/slaves",
  "/frameworks",
  "/tasks",
  "/roles",
  "/metrics/snapshot",
  "/metrics",
  "/flags",
  "/version",
  "/health",
  "/redirect",
  "/quota",
  "/weights",
  "/maintenance/schedule",
  "/maintenance/status",
  "/machine/down",
  "/machine/up",
  "/reserve",
  "/unreserve",
  "/create-volumes",
  "/destroy-volumes",
  "/teardown",
  "/allot/v1/kill",
  "/allot/v1/why",
  "/allot/v1/tasks",
  "/allot/v1/agents/x/files/follow",
  "/files/browse",
  "/files/read",
  "/containers",
  "/monitor/statistics",
  "/logging/toggle",
] as const;

export interface Session {
  readonly dice: Dice;
  readonly known: Dictionary;
  /** How many of all requests are as large as may be, 0 to 1. */
  readonly heavyShare: number;
  /** The stream id that goes with a framework, if it is subscribed here. */
  streamOf(frameworkId: string): string | undefined;
}

export function randomRequest(session: Session): FuzzRequest {
  const { dice } = session;
  if (dice() < 0.03) return endpointRequest(session);
  if (dice() < session.heavyShare) return heavyRequest(session);
  if (session.known.offers.length === 0 && dice() < 0.3) return healingRequest(session);
  const api = weighted(dice);
  const generator = new Generator(dice, session.known);
  const tags = generator.tagsOf(api.type);
  const isScheduler = api.type === "mesos.v1.scheduler.Call";
  const first = isScheduler && dice() < 0.5 ? pick(dice, FAVOURITES) : pick(dice, tags);
  const tag = FINAL.has(first) && dice() < 0.8 ? pick(dice, tags) : first;
  const message = generator.message(api.type, tag);
  const wire = dice() < 0.5 ? JSON_WIRE : PROTOBUF_WIRE;
  const other = (): Record<string, unknown> => generator.message(api.type, pick(dice, tags));
  const { body, how } = bodyOf(session, { wire, type: api.type, message, other });
  const method = dice() < 0.995 ? "POST" : pick(dice, ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"]);
  return {
    to: api.to,
    agent: below(dice, 2),
    what: `${api.type} ${tag} ${wire.name} ${how}`,
    path: api.path,
    method,
    headers: headersOf(session, wire.mediaType, message, tag),
    body: method === "GET" ? undefined : body,
  };
}

function heavyRequest(session: Session): FuzzRequest {
  const { dice, known } = session;
  const parts = { to: "master", agent: 0, method: "POST" } as const;
  if (dice() < 0.3) {
    const { body, isGzip } = heavyBytes(dice);
    const mediaType = pick(dice, [JSON_WIRE.mediaType, PROTOBUF_WIRE.mediaType]);
    const encoding = isGzip ? { "Content-Encoding": "gzip" } : {};
    return {
      ...parts,
      what: `${body.length} bytes`,
      path: pick(dice, ["/api/v1", "/api/v1/scheduler", "/allot/v1/kill", "/teardown"]),
      headers: { "Content-Type": mediaType, Accept: mediaType, ...encoding },
      body,
    };
  }
  const heavy = heavyCall(dice, known);
  const { body, mediaType } = encodeHeavy(dice, heavy);
  return {
    ...parts,
    what: heavy.what,
    path: heavy.path,
    headers: headersOf(session, mediaType, heavy.call, String(heavy.call["type"])),
    body,
  };
}

/** Brings offers back after calls that ended them. */
function healingRequest(session: Session): FuzzRequest {
  const { dice, known } = session;
  const agent_id = { value: known.name(dice, "agent") };
  const isAgent = dice() < 0.5;
  const message = isAgent
    ? { type: "REACTIVATE_AGENT", reactivate_agent: { agent_id } }
    : { type: "REVIVE", framework_id: { value: known.name(dice, "framework") }, revive: {} };
  return {
    to: "master",
    agent: 0,
    what: `a good ${message.type}`,
    path: isAgent ? "/api/v1" : "/api/v1/scheduler",
    method: "POST",
    headers: headersOf(session, JSON_WIRE.mediaType, message, message.type),
    body: JSON_WIRE.encode("", message),
  };
}

function weighted(dice: Dice): Api {
  let roll = dice() * 100;
  for (const api of APIS) {
    roll -= api.weight;
    if (roll < 0) return api;
  }
  return pick(dice, APIS);
}

interface Draft {
  readonly wire: typeof JSON_WIRE;
  readonly type: string;
  readonly message: Record<string, unknown>;
  /** Another one of that type, to take a part from. */
  readonly other: () => Record<string, unknown>;
}

function bodyOf(
  { dice }: Session,
  { wire, type, message, other }: Draft,
): { body: Uint8Array<ArrayBuffer>; how: string } {
  const roll = dice();
  const text = new TextEncoder();
  if (wire.name === "json") {
    if (roll < 0.55) return { body: JSON_WIRE.encode(type, message), how: "well-formed" };
    if (roll < 0.85) {
      const mutated = JSON.stringify(mutateTree(dice, message)) ?? "";
      return { body: text.encode(mutated), how: "wrong tree" };
    }
    if (roll < 0.98) {
      return { body: text.encode(mutateText(dice, JSON.stringify(message))), how: "wrong text" };
    }
    return { body: randomBytes(dice), how: "random bytes" };
  }
  const good = encoded(type, message);
  if (good === undefined) return { body: deepBytes(dice), how: "deep" };
  if (roll < 0.6) return { body: good, how: "well-formed" };
  if (roll < 0.95) {
    return { body: mutateBytes(dice, good, encoded(type, other()) ?? good), how: "wrong bytes" };
  }
  if (roll < 0.98) return { body: deepBytes(dice), how: "deep" };
  return { body: randomBytes(dice), how: "random bytes" };
}

/** Undefined for a message that lacks what protobufjs cannot do without. */
function encoded(type: string, message: object): Uint8Array<ArrayBuffer> | undefined {
  try {
    return PROTOBUF_WIRE.encode(type, message);
  } catch {
    return undefined;
  }
}

function randomBytes(dice: Dice): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: below(dice, 200) }, () => below(dice, 256));
}

function headersOf(
  { dice, streamOf }: Session,
  mediaType: string,
  message: Record<string, unknown>,
  tag: string,
): Record<string, string> {
  const odd = dice();
  const type = odd < 0.01 ? pick(dice, ["text/plain", "", "application/json; x=y"]) : mediaType;
  const headers: Record<string, string> = { "Content-Type": type, Accept: mediaType };
  if (dice() < 0.02)
    headers["Accept"] = pick(dice, ["text/html", "*/*", ";;;", "application/json"]);
  if (dice() < 0.005) headers["Content-Encoding"] = pick(dice, ["gzip", "br", "deflate"]);
  const id = (message["framework_id"] as { value?: unknown } | undefined)?.value;
  const stream = typeof id === "string" ? streamOf(id) : undefined;
  const wants = tag === "SUBSCRIBE" ? dice() < 0.03 : dice() < 0.97;
  if (wants && stream !== undefined) headers["Mesos-Stream-Id"] = stream;
  return headers;
}

function endpointRequest({ dice, known }: Session): FuzzRequest {
  const path = pick(dice, ENDPOINTS);
  const names = [
    "framework_id",
    "slave_id",
    "task_id",
    "limit",
    "offset",
    "order",
    "jsonp",
    "path",
    "frameworkId",
    "slaveId",
    "resources",
    "volumes",
  ];
  const query = new URLSearchParams();
  for (let left = below(dice, 4); left > 0; left--) {
    const value =
      dice() < 0.5 ? known.name(dice, pick(dice, ["framework", "agent", "task"])) : oddString(dice);
    query.append(pick(dice, names), value);
  }
  const isPost = dice() < 0.4;
  const isForm = dice() < 0.7;
  const generator = new Generator(dice, known);
  const body = isForm
    ? query.toString()
    : JSON.stringify(mutateTree(dice, generator.message("mesos.v1.maintenance.Schedule")));
  return {
    to: dice() < 0.85 ? "master" : "agent",
    agent: below(dice, 2),
    what: `endpoint ${path}`,
    path: isPost ? path : `${path}?${query}`,
    method: isPost ? pick(dice, ["POST", "PUT"]) : "GET",
    headers: isPost
      ? { "Content-Type": isForm ? "application/x-www-form-urlencoded" : "application/json" }
      : {},
    body: isPost ? new TextEncoder().encode(body) : undefined,
  };
}

/** A good framework, so that there is always somebody to call. */
export function goodSubscribe(dice: Dice): FuzzRequest {
  const framework_info = {
    user: "u",
    name: "n",
    principal: "p",
    roles: dice() < 0.5 ? ["a", "kept"] : ["b", "*"],
    failover_timeout: 10,
    checkpoint: dice() < 0.5,
    capabilities: [
      { type: "MULTI_ROLE" },
      { type: "RESERVATION_REFINEMENT" },
      { type: "GPU_RESOURCES" },
    ],
  };
  const call = { type: "SUBSCRIBE", subscribe: { framework_info } };
  return {
    to: "master",
    agent: 0,
    what: "a good SUBSCRIBE",
    path: "/api/v1/scheduler",
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    body: new TextEncoder().encode(JSON.stringify(call)),
  };
}

/** The whole request, so that it can be sent by hand. */
export function describe({ what, method, path, headers, body }: FuzzRequest): string {
  const isText = headers["Content-Type"] !== "application/x-protobuf";
  const bytes = body ?? new Uint8Array();
  const shown = isText ? new TextDecoder().decode(bytes.slice(0, 3000)) : bytes.toHex();
  return `${what}\n  ${method} ${path} ${JSON.stringify(headers)}\n  ${shown.slice(0, 6000)}`;
}
