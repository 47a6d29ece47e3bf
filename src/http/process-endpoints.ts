/** Endpoints that every process has, master or agent. Source: reference/http-api.md 9.2, 11. */
import type { Context } from "hono";
import { parseDurationMs } from "../base/units.ts";
import type { Caller } from "./authentication.ts";
import { answerJson, type Endpoint } from "./endpoints.ts";
import { fileEndpoints } from "./file-endpoints.ts";
import { prometheusText } from "./metrics/prometheus.ts";
import { toFamilies } from "./metrics/prometheus-names.ts";
import { forbiddenResponse } from "./permission.ts";
import { type ProcessFacts, systemMetrics } from "./process-facts.ts";
import { emptyResponse, refusalResponse, textResponse } from "./responses.ts";

/** All of them; `/health` answers at any time. */
export function processEndpoints(facts: ProcessFacts): readonly Endpoint[] {
  return [
    {
      path: "/health",
      realm: "open",
      help: "200 while the process answers at all",
      answer: () => emptyResponse(200),
    },
    {
      path: "/version",
      realm: "open",
      help: "which program this is",
      answer: (c) => answerJson(c, facts.version),
    },
    {
      path: "/flags",
      realm: "readonly",
      help: "the flags it was started with",
      answer: (c, caller) =>
        forbiddenResponse(facts.acls, caller, "view_flags") ??
        answerJson(c, { flags: facts.flags }),
    },
    {
      path: "/metrics/snapshot",
      realm: "readonly",
      help: "every metric: timeout=",
      answer: (c, caller) => guarded(facts, caller, "/metrics/snapshot") ?? metrics(facts, c),
    },
    {
      path: "/metrics",
      isPrefix: false,
      realm: "readonly",
      help: "every metric in the text format of Prometheus",
      answer: (_, caller) => guarded(facts, caller, "/metrics/snapshot") ?? prometheus(facts),
    },
    {
      path: "/system/stats.json",
      realm: "open",
      help: "load, processors and memory of the machine",
      answer: (c) => answerJson(c, systemStats()),
    },
    {
      path: "/logging/toggle",
      help: "tells the logging level, or sets it for a while: level=, duration=",
      answer: (c, caller) => guarded(facts, caller, "/logging/toggle") ?? toggle(facts, c, caller),
    },
    ...fileEndpoints(facts.files, facts.acls),
  ];
}

/** 403 from an endpoint that ACLs close to the caller. */
export function guarded(
  { acls }: ProcessFacts,
  caller: Caller,
  path: string,
): Response | undefined {
  return forbiddenResponse(acls, caller, "get_endpoints", () => path);
}

/** Every metric is at hand, so that the timeout is only checked. */
function metrics(facts: ProcessFacts, context: Context): Response {
  const text = context.req.query("timeout");
  const timeout = text === undefined ? undefined : parseDurationMs(text);
  if (timeout?.ok === false) {
    const shown = (text ?? "").slice(0, 100);
    return textResponse(400, `Invalid timeout '${shown}': ${timeout.error.message}.`);
  }
  return answerJson(context, facts.metrics());
}

async function prometheus(facts: ProcessFacts): Promise<Response> {
  const { live } = facts;
  const snapshot = facts.metrics();
  await live.turn();
  const families = [...toFamilies(snapshot), ...live.families()];
  await live.turn();
  const { text, contentType } = await prometheusText(families, () => live.turn());
  return new Response(text, { headers: { "Content-Type": contentType } });
}

function systemStats(): Record<string, number> {
  const values = systemMetrics();
  return {
    avg_load_1min: values["system/load_1min"] ?? 0,
    avg_load_5min: values["system/load_5min"] ?? 0,
    avg_load_15min: values["system/load_15min"] ?? 0,
    cpus_total: values["system/cpus_total"] ?? 0,
    mem_total_bytes: values["system/mem_total_bytes"] ?? 0,
    mem_free_bytes: values["system/mem_free_bytes"] ?? 0,
  };
}

function toggle(facts: ProcessFacts, context: Context, caller: Caller): Response {
  const { acls, loggingLevel } = facts;
  const level = context.req.query("level");
  const duration = context.req.query("duration");
  if (level === undefined && duration === undefined) {
    return textResponse(200, `${loggingLevel.level}\n`);
  }
  if (level === undefined) return textResponse(400, "Expecting 'level=value' in query.\n");
  if (duration === undefined) return textResponse(400, "Expecting 'duration=value' in query.\n");
  const denial = forbiddenResponse(acls, caller, "set_log_level");
  if (denial !== undefined) return denial;
  const durationMs = parseDurationMs(duration);
  if (!durationMs.ok) return textResponse(400, `Invalid duration: ${durationMs.error.message}\n`);
  const outcome = loggingLevel.set(/^\d{1,6}$/.test(level) ? Number(level) : -1, durationMs.value);
  return outcome.ok ? emptyResponse(200) : refusalResponse(outcome.error);
}
