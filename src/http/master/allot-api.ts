/**
 * Our own additions beside the Mesos APIs, below `/allot/v1`: ending a task in an operator's name,
 * and reading an agent's files through the link it opened, so that an agent needs no inbound path.
 */
import { sandboxUser } from "../../master/core/views/users.ts";
import type { MasterRuntime } from "../../master/runtime/master-runtime.ts";
import type { Acls } from "../../security/acls.ts";
import type { Caller } from "../authentication.ts";
import { readPacked } from "../body.ts";
import { forbiddenResponse } from "../permission.ts";
import { emptyResponse, refusalResponse, textResponse } from "../responses.ts";

/** Bytes of a kill request: three short fields. */
const KILL_BODY_BYTES = 16 * 1024;

/**
 * Longest grace, 292 years: what a message can say in nanoseconds. Beyond it no agent would read the
 * order, nor, as it is sent until it is carried out, any that come after it.
 */
const GRACE_MS_MAX = 9_223_372_036_000;

/** `POST /allot/v1/kill` with `{task_id, framework_id?, grace_ms?}`: 202, 400, 403, 404, 409 or 413. */
export async function handleKill(
  runtime: MasterRuntime,
  request: Request,
  { principal }: Caller,
): Promise<Response> {
  const received = await readPacked(request, KILL_BODY_BYTES);
  if (!received.ok) return refusalResponse(received.error);
  let body: unknown;
  try {
    body = JSON.parse(new TextDecoder().decode(received.value));
  } catch {
    return textResponse(400, 'The body is not JSON; send {"task_id": …}');
  }
  const fields = (typeof body === "object" && body !== null ? body : {}) as Readonly<
    Record<string, unknown>
  >;
  const { task_id: taskId, framework_id: frameworkId, grace_ms: graceMs } = fields;
  if (typeof taskId !== "string" || taskId === "") {
    return textResponse(400, "Expecting 'task_id' to be a task's id");
  }
  if (frameworkId !== undefined && typeof frameworkId !== "string") {
    return textResponse(400, "Expecting 'framework_id' to be text");
  }
  const isGrace = typeof graceMs === "number" && graceMs >= 0 && graceMs <= GRACE_MS_MAX;
  if (graceMs !== undefined && !isGrace) {
    return textResponse(400, `Expecting 'grace_ms' to be milliseconds, 0 to ${GRACE_MS_MAX}`);
  }
  const outcome = await runtime.killTask(taskId, frameworkId, graceMs, principal);
  return outcome.ok ? emptyResponse(202) : refusalResponse(outcome.error);
}

/**
 * `GET /allot/v1/agents/<id>/files/follow?path=…&offset=0&follow=true`: the bytes of a file in a
 * sandbox, without end while `follow` is on. 403, or 404 when there is no such file.
 */
export async function handleFollow(
  runtime: MasterRuntime,
  agentId: string,
  request: Request,
  { acls, caller }: { readonly acls: Acls; readonly caller: Caller },
): Promise<Response> {
  const query = new URL(request.url).searchParams;
  const path = query.get("path");
  const offset = Number(query.get("offset") ?? 0);
  if (path === null) return textResponse(400, "Expecting 'path=value' in query.\n");
  if (!Number.isSafeInteger(offset)) {
    return textResponse(400, `Expecting 'offset' to be a whole number, not ${query.get("offset")}`);
  }
  const denial = forbiddenResponse(acls, caller, "access_sandboxes", () =>
    sandboxUser(runtime.state, agentId, path),
  );
  if (denial !== undefined) return denial;
  if (!runtime.state.agents.has(agentId as never)) {
    return textResponse(404, `Agent ${agentId} is not registered; \`allot agents\` lists them`);
  }
  const follow = query.get("follow") !== "false";
  const stream = runtime.openAgentStream(agentId, { kind: "tailFile", path, offset, follow });
  if (stream === undefined) {
    return textResponse(503, `Agent ${agentId} is not connected now; try again later`);
  }
  return await firstBytesDecide(stream, request.signal, follow);
}

/** A failure before the first byte becomes a status; a following reader must not wait for bytes. */
async function firstBytesDecide(
  stream: ReadableStream<Uint8Array>,
  signal: AbortSignal,
  follow: boolean,
): Promise<Response> {
  const headers = { "Content-Type": "application/octet-stream" };
  if (follow) return new Response(stream, { headers });
  const reader = stream.getReader();
  signal.addEventListener("abort", () => void reader.cancel().catch(() => undefined));
  let first: { readonly done: boolean; readonly value?: Uint8Array | undefined };
  try {
    first = await reader.read();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return textResponse(404, reason);
  }
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => {
      if (first.value !== undefined) controller.enqueue(first.value);
      if (first.done) controller.close();
    },
    pull: async (controller) => {
      const next = await reader.read();
      if (next.done) controller.close();
      else controller.enqueue(next.value);
    },
    cancel: () => reader.cancel(),
  });
  return new Response(body, { headers });
}
