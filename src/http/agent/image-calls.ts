/** PRUNE_IMAGES: images that no container uses go. Source: http-api 7.3. */
import type { AgentRuntime } from "../../agent/runtime/agent-runtime.ts";
import { ok, type Result, refuse } from "../../base/result.ts";
import type { AgentCall } from "../../protocol/v1/types.ts";
import type { Acls } from "../../security/acls.ts";
import type { Caller } from "../authentication.ts";
import { denialOf } from "../permission.ts";

/** Undefined for calls about other things. */
export async function imageCall(
  runtime: AgentRuntime,
  acls: Acls,
  call: AgentCall,
  caller: Caller,
): Promise<Result<"empty"> | undefined> {
  if (call.type !== "PRUNE_IMAGES") return undefined;
  const denial = denialOf(acls, caller, "prune_images");
  if (denial !== undefined) return denial;
  try {
    const pruned = await runtime.pruneImages(call.prune_images?.excluded_images ?? []);
    return pruned.ok ? ok("empty") : pruned;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return refuse("failed", `The images could not be pruned: ${reason}`);
  }
}
