/** What the agent counts, under the names of reference/metrics.json. */
import type { TaskState } from "../../protocol/v1/types.ts";

export type CounterName =
  | "slave/recovery_errors"
  | "slave/tasks_finished"
  | "slave/tasks_failed"
  | "slave/tasks_killed"
  | "slave/tasks_lost"
  | "slave/tasks_gone"
  | "slave/executors_terminated"
  | "slave/executors_preempted"
  | "slave/valid_status_updates"
  | "slave/invalid_status_updates"
  | "slave/valid_framework_messages"
  | "slave/invalid_framework_messages"
  | "slave/container_launch_errors";

export type AgentCounters = Record<CounterName, number>;

/** All counters at zero. */
export function newCounters(): AgentCounters {
  return {
    "slave/recovery_errors": 0,
    "slave/tasks_finished": 0,
    "slave/tasks_failed": 0,
    "slave/tasks_killed": 0,
    "slave/tasks_lost": 0,
    "slave/tasks_gone": 0,
    "slave/executors_terminated": 0,
    "slave/executors_preempted": 0,
    "slave/valid_status_updates": 0,
    "slave/invalid_status_updates": 0,
    "slave/valid_framework_messages": 0,
    "slave/invalid_framework_messages": 0,
    "slave/container_launch_errors": 0,
  };
}

/** Counter of a terminal state; the rarer ones have none in Mesos. */
export function counterOfState(state: TaskState): CounterName | undefined {
  switch (state) {
    case "TASK_FINISHED":
      return "slave/tasks_finished";
    case "TASK_FAILED":
      return "slave/tasks_failed";
    case "TASK_KILLED":
      return "slave/tasks_killed";
    case "TASK_LOST":
      return "slave/tasks_lost";
    case "TASK_GONE":
      return "slave/tasks_gone";
    default:
      return undefined;
  }
}
