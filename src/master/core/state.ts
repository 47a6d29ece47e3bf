/**
 * What a master knows, as plain data. Only the files of this folder change it, one step at a time;
 * everybody else reads. Source: semantics 2.1, 3.1.
 */
import { type Due, DueQueue } from "../../base/due-queue.ts";
import type { Dictionary, FewSet } from "../../base/few.ts";
import type {
  AgentId,
  ExecutorId,
  FrameworkId,
  LinkId,
  OfferId,
  StreamId,
  TaskId,
} from "../../base/ids.ts";
import { NumberMap } from "../../base/number-map.ts";
import { SplitMap } from "../../base/split-map.ts";
import type { AgentCommand, AgentOperation, RegisterMessage } from "../../protocol/link-frames.ts";
import type {
  AgentInfo,
  AgentInfoCapability,
  DrainConfig,
  DrainInfo,
  ExecutorInfo,
  FrameworkInfo,
  FrameworkInfoCapabilityType,
  InverseOffer,
  MachineID,
  MasterInfo,
  OperationStatus,
  SchedulerCallReconcileOperationsOperation,
  SchedulerOfferConstraints,
  Task,
  TaskState,
  TaskStatus,
  Unavailability,
} from "../../protocol/v1/types.ts";
import {
  type AdmittedAgent,
  emptyRegistry,
  type RegistryOperation,
  type RegistryState,
  type RoleQuota,
  type RoleWeight,
  type UnreachableAgent,
} from "../../registry/core/registry-state.ts";
import type { Bundle } from "../../resources/bundle.ts";
import { ChangeLog } from "./change-log.ts";
import type { History } from "./history.ts";
import type { MasterInput } from "./inputs.ts";
import { CHANGES_MAX } from "./limits.ts";
import type { MasterOptions, RateLimit } from "./master-options.ts";
import { emptyTally, type Tally } from "./tally.ts";

/** Something about a task, agent or framework is different; what an agent's tasks use is not it. */
export type Change =
  | { readonly kind: "task"; readonly frameworkId: FrameworkId; readonly taskId: TaskId }
  | { readonly kind: "agent"; readonly agentId: AgentId }
  | { readonly kind: "framework"; readonly frameworkId: FrameworkId };

/** What tasks of one kind have in common: everything but ids, states and statuses. Never changes. */
export type TaskDescription = Pick<
  Task,
  | "name"
  | "resources"
  | "user"
  | "labels"
  | "discovery"
  | "container"
  | "health_check"
  | "kill_policy"
  | "limits"
>;

/** A status without what its task tells as well, see `statusMessage`; `data` is not kept. */
export type KeptStatus = Omit<TaskStatus, "task_id" | "data">;

/** A task the master tracks: active, unreachable or completed. */
export interface TaskEntry {
  readonly id: TaskId;
  readonly frameworkId: FrameworkId;
  readonly agentId: AgentId;
  /** Undefined for command tasks, whose executor the agent makes up. */
  readonly executorId: ExecutorId | undefined;
  /** One object for all tasks of which it is true. */
  readonly description: TaskDescription;
  /** Allocated form; counted as used only while `holdsResources`. */
  readonly resources: Bundle;
  holdsResources: boolean;
  /** Newest state known anywhere (`latestState` of the agent). */
  state: TaskState;
  /** What the framework was last shown; its acknowledgement is matched against the uuid. */
  statusUpdateState: TaskState | undefined;
  statusUpdateUuid: string | undefined;
  /** One per run of equal states, oldest first. */
  readonly statuses: KeptStatus[];
  /** Another agent already has a task of this id: this one is being killed and shown nowhere. */
  readonly isDuplicate: boolean;
}

/** A custom executor, which holds resources of its own until it exits. */
export interface ExecutorEntry {
  readonly id: ExecutorId;
  readonly frameworkId: FrameworkId;
  readonly agentId: AgentId;
  readonly info: ExecutorInfo;
  /** Allocated form. */
  readonly resources: Bundle;
}

/** An outstanding offer. */
export interface OfferEntry {
  readonly id: OfferId;
  readonly frameworkId: FrameworkId;
  readonly agentId: AgentId;
  readonly role: string;
  /** Allocated form. */
  readonly resources: Bundle;
}

/** How an offer ends whose end was decided: what the framework hears of it, and its filter. */
export interface OfferEnd {
  readonly isTold: boolean;
  readonly refuseMs: number;
}

/** The rest of a RECONCILE or RECONCILE_OPERATIONS; void once its stream is not the framework's. */
export type Reconciliation = {
  readonly frameworkId: FrameworkId;
  readonly streamId: StreamId;
  /** Place of the next one. */
  next: number;
} & (
  | { readonly kind: "tasks"; readonly wanted: readonly ReconciledTask[] }
  | { readonly kind: "operations"; readonly wanted: readonly ReconciledOperation[] }
);

/** One task to answer for; `isListed`: only while the framework still has it. */
export interface ReconciledTask {
  readonly taskId: string;
  readonly agentId: string | undefined;
  readonly isListed: boolean;
}

/** One operation to answer for; `isListed`: only while it is known. */
export interface ReconciledOperation {
  readonly asked: SchedulerCallReconcileOperationsOperation;
  readonly isListed: boolean;
}

/** An operation on an agent's resources. */
export interface OperationEntry {
  readonly operation: AgentOperation;
  latest: OperationStatus;
  /** Oldest first; one for all that is done at once. */
  readonly statuses: OperationStatus[];
}

/** A question to a framework whether it can do without an agent for a while. */
export interface InverseOfferEntry {
  readonly id: OfferId;
  readonly agentId: AgentId;
  readonly frameworkId: FrameworkId;
  /** As it was sent. */
  readonly message: InverseOffer;
}

export interface InverseAnswer {
  readonly status: "ACCEPT" | "DECLINE";
  readonly atMs: number;
  /** Not asked again before. */
  readonly refusedUntilMs: number;
}

/** A look at all agents for inverse offers to make and to withdraw, a part in each step. */
export interface InverseRound {
  agents: readonly AgentId[];
  /** Place of the next agent; beyond the last: no round is under way. */
  next: number;
  startedMs: number;
  /** When the next round is wanted; Infinity when it is not. */
  wakeMs: number;
}

/** Work on many agents, see sweeps.ts. */
export type Sweep = {
  agents: readonly AgentId[];
  /** Place of the next agent. */
  next: number;
} & (
  | { readonly kind: "removeFramework"; readonly framework: FrameworkEntry }
  /** Tells agents what a framework is now. */
  | { readonly kind: "updateFramework"; readonly framework: FrameworkEntry }
  | { readonly kind: "schedule" }
  /** By `machineKey`. */
  | { readonly kind: "machinesDown"; readonly machines: ReadonlySet<string> }
);

/** Commands of one agent in this master's epoch. Numbers only rise; `pending` is in their order. */
export interface CommandQueue {
  nextNumber: number;
  /** Beyond it nothing has left this master. */
  lastSent: number;
  readonly pending: Dictionary<number, PendingCommand>;
}

/** A command as far as it is read again. */
export type PendingCommand =
  | Exclude<AgentCommand, { readonly kind: "runTask" | "runTaskGroup" }>
  | PendingLaunch;

/**
 * A launch in the form in which it is sent. As objects, what many tasks ask for would stand in the
 * heap until their agents answer, among what is kept, and leave holes there.
 */
export interface PendingLaunch {
  readonly kind: "launch";
  readonly frameworkId: FrameworkId;
  readonly taskIds: readonly string[];
  /** Of an executor that is launched with it. */
  readonly executorId: string | undefined;
  /** The encoded `command` message. */
  readonly message: Uint8Array;
}

/** A registered agent; connected while it has a link. */
export interface AgentEntry extends Due {
  readonly id: AgentId;
  info: AgentInfo;
  version: string;
  capabilities: readonly AgentInfoCapability[];
  linkId: LinkId | undefined;
  remoteIp: string;
  /** By an operator: no offers, tasks unaffected. */
  isDeactivated: boolean;
  /** Why it takes no tasks for now, in its own words; undefined when it does. */
  shortage: string | undefined;
  /** Unallocated form. */
  total: Bundle;
  /** Revocable resources that it told last; none when undefined. `total` has what is in use too. */
  oversubscribed: Bundle | undefined;
  /** What tasks and executors hold, allocated form; no empty bundles. */
  readonly used: Dictionary<FrameworkId, Bundle>;
  readonly tasks: FewSet<TaskEntry>;
  /** Keys by `executorKey`. */
  readonly executors: Dictionary<string, ExecutorEntry>;
  readonly offers: FewSet<OfferId>;
  /** Frameworks the agent was told of, so that it hears when they change or end. */
  readonly frameworks: FewSet<FrameworkId>;
  readonly commands: CommandQueue;
  /** By uuid, in the order they were asked for; gone once acknowledged. */
  readonly operations: Dictionary<string, OperationEntry>;
  readonly registeredMs: number;
  reregisteredMs: number | undefined;
  /** By an operator, until the agent is reactivated. */
  drain: DrainInfo | undefined;
  drainStartedMs: number | undefined;
  /** It holds nothing any more, and the registry is about to know. */
  isDrainSettling: boolean;
  /** Planned absence of its machine. */
  unavailability: Unavailability | undefined;
  /** What frameworks answered to inverse offers. */
  readonly inverse: Dictionary<FrameworkId, InverseAnswer>;
  pingNumber: number;
  isPongOutstanding: boolean;
  missedPongs: number;
}

/** A framework that is not completed. Connected, and so active, while it has a stream. */
export interface FrameworkEntry {
  readonly id: FrameworkId;
  /** Always with `id`. */
  info: FrameworkInfo;
  roles: readonly string[];
  capabilities: ReadonlySet<FrameworkInfoCapabilityType>;
  readonly suppressedRoles: Set<string>;
  offerConstraints: SchedulerOfferConstraints | undefined;
  streamId: StreamId | undefined;
  /** Known from agents only: this master never had it subscribed. */
  isRecovered: boolean;
  /** It is over, and its agents are being gone through: nobody may speak for it any more. */
  isLeaving: boolean;
  registeredMs: number;
  reregisteredMs: number | undefined;
  /** When it was last disconnected or removed. */
  unregisteredMs: number | undefined;
  readonly tasks: Dictionary<TaskId, TaskEntry>;
  /** `tasks` by state. */
  readonly taskCounts: Map<TaskState, number>;
  /** On agents that are unreachable, oldest first. */
  readonly unreachableTasks: Map<TaskId, TaskEntry>;
  readonly completedTasks: History<TaskEntry>;
  readonly completedExecutors: History<ExecutorEntry>;
  readonly offers: Set<OfferId>;
}

/** One WebSocket; `agentId` is set once an agent is registered over it. */
export interface LinkEntry {
  readonly id: LinkId;
  readonly remoteIp: string;
  agentId: AgentId | undefined;
  /** A first registration over it is on its way to the registry. */
  isBeingAdmitted: boolean;
}

/** What to do when a commit comes back. */
export type PendingCommit =
  | {
      readonly kind: "admit";
      readonly linkId: LinkId;
      readonly message: RegisterMessage;
      readonly info: AgentInfo;
      readonly replacedId: AgentId | undefined;
    }
  | {
      readonly kind: "return";
      readonly agentId: AgentId;
      readonly linkId: LinkId;
      readonly message: RegisterMessage;
      readonly info: AgentInfo;
      /** A later registration of the same agent, to be looked at in place of this one. */
      superseded: { readonly linkId: LinkId; readonly message: RegisterMessage } | undefined;
    }
  | {
      readonly kind: "unreachable";
      readonly agentIds: readonly AgentId[];
      readonly atMs: number;
      readonly cause: string;
    }
  | { readonly kind: "remove"; readonly agentId: AgentId; readonly cause: string }
  | { readonly kind: "discard"; readonly agentId: AgentId }
  /** Memory had it before the registry. */
  | { readonly kind: "adopted" }
  | OperatorCommit
  | { readonly kind: "prune"; readonly operation: RegistryOperation & { readonly kind: "prune" } };

/** A change by an operator; `requestId` is undefined when the master itself follows one up. */
export interface OperatorCommit {
  readonly kind: "operator";
  readonly operation: RegistryOperation;
  readonly requestId: number | undefined;
  readonly cause:
    | { readonly kind: "schedule" | "machinesUp" }
    | { readonly kind: "quota"; readonly quotas: readonly RoleQuota[] }
    | { readonly kind: "weights"; readonly weights: readonly RoleWeight[] }
    | { readonly kind: "machinesDown"; readonly machines: readonly MachineID[] }
    | { readonly kind: "drain"; readonly agentId: AgentId; readonly config: DrainConfig }
    | { readonly kind: "drained" | "deactivate" | "reactivate"; readonly agentId: AgentId }
    | { readonly kind: "gone"; readonly agentId: AgentId; readonly atMs: number };
}

/** A change of an agent's registry entry that is on its way to disk. */
export interface Transition {
  readonly kind: "registering" | "markingUnreachable" | "markingGone" | "removing";
  readonly token: number;
}

/** Agents that wait for their turn to become unreachable, by cause, and when the next turn is. */
export interface Removals {
  readonly waiting: Map<AgentId, string>;
  nextMs: number;
}

/** Calls of frameworks that came faster than they may. */
export interface CallLimiter {
  readonly limit: RateLimit;
  /** When the next call may be carried out. */
  nextMs: number;
  /** In the order they came. */
  readonly waiting: Extract<MasterInput, { readonly kind: "schedulerCall" }>[];
}

/** When the next allocation run may happen. */
export interface AllocationSchedule {
  lastRunMs: number;
  /** About how long the last run took, worked out from what it did, since cores read no clock. */
  lastRunCostMs: number;
  /** Offers made lately, fading with time: how dense events are. */
  recentOffers: number;
  /** Time the `allocate` timer is set to; undefined when it is not set. */
  timerMs: number | undefined;
  /** Offers came back without a filter since the last run. */
  isWasteSeen: boolean;
  /** Runs in a row whose offers came back without a filter. */
  wastedRuns: number;
}

/** One figure, found by its name once and counted up often. */
export interface Counter {
  value: number;
}

export interface MasterState {
  readonly info: MasterInfo;
  /** By `--roles`; undefined: every role may be used. */
  readonly allowedRoles: ReadonlySet<string> | undefined;
  /** By Mesos name, see counters.ts. */
  readonly counters: ReadonlyMap<string, Readonly<Counter>>;
  /** False until the registry was loaded: nothing is answered before. */
  isRecovered: boolean;
  startedMs: number;
  /** How many agents the registry had as admitted when this master started. */
  admittedAtStart: number;
  readonly frameworks: Map<FrameworkId, FrameworkEntry>;
  /** Newest last, bounded. */
  readonly completedFrameworks: Map<FrameworkId, FrameworkEntry>;
  readonly streams: Map<StreamId, FrameworkId>;
  /** Subscribed operators, the one that subscribed first in front. */
  readonly operatorStreams: Set<StreamId>;
  readonly agents: Dictionary<AgentId, AgentEntry>;
  /** When the present ping of each agent counts as missed. */
  readonly pings: DueQueue<AgentEntry>;
  /** The newest registered agent at each address that has one, by `addressOf`. */
  readonly addresses: Dictionary<string, AgentId>;
  /** In the registry as admitted, not registered since this master started. */
  readonly recoveredAgents: Dictionary<AgentId, AdmittedAgent>;
  readonly unreachableAgents: Map<AgentId, UnreachableAgent>;
  readonly goneAgents: Map<AgentId, { readonly sinceMs: number }>;
  readonly links: NumberMap<LinkId, LinkEntry>;
  readonly offers: Map<OfferId, OfferEntry>;
  /** Outstanding offers that their frameworks have not been told of, in the order of their making. */
  readonly unsentOffers: Set<OfferEntry>;
  /**
   * Outstanding offers that are over for their frameworks: ended, oldest first, a part in each step.
   * Nothing is allocated meanwhile.
   */
  readonly doomedOffers: Map<OfferEntry, OfferEnd>;
  /** What RECONCILE calls asked for and is not answered yet, oldest first. */
  readonly reconciliations: Reconciliation[];
  readonly inverseOffers: Map<OfferId, InverseOfferEntry>;
  /** The same by what they are about; no empty maps. */
  readonly inverseOffersOf: Map<AgentId, Map<FrameworkId, InverseOfferEntry>>;
  readonly inverseRound: InverseRound;
  /** Under way, oldest first. */
  readonly sweeps: Sweep[];
  /** Quota, weights and maintenance as the registry has them; its lists of agents stay empty. */
  readonly policy: RegistryState;
  readonly transitions: Map<AgentId, Transition>;
  readonly removals: Removals;
  /** By principal, see rate-limits.ts. */
  readonly callLimiters: Map<string, CallLimiter>;
  readonly commits: Map<number, PendingCommit>;
  readonly tally: Tally;
  readonly changes: ChangeLog<Change>;
  /** Active tasks by state; equal to a count by scan at any time. */
  readonly taskCounts: Map<TaskState, number>;
  readonly allocation: AllocationSchedule;
  nextFramework: number;
  nextAgent: number;
  nextOffer: number;
  nextOperation: number;
  nextToken: number;
}

/** A master that has not loaded its registry yet. */
export function emptyMasterState(
  { info, roles }: Pick<MasterOptions, "info" | "roles">,
  counters: ReadonlyMap<string, Readonly<Counter>>,
): MasterState {
  return {
    info,
    allowedRoles: roles,
    counters,
    isRecovered: false,
    startedMs: 0,
    admittedAtStart: 0,
    frameworks: new Map(),
    completedFrameworks: new Map(),
    streams: new Map(),
    operatorStreams: new Set(),
    agents: new SplitMap(),
    pings: new DueQueue(),
    addresses: new SplitMap(),
    recoveredAgents: new SplitMap(),
    unreachableAgents: new Map(),
    goneAgents: new Map(),
    links: new NumberMap(),
    offers: new Map(),
    unsentOffers: new Set(),
    doomedOffers: new Map(),
    reconciliations: [],
    inverseOffers: new Map(),
    inverseOffersOf: new Map(),
    sweeps: [],
    inverseRound: {
      agents: [],
      next: 0,
      startedMs: Number.NEGATIVE_INFINITY,
      wakeMs: Number.POSITIVE_INFINITY,
    },
    policy: emptyRegistry(),
    transitions: new Map(),
    callLimiters: new Map(),
    removals: { waiting: new Map(), nextMs: Number.NEGATIVE_INFINITY },
    commits: new Map(),
    tally: emptyTally(),
    changes: new ChangeLog(CHANGES_MAX),
    taskCounts: new Map(),
    allocation: {
      lastRunMs: Number.NEGATIVE_INFINITY,
      lastRunCostMs: 0,
      recentOffers: 0,
      timerMs: undefined,
      isWasteSeen: false,
      wastedRuns: 0,
    },
    nextFramework: 0,
    nextAgent: 0,
    nextOffer: 0,
    nextOperation: 1,
    nextToken: 1,
  };
}

/** Key of an executor on its agent. Neither id may hold a control character, so none collide. */
export function executorKey(frameworkId: FrameworkId, executorId: ExecutorId): string {
  return `${frameworkId}\n${executorId}`;
}

/** Where an agent says it listens; undefined when nowhere. */
export function addressOf(info: AgentInfo): string | undefined {
  return info.port === undefined || info.port === 0 ? undefined : `${info.hostname}:${info.port}`;
}

/** May be offered: connected, not deactivated, with room, and not on its way out of the registry. */
export function isAgentActive({ transitions }: MasterState, agent: AgentEntry): boolean {
  const { id, linkId, isDeactivated, shortage } = agent;
  if (linkId === undefined || isDeactivated || shortage !== undefined) return false;
  // One that registers anew beside an open link stays with that one until the registry agrees.
  return (transitions.get(id)?.kind ?? "registering") === "registering";
}

export function isPartitionAware(framework: FrameworkEntry): boolean {
  return framework.capabilities.has("PARTITION_AWARE");
}

export function isMultiRole(framework: FrameworkEntry): boolean {
  return framework.capabilities.has("MULTI_ROLE");
}

/** Its tasks survive the agent (semantics 2.5). */
export function isCheckpointing(framework: FrameworkEntry): boolean {
  return framework.info.checkpoint === true;
}
