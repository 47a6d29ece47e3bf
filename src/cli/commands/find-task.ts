/** Finds the one task that a person names by its id. */
import { ok, type Result, refuse } from "../../base/result.ts";
import type { Task } from "../../protocol/v1/types.ts";
import type { MasterClient } from "../client/master-client.ts";

/** Running tasks win over ended ones. Errors: `notFound`, or `conflict` when several match. */
export async function findTask(
  client: MasterClient,
  taskId: string,
  frameworkId: string | undefined,
): Promise<Result<Task>> {
  const answer = await client.call({ type: "GET_TASKS" });
  const isNamed = (task: Task): boolean =>
    task.task_id.value === taskId &&
    (frameworkId === undefined || task.framework_id.value === frameworkId);
  const live = (answer.get_tasks?.tasks ?? []).filter(isNamed);
  const found = live.length > 0 ? live : (answer.get_tasks?.completed_tasks ?? []).filter(isNamed);
  const newest = found.at(-1);
  if (newest === undefined) {
    return refuse("notFound", `there is no task ${taskId}; \`allot tasks --all\` lists them`);
  }
  if (new Set(found.map((task) => task.framework_id.value)).size > 1) {
    return refuse("conflict", `several frameworks have a task ${taskId}; add --framework=ID`);
  }
  return ok(newest);
}
