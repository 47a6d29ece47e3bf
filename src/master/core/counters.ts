/**
 * Counters under their Mesos names, only ever rising. Gauges are read off the state when somebody
 * asks (views/metrics.ts). Source: reference/metrics.json.
 */
import type {
  OperationState,
  SchedulerCallType,
  SchedulerEvent,
  TaskState,
  TaskStatus,
} from "../../protocol/v1/types.ts";
import type { FrameworkEntry } from "./state.ts";

/** Counters that exist from the start, so that a reader sees zero rather than nothing. */
const FIXED = [
  "master/dropped_messages",
  "master/recovery_slave_removals",
  "master/slave_registrations",
  "master/slave_reregistrations",
  "master/slave_removals",
  "master/slave_removals/reason_unhealthy",
  "master/slave_removals/reason_unregistered",
  "master/slave_removals/reason_registered",
  "master/slave_unreachable_scheduled",
  "master/slave_unreachable_completed",
  "master/slave_unreachable_canceled",
  "master/messages_register_framework",
  "master/messages_reregister_framework",
  "master/messages_unregister_framework",
  "master/messages_kill_task",
  "master/messages_status_update_acknowledgement",
  "master/messages_resource_request",
  "master/messages_launch_tasks",
  "master/messages_decline_offers",
  "master/messages_revive_offers",
  "master/messages_suppress_offers",
  "master/messages_reconcile_operations",
  "master/messages_reconcile_tasks",
  "master/messages_framework_to_executor",
  "master/messages_operation_status_update_acknowledgement",
  "master/messages_operation_status_update",
  "master/valid_operation_status_updates",
  "master/invalid_operation_status_updates",
  "master/valid_operation_status_update_acknowledgements",
  "master/invalid_operation_status_update_acknowledgements",
  "master/messages_executor_to_framework",
  "master/messages_register_slave",
  "master/messages_reregister_slave",
  "master/messages_unregister_slave",
  "master/messages_status_update",
  "master/messages_exited_executor",
  "master/messages_update_slave",
  "master/valid_framework_to_executor_messages",
  "master/invalid_framework_to_executor_messages",
  "master/valid_executor_to_framework_messages",
  "master/invalid_executor_to_framework_messages",
  "master/valid_status_updates",
  "master/invalid_status_updates",
  "master/valid_status_update_acknowledgements",
  "master/invalid_status_update_acknowledgements",
  "master/tasks_finished",
  "master/tasks_failed",
  "master/tasks_killed",
  "master/tasks_lost",
  "master/tasks_error",
  "master/tasks_dropped",
  "master/tasks_gone",
  "master/tasks_gone_by_operator",
  "allocator/mesos/allocation_runs",
] as const;

/** Name of a counter that is always present. */
export type FixedCounter = (typeof FIXED)[number];

/** What an operation ends in; the others are gauges (views/metrics.ts). */
export const TERMINAL_OPERATION_STATES: ReadonlySet<OperationState> = new Set<OperationState>([
  "OPERATION_FINISHED",
  "OPERATION_FAILED",
  "OPERATION_ERROR",
  "OPERATION_DROPPED",
  "OPERATION_GONE_BY_OPERATOR",
]);

/** Names that are needed for every call and event, made once for each framework. */
interface FrameworkNames {
  /** Its name at the time, which is part of all of them. */
  readonly framework: string;
  readonly calls: NamesBelow;
  readonly events: NamesBelow;
  readonly operations: NamesBelow;
  readonly offers: NamesBelow;
  readonly endedTasks: NamesBelow;
}

/** Names that begin with one prefix, by what follows. */
class NamesBelow {
  readonly prefix: string;
  readonly #names = new Map<string, string>();

  constructor(prefix: string) {
    this.prefix = prefix;
  }

  /** Of a type as messages have it, in lower case. */
  of(type: string): string {
    let name = this.#names.get(type);
    if (name === undefined) {
      name = `${this.prefix}/${type.toLowerCase()}`;
      this.#names.set(type, name);
    }
    return name;
  }
}

export class Counters {
  /** By Mesos name; insertion order has no meaning. */
  readonly values: Map<string, number> = new Map(FIXED.map((name) => [name, 0]));
  private readonly names = new WeakMap<FrameworkEntry, FrameworkNames>();

  count(name: FixedCounter, by: number = 1): void {
    this.add(name, by);
  }

  countCall(framework: FrameworkEntry, type: SchedulerCallType): void {
    const { calls } = this.namesOf(framework);
    this.add(calls.prefix, 1);
    this.add(calls.of(type), 1);
  }

  /** A call of a framework came, or was carried out; without a principal nobody counts. */
  countMessage(principal: string | undefined, what: "received" | "processed"): void {
    if (principal !== undefined) this.add(`${principalPrefix(principal)}/messages_${what}`, 1);
  }

  countEvent(framework: FrameworkEntry, event: SchedulerEvent): void {
    const { events } = this.namesOf(framework);
    this.add(events.prefix, 1);
    if (event.type !== undefined) this.add(events.of(event.type), 1);
  }

  countOffers(
    framework: FrameworkEntry,
    what: "sent" | "accepted" | "declined" | "rescinded",
    by: number,
  ): void {
    this.add(this.namesOf(framework).offers.of(what), by);
  }

  countOperation(framework: FrameworkEntry, type: string): void {
    const { operations } = this.namesOf(framework);
    this.add(operations.prefix, 1);
    this.add(operations.of(type), 1);
  }

  /** An operation reached a state; those it does not stay in are counted, by type and together. */
  countOperationState(type: string, state: OperationState): void {
    if (!TERMINAL_OPERATION_STATES.has(state)) return;
    const name = state.toLowerCase().slice("operation_".length);
    this.add(`master/operations/${name}`, 1);
    this.add(`master/operations/${type.toLowerCase()}/${name}`, 1);
  }

  /** A task reached a terminal state; `status` says who said so and why. */
  countTerminal(framework: FrameworkEntry | undefined, state: TaskState, status: TaskStatus): void {
    const short = state.toLowerCase().slice("task_".length);
    this.add(`master/tasks_${short}`, 1);
    if (framework !== undefined) {
      this.add(this.namesOf(framework).endedTasks.of(state), 1);
    }
    if (status.source === undefined || status.reason === undefined) return;
    // Metric names are older than the word agent: reason_slave_removed.
    const path = `${status.source}/${status.reason}`.toLowerCase().replaceAll("agent", "slave");
    this.add(`master/task_${short}/${path}`, 1);
  }

  /** Forgets a framework that left the list of completed ones, so that counters stay bounded. */
  forgetFramework(framework: FrameworkEntry): void {
    const prefix = `${prefixOf(framework)}/`;
    for (const name of this.values.keys()) {
      if (name.startsWith(prefix)) this.values.delete(name);
    }
  }

  /** Forgets a principal whose last framework is over. */
  forgetPrincipal(principal: string): void {
    for (const what of ["received", "processed"]) {
      this.values.delete(`${principalPrefix(principal)}/messages_${what}`);
    }
  }

  private namesOf(framework: FrameworkEntry): FrameworkNames {
    const known = this.names.get(framework);
    if (known?.framework === framework.info.name) return known;
    const prefix = prefixOf(framework);
    const names: FrameworkNames = {
      framework: framework.info.name,
      calls: new NamesBelow(`${prefix}/calls`),
      events: new NamesBelow(`${prefix}/events`),
      operations: new NamesBelow(`${prefix}/operations`),
      offers: new NamesBelow(`${prefix}/offers`),
      endedTasks: new NamesBelow(`${prefix}/tasks/terminal`),
    };
    this.names.set(framework, names);
    return names;
  }

  private add(name: string, by: number): void {
    this.values.set(name, (this.values.get(name) ?? 0) + by);
  }
}

/** What the names of every framework's own figures begin with. */
export const FRAMEWORK_PREFIX = "master/frameworks/";

/** Where the counters of one framework live. */
export function prefixOf(framework: FrameworkEntry): string {
  return `${FRAMEWORK_PREFIX}${encodeMetricName(framework.info.name)}/${framework.id}`;
}

function principalPrefix(principal: string): string {
  return `frameworks/${encodeMetricName(principal)}`;
}

/** Percent-encodes what a metric name may not hold; half surrogates become U+FFFD first. */
function encodeMetricName(name: string): string {
  return encodeURIComponent(name.toWellFormed());
}
