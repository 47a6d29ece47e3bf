/**
 * `POST /api/v1/resource_provider` of the agent. Resource providers are not taken, so that none is
 * ever subscribed; every call is looked at as Mesos does and then refused for that.
 * Source: http-api 2.2, 2.3, 8.
 */
import type { Codec } from "../../protocol/codec.ts";
import { responseMediaType } from "../../protocol/media-types.ts";
import type { ResourceProviderCall } from "../../protocol/v1/types.ts";
import { readCall } from "../body.ts";
import { methodNotAllowed, refusalResponse, textResponse } from "../responses.ts";
import { NO_PROVIDERS } from "./provider-calls.ts";

/** Refuses one call of a resource provider. */
export async function handleProviderCall(codec: Codec, request: Request): Promise<Response> {
  if (request.method !== "POST") return methodNotAllowed(request.method);
  const call = await readCall(request, codec, "mesos.v1.resource_provider.Call");
  if (!call.ok) return refusalResponse(call.error);
  const missing = missingField(call.value);
  if (missing !== undefined) {
    const reason = `Expecting '${missing}' to be present`;
    return textResponse(400, `Failed to validate resource_provider::Call: ${reason}`);
  }
  switch (call.value.type) {
    case "SUBSCRIBE": {
      const mediaType = responseMediaType(request.headers.get("accept"));
      if (!mediaType.ok) return refusalResponse(mediaType.error);
      if (request.headers.has("mesos-stream-id")) {
        const text = "Subscribe calls should not include the 'Mesos-Stream-Id' header";
        return textResponse(400, text);
      }
      return textResponse(501, NO_PROVIDERS);
    }
    case "UNKNOWN":
      return textResponse(501, `${call.value.type} is no call of a resource provider`);
    default:
      return textResponse(400, "Resource provider is not subscribed");
  }
}

function missingField(call: ResourceProviderCall): string | undefined {
  const { type, resource_provider_id: id } = call;
  if (type === undefined) return "type";
  if (type === "UNKNOWN") return undefined;
  if (type !== "SUBSCRIBE" && id === undefined) return "resource_provider_id";
  const payload = { ...call } as Readonly<Record<string, unknown>>;
  const field = type.toLowerCase();
  return payload[field] === undefined ? field : undefined;
}
