/** What an agent says it is: address, attributes and resources from flags and detection. */
import { completeResources, detectResources } from "../agent/runtime/detect-resources.ts";
import { ok, type Result, refuse } from "../base/result.ts";
import type { AgentInfo } from "../protocol/v1/types.ts";
import { parseAttributes } from "../resources/attributes.ts";
import { parseResources } from "../resources/parse.ts";
import { toPostRefinement } from "../resources/refinement.ts";
import type { RoleAddress } from "./address.ts";
import { domainFlag } from "./policy-flags.ts";
import type { RoleContext } from "./role-context.ts";

/**
 * Without `id`. `gpus`: how many there are; undefined where they are what the operator says. Errors:
 * `invalid`, naming the flag.
 */
export async function agentInfo(
  context: Pick<RoleContext, "flags" | "codec" | "workDir">,
  address: RoleAddress,
  { port, gpus }: { readonly port: number; readonly gpus: number | undefined },
): Promise<Result<AgentInfo>> {
  const { flags, codec, workDir } = context;
  const domain = domainFlag(flags, codec);
  if (!domain.ok) return domain;
  const defaultRole = flags.string("default_role") ?? "*";
  const configured = parseResources(flags.string("resources") ?? "", defaultRole, codec);
  if (!configured.ok) {
    return refuse("invalid", `--resources: ${configured.error.message}`, "resources");
  }
  const attributes = parseAttributes(flags.string("attributes") ?? "");
  if (!attributes.ok) {
    return refuse("invalid", `--attributes: ${attributes.error.message}`, "attributes");
  }
  const mentioned = new Set(configured.value.map(({ name }) => name));
  const stated = configured.value
    .filter(({ name }) => name === "gpus")
    .reduce((sum, { scalar }) => sum + (scalar?.value ?? 0), 0);
  if (gpus !== undefined && stated > gpus) {
    const message = `--resources: has ${stated} gpus, of which this agent has ${gpus}; see --nvidia_gpu_devices`;
    return refuse("invalid", message, "resources");
  }
  const detected = { ...(await detectResources(workDir)), gpus: gpus ?? 0 };
  const complete = completeResources(configured.value, mentioned, detected, defaultRole);
  const resources = complete
    .filter((resource) => resource.type !== "SCALAR" || (resource.scalar?.value ?? 0) > 0)
    .map(toPostRefinement);
  // Beside a master in one process that flag is the master's.
  const advertised = flags.string("role") === "both" ? undefined : flags.integer("advertise_port");
  return ok({
    hostname: address.hostname,
    port: advertised ?? port,
    resources,
    attributes: attributes.value,
    ...(domain.value !== undefined && { domain: domain.value }),
  });
}
