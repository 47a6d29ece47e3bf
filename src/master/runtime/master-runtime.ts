/**
 * Runs a MasterCore for real: queues packets and inputs, steps the core within the turns of the
 * event loop and carries out its effects in order. Holds the open streams, links, timers and waiting
 * requests; decides nothing.
 */

import { Coalescer } from "../../base/coalescer.ts";
import { Durations } from "../../base/durations.ts";
import { brand, type LinkId, linkIdOf, type StreamId } from "../../base/ids.ts";
import { NumberMap } from "../../base/number-map.ts";
import type { Clock, Log, Rng } from "../../base/ports.ts";
import { type Result, refuse } from "../../base/result.ts";
import { KeyedTimers, steadyNow } from "../../base/timers.ts";
import { type Lane, Turns } from "../../base/turns.ts";
import type { AgentToMaster, StreamRequest } from "../../protocol/link-frames.ts";
import type {
  MasterCall,
  MasterInfo,
  SchedulerCall,
  SchedulerCallSubscribe,
} from "../../protocol/v1/types.ts";
import type { MasterEffect } from "../core/effects.ts";
import type { MasterInput, MasterTimer } from "../core/inputs.ts";
import type { MasterCore } from "../core/master-core.ts";
import { reconnectSpreadMs } from "../core/pings.ts";
import type { MasterState } from "../core/state.ts";
import type { WhySources } from "../core/views/why.ts";
import { OperatorStreams } from "./operator-streams.ts";
import type { AgentLink, EventSink, OperatorSink, PacketReceiver, RegistryStore } from "./ports.ts";

/** Work of one turn of the event loop: well under the bound of a stall, 50 ms, with room for others. */
const TURN_MS = 10;
/** Under load an agent or a framework is written to so often; a lone message is not held up. */
const WRITE_PAUSE_MS = 2;

export interface MasterRuntimeOptions {
  readonly core: MasterCore;
  readonly info: MasterInfo;
  readonly version: string;
  readonly heartbeatMs: number;
  readonly registry: RegistryStore;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Log;
  /** Asked before each input; false, once another master may lead, and nothing is acted on any more. */
  readonly mayAct?: (() => boolean) | undefined;
  /** Called whenever some work is done. */
  readonly workDone?: (() => void) | undefined;
  /** The master cannot go on (registry failed, invariant broken): end the process loudly. */
  onFatal(error: unknown): void;
}

/** What is worked off in the order of its arrival, before the messages that packets hold. */
interface Arrival {
  receive(): void;
}

/** What came over a connection; no data: the connection is closed. */
class Packet implements Arrival {
  readonly #connection: PacketReceiver;
  readonly #data: Uint8Array | undefined;

  constructor(connection: PacketReceiver, data: Uint8Array | undefined) {
    this.#connection = connection;
    this.#data = data;
  }

  receive(): void {
    if (this.#data === undefined) this.#connection.closed();
    else this.#connection.message(this.#data);
  }
}

class PacedReceiver implements PacketReceiver {
  readonly #arrivals: Lane<Arrival>;
  readonly #connection: PacketReceiver;

  constructor(arrivals: Lane<Arrival>, connection: PacketReceiver) {
    this.#arrivals = arrivals;
    this.#connection = connection;
  }

  message(data: Uint8Array): void {
    this.#arrivals.push(new Packet(this.#connection, data));
  }

  drained(): void {
    this.#connection.drained();
  }

  closed(): void {
    this.#arrivals.push(new Packet(this.#connection, undefined));
  }
}

export class MasterRuntime {
  readonly info: MasterInfo;
  readonly version: string;
  readonly heartbeatMs: number;
  /** When links and event streams pass on what was written to them. */
  readonly writes: Coalescer;
  readonly #options: MasterRuntimeOptions;
  readonly #now: () => number;
  readonly #queue: Lane<MasterInput>;
  readonly #calls: Lane<MasterInput>;
  readonly #arrivals: Lane<Arrival>;
  readonly #timers: KeyedTimers;
  readonly #streams = new Map<StreamId, EventSink>();
  readonly #operators: OperatorStreams;
  readonly #links = new NumberMap<LinkId, AgentLink>();
  readonly #requests = new Map<number, (outcome: Result<void>) => void>();
  readonly #allocationMs = new Durations();
  /** From the time a run was due until it began. */
  readonly #allocationDelayMs = new Durations();
  #allocationDueMs = 0;
  #isOver = false;
  #nextRequest = 1;
  #nextLink = 1;

  constructor(options: MasterRuntimeOptions) {
    this.info = options.info;
    this.version = options.version;
    this.heartbeatMs = options.heartbeatMs;
    this.#options = options;
    this.#now = steadyNow(options.clock);
    this.#timers = new KeyedTimers(options.clock);
    this.#operators = new OperatorStreams((streamId) =>
      this.#queue.push({ kind: "operatorStreamClosed", streamId }),
    );
    const { clock } = options;
    this.writes = new Coalescer({
      clock,
      pauseMs: WRITE_PAUSE_MS,
      soon: (flush) => clock.nextTurn(flush),
    });
    const turns = new Turns({
      clock,
      turnMs: TURN_MS,
      soon: queueMicrotask,
      turnEnded: () => options.workDone?.(),
    });
    this.#queue = turns.lane((input) => this.#step(input));
    // Schedulers of Mesos' own library send calls without waiting for answers, and Bun cuts a
    // connection on which a request arrives before the last one's answer is there.
    this.#calls = turns.urgentLane((input) => this.#step(input));
    this.#arrivals = turns.lane((arrival) => arrival.receive());
  }

  /** Loads the registry and begins to act. */
  start(): void {
    this.#step({ kind: "recovered", registry: this.#options.registry.load() });
  }

  /** What the master knows now, for reading only, within the same turn of the event loop. */
  get state(): MasterState {
    return this.#options.core.state;
  }

  /** What `views/why.ts` reads. */
  whySources(): WhySources {
    const { core } = this.#options;
    const nowMs = this.#now();
    const explain: WhySources["explain"] = (id, role) => core.explain(id, role, nowMs);
    return { state: core.state, explain, nowMs };
  }

  /** Epoch milliseconds that never go back. */
  nowMs(): number {
    return this.#now();
  }

  /** Every metric of the master by its Mesos name. O(frameworks + roles). */
  metrics(): Record<string, number> {
    return {
      ...this.#options.core.metrics(this.#now()),
      ...this.#options.registry.metrics(),
      ...this.#allocationMs.metrics("allocator/mesos/allocation_run_ms"),
      ...this.#allocationDelayMs.metrics("allocator/mesos/allocation_run_latency_ms"),
      "master/event_queue_messages": this.#arrivals.length,
      "master/event_queue_dispatches": this.#queue.length,
      "master/event_queue_http_requests": this.#requests.size,
      // The allocator has no queue: it runs in the master's turn.
      "allocator/event_queue_dispatches": 0,
      "allocator/mesos/event_queue_dispatches": 0,
    };
  }

  /** Opens a scheduler's stream; events arrive at `sink`, the first one being SUBSCRIBED or ERROR. */
  subscribe(
    makeSink: (streamId: StreamId) => EventSink,
    subscribe: SchedulerCallSubscribe,
    principal: string | undefined,
  ): StreamId {
    const streamId = brand<StreamId>(this.#options.rng.uuid());
    this.#streams.set(streamId, makeSink(streamId));
    // In the lane of the calls that may follow before SUBSCRIBED is there.
    this.#calls.push({ kind: "subscribe", streamId, subscribe, principal });
    return streamId;
  }

  /** The scheduler hung up or was cut. Safe to repeat. */
  streamClosed(streamId: StreamId): void {
    if (this.#streams.delete(streamId)) this.#queue.push({ kind: "streamClosed", streamId });
  }

  /** Opens an operator's stream: the state as it is when its turn comes, then what happens. */
  operatorSubscribe(makeSink: (streamId: StreamId) => OperatorSink): void {
    const streamId = brand<StreamId>(this.#options.rng.uuid());
    this.#operators.open(streamId, makeSink(streamId));
    this.#queue.push({ kind: "operatorSubscribe", streamId });
  }

  /** The operator hung up. Safe to repeat. */
  operatorStreamClosed(streamId: StreamId): void {
    if (!this.#operators.forget(streamId)) return;
    this.#queue.push({ kind: "operatorStreamClosed", streamId });
  }

  /** A scheduler call other than SUBSCRIBE; resolves when the core has taken or refused it. */
  call(
    call: SchedulerCall,
    streamId: string | undefined,
    principal: string | undefined,
  ): Promise<Result<void>> {
    return this.#request(this.#calls, (requestId) => ({
      kind: "schedulerCall",
      requestId,
      call,
      streamId,
      principal,
    }));
  }

  /** Ends a task in an operator's name. */
  killTask(
    taskId: string,
    frameworkId: string | undefined,
    graceMs: number | undefined,
    principal: string | undefined,
  ): Promise<Result<void>> {
    return this.#request(this.#queue, (requestId) => ({
      kind: "operatorKill",
      requestId,
      frameworkId,
      taskId,
      graceMs,
      principal,
    }));
  }

  /** A call of the operator API that changes something; resolves when it is done and durable. */
  operatorCall(call: MasterCall, principal: string | undefined): Promise<Result<void>> {
    return this.#request(this.#queue, (requestId) => ({
      kind: "operatorCall",
      requestId,
      call,
      principal,
    }));
  }

  /** From now on only agents with these host names are offered. */
  setWhitelist(hostnames: ReadonlySet<string>): void {
    this.#queue.push({ kind: "whitelist", hostnames });
  }

  /** Up to a minute, growing with the number of agents that would come back at once. */
  reconnectSpreadMs(): number {
    return reconnectSpreadMs(this.#options.core.state);
  }

  /**
   * Stands before a connection so that reading its packets shares the turns of the event loop with
   * all other work; the order of one connection is kept, its end included.
   */
  paced(connection: PacketReceiver): PacketReceiver {
    return new PacedReceiver(this.#arrivals, connection);
  }

  /** Calls back once all packets that have arrived by now are read. */
  afterArrivals(callback: () => void): void {
    this.#arrivals.push({ receive: callback });
  }

  linkOpened(link: AgentLink, remoteIp: string): LinkId {
    const linkId = linkIdOf(this.#nextLink++);
    this.#links.set(linkId, link);
    this.#queue.push({ kind: "linkOpened", linkId, remoteIp });
    return linkId;
  }

  linkMessage(linkId: LinkId, message: AgentToMaster): void {
    const input = { kind: "agentMessage", linkId, message } as const;
    if (message.kind === "pong") this.#step(input);
    else this.#queue.push(input);
  }

  linkClosed(linkId: LinkId): void {
    if (this.#links.delete(linkId)) this.#queue.push({ kind: "linkClosed", linkId });
  }

  /** Bytes from a connected agent; undefined when it has no link now. */
  openAgentStream(agentId: string, request: StreamRequest): ReadableStream<Uint8Array> | undefined {
    for (const agent of this.#options.core.state.agents.values()) {
      if (agent.id !== agentId || agent.linkId === undefined) continue;
      return this.#links.get(agent.linkId)?.openStream(request);
    }
    return undefined;
  }

  /** Stops timers and closes every stream and link; nothing is sent any more. */
  stop(): void {
    this.#isOver = true;
    this.#timers.cancelAll();
    for (const sink of this.#streams.values()) sink.close();
    this.#operators.closeAll();
    for (const link of this.#links.values()) link.close("master stops");
    this.#streams.clear();
    this.#links.clear();
    const refusal = refuse("notReady", "This master does not lead any more; ask again");
    for (const resolve of this.#requests.values()) resolve(refusal);
    this.#requests.clear();
  }

  #request(
    lane: Lane<MasterInput>,
    input: (requestId: number) => MasterInput,
  ): Promise<Result<void>> {
    const requestId = this.#nextRequest++;
    return new Promise((resolve) => {
      this.#requests.set(requestId, resolve);
      lane.push(input(requestId));
    });
  }

  #step(input: MasterInput): void {
    if (this.#isOver) return;
    if (this.#options.mayAct?.() === false) {
      this.#isOver = true;
      return;
    }
    const isAllocation = input.kind === "timer" && input.timer.kind === "allocate";
    const startMs = this.#now();
    if (isAllocation) this.#allocationDelayMs.add(Math.max(0, startMs - this.#allocationDueMs));
    try {
      for (const effect of this.#options.core.step(input, startMs)) this.#carryOut(effect);
      if (isAllocation) this.#allocationMs.add(this.#now() - startMs);
    } catch (error) {
      this.#options.log.write("error", "master core failed", { input: input.kind, error });
      this.#options.onFatal(error);
    }
  }

  #carryOut(effect: MasterEffect): void {
    switch (effect.kind) {
      case "sendEvent":
        if (this.#streams.get(effect.streamId)?.send(effect.event) === false) {
          this.streamClosed(effect.streamId);
        }
        return;
      case "closeStream":
        this.#streams.get(effect.streamId)?.close();
        this.#streams.delete(effect.streamId);
        return;
      case "operatorEvent":
        if (effect.streamId === undefined) this.#operators.publish(effect.event);
        else this.#operators.send(effect.streamId, effect.event);
        return;
      case "operatorSnapshot":
        this.#operators.begin(effect.streamId);
        return;
      case "closeOperatorStream":
        this.#operators.close(effect.streamId);
        return;
      case "send":
        this.#links.get(effect.linkId)?.send(effect.message);
        return;
      case "closeLink":
        this.#links.get(effect.linkId)?.close(effect.reason);
        return;
      case "commit":
        this.#commit(effect);
        return;
      case "setTimer": {
        const { timer } = effect;
        if (timer.kind === "allocate") this.#allocationDueMs = effect.atMs;
        this.#timers.set(keyOf(timer), effect.atMs - this.#now(), () => this.#timeIsUp(timer));
        return;
      }
      case "cancelTimer":
        this.#timers.cancel(keyOf(effect.timer));
        return;
      case "respond":
        this.#requests.get(effect.requestId)?.(effect.outcome);
        this.#requests.delete(effect.requestId);
        return;
      case "exit":
        this.#options.onFatal(new Error(effect.reason));
        return;
      case "log":
        this.#options.log.write(effect.level, effect.message, effect.fields);
        return;
    }
  }

  /**
   * Agents and subscribers give up a master of whom they hear nothing, so that what is said to them
   * for that does not wait behind the messages of a whole cluster. Behind the packets it does wait:
   * who has answered a ping by the end of its period is never taken for silent.
   */
  #timeIsUp(timer: MasterTimer): void {
    const input = { kind: "timer", timer } as const;
    if (SIGNS_OF_LIFE.has(timer.kind)) this.afterArrivals(() => this.#step(input));
    else this.#queue.push(input);
  }

  #commit(effect: Extract<MasterEffect, { kind: "commit" }>): void {
    this.#options.registry.commit(effect.operations).then(
      (results) => this.#queue.push({ kind: "registryCommitted", token: effect.token, results }),
      (error: unknown) => {
        if (!this.#isOver) this.#options.onFatal(error);
      },
    );
  }
}

const SIGNS_OF_LIFE: ReadonlySet<MasterTimer["kind"]> = new Set([
  "ping",
  "heartbeat",
  "operatorHeartbeat",
]);

/** Equal for timers of equal value. */
function keyOf(timer: MasterTimer): string {
  switch (timer.kind) {
    case "heartbeat":
    case "operatorHeartbeat":
      return `${timer.kind} ${timer.streamId}`;
    case "failover":
      return `${timer.kind} ${timer.frameworkId}`;
    case "reregister":
      return `${timer.kind} ${timer.agentId}`;
    case "offerTimeout":
      return `${timer.kind} ${timer.offerId}`;
    default:
      return timer.kind;
  }
}
