/**
 * A small world for random schedules: one agent core with real command executors, a disk that keeps
 * only what was committed, processes that outlive the agent, and a master's end of the link that
 * resends commands and forgets duplicates. What the master saw is the judge.
 */
import { AgentCore } from "../../../src/agent/core/agent-core.ts";
import type { AgentEffect, ContainerLaunch } from "../../../src/agent/core/effects.ts";
import type { AgentInput, AgentTimer } from "../../../src/agent/core/inputs.ts";
import type { ContainerResult } from "../../../src/containerizer/containerizer.ts";
import {
  CommandExecutor,
  type CommandExecutorInput,
} from "../../../src/executor/command-executor.ts";
import { uuidToBase64 } from "../../../src/protocol/base64.ts";
import type { AgentCommand, AgentToMaster } from "../../../src/protocol/link-frames.ts";
import type { TaskStatus } from "../../../src/protocol/v1/types.ts";
import { agentOptions, commandTask, framework, PARTITION_AWARE } from "./agent-harness.ts";
import { MemoryCheckpoint } from "./memory-checkpoint.ts";

export interface SimulatedProcess {
  readonly taskId: string;
  isAlive: boolean;
  isTermSent: boolean;
  result: ContainerResult | undefined;
}

interface Hosted {
  readonly launch: ContainerLaunch;
  readonly executor: CommandExecutor | undefined;
  timerAtMs: number | undefined;
  /** Results that have not come back yet. */
  readonly probes: CommandExecutorInput[];
}

const FRAMEWORK = framework("fw", PARTITION_AWARE);
const EPOCH = "master";

export class AgentWorld {
  readonly disk: MemoryCheckpoint = new MemoryCheckpoint();
  /** By container id; survives the agent. */
  readonly processes: Map<string, SimulatedProcess> = new Map();
  /** First sightings at the master, in order, by task. */
  readonly seen: Map<string, TaskStatus[]> = new Map();
  readonly started: Map<string, number> = new Map();
  readonly killed: Set<string> = new Set();
  nowMs = 1_000;
  #core: AgentCore | undefined;
  #hosted = new Map<string, Hosted>();
  #launching: ContainerLaunch[] = [];
  #timers = new Map<string, { readonly timer: AgentTimer; readonly atMs: number }>();
  #inputs: AgentInput[] = [];
  #isConnected = false;
  #isRegistered = false;
  #commands: AgentCommand[] = [];
  #delivered = 0;
  #confirmed = 0;
  #uuids = 0;
  #tasks = 0;
  #probes = 0;

  constructor() {
    this.start();
  }

  get isRunning(): boolean {
    return this.#core !== undefined;
  }

  get core(): AgentCore {
    if (this.#core === undefined) throw new Error("the agent is down");
    return this.#core;
  }

  get tasks(): number {
    return this.#tasks;
  }

  /** Everything that was asked for is over, told and acknowledged. */
  get isQuiet(): boolean {
    if (this.#core === undefined || this.#inputs.length > 0 || this.#launching.length > 0)
      return false;
    const isDelivered = this.#confirmed === this.#commands.length;
    return (
      isDelivered && this.core.state.streams.size === 0 && this.core.state.containers.size === 0
    );
  }

  start(): void {
    if (this.#core !== undefined) return;
    this.#core = new AgentCore({ options: agentOptions(), uuid: () => this.#uuid() });
    const known = new Set([...this.disk.executors.values()].map(({ containerId }) => containerId));
    const alive = new Set<string>();
    const terminations = new Map<string, ContainerResult>();
    for (const [containerId, process] of this.processes) {
      if (!known.has(containerId)) {
        process.isAlive = false;
      } else if (process.isAlive) {
        alive.add(containerId);
      } else if (process.result !== undefined) {
        terminations.set(containerId, process.result);
      }
    }
    const checkpoint = this.disk.load();
    this.#inputs = [{ kind: "recovered", checkpoint, bootId: "boot", alive, terminations }];
    this.handle(1, Number.POSITIVE_INFINITY);
  }

  /** The agent process dies now. */
  crash(): void {
    this.#core = undefined;
    this.#hosted.clear();
    this.#launching = [];
    this.#timers.clear();
    this.#inputs = [];
    this.disconnect();
  }

  /**
   * Puts up to `count` inputs through the core in one transaction. With `survivors` below the
   * number of effects, the process dies after carrying out that many; with a negative number, it
   * dies before the transaction.
   */
  handle(count: number, survivors: number): void {
    const inputs = this.#inputs.splice(0, count);
    const effects: AgentEffect[] = [];
    for (const input of inputs) {
      effects.push(...this.core.step(input, this.nowMs));
      this.core.assertInvariants();
    }
    if (survivors < 0) {
      this.crash();
      return;
    }
    this.disk.apply(
      effects.flatMap((effect) => (effect.kind === "checkpoint" ? [effect.operation] : [])),
    );
    const visible = effects.filter((effect) => effect.kind !== "checkpoint");
    for (const effect of visible.slice(0, survivors)) this.#carryOut(effect);
    if (survivors < visible.length) this.crash();
  }

  connect(): void {
    if (this.#isConnected || this.#core === undefined) return;
    this.#isConnected = true;
    this.#inputs.push({ kind: "linkUp", epoch: EPOCH });
  }

  disconnect(): void {
    if (!this.#isConnected) return;
    this.#isConnected = false;
    this.#isRegistered = false;
    if (this.#core !== undefined) this.#inputs.push({ kind: "linkDown" });
  }

  launchTask(): void {
    this.#tasks += 1;
    const times = { delay_seconds: 1, interval_seconds: 2, grace_period_seconds: 1 };
    const isChecked = this.#tasks % 2 === 0;
    const task = commandTask(`t${this.#tasks}`, {
      ...(isChecked && {
        health_check: { type: "COMMAND", command: { value: "true" }, ...times },
        check: { type: "COMMAND", command: { command: { value: "true" } }, interval_seconds: 3 },
      }),
    });
    this.#commands.push({ kind: "runTask", framework: FRAMEWORK, task, launchesExecutor: false });
    this.#sendCommands();
  }

  killTask(number: number): void {
    const taskId = `t${number}`;
    if (this.#lastSeen(taskId) !== undefined && isTerminal(this.#lastSeen(taskId))) return;
    this.killed.add(taskId);
    this.#commands.push({ kind: "killTask", frameworkId: "fw", taskId });
    this.#sendCommands();
  }

  /** One of the pending launches gets its process. */
  startProcess(choice: number): void {
    const [launch] = this.#launching.splice(choice % Math.max(1, this.#launching.length), 1);
    if (launch === undefined) return;
    const { containerId, executorId } = launch;
    this.processes.set(containerId, {
      taskId: executorId,
      isAlive: true,
      isTermSent: false,
      result: undefined,
    });
    this.started.set(executorId, (this.started.get(executorId) ?? 0) + 1);
    this.#inputs.push({ kind: "containerLaunched", containerId, pid: 7 });
    this.#drive(containerId, { kind: "launched", pid: 7 });
  }

  failLaunch(choice: number): void {
    const [launch] = this.#launching.splice(choice % Math.max(1, this.#launching.length), 1);
    if (launch === undefined) return;
    const { containerId } = launch;
    this.#hosted.delete(containerId);
    this.#inputs.push({ kind: "containerLaunchFailed", containerId, message: "no" });
  }

  exitProcess(choice: number, code: number): void {
    const alive = [...this.processes].filter(([, process]) => process.isAlive);
    const [containerId] = alive[choice % Math.max(1, alive.length)] ?? [];
    if (containerId !== undefined) this.#end(containerId, { exit: { kind: "exited", code } });
  }

  advance(ms: number): void {
    this.nowMs += ms;
    for (const [key, { timer, atMs }] of [...this.#timers]) {
      if (atMs > this.nowMs) continue;
      this.#timers.delete(key);
      this.#inputs.push({ kind: "timer", timer });
    }
    for (const [containerId, hosted] of [...this.#hosted]) {
      for (const result of hosted.probes.splice(0)) this.#drive(containerId, result);
      if (hosted.timerAtMs === undefined || hosted.timerAtMs > this.nowMs) continue;
      hosted.timerAtMs = undefined;
      this.#drive(containerId, { kind: "timer" });
    }
  }

  #carryOut(effect: AgentEffect): void {
    switch (effect.kind) {
      case "send":
        if (this.#isConnected) this.#receive(effect.message);
        break;
      case "reconnect":
        this.disconnect();
        break;
      case "launchContainer":
        this.#host(effect.launch);
        this.#launching.push(effect.launch);
        break;
      case "adoptContainer":
        this.#host(effect.launch);
        this.#drive(effect.launch.containerId, {
          kind: "adopted",
          pid: 7,
          isRunningReported: effect.isRunningReported,
          kill: effect.kill,
          launchedAtMs: undefined,
          checked: effect.checked,
        });
        break;
      case "destroyContainer": {
        const process = this.processes.get(effect.containerId);
        if (process?.isAlive === true) {
          this.#end(effect.containerId, { exit: { kind: "signaled", signal: 9 } });
        }
        break;
      }
      case "cleanupContainer":
        this.processes.delete(effect.containerId);
        break;
      case "executorEvent": {
        const hosted = [...this.#hosted.values()].find(
          ({ launch }) => launch.executorId === effect.executorId,
        );
        if (hosted !== undefined) {
          this.#drive(hosted.launch.containerId, { kind: "event", event: effect.event });
        }
        break;
      }
      case "setTimer":
        this.#timers.set(JSON.stringify(effect.timer), effect);
        break;
      case "cancelTimer":
        this.#timers.delete(JSON.stringify(effect.timer));
        break;
      case "exit":
        throw new Error(`unexpected exit: ${effect.reason}`);
      default:
        break;
    }
  }

  #receive(message: AgentToMaster): void {
    if (message.kind === "register") {
      this.#isRegistered = true;
      this.#delivered = message.epoch === EPOCH ? message.lastCommand : 0;
      this.#confirmed = Math.max(this.#confirmed, this.#delivered);
      this.#inputs.push({
        kind: "masterMessage",
        message: {
          kind: "registered",
          agentId: "S0",
          totalPingTimeoutMs: 1e12,
          isReregistration: false,
        },
      });
      this.#sendCommands();
    } else if (message.kind === "commandDone") {
      this.#confirmed = Math.max(this.#confirmed, message.number);
    } else if (message.kind === "statusUpdate") {
      this.#see(message.status);
    }
  }

  #see(status: TaskStatus): void {
    const taskId = status.task_id.value;
    const seen = this.seen.get(taskId) ?? [];
    this.seen.set(taskId, seen);
    if (!seen.some(({ uuid }) => uuid === status.uuid)) seen.push(status);
    const uuid = status.uuid ?? "";
    this.#commands.push({ kind: "acknowledgeUpdate", frameworkId: "fw", taskId, uuid });
    this.#sendCommands();
  }

  #sendCommands(): void {
    if (!this.#isConnected || !this.#isRegistered) return;
    while (this.#delivered < this.#commands.length) {
      const command = this.#commands[this.#delivered];
      if (command === undefined) throw new Error("no such command");
      this.#delivered += 1;
      const message = { kind: "command", number: this.#delivered, command } as const;
      this.#inputs.push({ kind: "masterMessage", message });
    }
  }

  #host(launch: ContainerLaunch): void {
    // Without a task when the task was killed, and that acknowledged, before its process was there.
    const executor =
      launch.commandTask &&
      new CommandExecutor({
        framework: launch.framework,
        executor: launch.executor,
        frameworkId: launch.frameworkId,
        task: launch.commandTask,
        executorShutdownGraceMs: 5000,
        newUuid: () => uuidToBase64(this.#uuid()) ?? "",
      });
    this.#hosted.set(launch.containerId, { launch, executor, timerAtMs: undefined, probes: [] });
  }

  #drive(containerId: string, input: CommandExecutorInput): void {
    const hosted = this.#hosted.get(containerId);
    if (hosted?.executor === undefined) return;
    for (const effect of hosted.executor.step(input, this.nowMs)) {
      if (effect.kind === "call") {
        this.#inputs.push({ kind: "executorCall", requestId: 0, call: effect.call });
      } else if (effect.kind === "requestKill") {
        const taskId = hosted.launch.commandTask?.task_id.value ?? "";
        this.killed.add(taskId);
        this.#inputs.push({ kind: "killRequested", frameworkId: "fw", taskId });
      } else if (effect.kind === "probe") {
        // Every other probe of a health check goes wrong.
        this.#probes += 1;
        const result = { kind: "exited" as const, code: this.#probes % 2 };
        hosted.probes.push({ kind: "probed", which: effect.due.which, result });
      } else if (effect.kind === "setTimer") {
        hosted.timerAtMs = effect.atMs;
      } else if (effect.kind === "cancelTimer") {
        hosted.timerAtMs = undefined;
      } else if (effect.signal === "SIGKILL") {
        this.#end(containerId, { exit: { kind: "signaled", signal: 9 } });
      } else {
        const process = this.processes.get(containerId);
        if (process !== undefined) process.isTermSent = true;
      }
    }
  }

  #end(containerId: string, result: ContainerResult): void {
    const process = this.processes.get(containerId);
    if (process?.isAlive !== true) return;
    process.isAlive = false;
    process.result = result;
    const hosted = this.#hosted.get(containerId);
    if (this.#core === undefined || hosted === undefined) return;
    this.#drive(containerId, { kind: "exited", result });
    this.#hosted.delete(containerId);
    this.#inputs.push({
      kind: "containerTerminated",
      containerId: hosted.launch.containerId,
      termination: result,
    });
  }

  #lastSeen(taskId: string): TaskStatus | undefined {
    return this.seen.get(taskId)?.at(-1);
  }

  #uuid(): string {
    this.#uuids += 1;
    return `00000000-0000-4000-8000-${this.#uuids.toString(16).padStart(12, "0")}`;
  }
}

export function isTerminal(status: TaskStatus | undefined): boolean {
  const live = ["TASK_STAGING", "TASK_STARTING", "TASK_RUNNING", "TASK_KILLING"];
  return status !== undefined && !live.includes(status.state);
}
