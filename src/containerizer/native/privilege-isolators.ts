/**
 * What a task may do beyond its user's rights: `linux/capabilities`, `linux/nnp` and `posix/rlimits`,
 * by way of setpriv and prlimit. Source: semantics 7.16.
 */
import type {
  CapabilityInfo,
  CapabilityInfoCapability,
  RLimitInfoRLimit,
  RLimitInfoRLimitType,
} from "../../protocol/v1/types.ts";
import {
  ContainerizerError,
  type ContainerSpec,
  type HostUser,
  type Preparation,
} from "../containerizer.ts";
import { IsolatorBase, NO_PREPARATION } from "./isolator-base.ts";

type Capabilities = readonly CapabilityInfoCapability[];

export interface CapabilitySettings {
  /** `--effective_capabilities`; undefined leaves root with all and others with none. */
  readonly effective: CapabilityInfo | undefined;
  /** `--bounding_capabilities`; undefined for no ceiling. */
  readonly bounding: CapabilityInfo | undefined;
}

export class CapabilityIsolator extends IsolatorBase {
  readonly name = "linux/capabilities";
  readonly #settings: CapabilitySettings;
  readonly #isMknodDropped: boolean;

  /** `isMknodDropped`: nobody makes nodes of devices who did not ask for that. */
  constructor(settings: CapabilitySettings, isMknodDropped: boolean) {
    super();
    this.#settings = settings;
    this.#isMknodDropped = isMknodDropped;
  }

  prepare({ container }: ContainerSpec, user: HostUser | undefined): Promise<Preparation> {
    const linux = container?.linux_info;
    const asked = listOf(linux?.effective_capabilities ?? linux?.capability_info);
    const ceiling = listOf(this.#settings.bounding);
    const effective = asked ?? listOf(this.#settings.effective);
    const bounding = boundingSet({ container }, this.#settings);
    for (const wanted of [asked, listOf(linux?.bounding_capabilities)]) {
      checkWithin(wanted, ceiling, "the agent's --bounding_capabilities");
    }
    checkWithin(effective, bounding, "the container's bounding capabilities");
    const isRoot = user === undefined || user.uid === 0;
    const options = capabilityOptions(effective, bounding, isRoot);
    const isDropped = bounding === undefined && this.#isMknodDropped;
    const privileges = isDropped ? [...options, "--bounding-set=-mknod"] : options;
    return Promise.resolve({ environment: {}, privileges });
  }
}

/** What a container can get at most; undefined where nothing is said about that. */
export function boundingSet(
  { container }: Pick<ContainerSpec, "container">,
  settings: CapabilitySettings,
): Capabilities | undefined {
  const linux = container?.linux_info;
  const asked = listOf(linux?.effective_capabilities ?? linux?.capability_info);
  return listOf(linux?.bounding_capabilities) ?? asked ?? listOf(settings.bounding);
}

/** Options of setpriv. Undefined sets stay as they are. */
function capabilityOptions(
  effective: Capabilities | undefined,
  bounding: Capabilities | undefined,
  isRoot: boolean,
): string[] {
  const options = bounding === undefined ? [] : [`--bounding-set=${setText(bounding)}`];
  if (effective === undefined) return options;
  const text = setText(effective);
  options.push(`--inh-caps=${text}`, `--ambient-caps=${text}`);
  const isNarrower = bounding === undefined || bounding.some((one) => !effective.includes(one));
  // Root gets everything within the bounding set with each program it starts, unless told not to.
  if (isRoot && isNarrower) options.push("--securebits=+noroot,+noroot_locked");
  return options;
}

/** `-all` or `-all,+chown,…` */
function setText(capabilities: Capabilities): string {
  return ["-all", ...capabilities.map((name) => `+${name.toLowerCase()}`)].join(",");
}

function listOf(info: CapabilityInfo | undefined): Capabilities | undefined {
  return info === undefined ? undefined : (info.capabilities ?? []);
}

function checkWithin(
  wanted: Capabilities | undefined,
  allowed: Capabilities | undefined,
  whose: string,
): void {
  if (wanted === undefined || allowed === undefined) return;
  const outside = wanted.filter((name) => !allowed.includes(name));
  if (outside.length === 0) return;
  throw new ContainerizerError(`Capabilities ${outside.join(", ")} are not among ${whose}`);
}

/** `linux/nnp`: nothing a task starts gets more rights than it has, by setuid or file capabilities. */
export class NoNewPrivilegesIsolator extends IsolatorBase {
  readonly name = "linux/nnp";

  prepare(): Promise<Preparation> {
    return Promise.resolve({ environment: {}, privileges: ["--no-new-privs"] });
  }
}

/** `posix/rlimits` */
export class RlimitIsolator extends IsolatorBase {
  readonly name = "posix/rlimits";
  readonly #prlimit: string | undefined;

  /** Path of the program; without it limits that are asked for are refused. */
  constructor(prlimit: string | undefined) {
    super();
    this.#prlimit = prlimit;
  }

  prepare({ container }: ContainerSpec): Promise<Preparation> {
    const rlimits = container?.rlimit_info?.rlimits ?? [];
    if (rlimits.length === 0) return Promise.resolve(NO_PREPARATION);
    if (this.#prlimit === undefined) {
      throw new ContainerizerError(
        "Resource limits of processes need prlimit, which this host has not: install util-linux",
      );
    }
    const options = rlimits.map((rlimit, index) => rlimitOption(rlimit, index));
    return Promise.resolve({ environment: {}, commandWords: [this.#prlimit, ...options] });
  }
}

const RLIMIT_OPTIONS: ReadonlyMap<RLimitInfoRLimitType, string> = new Map([
  ["RLMT_AS", "as"],
  ["RLMT_CORE", "core"],
  ["RLMT_CPU", "cpu"],
  ["RLMT_DATA", "data"],
  ["RLMT_FSIZE", "fsize"],
  ["RLMT_LOCKS", "locks"],
  ["RLMT_MEMLOCK", "memlock"],
  ["RLMT_MSGQUEUE", "msgqueue"],
  ["RLMT_NICE", "nice"],
  ["RLMT_NOFILE", "nofile"],
  ["RLMT_NPROC", "nproc"],
  ["RLMT_RSS", "rss"],
  ["RLMT_RTPRIO", "rtprio"],
  ["RLMT_RTTIME", "rttime"],
  ["RLMT_SIGPENDING", "sigpending"],
  ["RLMT_STACK", "stack"],
]);

/** Both values or neither, which means no bound. Errors: `ContainerizerError` naming the field. */
function rlimitOption({ type, soft, hard }: RLimitInfoRLimit, index: number): string {
  const field = `container.rlimit_info.rlimits[${index}]`;
  const option = type === undefined ? undefined : RLIMIT_OPTIONS.get(type);
  if (option === undefined) throw new ContainerizerError(`${field}.type is no resource limit`);
  if (soft === undefined && hard === undefined) return `--${option}=unlimited:unlimited`;
  if (soft === undefined || hard === undefined) {
    throw new ContainerizerError(`${field} needs both soft and hard, or neither for no limit`);
  }
  if (soft > hard) throw new ContainerizerError(`${field}.soft is above hard`);
  return `--${option}=${soft}:${hard}`;
}
