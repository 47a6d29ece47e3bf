/**
 * Answers of the operator API v1 that are read straight off the master's state. Pure; the result
 * shares frozen parts with the state and is to be encoded before the next step.
 * Source: reference/http-api.md 6.1.
 */
import type {
  InverseOffer,
  MasterEvent,
  MasterResponseGetAgents,
  MasterResponseGetAgentsAgent,
  MasterResponseGetExecutors,
  MasterResponseGetExecutorsExecutor,
  MasterResponseGetFrameworks,
  MasterResponseGetFrameworksFramework,
  MasterResponseGetMaster,
  MasterResponseGetRoles,
  MasterResponseGetState,
  MasterResponseGetTasks,
  Resource,
  Role,
  Task,
  TimeInfo,
} from "../../../protocol/v1/types.ts";
import { HEARTBEAT_SECONDS } from "../master-options.ts";
import { endpointResources } from "../resource-forms.ts";
import {
  type AgentEntry,
  type ExecutorEntry,
  type FrameworkEntry,
  isAgentActive,
  type MasterState,
} from "../state.ts";
import { endpointTask } from "../tasks.ts";
import { offeredOn, offeredTo, roleUses, usedBy, usedOn } from "./sums.ts";

/** GET_STATE: everything below in one. */
export function getState(state: MasterState): MasterResponseGetState {
  return {
    get_tasks: getTasks(state),
    get_executors: getExecutors(state),
    get_frameworks: getFrameworks(state),
    get_agents: getAgents(state),
  };
}

/** The first event of an operator's stream. */
export function subscribedEvent(state: MasterState): MasterEvent {
  const subscribed = {
    get_state: getState(state),
    heartbeat_interval_seconds: HEARTBEAT_SECONDS,
  };
  return { type: "SUBSCRIBED", subscribed };
}

/** GET_AGENTS: registered agents, and those of the registry that have not come back yet. */
export function getAgents(state: MasterState): MasterResponseGetAgents {
  return {
    agents: [...state.agents.values()].map((agent) => agentMessage(state, agent)),
    recovered_agents: [...state.recoveredAgents.values()].map(({ info }) => info),
  };
}

/** GET_FRAMEWORKS: those that are not over, and the last ones that are. */
export function getFrameworks(state: MasterState): MasterResponseGetFrameworks {
  const message = (framework: FrameworkEntry) => frameworkMessage(state, framework);
  return {
    frameworks: [...state.frameworks.values()].map(message),
    completed_frameworks: [...state.completedFrameworks.values()].map(message),
  };
}

/** GET_TASKS of active and completed frameworks. */
export function getTasks(state: MasterState): MasterResponseGetTasks {
  const tasks: Task[] = [];
  const unreachable: Task[] = [];
  const completed: Task[] = [];
  for (const framework of allFrameworks(state)) {
    for (const task of framework.tasks.values()) tasks.push(endpointTask(task));
    for (const task of framework.unreachableTasks.values()) unreachable.push(endpointTask(task));
    for (const task of framework.completedTasks.items()) completed.push(endpointTask(task));
  }
  return { tasks, unreachable_tasks: unreachable, completed_tasks: completed };
}

/** GET_EXECUTORS: custom executors; those the agents make up for commands are not told. */
export function getExecutors(state: MasterState): MasterResponseGetExecutors {
  const executors: MasterResponseGetExecutorsExecutor[] = [];
  for (const agent of state.agents.values()) {
    for (const executor of agent.executors.values()) executors.push(executorMessage(executor));
  }
  return { executors };
}

/** GET_ROLES: every known role with what it is offered and allocated. */
export function getRoles(state: MasterState): MasterResponseGetRoles {
  const roles: Role[] = [];
  for (const [name, { frameworks, held }] of roleUses(state)) {
    roles.push({
      name,
      weight: state.policy.weights.get(name) ?? 1,
      frameworks: frameworks.map((value) => ({ value })),
      resources: ["cpus", "disk", "gpus", "mem"]
        .map((resource) => scalar(resource, held.get(resource) ?? 0))
        .filter((resource) => resource.scalar.value > 0),
    });
  }
  return { roles };
}

/** GET_MASTER. A master that acts alone is elected when it has its registry. */
export function getMaster(state: MasterState): MasterResponseGetMaster {
  const seconds = state.startedMs / 1000;
  return { master_info: state.info, start_time: seconds, elected_time: seconds };
}

/** Active frameworks first, then completed ones. */
export function* allFrameworks(state: MasterState): Generator<FrameworkEntry> {
  yield* state.frameworks.values();
  yield* state.completedFrameworks.values();
}

/** Where an agent is, in the way Mesos names processes. */
export function agentPid(agent: AgentEntry): string {
  return `slave(1)@${agent.remoteIp}:${agent.info.port ?? 0}`;
}

/** One agent, as GET_AGENTS and AGENT_ADDED tell it. */
export function agentMessage(state: MasterState, agent: AgentEntry): MasterResponseGetAgentsAgent {
  const { drain, drainStartedMs } = agent;
  return {
    agent_info: { ...agent.info, resources: endpointResources(agent.total) },
    active: isAgentActive(state, agent),
    deactivated: agent.isDeactivated,
    version: agent.version,
    pid: agentPid(agent),
    registered_time: timeInfo(agent.registeredMs),
    ...(agent.reregisteredMs !== undefined && {
      reregistered_time: timeInfo(agent.reregisteredMs),
    }),
    total_resources: endpointResources(agent.total),
    allocated_resources: usedOn(agent).flatMap(endpointResources),
    offered_resources: offeredOn(state, agent).flatMap(endpointResources),
    capabilities: agent.capabilities,
    ...(drain !== undefined && { drain_info: drain }),
    ...(drainStartedMs !== undefined && {
      estimated_drain_start_time: timeInfo(drainStartedMs),
    }),
  };
}

function frameworkMessage(
  state: MasterState,
  framework: FrameworkEntry,
): MasterResponseGetFrameworksFramework {
  const isConnected = framework.streamId !== undefined;
  const { registeredMs, reregisteredMs, unregisteredMs, offerConstraints } = framework;
  const offers = [...framework.offers].flatMap((id) => state.offers.get(id)?.message ?? []);
  const inverseOffers = inverseOffersTo(state, framework);
  return {
    framework_info: framework.info,
    active: isConnected,
    connected: isConnected,
    recovered: framework.isRecovered,
    registered_time: timeInfo(registeredMs),
    ...(reregisteredMs !== undefined && { reregistered_time: timeInfo(reregisteredMs) }),
    ...(unregisteredMs !== undefined && { unregistered_time: timeInfo(unregisteredMs) }),
    offers,
    ...(inverseOffers.length > 0 && { inverse_offers: inverseOffers }),
    allocated_resources: usedBy(state, framework).flatMap(endpointResources),
    offered_resources: offeredTo(state, framework).flatMap(endpointResources),
    ...(offerConstraints !== undefined && { offer_constraints: offerConstraints }),
  };
}

/** One framework as events tell it: all three times, and neither offers nor resources. */
export function frameworkEventMessage(
  framework: FrameworkEntry,
): MasterResponseGetFrameworksFramework {
  const isConnected = framework.streamId !== undefined;
  return {
    framework_info: framework.info,
    active: isConnected,
    connected: isConnected,
    recovered: framework.isRecovered,
    registered_time: timeInfo(framework.registeredMs),
    reregistered_time: timeInfo(framework.reregisteredMs ?? 0),
    unregistered_time: timeInfo(framework.unregisteredMs ?? 0),
  };
}

function inverseOffersTo(state: MasterState, framework: FrameworkEntry): readonly InverseOffer[] {
  return [...state.inverseOffers.values()]
    .filter(({ frameworkId }) => frameworkId === framework.id)
    .map(({ message }) => message);
}

function executorMessage(executor: ExecutorEntry): MasterResponseGetExecutorsExecutor {
  const { info, agentId } = executor;
  const resources = endpointResources(executor.resources);
  return { executor_info: { ...info, resources }, agent_id: { value: agentId } };
}

function scalar(name: string, value: number): Resource & { readonly scalar: { value: number } } {
  return { name, type: "SCALAR", scalar: { value } };
}

function timeInfo(ms: number): TimeInfo {
  return { nanoseconds: ms * 1_000_000 };
}
