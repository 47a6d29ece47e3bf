/**
 * The state as somebody sees it who may not see everything: a shallow copy without what is hidden,
 * so that every view works on it as on the whole. O(tasks) where tasks differ in who may see them.
 * Source: semantics 9.3, http-api 6.1, 9.2.
 */
import type { Dictionary } from "../../../base/few.ts";
import type { AgentInfo } from "../../../protocol/v1/types.ts";
import type { RegistryState } from "../../../registry/core/registry-state.ts";
import type { Bundle } from "../../../resources/bundle.ts";
import { bundlesOfConversion } from "../../../resources/conversion.ts";
import type { ResourceKind } from "../../../resources/kinds.ts";
import type { Viewer } from "../../../security/viewer.ts";
import { History } from "../history.ts";
import type {
  AgentEntry,
  ExecutorEntry,
  FrameworkEntry,
  MasterState,
  OfferEntry,
  OperationEntry,
  TaskEntry,
} from "../state.ts";
import { executorUser, taskUser } from "./users.ts";

/** The state itself for whoever may see everything. For reading within the same turn. */
export function visibleState(state: MasterState, viewer: Viewer): MasterState {
  if (viewer.isUnrestricted) return state;
  return {
    ...state,
    frameworks: visibleFrameworks(state.frameworks, viewer),
    completedFrameworks: visibleFrameworks(state.completedFrameworks, viewer),
    agents: visibleAgents(state, viewer),
    policy: visiblePolicy(state.policy, viewer),
    ...(!viewer.seesAll("view_roles") && {
      offers: mapped(
        kept(state.offers, ({ role }) => viewer.seesRole(role)),
        (offer) => visibleOffer(offer, viewer),
      ),
      recoveredAgents: mapped(state.recoveredAgents, (agent) => ({
        ...agent,
        info: visibleInfo(agent.info, viewer),
      })),
    }),
  };
}

function seesFramework(viewer: Viewer, { info }: FrameworkEntry): boolean {
  return viewer.seesUser("view_frameworks", info.user);
}

function seesExecutor(viewer: Viewer, framework: FrameworkEntry, one: ExecutorEntry): boolean {
  return viewer.seesUser("view_executors", executorUser(framework, one));
}

function seesKind(viewer: Viewer, { reservations, allocationRole }: ResourceKind): boolean {
  return viewer.seesRoles(reservations, allocationRole);
}

function visibleFrameworks(
  frameworks: MasterState["frameworks"],
  viewer: Viewer,
): MasterState["frameworks"] {
  const areAllSeen = viewer.seesAll("view_frameworks");
  const seen = areAllSeen ? frameworks : kept(frameworks, (one) => seesFramework(viewer, one));
  if (viewer.seesAll("view_tasks") && viewer.seesAll("view_executors")) return seen;
  return mapped(seen, (framework) => visibleFramework(framework, viewer));
}

function visibleFramework(framework: FrameworkEntry, viewer: Viewer): FrameworkEntry {
  const seesTask = (task: TaskEntry): boolean =>
    viewer.seesUser("view_tasks", taskUser(framework, task));
  const sees = (one: ExecutorEntry): boolean => seesExecutor(viewer, framework, one);
  return {
    ...framework,
    ...(!viewer.seesAll("view_tasks") && {
      tasks: kept(framework.tasks, seesTask),
      unreachableTasks: kept(framework.unreachableTasks, seesTask),
      completedTasks: keptHistory(framework.completedTasks, seesTask),
    }),
    ...(!viewer.seesAll("view_executors") && {
      completedExecutors: keptHistory(framework.completedExecutors, sees),
    }),
  };
}

function visibleAgents(state: MasterState, viewer: Viewer): MasterState["agents"] {
  const areRolesSeen = viewer.seesAll("view_roles");
  const areExecutorsSeen = viewer.seesAll("view_executors") && viewer.seesAll("view_frameworks");
  if (areRolesSeen && areExecutorsSeen) return state.agents;
  const { frameworks, completedFrameworks } = state;
  const sees = (executor: ExecutorEntry): boolean => {
    const id = executor.frameworkId;
    const framework = frameworks.get(id) ?? completedFrameworks.get(id);
    if (framework === undefined || !seesFramework(viewer, framework)) return false;
    return seesExecutor(viewer, framework, executor);
  };
  return mapped(state.agents, (agent) => ({
    ...agent,
    ...(!areExecutorsSeen && { executors: kept(agent.executors, sees) }),
    ...(!areRolesSeen && {
      info: visibleInfo(agent.info, viewer),
      total: visibleBundle(agent.total, viewer),
      used: mapped(agent.used, (used) => visibleBundle(used, viewer)),
      operations: kept(agent.operations, (one) => seesOperation(agent, one, viewer)),
    }),
  }));
}

function visibleInfo(info: AgentInfo, viewer: Viewer): AgentInfo {
  return { ...info, resources: info.resources?.filter((one) => viewer.seesResource(one)) };
}

/** By what goes in and what comes out: Mesos looks at the first only, where a new reservation is not. */
function seesOperation(
  { total }: AgentEntry,
  { operation }: OperationEntry,
  viewer: Viewer,
): boolean {
  const bundles = bundlesOfConversion(total.kinds, operation.info);
  if (!bundles.ok) return false;
  const { consumed, converted } = bundles.value;
  return [consumed, converted].every((side) =>
    side.filter((kind) => !seesKind(viewer, kind)).isEmpty(),
  );
}

function visibleOffer(offer: OfferEntry, viewer: Viewer): OfferEntry {
  return { ...offer, resources: visibleBundle(offer.resources, viewer) };
}

function visibleBundle(bundle: Bundle, viewer: Viewer): Bundle {
  return bundle.filter((kind) => seesKind(viewer, kind));
}

function visiblePolicy(policy: RegistryState, viewer: Viewer): RegistryState {
  const { quotas, weights, machines, schedule } = policy;
  return {
    ...policy,
    quotas: kept(quotas, (_, role) => viewer.seesQuota(role)),
    weights: kept(weights, (_, role) => viewer.seesRole(role)),
    machines: viewer.seesAll("get_maintenance_statuses") ? machines : new Map(),
    schedule: viewer.seesAll("get_maintenance_schedules") ? schedule : undefined,
  };
}

type Sees<Key, Value> = (value: Value, key: Key) => boolean;

/** The map itself when all of it is seen: copying is what costs most. */
function kept<Key, Value>(map: Map<Key, Value>, sees: Sees<Key, Value>): Map<Key, Value>;
function kept<Key, Value>(
  map: Dictionary<Key, Value>,
  sees: Sees<Key, Value>,
): Dictionary<Key, Value>;
function kept<Key, Value>(
  map: Dictionary<Key, Value>,
  sees: Sees<Key, Value>,
): Dictionary<Key, Value> {
  let seenCount = 0;
  for (const [key, value] of map) if (sees(value, key)) seenCount += 1;
  if (seenCount === map.size) return map;
  const seen = new Map<Key, Value>();
  if (seenCount === 0) return seen;
  for (const [key, value] of map) if (sees(value, key)) seen.set(key, value);
  return seen;
}

function mapped<Key, Value>(
  map: Iterable<[Key, Value]>,
  change: (value: Value) => Value,
): Map<Key, Value> {
  const changed = new Map<Key, Value>();
  for (const [key, value] of map) changed.set(key, change(value));
  return changed;
}

function keptHistory<Item>(history: History<Item>, sees: (item: Item) => boolean): History<Item> {
  const seen = new History<Item>(history.limit);
  for (const item of history.items()) if (sees(item)) seen.add(item);
  return seen;
}
