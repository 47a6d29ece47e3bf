/**
 * The isolator `disk/xfs`: the file system counts what each sandbox holds, with what its container has
 * written into a root of its own and other images, and what each persistent volume holds, and, if told
 * to, takes no more than it may. One look at all projects serves all containers. Source: semantics 7.13,
 * 7.14; Mesos' docs/isolators/disk-xfs.
 */
import { statfs } from "node:fs/promises";
import type { ContainerId } from "../../base/ids.ts";
import type { Clock, Log } from "../../base/ports.ts";
import type { DiskStatistics, Resource } from "../../protocol/v1/types.ts";
import type {
  ContainerSpec,
  ContainerUsage,
  KnownContainer,
  Limitation,
  Preparation,
  WrittenFolder,
} from "../containerizer.ts";
import { RELEASED_AT_ONCE } from "../limits.ts";
import { Slices } from "../posix/slices.ts";
import { TurnQueue } from "../turn-queue.ts";
import {
  excessOf,
  quotaBytes,
  statisticsOf,
  type VolumeShare,
  volumeShares,
} from "./disk-shares.ts";
import { IsolatorBase, NO_PREPARATION } from "./isolator-base.ts";
import type { ProjectRange, XfsProjects } from "./xfs-projects.ts";
import type { ProjectUsage, XfsQuota } from "./xfs-quota.ts";

type Quota = Pick<XfsQuota, "assign" | "isAssigned" | "limit" | "unlimit" | "report">;
type Usages = ReadonlyMap<number, ProjectUsage>;

export interface XfsIsolatorOptions {
  /** Those of the file system that a folder is on, the same object for each. Throws where it has none. */
  readonly quotaOf: (folder: string) => Quota;
  readonly projects: XfsProjects;
  /** `--xfs_project_range` */
  readonly range: ProjectRange;
  /** `--work_dir`, where persistent volumes are. */
  readonly workDir: string;
  /** `--enforce_container_disk_quota`: what is asked for is the limit; else it is only counted. */
  readonly isEnforced: boolean;
  /** `--xfs_kill_containers`: who passes it is ended rather than refused; undefined for not. */
  readonly headroomBytes: number | undefined;
  /** `--container_disk_watch_interval` */
  readonly intervalMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

interface Project {
  readonly id: number;
  readonly quota: Quota;
}

interface Held {
  readonly project: Project;
  /** What counts for the project and is the image's. */
  readonly imageBytes: number;
  quotaBytes: number | undefined;
  usedBytes: number | undefined;
  volumes: readonly HeldVolume[];
  onLimitation: ((limitation: Limitation) => void) | undefined;
}

interface HeldVolume {
  readonly share: VolumeShare;
  /** Undefined for a disk of its own. */
  readonly project: Project | undefined;
  usedBytes: number | undefined;
}

export class XfsIsolator extends IsolatorBase {
  readonly name = "disk/xfs";
  readonly #options: XfsIsolatorOptions;
  readonly #held = new Map<ContainerId, Held>();
  readonly #parents = new Map<ContainerId, ContainerId>();
  readonly #releases = new TurnQueue(1);
  #cancel: (() => void) | undefined;
  #isLooking = false;

  constructor(options: XfsIsolatorOptions) {
    super();
    this.#options = options;
  }

  async prepare(spec: ContainerSpec): Promise<Preparation> {
    if (spec.parentId !== undefined) {
      await this.#prepareNested(spec, spec.parentId);
      return NO_PREPARATION;
    }
    const { containerId, directory, written = [] } = spec;
    const project = await this.#projectOf(directory);
    for (const folder of [directory, ...written.map(({ path }) => path)]) {
      await project.quota.assign(folder, project.id);
    }
    this.#add(containerId, project, written);
    await this.#setLimits(containerId, spec.resources);
    return NO_PREPARATION;
  }

  override recover(containers: readonly KnownContainer[]): Promise<void> {
    for (const { containerId, directory, parentId, written = [] } of containers) {
      if (parentId !== undefined) this.#parents.set(containerId, parentId);
      const id = this.#options.projects.idOf(directory);
      if (id === undefined) continue;
      this.#add(containerId, { id, quota: this.#options.quotaOf(directory) }, written);
    }
    return Promise.resolve();
  }

  override async update(containerId: ContainerId, resources: readonly Resource[]): Promise<void> {
    await this.#setLimits(containerId, resources);
  }

  override async usage(containerId: ContainerId): Promise<Partial<ContainerUsage>> {
    const held = this.#held.get(containerId);
    if (held === undefined) return {};
    const disks = await Promise.all(held.volumes.map(statisticsOfVolume));
    return {
      ...(held.usedBytes === undefined ? {} : { disk_used_bytes: held.usedBytes }),
      ...(held.usedBytes === undefined || held.quotaBytes === undefined
        ? {}
        : { disk_limit_bytes: held.quotaBytes }),
      ...(disks.length === 0 ? {} : { disk_statistics: disks }),
    };
  }

  /** The ids stay with the sandbox, which is there until it is collected, and with the volumes. */
  override cleanup(containerId: ContainerId): Promise<void> {
    this.#held.delete(containerId);
    this.#parents.delete(containerId);
    return Promise.resolve();
  }

  override watch(
    containerId: ContainerId,
    onLimitation: (limitation: Limitation) => void,
  ): () => void {
    const held = this.#held.get(containerId);
    if (held === undefined) return () => undefined;
    held.onLimitation = onLimitation;
    this.#lookLater();
    return () => {
      held.onLimitation = undefined;
      if (this.#isWatched()) return;
      this.#cancel?.();
      this.#cancel = undefined;
    };
  }

  #isWatched(): boolean {
    return [...this.#held.values()].some((one) => one.onLimitation !== undefined);
  }

  /** What is nested in another's sandbox counts there, with what it writes over its image. */
  async #prepareNested(
    { containerId, written = [] }: ContainerSpec,
    parentId: ContainerId,
  ): Promise<void> {
    this.#parents.set(containerId, parentId);
    let around: ContainerId | undefined = parentId;
    while (around !== undefined && !this.#held.has(around)) around = this.#parents.get(around);
    const project = around === undefined ? undefined : this.#held.get(around)?.project;
    if (project === undefined) return;
    for (const { path, imageBytes } of written) {
      // A whole image would take from others' quota what none of them has written.
      if (imageBytes === 0) await project.quota.assign(path, project.id);
    }
  }

  #add(containerId: ContainerId, project: Project, written: readonly WrittenFolder[]): void {
    this.#held.set(containerId, {
      project,
      imageBytes: written.reduce((sum, { imageBytes }) => sum + imageBytes, 0),
      quotaBytes: undefined,
      usedBytes: undefined,
      volumes: [],
      onLimitation: undefined,
    });
  }

  async #projectOf(folder: string): Promise<Project> {
    const { projects, quotaOf } = this.#options;
    const quota = quotaOf(folder);
    if (projects.isExhausted) await this.#releaseAbandoned();
    // Not while one is being released that this very folder had before it was made again.
    const id = await this.#releases.run(() => Promise.resolve(projects.take(folder)));
    return { id, quota };
  }

  async #setLimits(containerId: ContainerId, resources: readonly Resource[]): Promise<void> {
    const held = this.#held.get(containerId);
    if (held === undefined) return;
    held.quotaBytes = quotaBytes(resources);
    await this.#limit(held.project, held.quotaBytes, held.imageBytes);
    const volumes: HeldVolume[] = [];
    for (const share of volumeShares(this.#options.workDir, resources)) {
      const project = share.isWhole ? undefined : await this.#projectOfVolume(share.path);
      if (project !== undefined) await this.#limit(project, share.quotaBytes, 0);
      const known = held.volumes.find((one) => one.share.path === share.path);
      volumes.push({ share, project, usedBytes: known?.usedBytes });
    }
    held.volumes = volumes;
  }

  /** A volume keeps its id, so that what is in it is walked through once. */
  async #projectOfVolume(folder: string): Promise<Project> {
    const { projects } = this.#options;
    let project = await this.#projectOf(folder);
    if (projects.isSettled(project.id)) {
      if (await project.quota.isAssigned(folder, project.id)) return project;
      // One that was destroyed and made again has the path of the first, and nothing else of it: what
      // is left of the first, in the trash for long, goes on counting for the id that it had.
      projects.leave(folder, project.id);
      project = await this.#projectOf(folder);
    }
    const { id, quota } = project;
    projects.settle(id, false);
    await quota.assign(folder, id);
    projects.settle(id, true);
    return project;
  }

  async #limit(
    { id, quota }: Project,
    limitBytes: number | undefined,
    imageBytes: number,
  ): Promise<void> {
    const { isEnforced, headroomBytes = 0 } = this.#options;
    const wished = isEnforced ? (limitBytes ?? 0) : 0;
    const soft = wished === 0 ? 0 : wished + imageBytes;
    await quota.limit(id, soft, soft === 0 ? 0 : soft + headroomBytes);
  }

  /** One look at a time, however often it begins and ends that somebody is watched. */
  #lookLater(): void {
    const { clock, intervalMs, log } = this.#options;
    if (this.#cancel !== undefined || this.#isLooking) return;
    this.#cancel = clock.schedule(intervalMs, () => {
      this.#cancel = undefined;
      this.#isLooking = true;
      this.#look()
        .catch((error: unknown) => log.write("error", "quotas could not be looked at", { error }))
        .finally(() => {
          this.#isLooking = false;
          if (this.#isWatched()) this.#lookLater();
        });
    });
  }

  async #look(): Promise<void> {
    const { isEnforced, headroomBytes } = this.#options;
    const isKilling = isEnforced && headroomBytes !== undefined;
    const reports = await this.#reports();
    for (const held of this.#held.values()) {
      const limitation = updateUsage(held, reports);
      if (isKilling && limitation !== undefined) held.onLimitation?.(limitation);
    }
    await this.#releaseAbandoned();
  }

  /** Of all file systems on which something is held; one that cannot be asked hides no other. */
  async #reports(): Promise<ReadonlyMap<Quota, Usages>> {
    const { range, log } = this.#options;
    const quotas = new Set<Quota>();
    for (const { project, volumes } of this.#held.values()) {
      quotas.add(project.quota);
      for (const volume of volumes)
        if (volume.project !== undefined) quotas.add(volume.project.quota);
    }
    const reports = new Map<Quota, Usages>();
    for (const quota of quotas) {
      try {
        reports.set(quota, await quota.report(range.begin, range.end));
      } catch (error) {
        log.write("error", "quotas could not be looked at", { error });
      }
    }
    return reports;
  }

  /** One at a time: an id that was released may belong to another folder a moment later. */
  #releaseAbandoned(): Promise<void> {
    const { projects, range, clock } = this.#options;
    return this.#releases.run(async () => {
      const byQuota = new Map<Quota, number[]>();
      const slices = new Slices(clock);
      for (const id of projects.abandoned()) {
        if (slices.isOver) await slices.next();
        const quota = this.#quotaOfGone(projects.folderOf(id) ?? "/");
        if (quota === undefined) continue;
        byQuota.set(quota, [...(byQuota.get(quota) ?? []), id]);
      }
      for (const [quota, ids] of byQuota) {
        const usages = await quota.report(range.begin, range.end);
        // What was moved elsewhere, as a destroyed volume into the trash, counts for the id still.
        const free = ids.filter((id) => (usages.get(id)?.usedBytes ?? 0) === 0);
        if (free.length === 0) continue;
        const released = free.slice(0, RELEASED_AT_ONCE);
        await quota.unlimit(released);
        for (const id of released) projects.release(id);
      }
    });
  }

  #quotaOfGone(folder: string): Quota | undefined {
    try {
      return this.#options.quotaOf(folder);
    } catch {
      // Its disk is away.
      return undefined;
    }
  }
}

/** Returns what to end the container for. */
function updateUsage(held: Held, reports: ReadonlyMap<Quota, Usages>): Limitation | undefined {
  const usedBy = ({ quota, id }: Project): number | undefined =>
    reports.get(quota)?.get(id)?.usedBytes;
  const used = usedBy(held.project);
  if (used !== undefined) held.usedBytes = Math.max(0, used - held.imageBytes);
  let limitation: Limitation | undefined;
  if (held.quotaBytes !== undefined) {
    limitation = excessOf({ quotaBytes: held.quotaBytes, disk: undefined }, held.usedBytes ?? 0);
  }
  for (const volume of held.volumes) {
    if (volume.project === undefined) continue;
    volume.usedBytes = usedBy(volume.project) ?? volume.usedBytes;
    limitation ??= excessOf(volume.share, volume.usedBytes ?? 0);
  }
  return limitation;
}

async function statisticsOfVolume({
  share: { disk, quotaBytes: limit, path },
  project,
  usedBytes,
}: HeldVolume): Promise<DiskStatistics> {
  if (project !== undefined) return statisticsOf(disk, limit, usedBytes);
  // The file system is the volume: as in Mesos, it is what is in use there, and has no limit.
  try {
    const { blocks, bfree, bsize } = await statfs(path);
    return statisticsOf(disk, undefined, (blocks - bfree) * bsize);
  } catch {
    // It is away at the moment.
    return statisticsOf(disk, undefined, undefined);
  }
}
