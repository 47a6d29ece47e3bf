/** Whether a framework may be offered anything of an agent at all, and if not, why. Semantics 2.9, 2.10, 3.5–3.7. */
import { partOf } from "./amounts.ts";
import type {
  ModelAgent,
  ModelAgentFacts,
  ModelConstraint,
  ModelFramework,
  ModelOptions,
} from "./cluster.ts";

export type Mismatch = "agentCapability" | "gpuRule" | "remoteRegion" | "constraint";

/** It asks for offers for this role. */
export function isHungry(framework: ModelFramework, role: string): boolean {
  return framework.isActive && framework.roles.includes(role) && !framework.suppressed.has(role);
}

/** The first rule that keeps the whole agent from the framework, undefined when none does. */
export function mismatchOf(
  options: ModelOptions,
  agent: ModelAgent,
  framework: ModelFramework,
  role: string,
): Mismatch | undefined {
  const { facts } = agent;
  const { capabilities } = framework;
  const isMultiRole = capabilities.has("MULTI_ROLE") && !facts.capabilities.has("MULTI_ROLE");
  const isNested = role.includes("/") && !facts.capabilities.has("HIERARCHICAL_ROLE");
  if (isMultiRole || isNested) return "agentCapability";
  const hasGpus = [...agent.total.keys()].some((key) => partOf(key).name === "gpus");
  if (options.isGpuFiltered && hasGpus && !capabilities.has("GPU_RESOURCES")) return "gpuRule";
  const isRemote =
    options.region !== undefined && facts.region !== undefined && facts.region !== options.region;
  if (isRemote && !capabilities.has("REGION_AWARE")) return "remoteRegion";
  const groups = framework.constraints.get(role);
  if (groups === undefined) return undefined;
  const isAllowed = groups.some((group) => group.every((constraint) => holds(constraint, facts)));
  return isAllowed ? undefined : "constraint";
}

function holds(constraint: ModelConstraint, facts: ModelAgentFacts): boolean {
  const { isNegated, test, text } = constraint;
  const found = lookUp(constraint, facts);
  if (test === "exists") return (found !== "missing") !== isNegated;
  // What is not a text passes every test of texts.
  if (found === "notText") return true;
  const isTrue =
    found !== "missing" &&
    (test === "equals" ? found.text === text : new RegExp(`^(?:${text})$`, "s").test(found.text));
  return isTrue !== isNegated;
}

/** The first attribute of that name counts. */
function lookUp(
  { on }: ModelConstraint,
  { hostname, attributes, region, zone }: ModelAgentFacts,
): { readonly text: string } | "missing" | "notText" {
  if (on === "HOSTNAME") return { text: hostname };
  if (on === "REGION") return region === undefined ? "missing" : { text: region };
  if (on === "ZONE") return region === undefined ? "missing" : { text: zone };
  const found = attributes.find(({ name }) => name === on);
  if (found === undefined) return "missing";
  return found.text === undefined ? "notText" : { text: found.text };
}
