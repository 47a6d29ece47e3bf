/**
 * The containers of one agent process and the built-in executors that live beside them: launch,
 * adoption after a restart, signals, end. Whatever happens goes to the
 * core as inputs, the executor's last word always before the end of its container.
 */
import { must } from "../../base/assert.ts";
import type { ContainerId } from "../../base/ids.ts";
import type { Clock, Log, Rng } from "../../base/ports.ts";
import {
  type Containerizer,
  type ContainerResult,
  type ContainerVolume,
  type LaunchedContainer,
  UnsupportedContainerError,
} from "../../containerizer/containerizer.ts";
import { namedNetworks } from "../../containerizer/named-networks.ts";
import { removeSandbox } from "../../containerizer/posix/sandbox.ts";
import {
  CommandExecutor,
  type CommandExecutorEffect,
  type CommandExecutorInput,
} from "../../executor/command-executor.ts";
import { executorEnvironment, taskEnvironment } from "../../executor/executor-environment.ts";
import type { DueProbe } from "../../executor/task-checks.ts";
import { uuidToBase64 } from "../../protocol/base64.ts";
import type {
  ContainerInfo,
  ContainerStatus,
  ExecutorEvent,
  Resource,
} from "../../protocol/v1/types.ts";
import type { AgentOptions } from "../core/agent-options.ts";
import type { CheckpointedContainer } from "../core/checkpoint-state.ts";
import type { AgentEffect, ContainerLaunch } from "../core/effects.ts";
import type { AgentInput } from "../core/inputs.ts";
import { isCheckpointing } from "../core/state.ts";
import { ApiContainerHost } from "./api-container-host.ts";
import type { ExecutorTokens } from "./executor-tokens.ts";
import type { UriFetcher } from "./ports.ts";
import type { ProbeHelper } from "./probe-helper.ts";
import { runProbe } from "./probes.ts";
import { linkMember, runFolderOf } from "./sandbox-links.ts";
import { makeSandboxVolumes, splitSandboxVolumes } from "./sandbox-volumes.ts";
import type { Session } from "./session.ts";
import { fetchUris } from "./uris.ts";
import { volumesIn } from "./volumes.ts";

/** Settings that end up in the environment of executors (flags of the same names). */
export interface EnvironmentOptions {
  readonly agentPort: number;
  readonly recoveryTimeoutMs: number;
  readonly executorEnvironmentVariables: Readonly<Record<string, string>> | undefined;
  /** Where a container with an image sees its sandbox. */
  readonly sandboxDirectory: string;
  readonly libprocessIp: string | undefined;
  /** Set when executors have to show who they are. */
  readonly tokens?: ExecutorTokens | undefined;
}

export interface ContainerHostDependencies {
  readonly containerizer: Containerizer;
  readonly fetcher: UriFetcher;
  /** Undefined: networks of containers are not entered for their checks. */
  readonly probeHelper: ProbeHelper | undefined;
  readonly options: AgentOptions;
  readonly environment: EnvironmentOptions;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Log;
  /** The core's time. */
  readonly nowMs: () => number;
  readonly agentId: () => string;
  readonly input: (input: AgentInput) => void;
}

/** A container found alive at recovery. */
export interface Survivor {
  readonly pid: number;
  /** Milliseconds since the epoch, if known. */
  readonly startedAtMs?: number | undefined;
  readonly status?: ContainerStatus | undefined;
}

interface HostedContainer {
  readonly launch: ContainerLaunch;
  readonly executor: CommandExecutor | undefined;
  /** Ends what comes before the containerizer's part of a launch. */
  readonly unwanted: AbortController;
  /** Of its first process, once that runs. */
  pid: number | undefined;
  /** Persistent volumes among its resources are not to be given to others. */
  hasVolumes: boolean;
  cancelTimer: () => void;
}

/** Request id of calls by built-in executors, which wait for no answer. */
export const BUILT_IN_REQUEST = 0;

export class ContainerHost {
  readonly #deps: ContainerHostDependencies;
  readonly #containers = new Map<ContainerId, HostedContainer>();
  readonly #byExecutor = new Map<string, HostedContainer>();
  readonly #background = new Set<Promise<void>>();
  readonly #api: ApiContainerHost;
  #isStopped = false;

  constructor(dependencies: ContainerHostDependencies) {
    this.#deps = dependencies;
    this.#api = new ApiContainerHost({
      containerizer: dependencies.containerizer,
      fetcher: dependencies.fetcher,
      clock: dependencies.clock,
      log: dependencies.log,
      input: (input) => {
        if (!this.#isStopped) dependencies.input(input);
      },
      environmentOf: (containerId) => {
        const launch = this.#containers.get(containerId)?.launch;
        return launch === undefined ? undefined : this.#environmentOf(launch);
      },
    });
  }

  /** See `ApiContainerHost`. */
  takeSession(containerId: ContainerId): Session | undefined {
    return this.#api.takeSession(containerId);
  }

  /** Somebody's session; undefined when the container is none, or over. */
  session(containerId: ContainerId): Session | undefined {
    return this.#api.session(containerId);
  }

  /** As `launch`, for a container that a call of the operator API asks for. */
  launchForCall(container: CheckpointedContainer): void {
    this.#run("launch", () => this.#api.launch(container));
  }

  /** As `adopt`. */
  adoptForCall(container: CheckpointedContainer): void {
    this.#api.adopt(container);
  }

  /** To everything in the container. */
  signal(containerId: ContainerId, signal: number): void {
    this.#run("signal", async () => {
      if (this.#api.has(containerId)) await this.#api.signal(containerId, signal);
      else await this.#deps.containerizer.signal(containerId, signal);
    });
  }

  /** The folder with all that is in it. */
  removeSandbox(directory: string): void {
    this.#run("removal", () => removeSandbox(directory));
  }

  /** Starts a container; the containerizer bounds how many start at once. */
  launch(launch: ContainerLaunch): void {
    const container = this.#add(launch);
    this.#run("launch", () => this.#launchNow(container));
  }

  /** Takes back a container that outlived the agent process that started it. */
  adopt(effect: Extract<AgentEffect, { kind: "adoptContainer" }>, survivor: Survivor): void {
    const container = this.#add(effect.launch);
    const { kill, isRunningReported, checked } = effect;
    const { containerId } = effect.launch;
    container.pid = survivor.pid;
    container.hasVolumes = true;
    this.#deps.input({
      kind: "containerLaunched",
      containerId,
      pid: survivor.pid,
      networkInfos: survivor.status?.network_infos,
    });
    this.#drive(container, {
      kind: "adopted",
      pid: survivor.pid,
      launchedAtMs: survivor.startedAtMs,
      isRunningReported,
      kill,
      status: survivor.status,
      checked,
    });
    this.#watch(container);
    // What a container may use is not written down by its containerizer.
    const { resources, commandTask } = effect.launch;
    this.#run("update", () =>
      this.#deps.containerizer.update(containerId, resources, commandTask?.limits),
    );
  }

  /** Hands an event to a built-in executor. False when the executor is not one. */
  deliver(frameworkId: string, executorId: string, event: ExecutorEvent): boolean {
    const container = this.#byExecutor.get(`${frameworkId}/${executorId}`);
    if (container?.executor === undefined) return false;
    this.#drive(container, { kind: "event", event });
    return true;
  }

  /**
   * Ends a container by force. Safe to repeat; one that does not exist yet is asked for again by
   * the core once it does.
   */
  destroy(containerId: ContainerId): void {
    this.#containers.get(containerId)?.unwanted.abort();
    this.#run("destroy", async () => {
      if (this.#api.has(containerId)) await this.#api.destroy(containerId);
      else await this.#deps.containerizer.destroy(containerId);
    });
  }

  /** Gives the container other resources; one that cannot have them is the core's to end. */
  update(containerId: ContainerId, resources: readonly Resource[]): void {
    this.#run("update", async () => {
      try {
        await this.#deps.containerizer.update(containerId, resources);
      } catch (error) {
        if (!this.#containers.has(containerId)) return;
        const message = error instanceof Error ? error.message : String(error);
        this.#deps.input({ kind: "containerUpdateFailed", containerId, message });
      }
    });
  }

  /** Releases what the container holds outside its sandbox. */
  cleanup(containerId: ContainerId): void {
    this.#run("cleanup", () => this.#deps.containerizer.cleanup(containerId));
  }

  /**
   * Lets go of all containers. Those of frameworks that do not checkpoint are destroyed, as they
   * must not outlive the agent (semantics 2.8); all others run on.
   */
  async stop(): Promise<void> {
    this.#isStopped = true;
    const ends: Promise<void>[] = [this.#api.stop()];
    for (const [containerId, container] of this.#containers) {
      container.cancelTimer();
      container.unwanted.abort();
      if (isCheckpointing(container.launch.framework)) continue;
      ends.push(this.#deps.containerizer.destroy(containerId));
    }
    await Promise.allSettled([...ends, ...this.#background]);
  }

  #add(launch: ContainerLaunch): HostedContainer {
    const container: HostedContainer = {
      launch,
      executor: this.#executorOf(launch),
      unwanted: new AbortController(),
      pid: undefined,
      hasVolumes: false,
      cancelTimer: () => undefined,
    };
    this.#containers.set(launch.containerId, container);
    this.#byExecutor.set(`${launch.frameworkId}/${launch.executorId}`, container);
    return container;
  }

  #remove(container: HostedContainer): void {
    container.cancelTimer();
    container.unwanted.abort();
    const { containerId, frameworkId, executorId } = container.launch;
    this.#containers.delete(containerId);
    const key = `${frameworkId}/${executorId}`;
    if (this.#byExecutor.get(key) === container) this.#byExecutor.delete(key);
  }

  #executorOf(launch: ContainerLaunch): CommandExecutor | undefined {
    if (launch.commandTask === undefined) return undefined;
    return new CommandExecutor({
      framework: launch.framework,
      frameworkId: launch.frameworkId,
      // Calls go by the name the agent has for it, which tells tasks of a default executor apart.
      executor: { ...launch.executor, executor_id: { value: launch.executorId } },
      task: launch.commandTask,
      executorShutdownGraceMs: this.#deps.options.executorShutdownGraceMs,
      newUuid: () => must(uuidToBase64(this.#deps.rng.uuid()), "UUID in text form"),
    });
  }

  async #launchNow(container: HostedContainer): Promise<void> {
    const { containerId } = container.launch;
    let launched: LaunchedContainer;
    try {
      launched = await this.#start(container);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#drive(container, { kind: "launchFailed" });
      this.#remove(container);
      const isUnsupported = error instanceof UnsupportedContainerError;
      this.#deps.input({ kind: "containerLaunchFailed", containerId, message, isUnsupported });
      return;
    }
    container.pid = launched.pid;
    this.#deps.input({
      kind: "containerLaunched",
      containerId,
      pid: launched.pid,
      networkInfos: launched.status?.network_infos,
    });
    this.#drive(container, { kind: "launched", ...launched });
    this.#watch(container);
  }

  async #start(hosted: HostedContainer): Promise<LaunchedContainer> {
    const { launch, unwanted } = hosted;
    const fault = unsupported(launch);
    if (fault !== undefined) throw new Error(fault);
    const command = launch.commandTask?.command ?? launch.executor.command;
    if (command === undefined) throw new Error("the executor has no command");
    const { resources, groupId, directory, containerId, user } = launch;
    const request = { containerId, uris: command.uris, directory, user };
    await fetchUris(this.#deps.fetcher, request, unwanted.signal);
    const parentDirectory = groupId === undefined ? undefined : runFolderOf(directory);
    const asked = launch.commandTask?.container ?? commonContainer(launch);
    const { volumes, container } = splitSandboxVolumes(asked, { directory, parentDirectory });
    if (groupId !== undefined) linkMember(directory, launch.commandTask?.task_id.value ?? "");
    makeSandboxVolumes(volumes);
    return this.#deps.containerizer.launch({
      containerId: launch.containerId,
      command,
      environment: this.#environmentOf(launch),
      directory: launch.directory,
      user: launch.user,
      resources,
      limits: launch.commandTask?.limits,
      container,
      group: groupId === undefined ? undefined : { groupId, container: launch.executor.container },
      volumes: [...this.#takeVolumes(hosted), ...volumes],
      origin: {
        frameworkId: launch.frameworkId,
        executorId: launch.executor.executor_id.value,
        taskId: launch.commandTask?.task_id.value,
      },
    });
  }

  /** The container's persistent volumes, which from now on count as used. */
  #takeVolumes(container: HostedContainer): ContainerVolume[] {
    const { workDir } = this.#deps.options;
    const own = volumesIn(workDir, container.launch.resources);
    if (own.length === 0) return own;
    const others = [...this.#containers.values()].filter(
      (other) => other !== container && other.hasVolumes,
    );
    const used = new Set(
      others.flatMap(({ launch }) => volumesIn(workDir, launch.resources).map(pathOf)),
    );
    container.hasVolumes = true;
    return own.map((volume) => ({ ...volume, isInUse: used.has(volume.hostPath) }));
  }

  #environmentOf(launch: ContainerLaunch): Record<string, string> {
    const { options, environment, agentId } = this.#deps;
    const ownGrace = launch.executor.shutdown_grace_period;
    const container = launch.commandTask?.container ?? launch.executor.container;
    const isDocker = container?.type === "DOCKER";
    const isImage = isDocker || container?.mesos?.image !== undefined;
    // An image has a search path of its own, and a task of Docker gets what is its own alone.
    if (isDocker && launch.commandTask !== undefined) return taskEnvironment(launch.commandTask);
    return executorEnvironment({
      frameworkId: launch.frameworkId,
      executorId: launch.executor.executor_id.value,
      agentId: agentId(),
      agentIp: options.ip,
      agentPort: environment.agentPort,
      directory: launch.directory,
      sandbox: isImage ? environment.sandboxDirectory : launch.directory,
      isCheckpointing: isCheckpointing(launch.framework),
      executorShutdownGraceMs:
        ownGrace === undefined ? options.executorShutdownGraceMs : ownGrace.nanoseconds / 1e6,
      recoveryTimeoutMs: environment.recoveryTimeoutMs,
      executorReregistrationTimeoutMs: options.executorReregistrationTimeoutMs,
      isHttpCommandExecutor: false,
      libprocessIp: environment.libprocessIp,
      token: launch.commandTask === undefined ? this.#tokenOf(launch) : undefined,
      executorEnvironmentVariables: environment.executorEnvironmentVariables,
      executorCommand: launch.executor.command,
      commandTask: launch.commandTask,
    });
  }

  #tokenOf({ frameworkId, executorId, containerId }: ContainerLaunch): string | undefined {
    const { tokens } = this.#deps.environment;
    return tokens?.make({ fid: frameworkId, eid: executorId, cid: containerId });
  }

  /** Waits for the end without being waited for: the container may well outlive this process. */
  #watch(container: HostedContainer): void {
    const { containerId } = container.launch;
    this.#deps.containerizer.wait(containerId).then(
      (result) => this.#ended(container, result),
      (error: unknown) => {
        const message = `the end of the container could not be learnt: ${String(error)}`;
        this.#ended(container, { exit: { kind: "unknown", message } });
      },
    );
  }

  #ended(container: HostedContainer, termination: ContainerResult): void {
    if (this.#isStopped) return;
    this.#drive(container, { kind: "exited", result: termination });
    this.#remove(container);
    const { containerId } = container.launch;
    this.#deps.input({ kind: "containerTerminated", containerId, termination });
  }

  #drive(container: HostedContainer, input: CommandExecutorInput): void {
    if (container.executor === undefined || this.#isStopped) return;
    for (const effect of container.executor.step(input, this.#deps.nowMs())) {
      this.#carryOut(container, effect);
    }
  }

  #carryOut(container: HostedContainer, effect: CommandExecutorEffect): void {
    switch (effect.kind) {
      case "call":
        this.#deps.input({
          kind: "executorCall",
          requestId: BUILT_IN_REQUEST,
          call: effect.call,
        });
        break;
      case "signal":
        this.#run(effect.signal, () =>
          this.#deps.containerizer.signal(container.launch.containerId, effect.signal),
        );
        break;
      case "requestKill": {
        const { frameworkId, commandTask } = container.launch;
        const taskId = must(commandTask, "the task of a built-in executor").task_id.value;
        this.#deps.input({ kind: "killRequested", frameworkId, taskId });
        break;
      }
      case "probe":
        this.#run("probe", () => this.#probe(container, effect.due));
        break;
      case "setTimer":
        container.cancelTimer();
        container.cancelTimer = this.#deps.clock.schedule(
          Math.max(0, effect.atMs - this.#deps.nowMs()),
          () => this.#drive(container, { kind: "timer" }),
        );
        break;
      case "cancelTimer":
        container.cancelTimer();
        break;
    }
  }

  async #probe(container: HostedContainer, due: DueProbe): Promise<void> {
    const { launch, unwanted, pid } = container;
    const { containerizer, clock, probeHelper: helper } = this.#deps;
    const { containerId, directory, user } = launch;
    const environment = this.#environmentOf(launch);
    const place = { containerizer, clock, containerId, environment, directory, user, helper };
    const network = { pid: isOnHostNetwork(launch) ? undefined : pid };
    const result = await runProbe(due, { ...place, ...network }, unwanted.signal);
    this.#drive(container, { kind: "probed", which: due.which, result });
  }

  /** Owner of every promise nobody waits for: logs its failure, and `stop` waits for it. */
  #run(what: string, work: () => Promise<void>): void {
    const promise = work()
      .catch((error: unknown) => {
        this.#deps.log.write("error", `container ${what} failed`, { error });
      })
      .finally(() => this.#background.delete(promise));
    this.#background.add(promise);
  }
}

function pathOf({ hostPath }: ContainerVolume): string {
  return hostPath;
}

/** What the executor says about its container; where tasks are nested in that, its network is theirs. */
function commonContainer({ executor, groupId }: ContainerLaunch): ContainerInfo | undefined {
  if (executor.container === undefined || groupId === undefined) return executor.container;
  return { ...executor.container, network_infos: undefined };
}

/** Whether the container is on the agent's own network for certain. */
function isOnHostNetwork({ commandTask, executor, groupId }: ContainerLaunch): boolean {
  const own = commandTask?.container;
  if (own?.type === "DOCKER") return false;
  const around = groupId === undefined ? undefined : executor.container;
  return [own, around].every((container) => namedNetworks(container).length === 0);
}

/** What the launch asks for that this agent cannot give; saying so beats running it wrongly. */
function unsupported({ commandTask, executor }: ContainerLaunch): string | undefined {
  const commands = [commandTask?.command, executor.command];
  const variables = commands.flatMap((command) => command?.environment?.variables ?? []);
  const reference = variables.find(({ secret }) => secret?.type === "REFERENCE");
  return reference === undefined
    ? undefined
    : `environment variable ${reference.name}: this agent resolves no references to secrets`;
}
