/**
 * Building blocks of the JSON endpoints: resources as a flat object, executors, offers.
 * Source: reference/http-api.md 9.1.
 */
import { toEndpointCommand } from "../../../protocol/endpoint-command.ts";
import { quoteJson } from "../../../protocol/json-writer.ts";
import type { AgentInfo } from "../../../protocol/v1/types.ts";
import { toEndpointAttributes } from "../../../resources/attributes.ts";
import type { Bundle } from "../../../resources/bundle.ts";
import { toEndpointResources } from "../../../resources/format.ts";
import type { ExecutorEntry, OfferEntry } from "../state.ts";

/** A JSON object as these endpoints write it. */
export type Json = Readonly<Record<string, unknown>>;

/** RESOURCES: the four common scalars always, everything else by name. */
export function resourcesJson(bundles: readonly Bundle[]): Json {
  return toEndpointResources(bundles.flatMap((bundle) => bundle.toResources()));
}

/** SLAVEINFO. */
export function agentInfoJson(info: AgentInfo): Json {
  return {
    id: info.id?.value ?? "",
    hostname: info.hostname,
    port: info.port ?? 0,
    attributes: toEndpointAttributes(info.attributes ?? []),
    ...(info.domain !== undefined && { domain: info.domain }),
  };
}

/** CAPABILITIES: names only. */
export function capabilityTypes(
  capabilities: readonly { readonly type?: string | undefined }[] | undefined,
): string[] {
  return (capabilities ?? []).flatMap(({ type }) => type ?? []);
}

/** EXECUTOR. */
export function executorJson(executor: ExecutorEntry): Json {
  const { info } = executor;
  return {
    executor_id: executor.id,
    name: info.name ?? "",
    framework_id: executor.frameworkId,
    command: toEndpointCommand(info.command),
    resources: resourcesJson([executor.resources]),
    role: executor.resources.allocationRoles()[0] ?? "*",
    ...(info.labels !== undefined && { labels: info.labels.labels ?? [] }),
    ...(info.type !== undefined && { type: info.type }),
  };
}

/** OFFER. */
export function offerJson(offer: OfferEntry): Json {
  return {
    id: offer.id,
    framework_id: offer.frameworkId,
    allocation_info: { role: offer.role },
    slave_id: offer.agentId,
    resources: resourcesJson([offer.resources]),
  };
}

/** `plain` as JSON text, with fields behind that are JSON text already. */
export function objectText(plain: Json, texts: Readonly<Record<string, string>>): string {
  const fields = Object.entries(texts).map(([name, text]) => `${quoteJson(name)}:${text}`);
  const inside = JSON.stringify(plain).slice(1, -1);
  return `{${(inside === "" ? fields : [inside, ...fields]).join(",")}}`;
}
