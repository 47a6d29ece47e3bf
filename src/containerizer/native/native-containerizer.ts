/**
 * The native containerizer (`mesos` in `--containerizers`): containers with a sandbox and a keeper
 * like any, in cgroups v2 and namespaces of their own, with the isolators that `--isolation` names.
 * Source: DESIGN §7; semantics 7.10, 7.12.
 */
import { accessSync, constants, readFileSync, statfsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import type { ContainerId } from "../../base/ids.ts";
import type { Clock, Log, OpenTerminal } from "../../base/ports.ts";
import type { Containerizer, ContainerSpec, Isolator } from "../containerizer.ts";
import { innerToolsFolder } from "../keeper/inner-tools.ts";
import { KeeperRecords } from "../keeper/records.ts";
import { agentMark, MesosContainerizer } from "../mesos-containerizer.ts";
import { namedNetworks } from "../named-networks.ts";
import { CgroupTree } from "./cgroup-tree.ts";
import { CpuIsolator } from "./cpu-isolator.ts";
import { type DevTemplate, devTemplate } from "./dev-template.ts";
import { DeviceGrants } from "./device-grants.ts";
import { DeviceFilterIsolator, DeviceIsolator } from "./device-isolators.ts";
import type { GrantedDevice } from "./device-rules.ts";
import { GpuIsolator } from "./gpu-isolator.ts";
import type { Gpu } from "./gpu-pool.ts";
import { IoIsolator } from "./io-isolator.ts";
import type { Isolation } from "./isolation.ts";
import { LinuxLauncher } from "./linux-launcher.ts";
import { MemoryIsolator } from "./memory-isolator.ts";
import { type NamespaceSettings, namespacesOf } from "./namespaces.ts";
import { CniCatalog, type CniCatalogOptions } from "./network/cni-catalog.ts";
import { ContainerNetworks } from "./network/container-networks.ts";
import { NetworkIsolator } from "./network/network-isolator.ts";
import { PidsIsolator } from "./pids-isolator.ts";
import { PortIsolator, type PortSettings } from "./port-isolator.ts";
import { PressureIsolator } from "./pressure-isolator.ts";
import {
  CapabilityIsolator,
  type CapabilitySettings,
  NoNewPrivilegesIsolator,
  RlimitIsolator,
} from "./privilege-isolators.ts";
import { findPrograms } from "./programs.ts";
import { RootfsIsolator, SandboxIsolator } from "./rootfs-isolator.ts";
import { SeccompIsolator, type SeccompSettings } from "./seccomp/seccomp-isolator.ts";
import { ShmIsolator } from "./shm-isolator.ts";
import { VolumeIsolator } from "./volume-isolator.ts";

export interface NativeContainerizerOptions {
  readonly workDir: string;
  readonly runtimeDir: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly isolation: ReadonlySet<Isolation>;
  readonly cgroups: CgroupSettings;
  readonly namespaces: NamespaceSettings;
  readonly capabilities: CapabilitySettings;
  readonly seccomp: SeccompSettings;
  readonly volumes: VolumeSettings;
  readonly ports: PortSettings;
  readonly devices: DeviceSettings;
  readonly networks: NetworkSettings;
  /** Further isolators, run after those of `isolation`. */
  readonly isolators?: readonly Isolator[] | undefined;
  readonly openTerminal?: OpenTerminal | undefined;
  readonly shell?: string | undefined;
}

/** The agent's `--cgroups_*` and their like. */
export interface CgroupSettings {
  readonly hierarchy: string;
  readonly root: string;
  readonly destroyTimeoutMs: number;
  /** `--cgroups_enable_cfs` */
  readonly isCpuRequestHard: boolean;
  /** `--revocable_cpu_low_priority` */
  readonly isRevocableCpuLow: boolean;
  /** `--cgroups_limit_swap` */
  readonly isSwapLimited: boolean;
  /** `--cgroups_pids_max`; 0 for no bound. */
  readonly pidsMax: number;
}

export interface VolumeSettings {
  /** `--host_path_volume_force_creation`: absolute folders in which host paths may be made. */
  readonly madeBelow: readonly string[];
}

export interface DeviceSettings {
  /** `--allowed_devices` */
  readonly allowed: readonly GrantedDevice[];
  /** Those of the agent, where the isolator `gpu/nvidia` is asked for. */
  readonly gpus: readonly Gpu[];
}

export interface NetworkSettings extends CniCatalogOptions {
  /** `--network_cni_root_dir_persist`: what is known of networks outlives the runtime folder. */
  readonly isPersistent: boolean;
}

/** Containers of one agent. Needs what `nativeObstacle` looks for. */
export function nativeContainerizer(options: NativeContainerizerOptions): Containerizer {
  const { workDir, runtimeDir, clock, log, isolation } = options;
  const mark = agentMark(workDir);
  const cgroups = new CgroupTree({ ...options.cgroups, mark, clock, log });
  const networks = new ContainerNetworks({
    folder: options.networks.isPersistent
      ? resolve(workDir, "isolators/network/cni")
      : resolve(runtimeDir, "networks", mark),
    catalog: new CniCatalog(options.networks),
    clock,
    log,
  });
  return new MesosContainerizer({
    workDir,
    runtimeDir,
    clock,
    log,
    openTerminal: options.openTerminal,
    shell: options.shell,
    // Without the controller there are only the processes themselves to measure.
    isolation: missingControllers(options.cgroups.hierarchy).includes("memory")
      ? ["posix/mem"]
      : [],
    isolators: [...isolatorsOf(options, cgroups, networks), ...(options.isolators ?? [])],
    refusalOf: (spec) => refusalOf(spec, isolation),
    launcher: (context) =>
      new LinuxLauncher({
        context,
        cgroups,
        namespacesOf: (spec) => namespacesOf(spec, isolation, options.namespaces),
        networkOf: (spec) => networks.namespaceFor(spec),
      }),
  });
}

function isolatorsOf(
  options: NativeContainerizerOptions,
  cgroups: CgroupTree,
  networks: ContainerNetworks,
): Isolator[] {
  const { isolation } = options;
  const grants = new DeviceGrants(options.devices.allowed);
  const ports = {
    pidsOf: (id: ContainerId) => cgroups.pidsOf(id),
    isOnHost: (id: ContainerId) => !networks.has(id),
  };
  return [
    ...cgroupIsolators(options, cgroups),
    new PressureIsolator(cgroups),
    ...deviceIsolators(options, cgroups, grants),
    ...mountIsolators(options, grants, networks),
    ...privilegeIsolators(options),
    ...(isolation.has("network/ports")
      ? [new PortIsolator({ ...options, ...options.ports, ...ports })]
      : []),
    ...networkIsolators(networks),
  ];
}

function cgroupIsolators(
  { isolation, cgroups: settings }: NativeContainerizerOptions,
  cgroups: CgroupTree,
): Isolator[] {
  const isolators: Isolator[] = [];
  if (isolation.has("cgroups/cpu") || isolation.has("posix/cpu")) {
    isolators.push(
      new CpuIsolator({
        cgroups,
        isRequestHard: settings.isCpuRequestHard,
        isRevocableLow: settings.isRevocableCpuLow,
        hostCpus: availableParallelism(),
      }),
    );
  }
  if (isolation.has("cgroups/mem") || isolation.has("posix/mem")) {
    isolators.push(new MemoryIsolator({ cgroups, isSwapLimited: settings.isSwapLimited }));
  }
  if (isolation.has("cgroups/pids")) isolators.push(new PidsIsolator(cgroups, settings.pidsMax));
  if (isolation.has("cgroups/blkio")) isolators.push(new IoIsolator(cgroups));
  return isolators;
}

/** Gpus come first: what a container gets of them is a part of its /dev and of its filter. */
function deviceIsolators(
  { isolation, workDir, runtimeDir, devices, log }: NativeContainerizerOptions,
  cgroups: CgroupTree,
  grants: DeviceGrants,
): Isolator[] {
  const records = new KeeperRecords(resolve(runtimeDir), agentMark(workDir));
  const filter = isolation.has("cgroups/devices")
    ? new DeviceFilterIsolator({ cgroups, grants, runtimeDir })
    : undefined;
  const gpus = new GpuIsolator({
    gpus: devices.gpus,
    grants,
    log,
    keptOf: (containerId, name) => records.keptOf(containerId, name),
    keep: (containerId, name, text) => records.keep(containerId, name, text),
    refresh: async (containerId) => await filter?.refresh(containerId),
    pidsOf: (containerId) => cgroups.pidsOf(containerId),
  });
  return [
    ...(isolation.has("gpu/nvidia") ? [gpus] : []),
    ...(filter === undefined ? [] : [filter]),
  ];
}

/** There whatever is asked for: what an earlier agent has made has to go. */
function networkIsolators(networks: ContainerNetworks): Isolator[] {
  const { mount } = findPrograms();
  return mount === undefined ? [] : [new NetworkIsolator(networks, mount)];
}

function mountIsolators(
  options: NativeContainerizerOptions,
  grants: DeviceGrants,
  networks: ContainerNetworks,
): Isolator[] {
  const { isolation, runtimeDir } = options;
  const mount = findPrograms().mount;
  if (mount === undefined) return [];
  const template = (): Promise<DevTemplate> => devTemplate(runtimeDir);
  const toolsFolder = (): Promise<string> => innerToolsFolder(runtimeDir);
  const rootfs = new RootfsIsolator({ mount, toolsFolder, template, grants, networks });
  const volumes = new VolumeIsolator({
    isolation,
    mount,
    folderOf: ({ containerId }) => join(resolve(runtimeDir), "containers", containerId),
    madeBelow: options.volumes.madeBelow,
  });
  const mayGrow = options.devices.gpus.length > 0;
  const devices = new DeviceIsolator({ mount, grants, template, mayGrow });
  const shm = new ShmIsolator(mount, options.namespaces.shmBytes);
  const hasFiles = isolation.has("filesystem/linux");
  return [
    ...(hasFiles ? [rootfs] : []),
    ...(isolation.has("linux/devices") ? [devices] : []),
    ...(isolation.has("namespaces/ipc") ? [shm] : []),
    // The sandbox comes last, with whatever is mounted in it.
    ...(hasFiles ? [volumes, new SandboxIsolator(mount)] : []),
  ];
}

function privilegeIsolators({
  isolation,
  capabilities,
  seccomp,
}: NativeContainerizerOptions): Isolator[] {
  return [
    ...(isolation.has("linux/capabilities")
      ? [new CapabilityIsolator(capabilities, isolation.has("linux/devices"))]
      : []),
    ...(isolation.has("linux/seccomp") ? [new SeccompIsolator(seccomp, capabilities)] : []),
    ...(isolation.has("linux/nnp") ? [new NoNewPrivilegesIsolator()] : []),
    ...(isolation.has("posix/rlimits") ? [new RlimitIsolator(findPrograms().prlimit)] : []),
  ];
}

/** What a container asks for that nothing here gives; saying so beats running it wrongly. */
function refusalOf(
  { container, group, rootfs }: ContainerSpec,
  isolation: ReadonlySet<Isolation>,
): string | undefined {
  if (container?.type === "DOCKER") return "this agent runs no DOCKER containers";
  if (container?.mesos?.image !== undefined && rootfs === undefined) {
    return "this agent provides no container images";
  }
  const linux = container?.linux_info;
  const wishes: readonly (readonly [Isolation, boolean])[] = [
    ["filesystem/linux", (container?.volumes ?? []).length > 0 || rootfs !== undefined],
    ["network/cni", [container, group?.container].some((one) => namedNetworks(one).length > 0)],
    ["namespaces/ipc", linux?.ipc_mode === "PRIVATE" || linux?.shm_size !== undefined],
    ["linux/seccomp", linux?.seccomp?.profile_name !== undefined],
    ["posix/rlimits", (container?.rlimit_info?.rlimits ?? []).length > 0],
    [
      "linux/capabilities",
      linux?.capability_info !== undefined ||
        linux?.effective_capabilities !== undefined ||
        linux?.bounding_capabilities !== undefined,
    ],
  ];
  const missing = wishes.find(([name, isWished]) => isWished && !isolation.has(name));
  if (missing === undefined) return undefined;
  return `the container needs the isolator ${missing[0]}, which the agent's --isolation does not list`;
}

/** Controllers for limits that the host's cgroups v2 do not have. */
export function missingControllers(hierarchy: string): string[] {
  const there = readFileSync(join(hierarchy, "cgroup.controllers"), "utf8").trim().split(" ");
  return ["cpu", "memory", "pids", "io"].filter((name) => !there.includes(name));
}

/** Magic number of the cgroup v2 file system. */
const CGROUP2_MAGIC = 0x6367_7270;

/** Why this host or this agent cannot have a native containerizer; undefined when it can. */
export function nativeObstacle(hierarchy: string): string | undefined {
  if (process.getuid?.() !== 0) return "the agent is not root";
  const { unshare, mount, setpriv } = findPrograms();
  if (unshare === undefined || mount === undefined || setpriv === undefined) {
    return "unshare, mount or setpriv is missing: install util-linux";
  }
  try {
    accessSync(hierarchy, constants.W_OK);
    if (statfsSync(hierarchy).type !== CGROUP2_MAGIC) {
      return `${hierarchy} is no cgroup v2 hierarchy: boot with systemd.unified_cgroup_hierarchy=1`;
    }
    readFileSync(join(hierarchy, "cgroup.controllers"));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return `${hierarchy} cannot be used: ${reason}`;
  }
  return undefined;
}
