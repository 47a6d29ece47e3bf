/** Operator calls that master and agent answer alike. Source: reference/http-api.md 6.1, 6.2, 7.1. */
import { ok, type Result, refuse } from "../base/result.ts";
import { encodeBase64 } from "../protocol/base64.ts";
import type { AgentCall, AgentResponse, MasterCall, MasterResponse } from "../protocol/v1/types.ts";
import type { Caller } from "./authentication.ts";
import { denialOfFile } from "./file-endpoints.ts";
import { denialOf } from "./permission.ts";
import type { ProcessFacts } from "./process-facts.ts";

/** Calls of this kind that carry a message, named after them. */
const CALLS_WITH_PAYLOAD: ReadonlySet<string> = new Set([
  "GET_METRICS",
  "SET_LOGGING_LEVEL",
  "LIST_FILES",
  "READ_FILE",
]);

/** The payload that such a call lacks; undefined when it is complete, or of another kind. */
export function missingPayload(call: {
  readonly type?: string | undefined;
  readonly [field: string]: unknown;
}): string | undefined {
  if (call.type === undefined || !CALLS_WITH_PAYLOAD.has(call.type)) return undefined;
  const field = call.type.toLowerCase();
  return call[field] === undefined ? field : undefined;
}

/** What both APIs have in common; equal names mean equal messages. */
type ProcessCall = Pick<
  MasterCall & AgentCall,
  "get_metrics" | "set_logging_level" | "list_files" | "read_file"
>;
type ProcessAnswer = Pick<
  MasterResponse & AgentResponse,
  | "get_health"
  | "get_flags"
  | "get_version"
  | "get_metrics"
  | "get_logging_level"
  | "list_files"
  | "read_file"
>;

/**
 * The payload of the answer, `"empty"` where there is none, or undefined for a call of another
 * kind. The call's own payload is there. Refusals: those of files, `invalid` settings, `forbidden`.
 */
export async function processCall(
  facts: ProcessFacts,
  type: string,
  call: ProcessCall,
  caller: Caller,
): Promise<Result<ProcessAnswer | "empty"> | undefined> {
  const denial = denialOfCall(facts, type, call, caller);
  if (denial !== undefined) return denial;
  switch (type) {
    case "GET_HEALTH":
      return ok({ get_health: { healthy: true } });
    case "GET_VERSION":
      return ok({ get_version: { version_info: facts.version } });
    case "GET_FLAGS":
      return ok({ get_flags: { flags: namedValues(facts.flags) } });
    case "GET_METRICS":
      return ok({ get_metrics: { metrics: namedValues(facts.metrics()) } });
    case "GET_LOGGING_LEVEL":
      return ok({ get_logging_level: { level: facts.loggingLevel.level } });
    case "SET_LOGGING_LEVEL":
      return setLoggingLevel(facts, call);
    case "LIST_FILES":
      return await listFiles(facts, call.list_files?.path ?? "");
    case "READ_FILE":
      return await readFile(facts, call);
    default:
      return undefined;
  }
}

function denialOfCall(
  { acls, files }: ProcessFacts,
  type: string,
  { list_files, read_file }: ProcessCall,
  caller: Caller,
): Result<never> | undefined {
  switch (type) {
    case "GET_FLAGS":
      return denialOf(acls, caller, "view_flags");
    case "SET_LOGGING_LEVEL":
      return denialOf(acls, caller, "set_log_level");
    case "LIST_FILES":
      return denialOfFile(files, acls, caller, list_files?.path ?? "");
    case "READ_FILE":
      return denialOfFile(files, acls, caller, read_file?.path ?? "");
    default:
      return undefined;
  }
}

function namedValues<Value>(
  values: Readonly<Record<string, Value>>,
): { readonly name: string; readonly value: Value }[] {
  return Object.entries(values).map(([name, value]) => ({ name, value }));
}

function setLoggingLevel(facts: ProcessFacts, { set_logging_level }: ProcessCall): Result<"empty"> {
  const { level = 0, duration } = set_logging_level ?? {};
  const outcome = facts.loggingLevel.set(level, (duration?.nanoseconds ?? 0) / 1e6);
  return outcome.ok ? ok("empty") : outcome;
}

async function listFiles(facts: ProcessFacts, path: string): Promise<Result<ProcessAnswer>> {
  const entries = await facts.files.browse(path);
  return entries.ok ? ok({ list_files: { file_infos: entries.value } }) : entries;
}

async function readFile(
  facts: ProcessFacts,
  { read_file }: ProcessCall,
): Promise<Result<ProcessAnswer>> {
  if (read_file === undefined) return refuse("invalid", "Expecting 'read_file' to be present");
  const { path, offset, length } = read_file;
  const piece = await facts.files.read(path, offset, length);
  if (!piece.ok) return piece;
  return ok({ read_file: { size: piece.value.size, data: encodeBase64(piece.value.data) } });
}
