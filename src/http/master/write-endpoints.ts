/**
 * Endpoints outside v1 that change something. Each becomes the call of the operator API that does
 * the same. Content types are not looked at. Source: reference/http-api.md 9.3.
 */
import type { Context } from "hono";
import { ok, type Result, refuse } from "../../base/result.ts";
import { getMaintenanceSchedule, getQuota, getWeights } from "../../master/core/views/policy.ts";
import { visibleState } from "../../master/core/views/visible-state.ts";
import type { MasterRuntime } from "../../master/runtime/master-runtime.ts";
import type { Codec } from "../../protocol/codec.ts";
import { CODEC_LIMITS } from "../../protocol/limits.ts";
import type { MachineID, MasterCall, Resource, WeightInfo } from "../../protocol/v1/types.ts";
import type { Acls } from "../../security/acls.ts";
import { Viewer } from "../../security/viewer.ts";
import type { Caller } from "../authentication.ts";
import { readBody } from "../body.ts";
import { answerJson, type Endpoint, restOfPath } from "../endpoints.ts";
import { refusalResponse, textResponse } from "../responses.ts";
import { change } from "./operator-api.ts";
import { withoutEmptyLists } from "./operator-reads.ts";

const FORM_METHODS = ["POST"] as const;

/** All of them; those that also read do so on GET. */
export function writeEndpoints(
  runtime: MasterRuntime,
  codec: Codec,
  acls: Acls,
): readonly Endpoint[] {
  const stateFor = ({ principal }: Caller): MasterRuntime["state"] =>
    visibleState(runtime.state, new Viewer(acls, principal));
  const form =
    (toCall: (form: URLSearchParams) => Result<MasterCall>) => (context: Context, caller: Caller) =>
      withBody(context, (body) =>
        perform(runtime, toCall(new URLSearchParams(decodeText(body))), caller),
      );
  const json =
    (toCall: (value: unknown) => Result<MasterCall>) => (context: Context, caller: Caller) =>
      withBody(context, (body) => {
        const value = codec.parseJson(body);
        return perform(runtime, value.ok ? toCall(value.value) : value, caller);
      });
  const isRead = (context: Context): boolean => ["GET", "HEAD"].includes(context.req.method);
  return [
    {
      path: "/reserve",
      methods: FORM_METHODS,
      help: "reserves resources: form with slaveId=, resources=[…], source=[…]",
      answer: form((fields) => reserve(codec, fields)),
    },
    {
      path: "/unreserve",
      methods: FORM_METHODS,
      help: "ends reservations: form with slaveId=, resources=[…]",
      answer: form((fields) => unreserve(codec, fields)),
    },
    {
      path: "/create-volumes",
      methods: FORM_METHODS,
      help: "creates persistent volumes: form with slaveId=, volumes=[…]",
      answer: form((fields) => createVolumes(codec, fields)),
    },
    {
      path: "/destroy-volumes",
      methods: FORM_METHODS,
      help: "destroys persistent volumes: form with slaveId=, volumes=[…]",
      answer: form((fields) => destroyVolumes(codec, fields)),
    },
    {
      path: "/teardown",
      methods: FORM_METHODS,
      help: "ends a framework and its tasks: form with frameworkId=",
      answer: form(teardown),
    },
    {
      path: "/machine/down",
      methods: FORM_METHODS,
      help: "starts the maintenance of scheduled machines: [{hostname, ip}]",
      answer: json((value) => machineCall(codec, "START_MAINTENANCE", value)),
    },
    {
      path: "/machine/up",
      methods: FORM_METHODS,
      help: "ends the maintenance of machines: [{hostname, ip}]",
      answer: json((value) => machineCall(codec, "STOP_MAINTENANCE", value)),
    },
    {
      path: "/maintenance/schedule",
      methods: ["GET", "POST"],
      help: "the maintenance schedule; POST replaces it: {windows}",
      answer: (context, caller) =>
        isRead(context)
          ? answerJson(context, getMaintenanceSchedule(stateFor(caller)).schedule)
          : json((value) => schedule(codec, value))(context, caller),
    },
    {
      path: "/weights",
      methods: ["GET", "PUT"],
      help: "weights of roles; PUT sets them: [{role, weight}]",
      answer: (context, caller) =>
        isRead(context)
          ? answerJson(context, getWeights(stateFor(caller)).weight_infos)
          : json((value) => weights(codec, value))(context, caller),
    },
    {
      path: "/quota",
      methods: ["GET", "POST", "DELETE"],
      help: "quotas of roles; POST sets a new one: {role, guarantee, force}; DELETE /quota/ROLE removes it",
      answer: (context, caller) => {
        if (isRead(context)) {
          return answerJson(context, withoutEmptyLists(getQuota(stateFor(caller)).status));
        }
        if (context.req.method === "DELETE") return perform(runtime, removeQuota(context), caller);
        return json((value) => setQuota(codec, value))(context, caller);
      },
    },
  ];
}

async function withBody(
  context: Context,
  answer: (body: Uint8Array) => Promise<Response>,
): Promise<Response> {
  const body = await readBody(context.req.raw, CODEC_LIMITS.bodyBytes);
  return body.ok ? await answer(body.value) : refusalResponse(body.error);
}

async function perform(
  runtime: MasterRuntime,
  call: Result<MasterCall>,
  caller: Caller,
): Promise<Response> {
  if (!runtime.state.isRecovered) return textResponse(503, "Master has not finished recovery");
  return call.ok ? await change(runtime, call.value, caller) : refusalResponse(call.error);
}

function decodeText(body: Uint8Array): string {
  return new TextDecoder().decode(body);
}

// ---- forms --------------------------------------------------------------------------------------

function reserve(codec: Codec, form: URLSearchParams): Result<MasterCall> {
  const parts = resourceForm(codec, form, "resources");
  if (!parts.ok) return parts;
  const source = form.has("source") ? resourceList(codec, form, "source") : ok(undefined);
  if (!source.ok) return source;
  const { agent_id, list: resources } = parts.value;
  const reserve_resources = {
    agent_id,
    resources,
    ...(source.value !== undefined && { source: source.value }),
  };
  return ok({ type: "RESERVE_RESOURCES", reserve_resources });
}

function unreserve(codec: Codec, form: URLSearchParams): Result<MasterCall> {
  const parts = resourceForm(codec, form, "resources");
  if (!parts.ok) return parts;
  const { agent_id, list: resources } = parts.value;
  return ok({ type: "UNRESERVE_RESOURCES", unreserve_resources: { agent_id, resources } });
}

function createVolumes(codec: Codec, form: URLSearchParams): Result<MasterCall> {
  const parts = resourceForm(codec, form, "volumes");
  if (!parts.ok) return parts;
  const { agent_id, list: volumes } = parts.value;
  return ok({ type: "CREATE_VOLUMES", create_volumes: { agent_id, volumes } });
}

function destroyVolumes(codec: Codec, form: URLSearchParams): Result<MasterCall> {
  const parts = resourceForm(codec, form, "volumes");
  if (!parts.ok) return parts;
  const { agent_id, list: volumes } = parts.value;
  return ok({ type: "DESTROY_VOLUMES", destroy_volumes: { agent_id, volumes } });
}

function teardown(form: URLSearchParams): Result<MasterCall> {
  const frameworkId = form.get("frameworkId");
  if (frameworkId === null) return missingField("frameworkId");
  return ok({ type: "TEARDOWN", teardown: { framework_id: { value: frameworkId } } });
}

function resourceForm(
  codec: Codec,
  form: URLSearchParams,
  field: "resources" | "volumes",
): Result<{ readonly agent_id: { value: string }; readonly list: readonly Resource[] }> {
  const agentId = form.get("slaveId");
  if (agentId === null) return missingField("slaveId");
  const list = resourceList(codec, form, field);
  return list.ok ? ok({ agent_id: { value: agentId }, list: list.value }) : list;
}

function resourceList(
  codec: Codec,
  form: URLSearchParams,
  field: string,
): Result<readonly Resource[]> {
  const text = form.get(field);
  if (text === null) return missingField(field);
  const faulty = `Error in parsing '${field}' query parameter in the request body`;
  const value = codec.parseJson(new TextEncoder().encode(text));
  if (!value.ok) return refuse("invalid", `${faulty}: ${value.error.message}`, field);
  if (!Array.isArray(value.value)) {
    return refuse("invalid", `${faulty}: write a JSON array of resources`, field);
  }
  const resources: Resource[] = [];
  for (const item of value.value as unknown[]) {
    const resource = codec.fromJson("mesos.v1.Resource", item);
    if (!resource.ok) return refuse("invalid", `${faulty}: ${resource.error.message}`, field);
    resources.push(resource.value);
  }
  return ok(resources);
}

function missingField(field: string): Result<never> {
  return refuse("invalid", `Missing '${field}' query parameter in the request body`);
}

// ---- JSON ---------------------------------------------------------------------------------------

function schedule(codec: Codec, value: unknown): Result<MasterCall> {
  const decoded = codec.fromJson("mesos.v1.maintenance.Schedule", value);
  if (!decoded.ok) return decoded;
  const update_maintenance_schedule = { schedule: decoded.value };
  return ok({ type: "UPDATE_MAINTENANCE_SCHEDULE", update_maintenance_schedule });
}

function machineCall(
  codec: Codec,
  type: "START_MAINTENANCE" | "STOP_MAINTENANCE",
  value: unknown,
): Result<MasterCall> {
  if (!Array.isArray(value)) {
    return refuse("invalid", 'Expecting a JSON array of machines, as [{"hostname": …, "ip": …}]');
  }
  const machines: MachineID[] = [];
  for (const item of value as unknown[]) {
    const machine = codec.fromJson("mesos.v1.MachineID", item);
    if (!machine.ok) return machine;
    machines.push(machine.value);
  }
  return type === "START_MAINTENANCE"
    ? ok({ type, start_maintenance: { machines } })
    : ok({ type, stop_maintenance: { machines } });
}

function weights(codec: Codec, value: unknown): Result<MasterCall> {
  if (!Array.isArray(value)) {
    const form = 'Expecting a JSON array of weights, as [{"role": …, "weight": …}]';
    return refuse("invalid", `Failed to parse update weights request JSON: ${form}`);
  }
  const weight_infos: WeightInfo[] = [];
  for (const item of value as unknown[]) {
    const info = codec.fromJson("mesos.v1.WeightInfo", item);
    if (!info.ok) return info;
    weight_infos.push(info.value);
  }
  return ok({ type: "UPDATE_WEIGHTS", update_weights: { weight_infos } });
}

function setQuota(codec: Codec, value: unknown): Result<MasterCall> {
  const decoded = codec.fromJson("mesos.v1.quota.QuotaRequest", value);
  return decoded.ok
    ? ok({ type: "SET_QUOTA", set_quota: { quota_request: decoded.value } })
    : decoded;
}

function removeQuota(context: Context): Result<MasterCall> {
  const role = restOfPath(context, "/quota");
  if (role !== undefined && role !== "" && !role.includes("/")) {
    return ok({ type: "REMOVE_QUOTA", remove_quota: { role } });
  }
  const form = "name the role as /master/quota/ROLE, expected 3 tokens";
  return refuse("invalid", `Failed to parse the path of the quota to remove: ${form}`);
}
