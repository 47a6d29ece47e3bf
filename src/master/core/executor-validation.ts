/**
 * Whether an executor may be launched, or joined when it runs already: the first fault, in words.
 * Source: semantics 6.7 (`src/master/validation.cpp`).
 */
import type { ExecutorInfo, Resource } from "../../protocol/v1/types.ts";
import { validateId } from "../../protocol/validation/ids.ts";
import { isSameMessage } from "../../registry/core/same-message.ts";
import { faultOfCommand, faultOfContainer, faultOfHoldings } from "./message-validation.ts";
import type { ExecutorEntry, FrameworkEntry } from "./state.ts";

/** An executor and all it is judged by. */
export interface ExecutorCandidate {
  readonly framework: FrameworkEntry;
  /** Role of the offers. */
  readonly role: string;
  /** With `framework_id` filled in. */
  readonly executor: ExecutorInfo;
  /** The executor of the same id that already runs on the agent. */
  readonly known: ExecutorEntry | undefined;
}

/** Faults an executor of a single task may have: it must be of the framework's own making. */
export function faultOfTaskExecutor(candidate: ExecutorCandidate): string | undefined {
  const { executor } = candidate;
  if (executor.type === "DEFAULT") {
    return "'ExecutorInfo.type' must be CUSTOM to launch single tasks";
  }
  if (executor.command === undefined) {
    return "'ExecutorInfo.command' must be set for CUSTOM executors";
  }
  return faultOfExecutor(candidate);
}

/** Faults an executor of a task group may have. */
export function faultOfGroupExecutor(candidate: ExecutorCandidate): string | undefined {
  const { executor, known } = candidate;
  return (
    faultOfGroupType(executor) ??
    faultOfExecutor(candidate) ??
    // What it holds was settled when it was first launched.
    (known === undefined ? faultOfGroupResources(executor.resources ?? []) : undefined)
  );
}

function faultOfGroupType(executor: ExecutorInfo): string | undefined {
  if (executor.type === "CUSTOM") {
    return executor.command === undefined
      ? "'ExecutorInfo.command' must be set for CUSTOM executors"
      : undefined;
  }
  if (executor.type !== "DEFAULT") {
    return "'ExecutorInfo.type' must be DEFAULT or CUSTOM to launch a task group";
  }
  if (executor.command !== undefined) {
    return "'ExecutorInfo.command' must not be set for DEFAULT executors";
  }
  const { container } = executor;
  if (container === undefined) return undefined;
  if (container.type !== "MESOS") {
    return "'ExecutorInfo.container.type' must be MESOS for DEFAULT executors";
  }
  return container.mesos?.image === undefined
    ? undefined
    : "'ExecutorInfo.container.mesos.image' must not be set for DEFAULT executors";
}

/** Least an executor of groups is given (semantics 6.7): cpus, and mem in MB. */
const GROUP_MINIMUM = { cpus: 0.01, mem: 32 } as const;

function faultOfGroupResources(resources: readonly Resource[]): string | undefined {
  const sums = new Map<string, number>();
  for (const { name, scalar } of resources) {
    sums.set(name, (sums.get(name) ?? 0) + (scalar?.value ?? 0));
  }
  for (const [name, least] of Object.entries(GROUP_MINIMUM)) {
    const amount = sums.get(name) ?? 0;
    if (amount >= least) continue;
    return `Executor has ${amount} ${name}; an executor of task groups needs at least ${least}`;
  }
  if ((sums.get("disk") ?? 0) > 0) return undefined;
  return "Executor has no disk; an executor of task groups needs some";
}

function faultOfExecutor({
  framework,
  executor,
  known,
  role,
}: ExecutorCandidate): string | undefined {
  const checked = validateId(executor.executor_id.value, "executor_id");
  if (!checked.ok) return `Executor ID is not valid: ${checked.error.message}`;
  if (executor.framework_id?.value !== framework.id) {
    return `ExecutorInfo has an invalid FrameworkID (Actual: ${executor.framework_id?.value} vs Expected: ${framework.id})`;
  }
  if ((executor.shutdown_grace_period?.nanoseconds ?? 0) < 0) {
    return "ExecutorInfo's 'shutdown_grace_period' must be non-negative";
  }
  if (executor.container?.linux_info?.share_cgroups === true) {
    return "The 'share_cgroups' field cannot be set to true on executors";
  }
  const resources = executor.resources ?? [];
  if (resources.some((resource) => resource.shared !== undefined)) {
    return "Executor resources must not be shared";
  }
  return (
    faultOfHoldings("Executor", resources, role) ??
    faultOfCommand("Executor", executor.command) ??
    faultOfContainer(executor.container) ??
    faultOfIdentity(executor, known)
  );
}

function faultOfIdentity(
  executor: ExecutorInfo,
  known: ExecutorEntry | undefined,
): string | undefined {
  if (known === undefined) return undefined;
  // What it holds was settled when it was first launched.
  const { resources: _wanted, ...wanted } = executor;
  const { resources: _held, ...held } = known.info;
  if (isSameMessage(wanted, held)) return undefined;
  const id = executor.executor_id.value;
  return `ExecutorInfo is not compatible with existing ExecutorInfo with same ExecutorID ${id}`;
}
