/**
 * Several containerizers as one: each container goes to the first that runs its type, and stays
 * with it, over restarts of the agent too. Source: semantics 7.10.
 */
import type { ContainerId } from "../base/ids.ts";
import type { ContainerInfo, ContainerStatus, Resource } from "../protocol/v1/types.ts";
import {
  type Containerizer,
  ContainerizerError,
  type ContainerizerHealth,
  type ContainerResult,
  type ContainerSignal,
  type ContainerSpec,
  type ContainerUsage,
  type InsideEnd,
  type InsideSpec,
  type Interaction,
  type InteractiveSpec,
  type KnownContainer,
  type LaunchedContainer,
  type RecoveredContainers,
  type ResourceLimits,
  UnsupportedContainerError,
} from "./containerizer.ts";

/** One of them, and the types of containers it runs; a container without a type is MESOS. */
export interface ContainerizerChoice {
  readonly containerizer: Containerizer;
  readonly types: readonly ContainerInfo["type"][];
}

export class ComposingContainerizer implements Containerizer {
  readonly name: string;
  readonly #choices: readonly ContainerizerChoice[];
  readonly #owners = new Map<ContainerId, Containerizer>();

  /** `choices` in the order in which they are asked. */
  constructor(choices: readonly ContainerizerChoice[]) {
    this.name = choices.map(({ containerizer }) => containerizer.name).join(",");
    this.#choices = choices;
  }

  health(): readonly ContainerizerHealth[] {
    return this.#choices.flatMap(({ containerizer }) => containerizer.health?.() ?? []);
  }

  /** Errors: `UnsupportedContainerError` when nobody runs the type, and those of who does. */
  async launch(spec: ContainerSpec): Promise<LaunchedContainer> {
    const { containerId } = spec;
    const owner = this.#ownerFor(spec.container);
    if (owner === undefined) {
      const type = spec.container?.type ?? "MESOS";
      throw new UnsupportedContainerError(
        `no containerizer of this agent runs containers of type ${type}; see --containerizers`,
      );
    }
    if (this.#owners.has(containerId)) {
      throw new ContainerizerError(`Container ${containerId} exists already`);
    }
    this.#owners.set(containerId, owner);
    try {
      return await owner.launch(spec);
    } catch (error) {
      this.#owners.delete(containerId);
      throw error;
    }
  }

  async wait(containerId: ContainerId): Promise<ContainerResult> {
    return this.#find(containerId).wait(containerId);
  }

  async signal(containerId: ContainerId, signal: ContainerSignal): Promise<void> {
    return this.#find(containerId).signal(containerId, signal);
  }

  async destroy(containerId: ContainerId): Promise<void> {
    await this.#owners.get(containerId)?.destroy(containerId);
  }

  async runInside(spec: InsideSpec): Promise<InsideEnd> {
    return this.#find(spec.containerId).runInside(spec);
  }

  /** Errors: `UnsupportedContainerError` where the container's own containerizer cannot do it. */
  async runInteractive(spec: InteractiveSpec): Promise<Interaction> {
    const owner = this.#find(spec.containerId);
    if (owner.runInteractive === undefined) {
      throw new UnsupportedContainerError(`${owner.name} containers have no sessions yet`);
    }
    return owner.runInteractive(spec);
  }

  async usage(containerId: ContainerId): Promise<ContainerUsage> {
    return this.#find(containerId).usage(containerId);
  }

  async status(containerId: ContainerId): Promise<ContainerStatus> {
    return this.#find(containerId).status(containerId);
  }

  async update(
    containerId: ContainerId,
    resources: readonly Resource[],
    limits?: ResourceLimits,
  ): Promise<void> {
    return this.#find(containerId).update(containerId, resources, limits);
  }

  /** Each looks for its own, at the same time, and for what nobody knows any more. */
  async recover(known: readonly KnownContainer[]): Promise<RecoveredContainers> {
    const ended = new Map<ContainerId, ContainerResult>();
    for (const { containerId, container } of known) {
      const owner = this.#ownerFor(container);
      if (owner !== undefined) this.#owners.set(containerId, owner);
      else ended.set(containerId, lostResult(container));
    }
    const found = await Promise.all(
      this.#choices.map(({ containerizer }) =>
        containerizer.recover(
          known.filter(({ containerId }) => this.#owners.get(containerId) === containerizer),
        ),
      ),
    );
    return {
      alive: new Map(found.flatMap(({ alive }) => [...alive])),
      ended: new Map([...ended, ...found.flatMap((one) => [...one.ended])]),
      orphans: found.flatMap(({ orphans }) => orphans),
    };
  }

  async cleanup(containerId: ContainerId): Promise<void> {
    await this.#owners.get(containerId)?.cleanup(containerId);
    this.#owners.delete(containerId);
  }

  async close(): Promise<void> {
    await Promise.all(this.#choices.map(({ containerizer }) => containerizer.close()));
  }

  #ownerFor(container: ContainerInfo | undefined): Containerizer | undefined {
    const type = container?.type ?? "MESOS";
    return this.#choices.find(({ types }) => types.includes(type))?.containerizer;
  }

  #find(containerId: ContainerId): Containerizer {
    const owner = this.#owners.get(containerId);
    if (owner === undefined) throw new ContainerizerError(`Container ${containerId} is unknown`);
    return owner;
  }
}

function lostResult(container: ContainerInfo | undefined): ContainerResult {
  const type = container?.type ?? "MESOS";
  const message = `The agent was started again without a containerizer for type ${type}`;
  return { exit: { kind: "unknown", message } };
}
