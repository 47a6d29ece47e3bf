/**
 * The agent's decisions as one pure machine (DESIGN §7): an input and the time go in, effects come
 * out, and everything it knows is plain data. The same core runs in the binary and the simulator.
 */
import { assert, unreachable } from "../../base/assert.ts";
import type { MasterToAgent } from "../../protocol/link-frames.ts";
import type { AgentOptions } from "./agent-options.ts";
import { receiveCommand, shutdownFramework } from "./commands.ts";
import {
  apiContainerLaunched,
  apiContainerLaunchFailed,
  apiContainerTerminated,
} from "./containers/api-containers.ts";
import { containerCall, leaveSession, leaveWait } from "./containers/container-control.ts";
import { newCounters } from "./counters.ts";
import type { AgentEffect } from "./effects.ts";
import { executorCall, executorSubscribed } from "./executor-calls.ts";
import {
  containerLaunched,
  containerLaunchFailed,
  containerTerminated,
  containerUpdateFailed,
  registrationTimedOut,
  shutdownTimedOut,
} from "./executors.ts";
import { endFallenGroups } from "./groups.ts";
import type { AgentInput, AgentTimer } from "./inputs.ts";
import { checkInvariants } from "./invariants.ts";
import { killTask } from "./kill.ts";
import { PING_TIMEOUT_MS, REGISTER_RETRY_MS_MIN } from "./limits.ts";
import { retryOperation } from "./operations.ts";
import { oversubscribable, preempt } from "./oversubscription/oversubscription.ts";
import { finishRecovery, recover } from "./recovery.ts";
import { linkDown, linkUp, loseLink, pinged, register, registered, stop } from "./registration.ts";
import type { AgentState } from "./state.ts";
import { log, type Step } from "./step.ts";
import { retryUpdate } from "./updates.ts";

/** What a core is made with. */
export interface AgentCoreDependencies {
  readonly options: AgentOptions;
  /** A new version 4 UUID in text form at each call. */
  readonly uuid: () => string;
}

/** See the header. Not reentrant; the first input must be `recovered`. */
export class AgentCore {
  readonly options: AgentOptions;
  /** Plain data for views; only the core changes it. */
  readonly state: AgentState;
  readonly #uuid: () => string;
  #nowMs = 0;

  constructor(dependencies: AgentCoreDependencies) {
    this.options = dependencies.options;
    this.#uuid = dependencies.uuid;
    this.state = {
      phase: "recovering",
      info: dependencies.options.info,
      bootId: "",
      epoch: undefined,
      lastCommand: 0,
      isLinkUp: false,
      registerRetryMs: REGISTER_RETRY_MS_MIN,
      pingTimeoutMs: PING_TIMEOUT_MS,
      frameworks: new Map(),
      completedFrameworks: [],
      streams: new Map(),
      containers: new Map(),
      apiContainers: new Map(),
      waiters: new Map(),
      counters: newCounters(),
      checkpointedResources: [],
      oversubscribable: [],
      oversubscribed: [],
      operations: new Map(),
      diskShortage: undefined,
      drain: undefined,
      drainStartMs: undefined,
    };
  }

  /**
   * Takes one input and returns what must be done, in the order effects.ts prescribes. `nowMs` is
   * milliseconds since the Unix epoch and never goes back.
   */
  step(input: AgentInput, nowMs: number): AgentEffect[] {
    assert(nowMs >= this.#nowMs, "time does not go back");
    this.#nowMs = nowMs;
    const effects: AgentEffect[] = [];
    if (this.state.phase === "stopped") return effects;
    const step: Step = {
      options: this.options,
      state: this.state,
      nowMs,
      uuid: this.#uuid,
      effects,
      fallen: [],
    };
    receive(step, input);
    endFallenGroups(step);
    return effects;
  }

  /** Checks the whole state; linear in its size, so for tests and the simulator. */
  assertInvariants(): void {
    checkInvariants(this.state);
  }
}

function receive(step: Step, input: AgentInput): void {
  switch (input.kind) {
    case "recovered":
      recover(step, input);
      break;
    case "linkUp":
      linkUp(step, input.epoch);
      break;
    case "linkDown":
      linkDown(step);
      break;
    case "masterMessage":
      receiveMessage(step, input.message);
      break;
    case "containerLaunched":
      if (apiContainerLaunched(step, input.containerId)) break;
      containerLaunched(step, input);
      break;
    case "containerLaunchFailed":
      if (apiContainerLaunchFailed(step, input.containerId, input.message)) break;
      containerLaunchFailed(step, input);
      finishRecovery(step);
      break;
    case "containerUpdateFailed":
      containerUpdateFailed(step, input.containerId, input.message);
      break;
    case "containerTerminated":
      if (apiContainerTerminated(step, input.containerId, input.termination)) break;
      containerTerminated(step, input.containerId, input.termination);
      finishRecovery(step);
      break;
    case "killRequested":
      killTask(step, input.frameworkId, input.taskId, undefined);
      break;
    case "executorCall":
      receiveCall(step, input);
      break;
    case "containerCall":
      containerCall(step, input.requestId, input.call, input.caller);
      break;
    case "containerCallLeft":
      leaveWait(step, input.requestId);
      break;
    case "sessionLeft":
      leaveSession(step, step.state.apiContainers.get(input.containerId));
      break;
    case "executorDisconnected":
      // A custom executor that lives comes back; one that does not ends its container.
      break;
    case "diskShortage":
      step.state.diskShortage = input.message;
      break;
    case "oversubscribable":
      oversubscribable(step, input.resources);
      break;
    case "qosCorrections":
      preempt(step, input.containerIds);
      break;
    case "timer":
      timerFired(step, input.timer);
      break;
    default:
      unreachable(input, "input");
  }
}

function receiveMessage(step: Step, message: MasterToAgent): void {
  if (!step.state.isLinkUp) return;
  switch (message.kind) {
    case "registered":
      registered(step, message);
      break;
    case "command":
      receiveCommand(step, message.number, message.command);
      break;
    case "ping":
      pinged(step, message);
      break;
    case "shutdown":
      shutdown(step, message.message);
      break;
    case "refused":
      loseLink(step, message.message);
      break;
    default:
      unreachable(message, "message");
  }
}

function receiveCall(step: Step, input: Extract<AgentInput, { kind: "executorCall" }>): void {
  const outcome = executorCall(step, input.call);
  step.effects.push({ kind: "respond", requestId: input.requestId, outcome });
  if (!outcome.ok || input.call.type !== "SUBSCRIBE") return;
  executorSubscribed(step, input.call);
  finishRecovery(step);
}

function timerFired(step: Step, timer: AgentTimer): void {
  switch (timer.kind) {
    case "retryUpdate":
      retryUpdate(step, timer);
      break;
    case "register":
      register(step);
      break;
    case "pingTimeout":
      loseLink(step, `the master did not ping for ${step.state.pingTimeoutMs} ms`);
      break;
    case "executorRegistration":
      registrationTimedOut(step, timer.containerId);
      finishRecovery(step);
      break;
    case "retryOperation":
      retryOperation(step, timer.operationUuid);
      break;
    case "executorShutdown":
      shutdownTimedOut(step, timer.containerId);
      break;
    default:
      unreachable(timer, "timer");
  }
}

/** Semantics 2.8: end everything, then the process. */
function shutdown(step: Step, reason: string): void {
  log(step, "warning", "the master shuts this agent down", { reason });
  step.state.phase = "terminating";
  for (const framework of [...step.state.frameworks.values()]) shutdownFramework(step, framework);
  if (step.state.containers.size === 0) stop(step, reason);
}
