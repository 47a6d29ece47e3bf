/** What must hold in an agent after every step. */
import { assert } from "../../base/assert.ts";
import { isTerminalState } from "./inputs.ts";
import { PENDING_UPDATES_PER_TASK } from "./limits.ts";
import { type AgentState, type FrameworkState, streamKey, type UpdateStream } from "./state.ts";

/** Throws `AssertionError` on the first broken invariant. Linear in the size of the state. */
export function checkInvariants(state: AgentState): void {
  let executors = 0;
  for (const [frameworkId, framework] of state.frameworks) {
    assert(framework.frameworkId === frameworkId, "frameworks are filed under their id");
    executors += framework.executors.size;
    checkFramework(state, framework);
  }
  assert(executors === state.containers.size, "each executor has one container and vice versa");
  for (const [key, stream] of state.streams) checkStream(state, key, stream);
  checkContainers(state);
  if (state.phase === "running") {
    assert(state.isLinkUp, "a registered agent has a link");
    assert(state.info.id !== undefined, "a registered agent has an id");
  }
}

function checkContainers(state: AgentState): void {
  const names = new Set<string>();
  for (const [containerId, container] of state.apiContainers) {
    const { name, phase, termination, launches, owner, parentId } = container;
    assert(container.containerId === containerId, "containers are filed under their id");
    assert(!names.has(name), "no two containers have one name");
    names.add(name);
    assert((phase === "over") === (termination !== undefined), "what is over has an end");
    assert(launches.length === 0 || phase !== "running", "launches are answered");
    const root = owner === undefined ? undefined : state.containers.get(owner);
    const isDoomed = phase === "over" || phase === "destroying";
    assert(owner === undefined || root !== undefined || isDoomed, "nothing outlives its root");
    const isRootOver = root?.phase === "terminated";
    assert(!isRootOver || isDoomed, "what is nested ends with its root");
    const parent = parentId === undefined ? undefined : state.apiContainers.get(parentId);
    assert(isDoomed || parent?.phase !== "over", "what is nested ends with what it is in");
    assert(phase !== "over" || !state.waiters.has(name), "whoever waited for an end was told");
  }
}

function checkFramework(state: AgentState, framework: FrameworkState): void {
  let tasks = 0;
  for (const [executorId, executor] of framework.executors) {
    assert(executor.executorId === executorId, "executors are filed under their id");
    assert(state.containers.get(executor.containerId) === executor, "containers index executors");
    assert(
      !executor.isCommandExecutor || executor.tasks.size <= 1,
      "a command executor has one task",
    );
    assert(!executor.isDisowned || executor.tasks.size === 0, "a disowned executor has no tasks");
    const isOver = executor.phase === "terminated";
    assert(!isOver || executor.tasks.size > 0, "an executor that is over waits for something");
    for (const [taskId, task] of executor.tasks) {
      tasks += 1;
      assert(framework.tasks.get(taskId) === task, "a framework knows its executors' tasks");
      assert(!isOver || isTerminalState(task.state), "no task outlives its executor");
      const stream = state.streams.get(streamKey(framework.frameworkId, taskId));
      assert(
        !isTerminalState(task.state) || (stream?.pending.length ?? 0) > 0,
        "a task that is over stays only until its last update is acknowledged",
      );
      assert(
        stream === undefined || stream.latestState === task.state,
        "a stream ends with its task's state",
      );
    }
  }
  assert(tasks === framework.tasks.size, "each task has one executor");
}

function checkStream(state: AgentState, key: string, stream: UpdateStream): void {
  assert(key === streamKey(stream.frameworkId, stream.taskId), "streams are filed under their key");
  assert(stream.pending.length <= PENDING_UPDATES_PER_TASK, "streams are bounded");
  const task = state.frameworks.get(stream.frameworkId)?.tasks.get(stream.taskId);
  assert(task !== undefined || stream.pending.length > 0, "a stream without a task has an update");
  let last = -1;
  stream.pending.forEach((update, index) => {
    assert(update.sequence > last, "updates are in order");
    last = update.sequence;
    const isLast = index === stream.pending.length - 1;
    assert(isLast || !isTerminalState(update.status.state), "nothing follows a terminal update");
  });
}
