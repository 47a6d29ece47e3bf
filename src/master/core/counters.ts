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
import type { Counter, FrameworkEntry } from "./state.ts";

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

/** What is counted for every call and event, found once for each framework. */
interface FrameworkCounters {
  /** Its name at the time, which is part of all of theirs. */
  readonly framework: string;
  readonly calls: CountersBelow;
  readonly events: CountersBelow;
  readonly operations: CountersBelow;
  readonly offers: CountersBelow;
  readonly endedTasks: CountersBelow;
}

/** Counters whose names begin with one prefix, by what follows; each exists from its first use. */
class CountersBelow {
  readonly #prefix: string;
  readonly #find: (name: string) => Counter;
  readonly #counters = new Map<string, Counter>();
  #sum: Counter | undefined;

  constructor(prefix: string, find: (name: string) => Counter) {
    this.#prefix = prefix;
    this.#find = find;
  }

  /** The one with the prefix alone. */
  sum(): Counter {
    this.#sum ??= this.#find(this.#prefix);
    return this.#sum;
  }

  /** Of a type as messages have it, in lower case. */
  of(type: string): Counter {
    let counter = this.#counters.get(type);
    if (counter === undefined) {
      counter = this.#find(`${this.#prefix}/${type.toLowerCase()}`);
      this.#counters.set(type, counter);
    }
    return counter;
  }
}

export class Counters {
  /** By Mesos name; insertion order has no meaning. */
  readonly values: Map<string, Counter> = new Map(FIXED.map((name) => [name, { value: 0 }]));
  private readonly frameworks = new WeakMap<FrameworkEntry, FrameworkCounters>();
  private readonly find = (name: string): Counter => this.named(name);

  count(name: FixedCounter, by: number = 1): void {
    this.add(name, by);
  }

  countCall(framework: FrameworkEntry, type: SchedulerCallType): void {
    const { calls } = this.countersOf(framework);
    calls.sum().value += 1;
    calls.of(type).value += 1;
  }

  /** A call of a framework came, or was carried out; without a principal nobody counts. */
  countMessage(principal: string | undefined, what: "received" | "processed"): void {
    if (principal !== undefined) this.add(`${principalPrefix(principal)}/messages_${what}`, 1);
  }

  countEvent(framework: FrameworkEntry, event: SchedulerEvent): void {
    const { events } = this.countersOf(framework);
    events.sum().value += 1;
    if (event.type !== undefined) events.of(event.type).value += 1;
  }

  countOffers(
    framework: FrameworkEntry,
    what: "sent" | "accepted" | "declined" | "rescinded",
    by: number,
  ): void {
    this.countersOf(framework).offers.of(what).value += by;
  }

  countOperation(framework: FrameworkEntry, type: string): void {
    const { operations } = this.countersOf(framework);
    operations.sum().value += 1;
    operations.of(type).value += 1;
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
      this.countersOf(framework).endedTasks.of(state).value += 1;
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
    this.frameworks.delete(framework);
  }

  /** Forgets a principal whose last framework is over. */
  forgetPrincipal(principal: string): void {
    for (const what of ["received", "processed"]) {
      this.values.delete(`${principalPrefix(principal)}/messages_${what}`);
    }
  }

  private countersOf(framework: FrameworkEntry): FrameworkCounters {
    const known = this.frameworks.get(framework);
    if (known?.framework === framework.info.name) return known;
    const below = (name: string): CountersBelow =>
      new CountersBelow(`${prefixOf(framework)}/${name}`, this.find);
    const counters: FrameworkCounters = {
      framework: framework.info.name,
      calls: below("calls"),
      events: below("events"),
      operations: below("operations"),
      offers: below("offers"),
      endedTasks: below("tasks/terminal"),
    };
    this.frameworks.set(framework, counters);
    return counters;
  }

  private add(name: string, by: number): void {
    this.named(name).value += by;
  }

  private named(name: string): Counter {
    let counter = this.values.get(name);
    if (counter === undefined) {
      counter = { value: 0 };
      this.values.set(name, counter);
    }
    return counter;
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
