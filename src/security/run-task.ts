/** RUN_TASK: may a framework's principal run a task as its users? Source: reference/semantics.md 9.3. */
import type { ExecutorInfo, FrameworkInfo, TaskInfo } from "../protocol/v1/types.ts";
import type { Acls } from "./acls.ts";
import { describeDenial, isAllowed } from "./authorizer.ts";

/**
 * Why it may not: asked for every user that task and executor name, or for the framework's when they
 * name none. Differs from Mesos, which asks for the first one only, so that an executor could be
 * another user.
 */
export function denialOfTask(
  acls: Acls,
  framework: FrameworkInfo,
  task: TaskInfo,
  executor: ExecutorInfo | undefined,
): string | undefined {
  const named = [task.command?.user, executor?.command?.user].filter((user) => user !== undefined);
  const { principal } = framework;
  for (const user of named.length === 0 ? [framework.user] : named) {
    if (!isAllowed(acls, "run_tasks", principal, user)) {
      return describeDenial("run_tasks", principal, user);
    }
  }
  return undefined;
}
