/**
 * Task groups of default executors: a task that fails or is killed takes the rest of its group
 * along, other groups of the executor go on; one that is preempted goes with its whole executor. Source: semantics 7.2.
 */
import { isTerminalState } from "./inputs.ts";
import { killTask } from "./kill.ts";
import { isGroupMember } from "./state.ts";
import { findFramework, log, type Step } from "./step.ts";

/** Ends the groups of those that fell in this step. */
export function endFallenGroups(step: Step): void {
  // Ending one may fell the next.
  for (let fallen = step.fallen.shift(); fallen !== undefined; fallen = step.fallen.shift()) {
    const { frameworkId, task } = fallen;
    const framework = findFramework(step, frameworkId);
    for (const { task_id: id } of task.taskGroup?.tasks ?? []) {
      const sibling = framework?.tasks.get(id.value);
      if (sibling === undefined || isTerminalState(sibling.state)) continue;
      const executor = framework?.executors.get(sibling.executorId);
      if (executor === undefined || !isGroupMember(executor)) continue;
      if (executor.phase === "terminating" || sibling.kill !== undefined) continue;
      log(step, "info", "killing a task because another of its group ended badly", {
        framework: frameworkId,
        task: id.value,
        ended: task.taskId,
      });
      killTask(step, frameworkId, id.value, undefined);
    }
  }
}
