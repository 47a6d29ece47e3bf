/**
 * The whole world around one agent core, for scripts: disk, master's end of the link, clock, and a
 * text transcript of every effect. Nothing runs by itself; the script says what happens.
 */

import { AgentCore } from "../../../src/agent/core/agent-core.ts";
import { type AgentOptions, DEFAULT_CAPABILITIES } from "../../../src/agent/core/agent-options.ts";
import type { ContainerTermination } from "../../../src/agent/core/container-termination.ts";
import type { AgentEffect } from "../../../src/agent/core/effects.ts";
import type { AgentInput, AgentTimer } from "../../../src/agent/core/inputs.ts";
import { brand } from "../../../src/base/ids.ts";
import { uuidToBase64 } from "../../../src/protocol/base64.ts";
import type { AgentCommand, AgentToMaster } from "../../../src/protocol/link-frames.ts";
import type {
  ExecutorCall,
  ExecutorInfo,
  FrameworkInfo,
  TaskInfo,
  TaskState,
  TaskStatus,
} from "../../../src/protocol/v1/types.ts";
import { OPEN_ACLS } from "../../../src/security/acls.ts";
import { MemoryCheckpoint } from "./memory-checkpoint.ts";

export const EPOCH = "master-1";
export const AGENT_ID = "master-1-S0";

export function agentOptions(changes: Partial<AgentOptions> = {}): AgentOptions {
  return {
    info: {
      hostname: "host-1",
      port: 5051,
      resources: [
        { name: "cpus", type: "SCALAR", scalar: { value: 4 }, role: "*" },
        { name: "mem", type: "SCALAR", scalar: { value: 1024 }, role: "*" },
      ],
    },
    version: "0.1.0",
    capabilities: DEFAULT_CAPABILITIES,
    workDir: "/work",
    ip: "127.0.0.1",
    executorRegistrationTimeoutMs: 60_000,
    executorReregistrationTimeoutMs: 2_000,
    executorShutdownGraceMs: 5_000,
    isUserSwitched: false,
    acls: OPEN_ACLS,
    areLimitsEnforced: false,
    reconfigurationPolicy: "equal",
    ...changes,
  };
}

export function framework(id: string, changes: Partial<FrameworkInfo> = {}): FrameworkInfo {
  return { user: "root", name: id, id: { value: id }, checkpoint: true, ...changes };
}

export const PARTITION_AWARE: Partial<FrameworkInfo> = {
  capabilities: [{ type: "PARTITION_AWARE" }],
};

export function commandTask(id: string, changes: Partial<TaskInfo> = {}): TaskInfo {
  return {
    name: id,
    task_id: { value: id },
    agent_id: { value: AGENT_ID },
    resources: [{ name: "cpus", type: "SCALAR", scalar: { value: 0.1 } }],
    command: { value: "sleep 1000" },
    ...changes,
  };
}

export function customExecutor(id: string): ExecutorInfo {
  return { type: "CUSTOM", executor_id: { value: id }, command: { value: "./executor" } };
}

export class AgentHarness {
  core: AgentCore;
  readonly disk: MemoryCheckpoint = new MemoryCheckpoint();
  readonly options: AgentOptions;
  nowMs = 1_000_000;
  bootId = "boot-1";
  #uuids = 0;
  #commands = 0;
  #timers = new Map<string, { readonly timer: AgentTimer; readonly atMs: number }>();
  /** Effects since the last `take`, checkpoint and log ones left out. */
  #effects: AgentEffect[] = [];

  constructor(options: AgentOptions = agentOptions()) {
    this.options = options;
    this.core = this.#newCore();
  }

  /** An agent that has registered for the first time. */
  static registered(options: AgentOptions = agentOptions()): AgentHarness {
    const harness = new AgentHarness(options);
    harness.recover();
    harness.connect();
    harness.take();
    return harness;
  }

  input(input: AgentInput): void {
    const effects = this.core.step(input, this.nowMs);
    this.core.assertInvariants();
    this.disk.apply(
      effects.flatMap((effect) => (effect.kind === "checkpoint" ? [effect.operation] : [])),
    );
    for (const effect of effects) {
      if (effect.kind === "setTimer") {
        this.#timers.set(JSON.stringify(effect.timer), effect);
      } else if (effect.kind === "cancelTimer") {
        this.#timers.delete(JSON.stringify(effect.timer));
      } else if (effect.kind !== "checkpoint" && effect.kind !== "log") {
        this.#effects.push(effect);
      }
    }
  }

  /** First input after construction or `crash`. */
  recover(
    alive: readonly string[] = [],
    terminations: ReadonlyMap<string, ContainerTermination> = new Map(),
  ): void {
    this.input({
      kind: "recovered",
      checkpoint: this.disk.load(),
      bootId: this.bootId,
      alive: new Set(alive),
      terminations,
    });
  }

  connect(epoch: string = EPOCH): void {
    this.input({ kind: "linkUp", epoch });
    this.input({
      kind: "masterMessage",
      message: {
        kind: "registered",
        agentId: this.disk.agentInfo?.id?.value ?? AGENT_ID,
        totalPingTimeoutMs: 75_000,
        isReregistration: false,
      },
    });
  }

  /** The process dies: memory and timers are gone, the disk stays. */
  crash(): void {
    this.core = this.#newCore();
    this.#timers.clear();
    this.#effects = [];
  }

  command(command: AgentCommand, number: number = this.#commands + 1): void {
    this.#commands = Math.max(this.#commands, number);
    this.input({ kind: "masterMessage", message: { kind: "command", number, command } });
  }

  run(framework: FrameworkInfo, task: TaskInfo): void {
    this.command({ kind: "runTask", framework, task, launchesExecutor: true });
  }

  acknowledge(frameworkId: string, taskId: string): void {
    const head = this.core.state.streams.get(`${frameworkId}/${taskId}`)?.pending[0];
    this.command({
      kind: "acknowledgeUpdate",
      frameworkId,
      taskId,
      uuid: head?.status.uuid ?? "",
    });
  }

  /** The built-in executor's or a custom one's call. */
  call(frameworkId: string, executorId: string, call: Partial<ExecutorCall>): void {
    this.input({
      kind: "executorCall",
      requestId: 1,
      call: {
        framework_id: { value: frameworkId },
        executor_id: { value: executorId },
        ...call,
      },
    });
  }

  update(
    frameworkId: string,
    taskId: string,
    state: TaskState,
    changes: Partial<TaskStatus> & { readonly executorId?: string } = {},
  ): void {
    const { executorId = taskId, ...fields } = changes;
    this.call(frameworkId, executorId, {
      type: "UPDATE",
      update: {
        status: {
          uuid: uuidToBase64(this.#uuid()),
          task_id: { value: taskId },
          state,
          source: "SOURCE_EXECUTOR",
          ...fields,
        },
      },
    });
  }

  containerOf(frameworkId: string, executorId: string): string {
    const executor = this.core.state.frameworks.get(frameworkId)?.executors.get(executorId);
    if (executor === undefined) throw new Error(`no executor ${executorId}`);
    return executor.containerId;
  }

  launched(frameworkId: string, executorId: string): void {
    const containerId = brand<"" & never>(this.containerOf(frameworkId, executorId));
    this.input({ kind: "containerLaunched", containerId, pid: 4242 });
  }

  terminated(frameworkId: string, executorId: string, code: number): void {
    this.input({
      kind: "containerTerminated",
      containerId: brand<"" & never>(this.containerOf(frameworkId, executorId)),
      termination: { exit: { kind: "exited", code } },
    });
  }

  /** Runs a command task up to its acknowledged RUNNING. */
  runToRunning(info: FrameworkInfo, task: TaskInfo): void {
    const frameworkId = info.id?.value ?? "";
    const taskId = task.task_id.value;
    this.run(info, task);
    this.launched(frameworkId, taskId);
    this.update(frameworkId, taskId, "TASK_RUNNING");
    this.acknowledge(frameworkId, taskId);
    this.take();
  }

  /** Time passes; timers fire in order. */
  advance(ms: number): void {
    const end = this.nowMs + ms;
    for (;;) {
      const due = [...this.#timers.entries()]
        .filter(([, { atMs }]) => atMs <= end)
        .sort(([, left], [, right]) => left.atMs - right.atMs)[0];
      if (due === undefined) break;
      const [key, { timer, atMs }] = due;
      this.#timers.delete(key);
      this.nowMs = Math.max(this.nowMs, atMs);
      this.input({ kind: "timer", timer });
    }
    this.nowMs = end;
  }

  sent(): AgentToMaster[] {
    return this.takeEffects().flatMap((effect) => (effect.kind === "send" ? [effect.message] : []));
  }

  takeEffects(): AgentEffect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  /** Effects since the last call, one short line each; answers and acknowledgements left out. */
  take(): string[] {
    return this.takeEffects().flatMap((effect) => {
      const line = describe(effect);
      return line === undefined ? [] : [line];
    });
  }

  #newCore(): AgentCore {
    return new AgentCore({
      options: this.options,
      uuid: () => this.#uuid(),
    });
  }

  #uuid(): string {
    this.#uuids += 1;
    return `00000000-0000-4000-8000-${this.#uuids.toString(16).padStart(12, "0")}`;
  }
}

function describe(effect: AgentEffect): string | undefined {
  switch (effect.kind) {
    case "send":
      return describeMessage(effect.message);
    case "launchContainer":
      return `launch ${effect.launch.executorId}`;
    case "adoptContainer":
      return `adopt ${effect.launch.executorId} running=${effect.isRunningReported}${
        effect.kill === undefined ? "" : ` kill=${effect.kill.graceMs}`
      }`;
    case "destroyContainer":
      return "destroy";
    case "cleanupContainer":
      return "cleanup";
    case "executorEvent":
      return effect.event.type === "ACKNOWLEDGED"
        ? undefined
        : `event ${effect.executorId} ${effect.event.type}`;
    case "respond":
      return effect.outcome.ok ? undefined : `refused ${effect.outcome.error.message}`;
    case "reconnect":
      return `reconnect ${effect.reason}`;
    case "exit":
      return `exit ${effect.reason}`;
    default:
      return undefined;
  }
}

function describeMessage(message: AgentToMaster): string | undefined {
  switch (message.kind) {
    case "commandDone":
      return undefined;
    case "statusUpdate": {
      const { status } = message;
      const parts = [status.task_id.value, status.state, status.source, status.reason];
      return `update ${parts.filter((part) => part !== undefined).join(" ")}`;
    }
    case "register":
      return `register tasks=[${message.tasks
        .map(({ task }) => `${task.task_id.value}:${task.state}:${task.status_update_state}`)
        .join(" ")}] last=${message.lastCommand}`;
    default:
      return message.kind;
  }
}
