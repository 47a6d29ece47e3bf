/**
 * A real agent without its wire: real containerizer, real SQLite, real processes. The master is a
 * small honest one that resends commands and acknowledges updates.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Checkpoint } from "../../../src/agent/checkpoint/checkpoint.ts";
import type { AgentOptions } from "../../../src/agent/core/agent-options.ts";
import { AgentRuntime } from "../../../src/agent/runtime/agent-runtime.ts";
import { readBootId } from "../../../src/agent/runtime/boot-id.ts";
import type { CheckpointStore } from "../../../src/agent/runtime/ports.ts";
import type { Log } from "../../../src/base/ports.ts";
import { MesosContainerizer } from "../../../src/containerizer/mesos-containerizer.ts";
import { loadSqlite } from "../../../src/platform/sqlite.ts";
import { systemClock, systemRng } from "../../../src/platform/system.ts";
import type { AgentCommand, AgentToMaster } from "../../../src/protocol/link-frames.ts";
import type { FrameworkInfo, TaskInfo, TaskStatus } from "../../../src/protocol/v1/types.ts";
import { NO_FETCHER } from "../../harness/no-fetcher.ts";
import { agentOptions } from "../core/agent-harness.ts";

export class FakeMaster {
  readonly updates: TaskStatus[] = [];
  readonly registrations: Extract<AgentToMaster, { kind: "register" }>[] = [];
  /** Numbers of commands that were said to be done, as they came. */
  readonly confirmations: number[] = [];
  isAcknowledging = true;
  /** As a real master's id: new with each process. */
  readonly epoch: string = systemRng.uuid();
  readonly #commands: AgentCommand[] = [];
  readonly #waiters: (() => void)[] = [];
  #runtime: AgentRuntime | undefined;

  attach(runtime: AgentRuntime): void {
    this.#runtime = runtime;
    runtime.input({ kind: "linkUp", epoch: this.epoch });
  }

  detach(): void {
    this.#runtime = undefined;
  }

  receive(message: AgentToMaster): void {
    if (message.kind === "register") this.#register(message);
    if (message.kind === "statusUpdate") this.#update(message);
    if (message.kind === "commandDone") this.confirmations.push(message.number);
    for (const wake of this.#waiters.splice(0)) wake();
  }

  command(command: AgentCommand): void {
    this.#commands.push(command);
    this.#send(this.#commands.length, command);
  }

  run(framework: FrameworkInfo, task: TaskInfo): void {
    this.command({ kind: "runTask", framework, task, launchesExecutor: true });
  }

  /** States of a task in order, repeats left out. */
  statesOf(taskId: string): string[] {
    return this.statusesOf(taskId).map(({ state }) => state);
  }

  statusesOf(taskId: string): TaskStatus[] {
    return this.updates.filter((status) => status.task_id.value === taskId);
  }

  async until(what: string, condition: () => boolean): Promise<void> {
    const deadline = Date.now() + 15_000;
    while (!condition()) {
      if (Date.now() > deadline) {
        throw new Error(`${what} did not happen: ${JSON.stringify(this.updates.slice(-5))}`);
      }
      await new Promise<void>((resolve) => {
        const cancel = systemClock.schedule(50, resolve);
        this.#waiters.push(() => {
          cancel();
          resolve();
        });
      });
    }
  }

  untilState(taskId: string, state: string): Promise<void> {
    return this.until(`${taskId} ${state}`, () => this.statesOf(taskId).includes(state));
  }

  #register(message: Extract<AgentToMaster, { kind: "register" }>): void {
    this.registrations.push(message);
    this.#runtime?.input({
      kind: "masterMessage",
      message: {
        kind: "registered",
        agentId: message.agentInfo.id?.value ?? "master-1-S0",
        totalPingTimeoutMs: 75_000,
        isReregistration: message.agentInfo.id !== undefined,
      },
    });
    const from = message.epoch === this.epoch ? message.lastCommand : 0;
    for (const [index, command] of this.#commands.entries()) {
      if (index >= from) this.#send(index + 1, command);
    }
  }

  #update(message: Extract<AgentToMaster, { kind: "statusUpdate" }>): void {
    const { status, frameworkId } = message;
    if (!this.updates.some(({ uuid }) => uuid === status.uuid)) this.updates.push(status);
    if (!this.isAcknowledging) return;
    this.command({
      kind: "acknowledgeUpdate",
      frameworkId,
      taskId: status.task_id.value,
      uuid: status.uuid ?? "",
    });
  }

  #send(number: number, command: AgentCommand): void {
    this.#runtime?.input({ kind: "masterMessage", message: { kind: "command", number, command } });
  }
}

export class AgentFixture {
  readonly folder: string;
  readonly master: FakeMaster = new FakeMaster();
  readonly log: string[] = [];
  fatal: unknown;
  exit: string | undefined;
  #runtime: AgentRuntime | undefined;
  readonly #options: Partial<AgentOptions>;

  static async make(options: Partial<AgentOptions> = {}): Promise<AgentFixture> {
    return new AgentFixture(await mkdtemp(join(tmpdir(), "allot-agent-")), options);
  }

  constructor(folder: string, options: Partial<AgentOptions>) {
    this.folder = folder;
    this.#options = options;
  }

  get runtime(): AgentRuntime {
    if (this.#runtime === undefined) throw new Error("the agent is down");
    return this.#runtime;
  }

  async start(wrap: (store: CheckpointStore) => CheckpointStore = (store) => store): Promise<void> {
    const log: Log = {
      write: (level, message, fields) => {
        this.log.push(`${level} ${message} ${JSON.stringify(fields ?? {})}`);
      },
    };
    const workDir = join(this.folder, "work");
    const checkpoint = await Checkpoint.open({
      path: join(workDir, "meta", "checkpoint.db"),
      open: await loadSqlite(),
      log,
    });
    const runtime = new AgentRuntime({
      options: agentOptions({ workDir, ...this.#options }),
      environment: {
        agentPort: 5051,
        recoveryTimeoutMs: 900_000,
        executorEnvironmentVariables: undefined,
        sandboxDirectory: "/mnt/mesos/sandbox",
        libprocessIp: undefined,
      },
      bootId: await readBootId(),
      containerizer: new MesosContainerizer({
        workDir,
        runtimeDir: join(this.folder, "run"),
        clock: systemClock,
        log,
        isolation: ["posix/cpu", "posix/mem"],
      }),
      fetcher: NO_FETCHER,
      checkpoint: wrap(checkpoint),
      link: {
        send: (message) => this.master.receive(message),
        reconnect: () => undefined,
      },
      clock: systemClock,
      rng: systemRng,
      log,
      onExit: (reason) => {
        this.exit = reason;
      },
      onFatal: (error) => {
        this.fatal = error;
      },
    });
    this.#runtime = runtime;
    await runtime.start();
    this.master.attach(runtime);
  }

  async stop(): Promise<void> {
    this.master.detach();
    await this.#runtime?.stop();
    this.#runtime = undefined;
  }

  /** Ends every container too. */
  async dispose(): Promise<void> {
    if (this.#runtime !== undefined && this.fatal === undefined) {
      this.runtime.input({
        kind: "masterMessage",
        message: { kind: "shutdown", message: "end of the test" },
      });
      const over = (): boolean => this.runtime.state.containers.size === 0;
      for (const executor of this.runtime.state.containers.values()) {
        this.runtime.input({
          kind: "timer",
          timer: { kind: "executorShutdown", containerId: executor.containerId },
        });
      }
      await this.master.until("the end of all containers", over);
    }
    await this.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}
