/**
 * Containers that calls had launched, after a restart of the agent: what lives is taken back while
 * its root lives, everything else is over. Sessions end with the agent. Source: semantics 7.7.
 */
import type { AgentInput } from "../inputs.ts";
import type { ApiContainer } from "../state.ts";
import type { Step } from "../step.ts";
import {
  apiContainerTerminated,
  destroyApiContainer,
  forget,
  isRootThere,
} from "./api-containers.ts";

/** After the executors are settled. */
export function recoverContainers(
  step: Step,
  input: Extract<AgentInput, { kind: "recovered" }>,
): void {
  const isSameBoot = input.checkpoint.bootId === input.bootId;
  const found = input.checkpoint.containers.map(
    (value): ApiContainer => ({
      ...value,
      phase: value.termination === undefined ? "running" : "over",
      launches: [],
    }),
  );
  for (const container of found) step.state.apiContainers.set(container.containerId, container);
  for (const container of found) {
    if (container.phase !== "over") settle(step, container, input, isSameBoot);
    else if (!isRootThere(step.state, container)) forget(step, container);
  }
}

function settle(
  step: Step,
  container: ApiContainer,
  { alive, terminations }: Extract<AgentInput, { kind: "recovered" }>,
  isSameBoot: boolean,
): void {
  const { containerId } = container;
  if (!alive.has(containerId) || !isSameBoot) {
    const termination = terminations.get(containerId) ?? {
      exit: { kind: "unknown", message: "container ended while the agent was away" },
    };
    apiContainerTerminated(step, containerId, termination);
    return;
  }
  step.effects.push({ kind: "adoptApiContainer", container });
  if (!isRootThere(step.state, container)) destroyApiContainer(step, container);
}
