/**
 * Answers of the operator API v1 that are read straight off the master's state, described field by
 * field, so that long ones can be written in pieces. Pure; what is made shares frozen parts with
 * the state and is to be encoded before the next step.
 * Source: reference/http-api.md 6.1.
 */
import type { OfferId } from "../../../base/ids.ts";
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
  Offer,
  Resource,
  Role,
  TimeInfo,
} from "../../../protocol/v1/types.ts";
import type { Viewer } from "../../../security/viewer.ts";
import { HEARTBEAT_SECONDS } from "../master-options.ts";
import { offerMessage } from "../offer-message.ts";
import { endpointResources } from "../resource-forms.ts";
import {
  type AgentEntry,
  type ExecutorEntry,
  type FrameworkEntry,
  isAgentActive,
  type MasterState,
  type TaskEntry,
} from "../state.ts";
import { endpointTask } from "../tasks.ts";
import type { MessageBuilder } from "./document.ts";
import { Holdings, offeredOn, offeredTo, type RoleUse, RoleUses, usedOn } from "./sums.ts";
import { TaskGlance } from "./task-glance.ts";

/** GET_STATE: everything below in one. */
export function describeState(
  builder: MessageBuilder<MasterResponseGetState>,
  state: MasterState,
): void {
  builder.message("get_tasks", (inner) => describeTasks(inner, state));
  builder.message("get_executors", (inner) => describeExecutors(inner, state));
  builder.message("get_frameworks", (inner) => describeFrameworks(inner, state));
  builder.message("get_agents", (inner) => describeAgents(inner, state));
}

/** SUBSCRIBED, the first event of an operator's stream. */
export function describeSubscribed(builder: MessageBuilder<MasterEvent>, state: MasterState): void {
  builder.fields(() => ({ type: "SUBSCRIBED" }));
  builder.message("subscribed", (inner) => {
    inner.fields(() => ({ heartbeat_interval_seconds: HEARTBEAT_SECONDS }));
    inner.message("get_state", (everything) => describeState(everything, state));
  });
}

/** GET_AGENTS: registered agents, and those of the registry that have not come back yet. */
export function describeAgents(
  builder: MessageBuilder<MasterResponseGetAgents>,
  state: MasterState,
): void {
  builder.list("agents", [...state.agents.values()], (agent) => agentMessage(state, agent));
  builder.list("recovered_agents", [...state.recoveredAgents.values()], ({ info }) => info);
}

/** GET_FRAMEWORKS: those that are not over, and the last ones that are. */
export function describeFrameworks(
  builder: MessageBuilder<MasterResponseGetFrameworks>,
  state: MasterState,
): void {
  const holdings = new Holdings();
  const message = (framework: FrameworkEntry) => frameworkMessage(state, framework, holdings);
  builder.work([...state.agents.values()], (agent) => holdings.add(agent));
  builder.list("frameworks", [...state.frameworks.values()], message);
  builder.list("completed_frameworks", [...state.completedFrameworks.values()], message);
}

/** GET_TASKS of active and completed frameworks. */
export function describeTasks(
  builder: MessageBuilder<MasterResponseGetTasks>,
  state: MasterState,
): void {
  // One by one, since joining lists of lists copies everything twice and holds up the loop.
  const active: TaskEntry[] = [];
  const unreachable: TaskEntry[] = [];
  const completed: TaskEntry[] = [];
  for (const framework of allFrameworks(state)) {
    for (const task of framework.tasks.values()) active.push(task);
    for (const task of framework.unreachableTasks.values()) unreachable.push(task);
    for (const task of framework.completedTasks.items()) completed.push(task);
  }
  const { at } = new TaskGlance();
  builder.list("tasks", active, endpointTask, at);
  builder.list("unreachable_tasks", unreachable, endpointTask, at);
  builder.list("completed_tasks", completed, endpointTask, at);
}

/** GET_EXECUTORS: custom executors; those the agents make up for commands are not told. */
export function describeExecutors(
  builder: MessageBuilder<MasterResponseGetExecutors>,
  state: MasterState,
): void {
  const executors = [...state.agents.values()].flatMap((agent) => [...agent.executors.values()]);
  builder.list("executors", executors, executorMessage);
}

/** GET_ROLES: every role seen with what it is offered and allocated. Empty lists are left out. */
export function describeRoles(
  builder: MessageBuilder<MasterResponseGetRoles>,
  state: MasterState,
  viewer: Viewer,
): void {
  const uses = new RoleUses(state);
  builder.work([...state.agents.values()], (agent) => uses.addAgent(agent));
  builder.work([...state.offers.values()], (offer) => uses.addOffer(offer));
  builder.fields(() => {
    const seen = uses.sorted((role) => viewer.seesRole(role));
    const roles = seen.map((use) => roleMessage(state, use));
    return roles.length === 0 ? {} : { roles };
  });
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

function offersAsSent(state: MasterState, framework: FrameworkEntry, id: OfferId): Offer[] {
  const offer = state.offers.get(id);
  const agent = offer && state.agents.get(offer.agentId);
  return offer && agent ? [offerMessage(framework, agent, offer)] : [];
}

export function frameworkMessage(
  state: MasterState,
  framework: FrameworkEntry,
  holdings: Holdings,
): MasterResponseGetFrameworksFramework {
  const isConnected = framework.streamId !== undefined;
  const { registeredMs, reregisteredMs, unregisteredMs, offerConstraints } = framework;
  const offers = [...framework.offers].flatMap((id) => offersAsSent(state, framework, id));
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
    allocated_resources: holdings.usedBy(framework).flatMap(endpointResources),
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

function roleMessage(state: MasterState, [name, use]: readonly [string, RoleUse]): Role {
  const resources = ["cpus", "disk", "gpus", "mem"]
    .map((resource) => scalar(resource, use.held.get(resource) ?? 0))
    .filter((resource) => resource.scalar.value > 0);
  const frameworks = use.frameworks.map((value) => ({ value }));
  return {
    name,
    weight: state.policy.weights.get(name) ?? 1,
    ...(frameworks.length > 0 && { frameworks }),
    ...(resources.length > 0 && { resources }),
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
