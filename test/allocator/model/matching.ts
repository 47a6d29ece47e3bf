/** Whether a framework may be offered anything of an agent at all. Semantics 2.9, 2.10, 3.5–3.7. */
import { partOf } from "./amounts.ts";
import type {
  ModelAgent,
  ModelAgentFacts,
  ModelConstraint,
  ModelFramework,
  ModelOptions,
} from "./cluster.ts";

export function mayUse(
  options: ModelOptions,
  agent: ModelAgent,
  framework: ModelFramework,
  role: string,
): boolean {
  const { facts } = agent;
  const { capabilities } = framework;
  if (!framework.isActive || !framework.roles.includes(role) || framework.suppressed.has(role))
    return false;
  if (capabilities.has("MULTI_ROLE") && !facts.capabilities.has("MULTI_ROLE")) return false;
  if (role.includes("/") && !facts.capabilities.has("HIERARCHICAL_ROLE")) return false;
  const hasGpus = [...agent.total.keys()].some((key) => partOf(key).name === "gpus");
  if (options.isGpuFiltered && hasGpus && !capabilities.has("GPU_RESOURCES")) return false;
  const isRemote =
    options.region !== undefined && facts.region !== undefined && facts.region !== options.region;
  if (isRemote && !capabilities.has("REGION_AWARE")) return false;
  const groups = framework.constraints.get(role);
  if (groups === undefined) return true;
  return groups.some((group) => group.every((constraint) => holds(constraint, facts)));
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
