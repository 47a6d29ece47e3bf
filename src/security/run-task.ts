/** RUN_TASK: may a framework's principal run a task as its users? Source: reference/semantics.md 9.3. */
import type { ExecutorInfo, FrameworkInfo, TaskInfo } from "../protocol/v1/types.ts";
import type { Acls } from "./acls.ts";
import { describeDenial, isAllowed } from "./authorizer.ts";

/**
 * Why it may not: asked for every user that something of the task would run as. Differs from Mesos,
 * which asks for the first one that is named, so that an executor or a check could be another user.
 */
export function denialOfTask(
  acls: Acls,
  framework: FrameworkInfo,
  task: TaskInfo,
  executor: ExecutorInfo | undefined,
): string | undefined {
  const { principal } = framework;
  for (const user of usersOf(framework, task, executor)) {
    if (!isAllowed(acls, "run_tasks", principal, user)) {
      return describeDenial("run_tasks", principal, user);
    }
  }
  return undefined;
}

function usersOf(
  framework: FrameworkInfo,
  { command, check, health_check: healthCheck }: TaskInfo,
  executor: ExecutorInfo | undefined,
): ReadonlySet<string> {
  const commands = [command, executor?.command, check?.command?.command, healthCheck?.command];
  const users = commands.map((one) => one?.user);
  // Of a default executor nothing runs but its tasks.
  const isProcess = executor !== undefined && executor.type !== "DEFAULT";
  const isUnnamed = isProcess || command?.user === undefined;
  if (isUnnamed && executor?.command?.user === undefined) users.push(framework.user);
  return new Set(users.filter((user) => user !== undefined));
}
