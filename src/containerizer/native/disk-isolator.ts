/**
 * The isolator `disk/du`: walks from time to time through what containers hold that asked for disk
 * (their sandboxes, with what they have written into roots of their own and other images, and their
 * persistent volumes) and, if told to, ends those that hold more than that. Mesos runs du in the same
 * way. Source: semantics 7.13, 7.14.
 */

import type { ContainerId } from "../../base/ids.ts";
import type { Clock, Log } from "../../base/ports.ts";
import type { Resource, ResourceStatistics } from "../../protocol/v1/types.ts";
import type {
  ContainerSpec,
  KnownContainer,
  Limitation,
  Preparation,
  ResourceLimits,
  WrittenFolder,
} from "../containerizer.ts";
import { bytesBelow } from "../disk-walk.ts";
import { WALK_PAUSE_MS, WALKS_AT_ONCE } from "../limits.ts";
import { TurnQueue } from "../turn-queue.ts";
import { pause } from "../waiting.ts";
import {
  type DiskShare,
  excessOf,
  quotaBytes,
  statisticsOf,
  type VolumeShare,
  volumeShares,
} from "./disk-shares.ts";
import { IsolatorBase, NO_PREPARATION } from "./isolator-base.ts";

export interface DiskIsolatorOptions {
  /** `--work_dir`, where persistent volumes are. */
  readonly workDir: string;
  /** `--container_disk_watch_interval` */
  readonly intervalMs: number;
  /** `--enforce_container_disk_quota` */
  readonly isEnforced: boolean;
  readonly clock: Clock;
  readonly log: Log;
}

interface Measured {
  readonly directory: string;
  readonly parentId: ContainerId | undefined;
  readonly written: readonly WrittenFolder[];
  /** Of the sandbox; undefined where nobody said how much there may be. */
  share: DiskShare | undefined;
  volumes: readonly VolumeShare[];
  usedBytes: number | undefined;
  /** By their paths. */
  readonly usedOfVolumes: Map<string, number>;
}

export class DiskIsolator extends IsolatorBase {
  readonly name = "disk/du";
  readonly #options: DiskIsolatorOptions;
  readonly #measured = new Map<ContainerId, Measured>();
  readonly #walks = new TurnQueue(WALKS_AT_ONCE);

  constructor(options: DiskIsolatorOptions) {
    super();
    this.#options = options;
  }

  prepare(spec: ContainerSpec): Promise<Preparation> {
    this.#add(spec, spec.resources);
    return Promise.resolve(NO_PREPARATION);
  }

  override recover(containers: readonly KnownContainer[]): Promise<void> {
    for (const container of containers) this.#add(container, []);
    return Promise.resolve();
  }

  override update(
    containerId: ContainerId,
    resources: readonly Resource[],
    _limits: ResourceLimits,
  ): Promise<void> {
    const measured = this.#measured.get(containerId);
    if (measured !== undefined) Object.assign(measured, this.#sharesOf(resources));
    return Promise.resolve();
  }

  override usage(containerId: ContainerId): Promise<Partial<ResourceStatistics>> {
    const measured = this.#measured.get(containerId);
    if (measured === undefined) return Promise.resolve({});
    const { share, volumes, usedBytes, usedOfVolumes } = measured;
    const disks = volumes.map(({ path, disk, quotaBytes: limit }) =>
      statisticsOf(disk, limit, usedOfVolumes.get(path)),
    );
    if (share !== undefined) disks.push(statisticsOf(undefined, share.quotaBytes, usedBytes));
    return Promise.resolve({
      ...(share === undefined ? {} : { disk_limit_bytes: share.quotaBytes }),
      ...(share === undefined || usedBytes === undefined ? {} : { disk_used_bytes: usedBytes }),
      ...(disks.length === 0 ? {} : { disk_statistics: disks }),
    });
  }

  override cleanup(containerId: ContainerId): Promise<void> {
    this.#measured.delete(containerId);
    return Promise.resolve();
  }

  override watch(
    containerId: ContainerId,
    onLimitation: (limitation: Limitation) => void,
  ): () => void {
    const { clock, intervalMs, log } = this.#options;
    let isStopped = false;
    const look = (): void => {
      const again = (): void => {
        if (!isStopped) cancel = clock.schedule(intervalMs, look);
      };
      this.#measure(containerId).then(
        (limitation) => {
          if (limitation === undefined || !this.#options.isEnforced) again();
          else if (!isStopped) onLimitation(limitation);
        },
        (error: unknown) => {
          log.write("error", "measuring a sandbox failed", { error });
          again();
        },
      );
    };
    let cancel = clock.schedule(intervalMs, look);
    return () => {
      isStopped = true;
      cancel();
    };
  }

  #add(
    { containerId, directory, parentId, written = [] }: KnownContainer,
    resources: readonly Resource[],
  ): void {
    this.#measured.set(containerId, {
      directory,
      parentId,
      written,
      ...this.#sharesOf(resources),
      usedBytes: undefined,
      usedOfVolumes: new Map(),
    });
  }

  #sharesOf(resources: readonly Resource[]): Pick<Measured, "share" | "volumes"> {
    const quota = quotaBytes(resources);
    return {
      share: quota === undefined ? undefined : { quotaBytes: quota, disk: undefined },
      volumes: volumeShares(this.#options.workDir, resources),
    };
  }

  /** Returns what to end the container for. */
  async #measure(containerId: ContainerId): Promise<Limitation | undefined> {
    const measured = this.#measured.get(containerId);
    if (measured === undefined) return undefined;
    // A walk costs a process: it is made where somebody said how much there may be.
    const limitations =
      measured.share === undefined ? [] : [await this.#measureSandbox(containerId, measured)];
    for (const { path } of measured.volumes) {
      limitations.push(await this.#measureVolume(path, measured));
    }
    return limitations.find((limitation) => limitation !== undefined);
  }

  async #measureSandbox(
    containerId: ContainerId,
    measured: Measured,
  ): Promise<Limitation | undefined> {
    const written = this.#writtenIn(containerId);
    const found = await this.#walk([measured.directory, ...written.map(({ path }) => path)]);
    // What could not be walked through is measured next time.
    if (found === undefined) return undefined;
    const ofImages = written.reduce((sum, { imageBytes }) => sum + imageBytes, 0);
    measured.usedBytes = Math.max(0, found - ofImages);
    return measured.share === undefined ? undefined : excessOf(measured.share, measured.usedBytes);
  }

  async #measureVolume(path: string, measured: Measured): Promise<Limitation | undefined> {
    // The slash leads to the folder where an operator put a link in its place.
    const used = await this.#walk([`${path}/`]);
    const share = measured.volumes.find((one) => one.path === path);
    if (used === undefined || share === undefined) return undefined;
    measured.usedOfVolumes.set(path, used);
    return share.isWhole ? undefined : excessOf(share, used);
  }

  /** By the container and all that is nested in it, whose sandboxes are in its own. */
  #writtenIn(containerId: ContainerId): readonly WrittenFolder[] {
    return [...this.#measured].flatMap(([id, { written }]) =>
      written.length > 0 && this.#isWithin(id, containerId) ? written : [],
    );
  }

  #isWithin(containerId: ContainerId, around: ContainerId): boolean {
    let id: ContainerId | undefined = containerId;
    while (id !== undefined && id !== around) id = this.#measured.get(id)?.parentId;
    return id === around;
  }

  #walk(folders: readonly string[]): Promise<number | undefined> {
    return this.#walks.run(async () => {
      const found = await bytesBelow(folders);
      await pause(this.#options.clock, WALK_PAUSE_MS);
      return found;
    });
  }
}
