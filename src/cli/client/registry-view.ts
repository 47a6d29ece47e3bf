/** How far an agent has drained, read from what the registry holds. Source: semantics 1.4. */
import { isObject } from "../../base/json.ts";

/** Of an answer of `/registrar(1)/registry`; what is not of its form is passed over. */
export function drainStateIn(answer: unknown, agentId: string): string | undefined {
  const known = ["slaves", "unreachable"].flatMap((list) => agentsOf(answer, list));
  const agent = known.find((one) => idOf(one) === agentId);
  const drain = agent?.["drain_info"];
  const state = isObject(drain) ? drain["state"] : undefined;
  return typeof state === "string" ? state : undefined;
}

function agentsOf(answer: unknown, list: string): readonly Readonly<Record<string, unknown>>[] {
  const part = isObject(answer) ? answer[list] : undefined;
  const agents = isObject(part) ? part["slaves"] : undefined;
  return Array.isArray(agents) ? agents.filter(isObject) : [];
}

/** One that is unreachable is told by its id alone. */
function idOf({ id, info }: Readonly<Record<string, unknown>>): unknown {
  const found = id ?? (isObject(info) ? info["id"] : undefined);
  return isObject(found) ? found["value"] : undefined;
}
