/**
 * The isolator `gpu/nvidia`: gpus as whole devices. A container gets the nodes of its own and those of
 * the driver, and no other; what it got is kept with its records, so that it keeps it when the agent
 * restarts. Libraries of the driver are the image's or the host's. Source: semantics 7.16.
 */
import { closeSync, constants, existsSync, openSync, readdirSync, statfsSync } from "node:fs";
import { basename, join } from "node:path";
import process from "node:process";
import type { ContainerId } from "../../base/ids.ts";
import type { Log } from "../../base/ports.ts";
import { ok, type Result, refuse } from "../../base/result.ts";
import type { Resource } from "../../protocol/v1/types.ts";
import {
  ContainerizerError,
  type ContainerSpec,
  type KnownContainer,
  type Preparation,
} from "../containerizer.ts";
import { findProgram, runHelper } from "../keeper/host-tools.ts";
import { requested } from "../posix/posix-isolators.ts";
import type { DeviceGrants } from "./device-grants.ts";
import { deviceAt } from "./device-nodes.ts";
import { FULL_ACCESS, type GrantedDevice } from "./device-rules.ts";
import { type Gpu, GpuPool } from "./gpu-pool.ts";
import { IsolatorBase, NO_PREPARATION } from "./isolator-base.ts";

/** What programs need of the driver, whatever gpus they have. */
const DRIVER_NODES = ["nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset"];
const KEPT = "gpus";
/** Magic number of tmpfs. */
const TMPFS_MAGIC = 0x0102_1994;

/**
 * The gpus to share out: those of `--nvidia_gpu_devices`, by number and in that order, or all whose
 * nodes are in the folder, which is /dev. Errors: `invalid` for what is no list of gpus of this host.
 */
export function findGpus(list: string | undefined, folder: string = "/dev"): Result<Gpu[]> {
  const names = readdirSync(folder).filter((name) => /^nvidia\d+$/.test(name));
  const there = names.map((name) => Number(name.slice("nvidia".length)));
  const name = "nvidia_gpu_devices";
  const ids = list?.split(",").map((part) => (/^\s*\d+\s*$/.test(part) ? Number(part) : -1));
  if (ids?.includes(-1)) {
    return refuse("invalid", `--${name}: '${list}' is no list of numbers such as 0,1`, name);
  }
  if (ids !== undefined && new Set(ids).size < ids.length) {
    return refuse("invalid", `--${name}: '${list}' names a gpu twice`, name);
  }
  const gpus: Gpu[] = [];
  for (const id of ids ?? there.sort((one, other) => one - other)) {
    const device = grantOf(join(folder, `nvidia${id}`));
    if (device === undefined) {
      return refuse(
        "invalid",
        `--${name}: there is no gpu ${folder}/nvidia${id} on this host`,
        name,
      );
    }
    gpus.push({ id, device });
  }
  return ok(gpus);
}

function grantOf(path: string): GrantedDevice | undefined {
  const node = deviceAt(path);
  return node === undefined ? undefined : { ...node, access: FULL_ACCESS, path };
}

export interface GpuIsolatorOptions {
  readonly gpus: readonly Gpu[];
  readonly grants: DeviceGrants;
  readonly log: Log;
  readonly keptOf: (containerId: ContainerId, name: string) => string | undefined;
  readonly keep: (containerId: ContainerId, name: string, text: string) => void;
  /** Makes a change of the grants of a container that runs hold. */
  readonly refresh: (containerId: ContainerId) => Promise<void>;
  readonly pidsOf: (containerId: ContainerId) => readonly number[];
}

export class GpuIsolator extends IsolatorBase {
  readonly name = "gpu/nvidia";
  readonly #options: GpuIsolatorOptions;
  readonly #pool: GpuPool;

  constructor(options: GpuIsolatorOptions) {
    super();
    this.#options = options;
    this.#pool = new GpuPool(options.gpus);
  }

  prepare({ containerId, resources }: ContainerSpec): Promise<Preparation> {
    const held = this.#resize(containerId, resources);
    if (held.length === 0) return Promise.resolve(NO_PREPARATION);
    return Promise.resolve({ environment: {}, kept: { [KEPT]: textOf(held) } });
  }

  /** Of a custom executor whose tasks come and go. */
  override async update(containerId: ContainerId, resources: readonly Resource[]): Promise<void> {
    const before = this.#pool.heldBy(containerId);
    const held = this.#resize(containerId, resources);
    if (textOf(held) === textOf(before)) return;
    this.#options.keep(containerId, KEPT, textOf(held));
    await this.#options.refresh(containerId);
    for (const { path, major, minor } of held.length === 0 ? [] : devicesOf(held)) {
      if (path !== undefined) await this.#placeNode(containerId, path, { major, minor });
    }
  }

  override recover(containers: readonly KnownContainer[]): Promise<void> {
    for (const { containerId } of containers) {
      const text = this.#options.keptOf(containerId, KEPT) ?? "";
      const ids = text.split(",").flatMap((id) => (id === "" ? [] : Number(id)));
      const held = this.#pool.recover(containerId, ids);
      if (held.length > 0) this.#options.grants.give(containerId, devicesOf(held));
    }
    return Promise.resolve();
  }

  override cleanup(containerId: ContainerId): Promise<void> {
    this.#pool.resize(containerId, 0);
    this.#options.grants.takeAll(containerId);
    return Promise.resolve();
  }

  #resize(containerId: ContainerId, resources: readonly Resource[]): readonly Gpu[] {
    const count = requested(resources, "gpus") ?? 0;
    if (!Number.isInteger(count)) {
      throw new ContainerizerError(`The container asks for ${count} gpus; give whole ones`);
    }
    const held = this.#pool.resize(containerId, count);
    if (!held.ok) throw new ContainerizerError(held.error.message);
    this.#options.grants.give(containerId, held.value.length === 0 ? [] : devicesOf(held.value));
    return held.value;
  }

  /**
   * Puts a node into the /dev of a container that runs, where that has a /dev of its own. Its root
   * may have put anything in the folder's place: it is opened without following and has to be the
   * kind of file system that was mounted there.
   */
  async #placeNode(
    containerId: ContainerId,
    node: string,
    { major, minor }: Pick<GrantedDevice, "major" | "minor">,
  ): Promise<void> {
    const { log, pidsOf } = this.#options;
    const [pid] = pidsOf(containerId);
    const mknod = findProgram("mknod");
    if (pid === undefined || mknod === undefined) return;
    let folder: number | undefined;
    try {
      const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
      folder = openSync(`/proc/${pid}/root/dev`, flags);
      const place = `/proc/${process.pid}/fd/${folder}`;
      if (statfsSync(place).type !== TMPFS_MAGIC) return;
      const path = `${place}/${basename(node)}`;
      if (existsSync(path)) return;
      await runHelper(mknod, ["-m", "0666", path, "c", String(major), String(minor)]);
    } catch (error) {
      // Ended meanwhile, or without such a folder by its own doing.
      log.write("debug", "a device could not be shown in a container", { containerId, error });
    } finally {
      if (folder !== undefined) closeSync(folder);
    }
  }
}

/** Gpus come with the nodes of their driver, as far as there are any. */
function devicesOf(gpus: readonly Gpu[]): GrantedDevice[] {
  const driver = DRIVER_NODES.flatMap((name) => grantOf(`/dev/${name}`) ?? []);
  return [...gpus.map(({ device }) => device), ...driver];
}

function textOf(gpus: readonly Gpu[]): string {
  return gpus.map(({ id }) => id).join(",");
}
