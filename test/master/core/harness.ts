/**
 * A tiny world around one MasterCore: streams and links that remember what was sent, timers that
 * fire when time is advanced, a registry that really applies its operations. After every step all
 * invariants of the core are checked.
 */

import { DrfAllocator } from "../../../src/allocator/drf-allocator.ts";
import { assert, must } from "../../../src/base/assert.ts";
import { brand, type LinkId, linkIdOf, type StreamId } from "../../../src/base/ids.ts";
import { ok, type Result } from "../../../src/base/result.ts";
import type { MasterEffect } from "../../../src/master/core/effects.ts";
import type { MasterInput, MasterTimer } from "../../../src/master/core/inputs.ts";
import { MasterCore } from "../../../src/master/core/master-core.ts";
import type { MasterOptions } from "../../../src/master/core/master-options.ts";
import type { MasterState } from "../../../src/master/core/state.ts";
import type {
  AgentCommand,
  AgentToMaster,
  MasterToAgent,
  RegisterMessage,
} from "../../../src/protocol/link-frames.ts";
import type {
  FrameworkInfo,
  MasterCall,
  MasterEvent,
  Offer,
  OfferOperation,
  Resource,
  SchedulerCall,
  SchedulerCallSubscribe,
  SchedulerEvent,
  Task,
  TaskInfo,
  TaskState,
  TaskStatus,
} from "../../../src/protocol/v1/types.ts";
import { applyOperation } from "../../../src/registry/core/registry-operations.ts";
import {
  copyRegistry,
  emptyRegistry,
  type RegistryOperation,
  type RegistryState,
} from "../../../src/registry/core/registry-state.ts";
import { ResourceKinds } from "../../../src/resources/kinds.ts";
import { OPEN_ACLS } from "../../../src/security/acls.ts";
import { encodeMessage, messageOf } from "../../harness/link-messages.ts";
import { snapshotOf } from "./follower.ts";

export const MASTER_ID = "11111111-2222-4333-8444-555555555555";
export const START_MS = 1_700_000_000_000;
export const AGENT_CAPABILITIES = [
  { type: "MULTI_ROLE" },
  { type: "HIERARCHICAL_ROLE" },
  { type: "RESERVATION_REFINEMENT" },
] as const;

export function masterOptions(changes: Partial<MasterOptions> = {}): MasterOptions {
  return {
    info: { id: MASTER_ID, ip: 0, port: 5050, hostname: "master" },
    cluster: undefined,
    allocationIntervalMs: 1000,
    agentPingTimeoutMs: 15_000,
    maxAgentPingTimeouts: 5,
    agentReregisterTimeoutMs: 600_000,
    offerTimeoutMs: undefined,
    maxCompletedFrameworks: 50,
    maxCompletedTasksPerFramework: 1000,
    maxUnreachableTasksPerFramework: 1000,
    roles: undefined,
    isRootSubmissionAllowed: true,
    acls: OPEN_ACLS,
    isGpuFiltered: true,
    minAllocatable: [{ cpus: 10 }, { mem: 32_000 }],
    fairSharingExcluded: new Set(),
    constraintRegexLimits: { memoryBytes: 4096, programSize: 100 },
    weights: new Map(),
    allocatorAgentRecoveryFactor: 0.8,
    allocatorRecoveryTimeoutMs: 600_000,
    recoveryAgentRemovalLimit: 1,
    agentRemovalIntervalMs: undefined,
    isAgentDomainRequired: false,
    arePerFrameworkMetricsShown: true,
    rateLimits: undefined,
    registryGcIntervalMs: 900_000,
    registryMaxAgentAgeMs: 1_209_600_000,
    registryMaxAgentCount: 102_400,
    maxOperatorStreams: 1000,
    ...changes,
  };
}

/** A core that has not been told of its registry yet. */
export function newCore(changes: Partial<MasterOptions> = {}): MasterCore {
  const options = masterOptions(changes);
  const kinds = new ResourceKinds();
  const allocator = new DrfAllocator(kinds, {
    minAllocatable: options.minAllocatable,
    isGpuFiltered: options.isGpuFiltered,
    fairSharingExcluded: options.fairSharingExcluded,
    allocationIntervalMs: options.allocationIntervalMs,
    masterRegion: undefined,
  });
  return new MasterCore({ options, allocator, kinds, encode: encodeMessage });
}

/** A scheduler's stream as the test sees it. */
export interface TestStream {
  readonly id: StreamId;
  readonly frameworkId: string;
  readonly events: SchedulerEvent[];
  isClosed: boolean;
}

/** An operator's event stream as the test sees it. */
export interface TestOperator {
  readonly id: StreamId;
  readonly events: MasterEvent[];
  isClosed: boolean;
}

/** An agent's link as the test sees it. */
export interface TestLink {
  readonly id: LinkId;
  readonly messages: MasterToAgent[];
  closedWith: string | undefined;
  /** False: pings stay unanswered. */
  answersPings: boolean;
}

/** Time passes for allocation runs that are due so soon, so that tests need not wait for offers. */
const BATCHING_MS = 2;

export class World {
  readonly core: MasterCore;
  readonly registry: RegistryState;
  readonly streams: Map<string, TestStream> = new Map();
  readonly links: Map<LinkId, TestLink> = new Map();
  readonly operators: Map<string, TestOperator> = new Map();
  readonly logs: string[] = [];
  /** Commits that wait for `releaseCommits` while `holdsCommits`. */
  holdsCommits = false;
  nowMs: number = START_MS;
  /** Why the master said that it must not go on. */
  exitReason: string | undefined;
  #held: { token: number; operations: readonly RegistryOperation[] }[] = [];
  readonly #timers = new Map<string, { timer: MasterTimer; atMs: number }>();
  readonly #outcomes = new Map<number, Result<void>>();
  #next = 1;
  #isFiring = false;

  constructor(changes: Partial<MasterOptions> = {}, registry: RegistryState = emptyRegistry()) {
    this.registry = registry;
    this.core = newCore(changes);
    this.step({
      kind: "recovered",
      registry: copyRegistry(registry),
    });
  }

  get state(): MasterState {
    return this.core.state;
  }

  /** One step and everything that follows from it at this very moment. */
  step(input: MasterInput): void {
    const inputs = [input];
    for (let next = inputs.shift(); next !== undefined; next = inputs.shift()) {
      const effects = this.core.step(next, this.nowMs);
      this.core.assertInvariants();
      for (const effect of effects) inputs.push(...this.#carryOut(effect));
    }
    if (!this.#isFiring) this.#fireDue(this.nowMs);
  }

  /** Lets time pass, firing timers in order; what is due at the end still fires. */
  advance(ms: number): void {
    const endMs = this.nowMs + ms;
    this.#fireDue(endMs);
    this.nowMs = Math.max(this.nowMs, endMs);
  }

  releaseCommits(): void {
    const held = this.#held;
    this.#held = [];
    this.holdsCommits = false;
    for (const { token, operations } of held) {
      this.step({ kind: "registryCommitted", token, results: this.#apply(operations) });
    }
  }

  /** Opens a stream and subscribes. The framework's id is in the SUBSCRIBED event, if any. */
  subscribe(
    info: Partial<FrameworkInfo> = {},
    more: Omit<SchedulerCallSubscribe, "framework_info"> = {},
    principal?: string,
  ): TestStream {
    const id = brand<StreamId>(`stream-${this.#next++}`);
    const stream = { id, frameworkId: "", events: [] as SchedulerEvent[], isClosed: false };
    this.streams.set(id, stream);
    const framework_info = { user: "nobody", name: "test", ...info };
    const subscribe = { framework_info, ...more };
    this.step({ kind: "subscribe", streamId: id, subscribe, principal });
    const [first] = stream.events;
    stream.frameworkId = first?.subscribed?.framework_id.value ?? "";
    return stream;
  }

  hangUp(stream: TestStream): void {
    this.step({ kind: "streamClosed", streamId: stream.id });
  }

  /** A call over the stream's framework; returns how it was answered. */
  call(
    stream: Pick<TestStream, "id" | "frameworkId">,
    call: Omit<SchedulerCall, "framework_id">,
    streamId: string | undefined = stream.id,
    principal?: string,
  ): Result<void> {
    return this.#request((requestId) => ({
      kind: "schedulerCall",
      requestId,
      call: { framework_id: { value: stream.frameworkId }, ...call },
      streamId,
      principal,
    }));
  }

  operatorKill(
    taskId: string,
    frameworkId?: string,
    graceMs?: number,
    principal?: string,
  ): Result<void> {
    return this.#request((requestId) => ({
      kind: "operatorKill",
      requestId,
      taskId,
      frameworkId,
      graceMs,
      principal,
    }));
  }

  operatorTeardown(frameworkId: string): Result<void> {
    return this.operatorCall({
      type: "TEARDOWN",
      teardown: { framework_id: { value: frameworkId } },
    });
  }

  operatorCall(call: MasterCall, principal?: string): Result<void> {
    return this.#request((requestId) => ({ kind: "operatorCall", requestId, call, principal }));
  }

  /** An operator follows the cluster; its first event is the snapshot. */
  operatorSubscribe(): TestOperator {
    const id = brand<StreamId>(`operator-${this.#next++}`);
    const operator: TestOperator = { id, events: [], isClosed: false };
    this.operators.set(id, operator);
    this.step({ kind: "operatorSubscribe", streamId: id });
    return operator;
  }

  accept(
    stream: TestStream,
    offers: readonly Offer[],
    operations: readonly OfferOperation[],
    refuseSeconds?: number,
  ): Result<void> {
    const filters =
      refuseSeconds === undefined ? {} : { filters: { refuse_seconds: refuseSeconds } };
    const offer_ids = offers.map((offer) => offer.id);
    return this.call(stream, { type: "ACCEPT", accept: { offer_ids, operations, ...filters } });
  }

  launch(stream: TestStream, offer: Offer, ...tasks: TaskInfo[]): void {
    this.accept(stream, [offer], [{ type: "LAUNCH", launch: { task_infos: tasks } }]);
  }

  decline(stream: TestStream, offers: readonly Offer[], refuseSeconds?: number): void {
    const filters =
      refuseSeconds === undefined ? {} : { filters: { refuse_seconds: refuseSeconds } };
    const offer_ids = offers.map((offer) => offer.id);
    this.call(stream, { type: "DECLINE", decline: { offer_ids, ...filters } });
  }

  openLink(remoteIp = "10.0.0.1"): TestLink {
    const id = linkIdOf(this.#next++);
    const link: TestLink = { id, messages: [], closedWith: undefined, answersPings: true };
    this.links.set(id, link);
    this.step({ kind: "linkOpened", linkId: id, remoteIp });
    return link;
  }

  closeLink(link: TestLink): void {
    if (!this.links.delete(link.id)) return;
    this.step({ kind: "linkClosed", linkId: link.id });
  }

  tell(link: TestLink, message: AgentToMaster): void {
    this.step({ kind: "agentMessage", linkId: link.id, message });
  }

  /** A fresh link over which a new agent registers. */
  addAgent(resources = "cpus:4;mem:4096", changes: Partial<RegisterMessage> = {}): TestAgent {
    const number = this.#next++;
    const agent = new TestAgent(this, `host-${number}`, resourcesOf(resources));
    agent.capabilities = changes.capabilities ?? AGENT_CAPABILITIES;
    agent.connect(changes);
    return agent;
  }

  /** Asks for something whose answer may come later; see `outcomeOf`. */
  post(input: (requestId: number) => MasterInput): number {
    const requestId = this.#next++;
    this.step(input(requestId));
    return requestId;
  }

  /** How a request was answered, if it was. */
  outcomeOf(requestId: number): Result<void> | undefined {
    return this.#outcomes.get(requestId);
  }

  #request(input: (requestId: number) => MasterInput): Result<void> {
    return must(this.outcomeOf(this.post(input)), "answer to a request");
  }

  #carryOut(effect: MasterEffect): MasterInput[] {
    switch (effect.kind) {
      case "sendEvent":
        this.streams.get(effect.streamId)?.events.push(effect.event);
        return [];
      case "closeStream": {
        const stream = this.streams.get(effect.streamId);
        if (stream !== undefined) stream.isClosed = true;
        return [];
      }
      case "operatorEvent":
        for (const operator of this.operators.values()) {
          if ((effect.streamId ?? operator.id) === operator.id) operator.events.push(effect.event);
        }
        return [];
      case "operatorSnapshot":
        this.operators.get(effect.streamId)?.events.push(snapshotOf(this.state));
        return [];
      case "closeOperatorStream": {
        const operator = this.operators.get(effect.streamId);
        if (operator !== undefined) operator.isClosed = true;
        this.operators.delete(effect.streamId);
        return [];
      }
      case "send":
        return this.#deliver(effect.linkId, messageOf(effect.message));
      case "closeLink": {
        const link = this.links.get(effect.linkId);
        if (link === undefined) return [];
        link.closedWith = effect.reason;
        this.links.delete(effect.linkId);
        return [{ kind: "linkClosed", linkId: effect.linkId }];
      }
      case "commit":
        if (this.holdsCommits) {
          this.#held.push(effect);
          return [];
        }
        return [
          {
            kind: "registryCommitted",
            token: effect.token,
            results: this.#apply(effect.operations),
          },
        ];
      case "setTimer":
        this.#timers.set(JSON.stringify(effect.timer), { timer: effect.timer, atMs: effect.atMs });
        return [];
      case "cancelTimer":
        this.#timers.delete(JSON.stringify(effect.timer));
        return [];
      case "respond":
        assert(!this.#outcomes.has(effect.requestId), "a request is answered once");
        this.#outcomes.set(effect.requestId, effect.outcome);
        return [];
      case "exit":
        this.exitReason = effect.reason;
        return [];
      case "log":
        this.logs.push(effect.message);
        return [];
    }
  }

  #deliver(linkId: LinkId, message: MasterToAgent): MasterInput[] {
    const link = this.links.get(linkId);
    if (link === undefined) return [];
    link.messages.push(message);
    if (message.kind !== "ping" || !link.answersPings) return [];
    const pong = { kind: "pong", number: message.number } as const;
    return [{ kind: "agentMessage", linkId, message: pong }];
  }

  #apply(operations: readonly RegistryOperation[]): Result<boolean>[] {
    return operations.map((operation) => applyOperation(this.registry, operation));
  }

  #fireDue(untilMs: number): void {
    for (let guard = 0; ; guard++) {
      assert(guard < 100_000, "timers come to rest");
      const due = [...this.#timers].filter(
        ([, { timer, atMs }]) => atMs <= untilMs + (timer.kind === "allocate" ? BATCHING_MS : 0),
      );
      const first = due.reduce<(typeof due)[number] | undefined>(
        (best, entry) => (best === undefined || entry[1].atMs < best[1].atMs ? entry : best),
        undefined,
      );
      if (first === undefined) return;
      const [key, { timer, atMs }] = first;
      this.#timers.delete(key);
      this.nowMs = Math.max(this.nowMs, atMs);
      this.#isFiring = true;
      this.step({ kind: "timer", timer });
      this.#isFiring = false;
    }
  }
}

/** An agent that does what it is told: keeps tasks, counts commands, reports when it returns. */
export class TestAgent {
  readonly world: World;
  readonly hostname: string;
  resources: Resource[];
  id: string | undefined;
  link: TestLink;
  /** As it first registered with, unless told. */
  capabilities: RegisterMessage["capabilities"] = AGENT_CAPABILITIES;
  lastCommand = 0;
  epoch: string = MASTER_ID;
  readonly tasks: Map<string, Task> = new Map();
  readonly frameworks: Map<string, FrameworkInfo> = new Map();

  constructor(world: World, hostname: string, resources: Resource[]) {
    this.world = world;
    this.hostname = hostname;
    this.resources = resources;
    this.link = { id: linkIdOf(0), messages: [], closedWith: undefined, answersPings: true };
  }

  /** Opens a link and registers with everything the agent has. */
  connect(changes: Partial<RegisterMessage> = {}): void {
    this.#hearId();
    // An agent lets go of its old link before it tries anew; a second one is for those with an id.
    if (this.id === undefined) this.disconnect();
    this.link = this.world.openLink();
    this.register(changes);
  }

  register(changes: Partial<RegisterMessage> = {}): void {
    this.world.tell(this.link, {
      kind: "register",
      agentInfo: {
        hostname: this.hostname,
        port: 5051,
        resources: this.resources,
        ...(this.id !== undefined && { id: { value: this.id } }),
      },
      version: "1.12.0",
      capabilities: this.capabilities,
      lastCommand: this.lastCommand,
      epoch: this.epoch,
      frameworks: [...this.frameworks.values()],
      executors: [],
      tasks: [...this.tasks.values()].map((task) => ({ task })),
      checkpointedResources: [],
      operations: [],
      ...changes,
    });
    this.#hearId();
  }

  disconnect(): void {
    this.world.closeLink(this.link);
  }

  /** Commands sent over the present link, whether carried out or not. */
  commands(): { number: number; command: AgentCommand }[] {
    return this.link.messages.flatMap((message) => (message.kind === "command" ? [message] : []));
  }

  /** Orders of one kind sent over the present link. */
  orders<Kind extends AgentCommand["kind"]>(
    kind: Kind,
  ): Extract<AgentCommand, { readonly kind: Kind }>[] {
    return this.commands().flatMap(({ command }) =>
      command.kind === kind ? [command as Extract<AgentCommand, { readonly kind: Kind }>] : [],
    );
  }

  /** Carries out what has arrived, in order, each once. */
  work(): void {
    for (const { number, command } of this.commands()) {
      if (number <= this.lastCommand) continue;
      this.lastCommand = number;
      this.#perform(command);
      this.world.tell(this.link, { kind: "commandDone", number });
    }
  }

  /** Reports a state of a task as the executor would. */
  update(
    stream: Pick<TestStream, "frameworkId">,
    taskId: string,
    state: TaskState,
    changes: Partial<TaskStatus> = {},
  ): void {
    const task = this.tasks.get(`${stream.frameworkId}/${taskId}`);
    const status = {
      task_id: { value: taskId },
      state,
      source: "SOURCE_EXECUTOR",
      uuid: uuidOf(`${taskId}${state}`),
      timestamp: this.world.nowMs / 1000,
      ...changes,
    } as const;
    if (task !== undefined) {
      this.tasks.set(`${stream.frameworkId}/${taskId}`, {
        ...task,
        state,
        // What the framework is to acknowledge, as the agent tells it when it registers.
        status_update_state: state,
        status_update_uuid: status.uuid,
      });
    }
    this.world.tell(this.link, {
      kind: "statusUpdate",
      frameworkId: stream.frameworkId,
      status,
      latestState: state,
    });
  }

  #hearId(): void {
    for (const message of this.link.messages) {
      if (message.kind === "registered") this.id = message.agentId;
    }
  }

  #start(framework: FrameworkInfo, task: TaskInfo): void {
    const frameworkId = must(framework.id, "id of a framework").value;
    this.frameworks.set(frameworkId, framework);
    this.tasks.set(`${frameworkId}/${task.task_id.value}`, {
      name: task.name,
      task_id: task.task_id,
      framework_id: { value: frameworkId },
      agent_id: task.agent_id,
      state: "TASK_STAGING",
      resources: task.resources,
      ...(task.executor !== undefined && { executor_id: task.executor.executor_id }),
    });
  }

  #perform(command: AgentCommand): void {
    if (command.kind === "runTask") this.#start(command.framework, command.task);
    if (command.kind === "runTaskGroup") {
      for (const task of command.taskGroup.tasks ?? []) this.#start(command.framework, task);
    }
    if (command.kind === "shutdownFramework") {
      this.frameworks.delete(command.frameworkId);
      for (const key of [...this.tasks.keys()]) {
        if (key.startsWith(`${command.frameworkId}/`)) this.tasks.delete(key);
      }
    }
    if (command.kind === "acknowledgeUpdate") {
      const key = `${command.frameworkId}/${command.taskId}`;
      const state = this.tasks.get(key)?.state ?? "TASK_STAGING";
      const isLast = command.uuid === uuidOf(`${command.taskId}${state}`);
      if (isLast && ["TASK_FINISHED", "TASK_FAILED", "TASK_KILLED"].includes(state)) {
        this.tasks.delete(key);
      }
    }
  }
}

/** Base64 of 16 bytes made from a text; equal texts give equal ids. */
export function uuidOf(text: string): string {
  return btoa(text.padEnd(16, ".").slice(0, 16));
}

/** `cpus:4;mem:1024;ports:[31000-32000]` as messages. */
export function resourcesOf(text: string): Resource[] {
  return text.split(";").map((part): Resource => {
    const [name = "", value = ""] = part.split(":");
    const range = /^\[(\d+)-(\d+)\]$/.exec(value);
    if (range === null) return { name, type: "SCALAR", scalar: { value: Number(value) } };
    const [begin, end] = [Number(range[1]), Number(range[2])];
    return { name, type: "RANGES", ranges: { range: [{ begin, end }] } };
  });
}

/** A command task for an offer's agent. */
export function taskFor(
  offer: Offer,
  id: string,
  resources = "cpus:1;mem:128",
  changes: Partial<TaskInfo> = {},
): TaskInfo {
  return {
    name: id,
    task_id: { value: id },
    agent_id: offer.agent_id,
    resources: resourcesOf(resources),
    command: { value: "sleep 1" },
    ...changes,
  };
}

/** All offers a stream got so far, oldest first. */
export function offersOf(stream: TestStream): Offer[] {
  return stream.events.flatMap((event) => event.offers?.offers ?? []);
}

export function lastOffer(stream: TestStream): Offer {
  return must(offersOf(stream).at(-1), "an offer");
}

/** All statuses a stream got so far, oldest first. */
export function statusesOf(stream: TestStream): TaskStatus[] {
  return stream.events.flatMap((event) =>
    event.update === undefined ? [] : [event.update.status],
  );
}

export function lastStatus(stream: TestStream): TaskStatus {
  return must(statusesOf(stream).at(-1), "a status");
}

export function eventTypes(stream: TestStream): string[] {
  return stream.events.map((event) => event.type ?? "");
}

/** Drops what a stream has got so far. */
export function forget(stream: TestStream): void {
  stream.events.length = 0;
}

/** Scalars of an offer by name. */
export function scalarsOf(offer: Offer): Record<string, number> {
  return Object.fromEntries(
    (offer.resources ?? []).flatMap(({ name, scalar }) =>
      scalar === undefined ? [] : [[name, scalar.value]],
    ),
  );
}

export const SUCCESS: Result<void> = ok(undefined);
