/**
 * Calls about resource providers, of which this agent has none: what there is to see is empty, what there is to change is refused as in an agent without them. Source: http-api 7.4.
 */
import { ok, type Result, refuse } from "../../base/result.ts";
import type { AgentCall, AgentResponse } from "../../protocol/v1/types.ts";
import type { Acls } from "../../security/acls.ts";
import type { Caller } from "../authentication.ts";
import { denialOf } from "../permission.ts";

/** Why no resource provider is taken. */
export const NO_PROVIDERS = "This agent runs no resource providers; it offers its own disks alone";

/** Undefined for calls about other things. */
export function providerCall(
  acls: Acls,
  call: AgentCall,
  caller: Caller,
): Result<Pick<AgentResponse, "get_resource_providers"> | "empty"> | undefined {
  switch (call.type) {
    case "GET_RESOURCE_PROVIDERS":
      return ok({ get_resource_providers: {} });
    case "ADD_RESOURCE_PROVIDER_CONFIG":
      return denialOf(acls, caller, "modify_resource_provider_configs") ?? refuseConfig(call);
    case "UPDATE_RESOURCE_PROVIDER_CONFIG":
      return (
        denialOf(acls, caller, "modify_resource_provider_configs") ??
        refuse("conflict", "There is no such resource provider config to update")
      );
    case "REMOVE_RESOURCE_PROVIDER_CONFIG":
      return denialOf(acls, caller, "modify_resource_provider_configs") ?? ok("empty");
    case "MARK_RESOURCE_PROVIDER_GONE":
      return denialOf(acls, caller, "mark_resource_providers_gone") ?? refuseGone(call);
    default:
      return undefined;
  }
}

function refuseConfig({ add_resource_provider_config: add }: AgentCall): Result<never> {
  if (add?.info.id !== undefined) {
    const text = "Expecting 'add_resource_provider_config.info.id' to be unset";
    return refuse("invalid", `Failed to validate agent::Call: ${text}`);
  }
  return refuse("notImplemented", NO_PROVIDERS);
}

function refuseGone({ mark_resource_provider_gone: gone }: AgentCall): Result<never> {
  const id = gone?.resource_provider_id.value ?? "";
  return refuse("failed", `Could not mark resource provider ${id} gone: it is unknown here`);
}
