/**
 * Whether all that runs on an agent still fits into it after its resources changed, and what does
 * not. Source: semantics 7.7.2, where Mesos only knows growth.
 */
import type { Resource } from "../../protocol/v1/types.ts";
import { Bundle } from "../../resources/bundle.ts";
import { formatResources } from "../../resources/format.ts";
import { ResourceKinds } from "../../resources/kinds.ts";
import type { CheckpointState } from "./checkpoint-state.ts";
import { isTerminalState } from "./inputs.ts";

interface Holder {
  readonly name: string;
  readonly resources: readonly Resource[];
}

/** What does not fit into `total`, in words; empty when all does. `alive`: containers. */
export function misfits(
  found: CheckpointState,
  total: readonly Resource[],
  alive: ReadonlySet<string>,
): string[] {
  const kinds = new ResourceKinds();
  const left = Bundle.from(kinds, total);
  const lacking: string[] = [];
  for (const { name, resources } of holdersOf(found, alive)) {
    const own = resources.filter(isOwn);
    const need = Bundle.from(kinds, own).withoutAllocation();
    if (left.contains(need)) left.subtract(need);
    else lacking.push(`${name} with ${formatResources(need.toResources())}`);
  }
  return lacking;
}

/**
 * Copies of a shared volume are as many as its holders, and take nothing from each other; what is
 * revocable was given beyond what the agent has.
 */
function isOwn({ shared, revocable }: Resource): boolean {
  return shared === undefined && revocable === undefined;
}

function holdersOf(found: CheckpointState, alive: ReadonlySet<string>): Holder[] {
  const holders: Holder[] = [];
  const running = new Set<string>();
  const counted = new Set<string>();
  for (const { frameworkId, executorId, containerId, executor, ...rest } of found.executors) {
    if (!alive.has(containerId)) continue;
    running.add(keyOf(frameworkId, executorId));
    const isPlain = rest.isCommandExecutor && executor.type !== "DEFAULT";
    const shown = executor.executor_id.value;
    // All tasks of a default executor share one.
    if (isPlain || counted.has(keyOf(frameworkId, shown))) continue;
    counted.add(keyOf(frameworkId, shown));
    const name = `executor ${shown} of framework ${frameworkId}`;
    holders.push({ name, resources: executor.resources ?? [] });
  }
  for (const { frameworkId, executorId, taskId, info, state } of found.tasks) {
    if (isTerminalState(state) || !running.has(keyOf(frameworkId, executorId))) continue;
    const name = `task ${taskId} of framework ${frameworkId}`;
    holders.push({ name, resources: info.resources ?? [] });
  }
  return holders;
}

/** Framework ids hold no slash. */
function keyOf(frameworkId: string, executorId: string): string {
  return `${frameworkId}/${executorId}`;
}
