/**
 * The isolator `disk/du`: walks what containers that asked for disk have written, in their sandboxes
 * and in roots of their own that lie over an image, from time to time and, if told to, ends those
 * that hold more than that. Mesos runs du in the same way. Source: semantics 7.13, 7.14.
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
} from "../containerizer.ts";
import { runHelper } from "../keeper/host-tools.ts";
import { WALK_PAUSE_MS, WALKS_AT_ONCE } from "../limits.ts";
import { TurnQueue } from "../turn-queue.ts";
import { IsolatorBase, NO_PREPARATION } from "./isolator-base.ts";
import { findPrograms } from "./programs.ts";

export interface DiskIsolatorOptions {
  /** `--container_disk_watch_interval` */
  readonly intervalMs: number;
  /** `--enforce_container_disk_quota` */
  readonly isEnforced: boolean;
  readonly clock: Clock;
  readonly log: Log;
}

interface Measured {
  readonly folders: readonly string[];
  resources: readonly Resource[];
  usedBytes: number | undefined;
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

  prepare({ containerId, directory, rootfs, resources }: ContainerSpec): Promise<Preparation> {
    this.#add({ containerId, directory, writtenPath: rootfs?.writtenPath }, resources);
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
    if (measured !== undefined) measured.resources = resources;
    return Promise.resolve();
  }

  override usage(containerId: ContainerId): Promise<Partial<ResourceStatistics>> {
    const measured = this.#measured.get(containerId);
    if (measured?.usedBytes === undefined) return Promise.resolve({});
    const limit = quotaBytes(measured.resources);
    return Promise.resolve({
      disk_used_bytes: measured.usedBytes,
      ...(limit === undefined ? {} : { disk_limit_bytes: limit }),
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
      this.#measure(containerId)
        .then((limitation) => {
          if (isStopped) return;
          if (limitation !== undefined && this.#options.isEnforced) return onLimitation(limitation);
          cancel = clock.schedule(intervalMs, look);
        })
        .catch((error: unknown) => log.write("error", "measuring a sandbox failed", { error }));
    };
    let cancel = clock.schedule(intervalMs, look);
    return () => {
      isStopped = true;
      cancel();
    };
  }

  #add(
    { containerId, directory, writtenPath }: KnownContainer,
    resources: readonly Resource[],
  ): void {
    const folders = writtenPath === undefined ? [directory] : [directory, writtenPath];
    this.#measured.set(containerId, { folders, resources, usedBytes: undefined });
  }

  /** Returns what to end the container for. */
  async #measure(containerId: ContainerId): Promise<Limitation | undefined> {
    const measured = this.#measured.get(containerId);
    // A walk costs a process: it is made where somebody said how much there may be.
    if (measured === undefined || quotaBytes(measured.resources) === undefined) return undefined;
    const used = await this.#walk(measured.folders);
    // What could not be walked through, since it changed or ended meanwhile, is measured next time.
    if (used === undefined) return undefined;
    measured.usedBytes = used;
    const quota = quotaBytes(measured.resources);
    if (quota === undefined || used <= quota) return undefined;
    return diskExceeded(used, quota);
  }

  /** Bytes on their file systems below the folders; what is mounted in them counts elsewhere. */
  #walk(folders: readonly string[]): Promise<number | undefined> {
    const { du } = findPrograms();
    if (du === undefined) return Promise.resolve(undefined);
    return this.#walks.run(async () => {
      const output = await runHelper(du, ["-k", "-s", "-x", "--", ...folders]);
      const { clock } = this.#options;
      await new Promise<void>((wake) => clock.schedule(WALK_PAUSE_MS, wake));
      const sizes = [...(output ?? "").matchAll(/^(\d+)\t/gm)].map(([, size]) => Number(size));
      if (sizes.length < folders.length) return undefined;
      return sizes.reduce((sum, kilobytes) => sum + kilobytes * 1024, 0);
    });
  }
}

/** Both in bytes. */
export function diskExceeded(used: number, quota: number): Limitation {
  return {
    reason: "REASON_CONTAINER_LIMITATION_DISK",
    message: `Disk usage (${megabytes(used)}MB) exceeds quota (${megabytes(quota)}MB)`,
    resources: [{ name: "disk", type: "SCALAR", scalar: { value: megabytes(used) } }],
  };
}

/** Disk of the sandbox: what is neither a volume nor on a disk of its own. */
export function quotaBytes(resources: readonly Resource[]): number | undefined {
  const own = resources.filter(({ name, disk }) => {
    return name === "disk" && disk?.persistence === undefined && disk?.source === undefined;
  });
  if (own.length === 0) return undefined;
  const total = own.reduce((sum, resource) => sum + (resource.scalar?.value ?? 0), 0);
  return Math.round(total * 1024 * 1024);
}

function megabytes(bytes: number): number {
  return Math.round((bytes / (1024 * 1024)) * 1000) / 1000;
}
