/**
 * Why a framework is offered nothing and why a task is not running, in words and numbers: what the
 * allocator found against each agent, and what the master was told of the task. An addition of
 * allot's own; Mesos leaves this to reading its log.
 */
import type { Explanation } from "../../../allocator/explanation.ts";
import { brand, type FrameworkId, type TaskId } from "../../../base/ids.ts";
import { ok, type Result, refuse } from "../../../base/result.ts";
import type { FrameworkEntry, KeptStatus, MasterState, TaskEntry } from "../state.ts";
import { isTerminal } from "../tasks.ts";
import type { Why, WhyClient, WhyStatus, WhyTask } from "./why-answers.ts";
import { clientLines, reasonText, taskLines } from "./why-text.ts";

/** What these views read; `nowMs` in epoch milliseconds. */
export interface WhySources {
  readonly state: MasterState;
  readonly explain: (frameworkId: FrameworkId, role: string) => Explanation;
  readonly nowMs: number;
}

/** Refusal: `notFound`. Costs O(roles × agents). */
export function whyFramework(
  sources: WhySources,
  id: string,
): Result<Why<{ clients: readonly WhyClient[] }>> {
  const framework = sources.state.frameworks.get(brand<FrameworkId>(id));
  if (framework === undefined) {
    const isOver = sources.state.completedFrameworks.has(brand<FrameworkId>(id));
    const what = isOver ? "is over" : "is not known here";
    return refuse("notFound", `Framework ${id} ${what}; \`allot frameworks\` lists the live ones`);
  }
  return ok(whyClients(framework.roles.map((role) => whyClient(sources, framework, role))));
}

/** One entry for each framework in the role. Refusal: `notFound`. Costs O(frameworks × agents). */
export function whyRole(
  sources: WhySources,
  role: string,
): Result<Why<{ clients: readonly WhyClient[] }>> {
  const members = [...sources.state.frameworks.values()].filter((framework) =>
    framework.roles.includes(role),
  );
  if (members.length === 0) {
    return refuse("notFound", `No framework is in role ${role}; \`allot roles\` lists the roles`);
  }
  return ok(whyClients(members.map((framework) => whyClient(sources, framework, role))));
}

/** The newest task of that id; `frameworkId` decides between several. Refusals: `notFound`, `conflict`. */
export function whyTask(
  { state, nowMs }: WhySources,
  taskId: string,
  frameworkId: string | undefined,
): Result<Why<WhyTask>> {
  const found = [...state.frameworks.values(), ...state.completedFrameworks.values()]
    .filter(({ id }) => frameworkId === undefined || id === frameworkId)
    .flatMap((framework) => taskOf(framework, brand<TaskId>(taskId)) ?? []);
  const [task] = found;
  if (task === undefined) {
    return refuse(
      "notFound",
      `No task ${taskId} was ever launched here, or it is forgotten; a task that waits for an offer is known to its framework only: \`allot why framework ID\` says why that gets none`,
    );
  }
  if (found.length > 1) {
    return refuse("conflict", `Several frameworks have a task ${taskId}; name one by framework_id`);
  }
  const answer: WhyTask = {
    task_id: task.id,
    framework_id: task.frameworkId,
    agent_id: task.agentId,
    state: task.state,
    awaits_acknowledgement:
      isTerminal(task.state) && state.frameworks.get(task.frameworkId)?.tasks.get(task.id) === task,
    history: task.statuses.map(whyStatus),
  };
  return ok({ ...answer, summary: taskLines(answer, nowMs) });
}

function whyClients(clients: readonly WhyClient[]): Why<{ clients: readonly WhyClient[] }> {
  return { clients, summary: clients.flatMap(clientLines) };
}

function whyClient(sources: WhySources, framework: FrameworkEntry, role: string): WhyClient {
  const { state, explain, nowMs } = sources;
  const explanation = explain(framework.id, role);
  const offers = [...framework.offers].filter((id) => state.offers.get(id)?.role === role);
  return {
    framework_id: framework.id,
    framework_name: framework.info.name,
    state: stateOf(framework),
    role,
    suppressed: explanation.isSuppressed,
    offers_outstanding: offers.length,
    starving_seconds: starvingSeconds(explanation, nowMs),
    agents: explanation.agentCount,
    reasons: [...explanation.reasons]
      .sort((a, b) => b.agents - a.agents)
      .map((reason) => ({
        kind: reason.kind,
        agents: reason.agents,
        text: reasonText(reason, nowMs),
      })),
  };
}

function starvingSeconds({ starvingSinceMs }: Explanation, nowMs: number): number | null {
  return starvingSinceMs === undefined ? null : Math.round((nowMs - starvingSinceMs) / 1000);
}

function stateOf(framework: FrameworkEntry): WhyClient["state"] {
  if (framework.streamId !== undefined) return "active";
  return framework.isRecovered ? "recovered" : "disconnected";
}

function taskOf(framework: FrameworkEntry, id: TaskId): TaskEntry | undefined {
  const live = framework.tasks.get(id) ?? framework.unreachableTasks.get(id);
  if (live !== undefined) return live;
  return framework.completedTasks.items().findLast((task) => task.id === id);
}

function whyStatus(status: KeptStatus): WhyStatus {
  return {
    state: status.state,
    timestamp: status.timestamp ?? null,
    source: status.source ?? null,
    reason: status.reason ?? null,
    message: status.message ?? null,
  };
}
