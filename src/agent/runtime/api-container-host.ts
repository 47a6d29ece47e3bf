/**
 * The containers of one agent process that calls of the operator API launched, and its sessions.
 * What happens to them goes to the core as inputs. Source: http-api 7.3.
 */
import type { ContainerId } from "../../base/ids.ts";
import type { Clock, Log } from "../../base/ports.ts";
import type { Containerizer, ContainerResult } from "../../containerizer/containerizer.ts";
import { DEFAULT_PATH, variablesOf } from "../../executor/executor-environment.ts";
import type { CheckpointedContainer } from "../core/checkpoint-state.ts";
import type { AgentInput } from "../core/inputs.ts";
import { OWED_SESSION_MS } from "./limits.ts";
import type { UriFetcher } from "./ports.ts";
import { runFolderOf } from "./sandbox-links.ts";
import { makeSandboxVolumes, splitSandboxVolumes } from "./sandbox-volumes.ts";
import { Session } from "./session.ts";
import { fetchUris } from "./uris.ts";

export interface ApiContainerHostDependencies {
  readonly containerizer: Containerizer;
  readonly fetcher: UriFetcher;
  readonly clock: Clock;
  readonly log: Log;
  readonly input: (input: AgentInput) => void;
  /** Of the process of an executor or task; undefined when the container is none of those. */
  readonly environmentOf: (
    containerId: ContainerId,
  ) => Readonly<Record<string, string>> | undefined;
}

interface Hosted {
  readonly container: CheckpointedContainer;
  readonly session: Session | undefined;
  /** Ends what comes before the containerizer's part of a launch. */
  readonly unwanted: AbortController;
}

const SIGKILL = 9;
/** Size of a terminal before its owner says how large theirs is. */
const TERMINAL_SIZE = { columns: 80, rows: 24 };

export class ApiContainerHost {
  readonly #deps: ApiContainerHostDependencies;
  readonly #hosted = new Map<ContainerId, Hosted>();
  /** Sessions whose launch may not have been answered yet; they may be over before it is. */
  readonly #owed = new Map<ContainerId, Session>();

  constructor(dependencies: ApiContainerHostDependencies) {
    this.#deps = dependencies;
  }

  has(containerId: ContainerId): boolean {
    return this.#hosted.has(containerId);
  }

  /** Somebody's session; undefined when the container is none, or over. */
  session(containerId: ContainerId): Session | undefined {
    return this.#hosted.get(containerId)?.session;
  }

  /** For whoever launched it, once: also when it is over already, as its output waits for them. */
  takeSession(containerId: ContainerId): Session | undefined {
    const session = this.#owed.get(containerId);
    this.#owed.delete(containerId);
    return session;
  }

  async launch(container: CheckpointedContainer): Promise<void> {
    const { containerId } = container;
    const session = container.isSession ? new Session() : undefined;
    const hosted = { container, session, unwanted: new AbortController() };
    this.#hosted.set(containerId, hosted);
    try {
      if (session === undefined) await this.#launchContainer(hosted);
      else await this.#launchSession(container, session);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#hosted.delete(containerId);
      session?.end();
      this.#deps.input({ kind: "containerLaunchFailed", containerId, message });
    }
  }

  /** Found alive after a restart of the agent. */
  adopt(container: CheckpointedContainer): void {
    const { containerId, resources, limits } = container;
    const unwanted = new AbortController();
    this.#hosted.set(containerId, { container, session: undefined, unwanted });
    this.#watch(containerId);
    // What a container may use is not written down by its containerizer.
    this.#deps.containerizer.update(containerId, resources, limits).catch((error: unknown) => {
      this.#deps.log.write("error", "container update failed", { container: containerId, error });
    });
  }

  /** Safe to repeat. */
  async destroy(containerId: ContainerId): Promise<void> {
    this.#hosted.get(containerId)?.unwanted.abort();
    const session = this.session(containerId);
    if (session === undefined) await this.#deps.containerizer.destroy(containerId);
    else session.signal(SIGKILL);
  }

  async signal(containerId: ContainerId, signal: number): Promise<void> {
    const session = this.session(containerId);
    if (session === undefined) await this.#deps.containerizer.signal(containerId, signal);
    else session.signal(signal);
  }

  /** Those that must not outlive the agent process. */
  async stop(): Promise<void> {
    for (const { unwanted } of this.#hosted.values()) unwanted.abort();
    const ends = [...this.#hosted.values()]
      .filter(({ container }) => !container.isCheckpointed)
      .map(({ container }) => this.destroy(container.containerId));
    await Promise.allSettled(ends);
  }

  async #launchContainer({ container, unwanted }: Hosted): Promise<void> {
    const { containerId, command, directory, user, resources, limits, parentId } = container;
    if (command === undefined) throw new Error("the container has no command");
    const request = { containerId, uris: command.uris, directory, user };
    await fetchUris(this.#deps.fetcher, request, unwanted.signal);
    const parentDirectory = parentId === undefined ? undefined : runFolderOf(directory);
    const split = splitSandboxVolumes(container.container, { directory, parentDirectory });
    makeSandboxVolumes(split.volumes);
    const { pid } = await this.#deps.containerizer.launch({
      containerId,
      command,
      environment: ownEnvironment(container),
      directory,
      user,
      resources,
      limits,
      container: split.container,
      volumes: split.volumes,
      parentId,
    });
    this.#deps.input({ kind: "containerLaunched", containerId, pid });
    this.#watch(containerId);
  }

  async #launchSession(container: CheckpointedContainer, session: Session): Promise<void> {
    const { containerId, command, parentId, directory, user } = container;
    const { containerizer } = this.#deps;
    if (command === undefined || parentId === undefined) {
      throw new Error("the session has no command");
    }
    if (containerizer.runInteractive === undefined) {
      throw new Error("The provided ContainerInfo is not supported");
    }
    const tty = container.container?.tty_info;
    const size = tty?.window_size;
    const interaction = await containerizer.runInteractive({
      containerId: parentId,
      sessionId: containerId,
      command,
      environment: { ...this.#environmentOf(parentId), ...variablesOf(command.environment) },
      directory,
      user,
      terminal:
        tty === undefined
          ? undefined
          : {
              columns: size?.columns ?? TERMINAL_SIZE.columns,
              rows: size?.rows ?? TERMINAL_SIZE.rows,
            },
      onOutput: (stream, data) => session.output({ stream, data }),
    });
    session.begin(interaction);
    this.#owed.set(containerId, session);
    this.#deps.input({ kind: "containerLaunched", containerId, pid: interaction.pid });
    void interaction.end.then((exit) => {
      session.end();
      // One whose caller has left is never asked for.
      this.#deps.clock.schedule(OWED_SESSION_MS, () => this.#owed.delete(containerId));
      this.#ended(containerId, { exit });
    });
  }

  #environmentOf(containerId: ContainerId): Readonly<Record<string, string>> {
    const own = this.#hosted.get(containerId)?.container;
    return own === undefined ? (this.#deps.environmentOf(containerId) ?? {}) : ownEnvironment(own);
  }

  #watch(containerId: ContainerId): void {
    this.#deps.containerizer.wait(containerId).then(
      (result) => this.#ended(containerId, result),
      (error: unknown) => {
        const message = `the end of the container could not be learnt: ${String(error)}`;
        this.#ended(containerId, { exit: { kind: "unknown", message } });
      },
    );
  }

  #ended(containerId: ContainerId, termination: ContainerResult): void {
    this.#hosted.delete(containerId);
    this.#deps.input({ kind: "containerTerminated", containerId, termination });
  }
}

/** Nothing is inherited from a parent, as in Mesos; sessions are what differs. */
function ownEnvironment({ command, directory }: CheckpointedContainer): Record<string, string> {
  return { PATH: DEFAULT_PATH, MESOS_SANDBOX: directory, ...variablesOf(command?.environment) };
}
