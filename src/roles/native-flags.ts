/**
 * Which containerizer an agent's flags ask for and its host can give. Where nothing is asked for it
 * is the native one if possible, and otherwise the posix one, which says so loudly; what is asked for
 * and cannot be had keeps the agent from starting. Source: semantics 7.10; DESIGN §7.
 */
import { isAbsolute, normalize } from "node:path";
import { ok, type Result, refuse } from "../base/result.ts";
import type { Containerizer } from "../containerizer/containerizer.ts";
import { MesosContainerizer } from "../containerizer/mesos-containerizer.ts";
import {
  type Isolation,
  NATIVE_ISOLATION,
  needsLinuxLauncher,
  POSIX_ISOLATION,
  parseIsolation,
} from "../containerizer/native/isolation.ts";
import {
  missingControllers,
  nativeContainerizer,
  nativeObstacle,
} from "../containerizer/native/native-containerizer.ts";
import type { PortRange } from "../containerizer/native/port-isolator.ts";
import { RlimitIsolator } from "../containerizer/native/privilege-isolators.ts";
import { findPrograms } from "../containerizer/native/programs.ts";
import type { ImageCollector } from "../images/image-collector.ts";
import type { CapabilityInfo } from "../protocol/v1/types.ts";
import { deviceFlags } from "./device-flags.ts";
import { diskIsolators } from "./disk-flags.ts";
import { openImages } from "./image-flags.ts";
import { networkFlags } from "./network-flags.ts";
import type { RoleContext } from "./role-context.ts";
import { seccompFlags } from "./seccomp-flags.ts";

export interface ChosenContainerizer {
  readonly containerizer: Containerizer;
  /** Undefined where containers can have no images. */
  readonly images: ImageCollector | undefined;
  /** How many gpus there are to be offered; undefined where they are not looked after. */
  readonly gpus: number | undefined;
  /** `TaskInfo.limits` are enforced. */
  readonly areLimitsEnforced: boolean;
  /** What holds in place of the flags of these names. */
  readonly flags: Readonly<Record<string, string>>;
}

export interface LauncherChoice {
  readonly launcher: "linux" | "posix";
  readonly isolation: ReadonlySet<Isolation>;
  /** Why tasks are less isolated than they could be, when nobody asked for that. */
  readonly degradation: string | undefined;
}

/** Errors: a refusal for flags that contradict each other or this host. */
export async function chooseContainerizer(
  context: RoleContext,
  runtimeDir: string,
): Promise<Result<ChosenContainerizer>> {
  const { flags, codec, workDir, clock, log, openTerminal } = context;
  const hierarchy = flags.string("cgroups_hierarchy") ?? "/sys/fs/cgroup";
  const choice = chooseLauncher({
    launcher: flags.string("launcher"),
    isolation: flags.string("isolation"),
    obstacle: nativeObstacle(hierarchy),
  });
  if (!choice.ok) return choice;
  const { launcher, degradation } = choice.value;
  const wanted = launcher === "linux" ? choice.value.isolation : undefined;
  const devices = await deviceFlags(context, wanted, runtimeDir);
  if (!devices.ok) return devices;
  const missing = launcher === "linux" ? missingControllers(hierarchy) : [];
  const shortfall = missing.length === 0 ? degradation : `no controllers for ${missing.join(", ")}`;
  if (shortfall !== undefined) {
    const what = launcher === "linux" ? "partly" : "not";
    log.write("warning", `tasks are ${what} isolated from each other`, { reason: shortfall });
  }
  const effective = capabilitiesFlag(
    flags.json("effective_capabilities"),
    codec,
    "effective_capabilities",
  );
  if (!effective.ok) return effective;
  const bounding = capabilitiesFlag(
    flags.json("bounding_capabilities"),
    codec,
    "bounding_capabilities",
  );
  if (!bounding.ok) return bounding;
  const given = checkCapabilities(effective.value, bounding.value);
  if (!given.ok) return given;
  const native = wanted === undefined ? undefined : devices.value.isolation;
  const seccomp = seccompFlags(flags, native, bounding.value);
  if (!seccomp.ok) return seccomp;
  const asked = native === undefined ? choice.value.isolation : seccomp.value.isolation;
  const looked = portsFlag(flags);
  if (!looked.ok) return looked;
  const madeBelow = madeBelowFlag(flags);
  if (!madeBelow.ok) return madeBelow;
  const networks = networkFlags(context, launcher, asked);
  if (!networks.ok) return networks;
  const { isolation } = networks.value;
  const images = await openImages(context, launcher === "linux" ? isolation : undefined);
  if (!images.ok) return images;
  const disk = diskIsolators(context, isolation);
  if (!disk.ok) return disk;
  const parts = { workDir, runtimeDir, clock, log, openTerminal };
  const containerizer =
    launcher === "posix"
      ? new MesosContainerizer({
          ...parts,
          isolation: ["posix/cpu", "posix/mem"],
          isolators: [
            ...disk.value,
            ...(isolation.has("posix/rlimits") ? [new RlimitIsolator(findPrograms().prlimit)] : []),
          ],
        })
      : nativeContainerizer({
          ...parts,
          isolation,
          isolators: [...disk.value, ...(images.value?.isolators ?? [])],
          cgroups: {
            hierarchy,
            root: flags.string("cgroups_root") ?? "allot",
            destroyTimeoutMs: flags.durationMs("cgroups_destroy_timeout") ?? 60_000,
            isCpuRequestHard: flags.boolean("cgroups_enable_cfs"),
            isRevocableCpuLow: flags.boolean("revocable_cpu_low_priority"),
            isSwapLimited: flags.boolean("cgroups_limit_swap"),
            pidsMax: flags.integer("cgroups_pids_max") ?? 4096,
          },
          namespaces: {
            isPidSharingForbidden: flags.boolean("disallow_sharing_agent_pid_namespace"),
            isIpcSharingForbidden: flags.boolean("disallow_sharing_agent_ipc_namespace"),
            shmBytes: flags.sizeBytes("default_container_shm_size"),
          },
          capabilities: { effective: effective.value, bounding: bounding.value },
          seccomp: seccomp.value.settings,
          volumes: { madeBelow: madeBelow.value },
          devices: devices.value.settings,
          ports: {
            intervalMs: flags.durationMs("container_ports_watch_interval") ?? 30_000,
            isEnforced: flags.boolean("enforce_container_ports"),
            looked: looked.value,
          },
          networks: networks.value.settings,
        });
  const areLimitsWanted = isolation.has("cgroups/cpu") && isolation.has("cgroups/mem");
  return ok({
    containerizer: images.value?.wrap(containerizer) ?? containerizer,
    images: images.value?.collector,
    gpus: isolation.has("gpu/nvidia") ? devices.value.settings.gpus.length : undefined,
    areLimitsEnforced: areLimitsWanted && !missing.includes("cpu") && !missing.includes("memory"),
    flags: {
      launcher,
      isolation: [...isolation].join(","),
      ...images.value?.flags,
      ...(shortfall === undefined ? {} : { isolation_degraded: shortfall }),
    },
  });
}

/** `--effective_capabilities={"capabilities": ["NET_RAW"]}` and its like. */
export function capabilitiesFlag(
  value: unknown,
  codec: RoleContext["codec"],
  name: "effective_capabilities" | "bounding_capabilities",
): Result<CapabilityInfo | undefined> {
  if (value === undefined) return ok(undefined);
  const parse = (one: unknown) => codec.fromJson("mesos.v1.CapabilityInfo", one);
  const info = parse(value);
  if (!info.ok) return refuse("invalid", `--${name}: ${info.error.message}`, name);
  // Messages leave out names that they do not know, which here would take rights away.
  const listed = (value as { readonly capabilities?: readonly unknown[] }).capabilities ?? [];
  const strange = listed.find((one) => {
    const alone = parse({ capabilities: [one] });
    return alone.ok && alone.value.capabilities?.length !== 1;
  });
  if (strange === undefined) return info;
  const text = `--${name}: there is no capability ${String(strange)}; write it as NET_RAW, without CAP_`;
  return refuse("invalid", text, name);
}

/** Errors: invalid, where more is given by default than can be had. */
export function checkCapabilities(
  effective: CapabilityInfo | undefined,
  bounding: CapabilityInfo | undefined,
): Result<undefined> {
  const allowed = bounding?.capabilities ?? [];
  const outside = (effective?.capabilities ?? []).filter((one) => !allowed.includes(one));
  if (bounding === undefined || outside.length === 0) return ok(undefined);
  const name = "effective_capabilities";
  const message = `--${name}: ${outside.join(", ")} not among --bounding_capabilities`;
  return refuse("invalid", message, name);
}

/** `--container_ports_isolated_range=[31000-32000,40000-40010]` */
/** The folders in which host paths may be made, without slashes at their ends. */
export function madeBelowFlag(
  flags: Pick<RoleContext["flags"], "string">,
): Result<readonly string[]> {
  const name = "host_path_volume_force_creation";
  const folders = (flags.string(name) ?? "").split(":").filter((folder) => folder !== "");
  const relative = folders.find((folder) => !isAbsolute(folder));
  if (relative !== undefined) {
    const remedy = "give absolute folders, separated by colons";
    return refuse("invalid", `--${name}: '${relative}' is a relative path; ${remedy}`, name);
  }
  return ok(folders.map((folder) => normalize(folder).replace(/\/$/, "")));
}

function portsFlag(flags: RoleContext["flags"]): Result<readonly PortRange[] | undefined> {
  const name = "container_ports_isolated_range";
  const text = flags.string(name);
  if (text === undefined) return ok(undefined);
  const ranges: PortRange[] = [];
  for (const part of text.replace(/^\[(.*)\]$/, "$1").split(",")) {
    const [, begin = "", end = ""] = /^\s*(\d{1,5})-(\d{1,5})\s*$/.exec(part) ?? [];
    if (begin === "" || Number(begin) > Number(end)) {
      return refuse("invalid", `--${name}: '${text}' is no list such as [31000-32000]`, name);
    }
    ranges.push({ begin: Number(begin), end: Number(end) });
  }
  return ok(ranges);
}

/** The decision alone. `obstacle`: why the host can have no linux launcher. */
export function chooseLauncher(wish: {
  readonly launcher: string | undefined;
  readonly isolation: string | undefined;
  readonly obstacle: string | undefined;
}): Result<LauncherChoice> {
  const named = wish.isolation === undefined ? ok(undefined) : parseIsolation(wish.isolation);
  if (!named.ok) return named;
  const isolation = named.value;
  const needsLinux = isolation !== undefined && needsLinuxLauncher(isolation);
  if (wish.launcher === "posix" && needsLinux) {
    const message = `--isolation=${wish.isolation} needs the linux launcher; leave out --launcher=posix`;
    return refuse("invalid", message, "launcher");
  }
  if (wish.obstacle !== undefined && (wish.launcher === "linux" || needsLinux)) {
    const field = wish.launcher === "linux" ? "launcher" : "isolation";
    const message = `--${field} cannot be had on this host: ${wish.obstacle}`;
    return refuse("invalid", message, field);
  }
  const isLinux = wish.launcher !== "posix" && wish.obstacle === undefined;
  return ok({
    launcher: isLinux ? "linux" : "posix",
    isolation: isolation ?? (isLinux ? NATIVE_ISOLATION : POSIX_ISOLATION),
    degradation: wish.launcher === "posix" ? undefined : wish.obstacle,
  });
}
