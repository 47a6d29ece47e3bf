/**
 * The isolator `disk/xfs`: the file system counts what each sandbox holds and, if told to, takes no
 * more than it may. One look at all projects serves all containers. Source: semantics 7.14; Mesos'
 * docs/isolators/disk-xfs.
 */
import type { ContainerId } from "../../base/ids.ts";
import type { Clock, Log } from "../../base/ports.ts";
import type { Resource } from "../../protocol/v1/types.ts";
import type {
  ContainerSpec,
  ContainerUsage,
  KnownContainer,
  Limitation,
  Preparation,
} from "../containerizer.ts";
import { RELEASED_AT_ONCE } from "../limits.ts";
import { TurnQueue } from "../turn-queue.ts";
import { diskExceeded, quotaBytes } from "./disk-isolator.ts";
import { IsolatorBase, NO_PREPARATION } from "./isolator-base.ts";
import type { ProjectRange, XfsProjects } from "./xfs-projects.ts";
import type { ProjectUsage, XfsQuota } from "./xfs-quota.ts";

export interface XfsIsolatorOptions {
  readonly quota: Pick<XfsQuota, "assign" | "limit" | "unlimit" | "report">;
  readonly projects: XfsProjects;
  /** `--xfs_project_range` */
  readonly range: ProjectRange;
  /** `--enforce_container_disk_quota`: what is asked for is the limit; else it is only counted. */
  readonly isEnforced: boolean;
  /** `--xfs_kill_containers`: who passes it is ended rather than refused; undefined for not. */
  readonly headroomBytes: number | undefined;
  /** `--container_disk_watch_interval` */
  readonly intervalMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

interface Held {
  readonly projectId: number;
  quotaBytes: number | undefined;
  usage: ProjectUsage | undefined;
  onLimitation: ((limitation: Limitation) => void) | undefined;
}

export class XfsIsolator extends IsolatorBase {
  readonly name = "disk/xfs";
  readonly #options: XfsIsolatorOptions;
  readonly #held = new Map<ContainerId, Held>();
  readonly #releases = new TurnQueue(1);
  #cancel: (() => void) | undefined;

  constructor(options: XfsIsolatorOptions) {
    super();
    this.#options = options;
  }

  async prepare(spec: ContainerSpec): Promise<Preparation> {
    // What is nested in another's sandbox counts there.
    if (spec.parentId !== undefined) return NO_PREPARATION;
    const { projects, quota } = this.#options;
    if (projects.isExhausted) await this.#releaseAbandoned();
    const projectId = projects.take(spec.directory);
    await quota.assign(spec.directory, projectId);
    this.#add(spec.containerId, projectId);
    await this.#setLimits(spec.containerId, spec.resources);
    return NO_PREPARATION;
  }

  override recover(containers: readonly KnownContainer[]): Promise<void> {
    for (const { containerId, directory } of containers) {
      const projectId = this.#options.projects.idOf(directory);
      if (projectId !== undefined) this.#add(containerId, projectId);
    }
    return Promise.resolve();
  }

  override async update(containerId: ContainerId, resources: readonly Resource[]): Promise<void> {
    await this.#setLimits(containerId, resources);
  }

  override usage(containerId: ContainerId): Promise<Partial<ContainerUsage>> {
    const held = this.#held.get(containerId);
    if (held?.usage === undefined) return Promise.resolve({});
    return Promise.resolve({
      disk_used_bytes: held.usage.usedBytes,
      ...(held.quotaBytes === undefined ? {} : { disk_limit_bytes: held.quotaBytes }),
    });
  }

  /** The id stays with the sandbox, which is there until it is collected. */
  override cleanup(containerId: ContainerId): Promise<void> {
    this.#held.delete(containerId);
    return Promise.resolve();
  }

  override watch(
    containerId: ContainerId,
    onLimitation: (limitation: Limitation) => void,
  ): () => void {
    const held = this.#held.get(containerId);
    if (held === undefined) return () => undefined;
    held.onLimitation = onLimitation;
    this.#cancel ??= this.#lookLater();
    return () => {
      held.onLimitation = undefined;
      if ([...this.#held.values()].some((one) => one.onLimitation !== undefined)) return;
      this.#cancel?.();
      this.#cancel = undefined;
    };
  }

  #add(containerId: ContainerId, projectId: number): void {
    const unknown = { quotaBytes: undefined, usage: undefined, onLimitation: undefined };
    this.#held.set(containerId, { projectId, ...unknown });
  }

  async #setLimits(containerId: ContainerId, resources: readonly Resource[]): Promise<void> {
    const held = this.#held.get(containerId);
    if (held === undefined) return;
    const { quota, isEnforced, headroomBytes } = this.#options;
    held.quotaBytes = quotaBytes(resources);
    const soft = isEnforced ? (held.quotaBytes ?? 0) : 0;
    const hard = soft === 0 ? 0 : soft + (headroomBytes ?? 0);
    await quota.limit(held.projectId, soft, hard);
  }

  #lookLater(): () => void {
    const { clock, intervalMs, log } = this.#options;
    return clock.schedule(intervalMs, () => {
      this.#look()
        .catch((error: unknown) => log.write("error", "quotas could not be looked at", { error }))
        .finally(() => {
          if (this.#cancel !== undefined) this.#cancel = this.#lookLater();
        });
    });
  }

  async #look(): Promise<void> {
    const { quota, range, isEnforced, headroomBytes } = this.#options;
    const usages = await quota.report(range.begin, range.end);
    const isKilling = isEnforced && headroomBytes !== undefined;
    for (const held of this.#held.values()) {
      held.usage = usages.get(held.projectId) ?? held.usage;
      const limit = held.quotaBytes;
      const used = held.usage?.usedBytes ?? 0;
      if (isKilling && limit !== undefined && used > limit) {
        held.onLimitation?.(diskExceeded(used, limit));
      }
    }
    await this.#releaseAbandoned();
  }

  /** One at a time: an id that was released may belong to another sandbox a moment later. */
  #releaseAbandoned(): Promise<void> {
    const { projects, quota } = this.#options;
    return this.#releases.run(async () => {
      const ids = projects.abandoned().slice(0, RELEASED_AT_ONCE);
      if (ids.length === 0) return;
      await quota.unlimit(ids);
      for (const id of ids) projects.release(id);
    });
  }
}
