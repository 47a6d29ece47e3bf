/**
 * What keeps containers from the host's devices: `cgroups/devices`, a program of the kernel that is
 * asked at every opening and making of a node, and `linux/devices`, a /dev with nothing in it but what
 * is allowed. The program is loaded by the host's perl, as no other program of most hosts can, and
 * stays until the cgroup goes. Source: semantics 7.11, 7.12, 7.16.
 */
import { resolve } from "node:path";
import type { ContainerId } from "../../base/ids.ts";
import { ContainerizerError, type ContainerSpec, type Preparation } from "../containerizer.ts";
import { HELPER_PATH, runHelper } from "../keeper/host-tools.ts";
import { findPerl } from "../keeper/perl.ts";
import { placeScript } from "../keeper/placed-script.ts";
import type { CgroupTree } from "./cgroup-tree.ts";
import { hostDevLines } from "./dev-folder.ts";
import type { DevTemplate } from "./dev-template.ts";
import { deviceProgram } from "./device-filter.ts";
import type { DeviceGrants } from "./device-grants.ts";
import { COMMON_RULES, type GrantedDevice } from "./device-rules.ts";
import { IsolatorBase, NO_PREPARATION } from "./isolator-base.ts";

/**
 * Arguments: CALL (number of the system call bpf), PROGRAM (in hexadecimal) and FOLDER (the cgroup; none
 * to try only whether the kernel takes the program). One that was there before is replaced in one step.
 */
const FILTER_SCRIPT = `\
# Puts a filter of devices of allot into a cgroup.
my ($call, $hex, $folder) = @ARGV;
my ($load, $attach, $kind, $place, $replacing) = (5, 8, 15, 6, 1);
my $program = pack('H*', $hex);
my $licence = "Apache-2.0\\0";
my $question = pack('L L P P x72', $kind, length($program) / 8, $program, $licence);
my $loaded = syscall($call + 0, $load, $question, length($question));
$loaded >= 0 or die "the kernel does not take a filter of devices: $!\\n";
exit 0 if $folder eq '';
open(my $cgroup, '<', $folder) or die "$folder: $!\\n";
$question = pack('L L L L x56', fileno($cgroup), $loaded, $place, $replacing);
syscall($call + 0, $attach, $question, length($question)) == 0
  or die "$folder takes no filter of devices: $!\\n";
`;

/** Why devices cannot be filtered on this host; undefined when they can. */
export async function deviceFilterObstacle(runtimeDir: string): Promise<string | undefined> {
  const perl = findPerl();
  if (perl === undefined) {
    return `filters of devices are loaded by perl, which is not in ${HELPER_PATH}: install it (perl-base on Debian)`;
  }
  const script = placeScript(resolve(runtimeDir), "device-filter", FILTER_SCRIPT);
  const words = [script, String(perl.bpf), hexOf(deviceProgram(COMMON_RULES)), ""];
  return (await runHelper(perl.path, words)) === undefined
    ? "the kernel takes no filter of devices (CONFIG_CGROUP_BPF)"
    : undefined;
}

export interface DeviceFilterOptions {
  readonly cgroups: CgroupTree;
  readonly grants: DeviceGrants;
  readonly runtimeDir: string;
}

/**
 * `cgroups/devices`. One filter above all containers holds those that were given nothing of their own;
 * one that was has a filter of its own in its place.
 */
export class DeviceFilterIsolator extends IsolatorBase {
  readonly name = "cgroups/devices";
  readonly #options: DeviceFilterOptions;
  #common: Promise<void> | undefined;

  constructor(options: DeviceFilterOptions) {
    super();
    this.#options = options;
  }

  async prepare(spec: ContainerSpec): Promise<Preparation> {
    const { grants, cgroups } = this.#options;
    await this.#filterAll();
    // What shares its parent's cgroups is held by its parent's filter.
    const isSharing = spec.parentId !== undefined && !hasOwnCgroups(spec);
    if (!isSharing && grants.isMore(spec)) {
      await this.#put(cgroups.folderOf(spec.containerId), grants.of(spec));
    }
    return NO_PREPARATION;
  }

  /** Containers that run are held by what the agent allows now. */
  override recover(): Promise<void> {
    this.#options.cgroups.open();
    return this.#filterAll();
  }

  /** The container was given other devices. Errors: `ContainerizerError`. */
  async refresh(containerId: ContainerId): Promise<void> {
    const { cgroups, grants } = this.#options;
    await this.#put(cgroups.folderOf(containerId), grants.of({ containerId }));
  }

  /** Once, and again when it could not be done. */
  #filterAll(): Promise<void> {
    const { cgroups, grants } = this.#options;
    this.#common ??= this.#put(cgroups.folder, grants.of({})).catch((error: unknown) => {
      this.#common = undefined;
      throw error;
    });
    return this.#common;
  }

  async #put(folder: string, devices: readonly GrantedDevice[]): Promise<void> {
    const perl = findPerl();
    if (perl === undefined) {
      throw new ContainerizerError(`perl is not in ${HELPER_PATH} any more: install it`);
    }
    const script = placeScript(resolve(this.#options.runtimeDir), "device-filter", FILTER_SCRIPT);
    const program = hexOf(deviceProgram([...COMMON_RULES, ...devices]));
    const words = [script, String(perl.bpf), program, folder];
    if ((await runHelper(perl.path, words)) !== undefined) return;
    throw new ContainerizerError(`The devices of ${folder} could not be filtered`);
  }
}

function hasOwnCgroups({ container }: ContainerSpec): boolean {
  return container?.linux_info?.share_cgroups === false;
}

export interface DeviceIsolatorOptions {
  /** Path of the program. */
  readonly mount: string;
  readonly template: () => Promise<DevTemplate>;
  readonly grants: DeviceGrants;
  /** A container may get further devices while it runs. */
  readonly mayGrow: boolean;
}

/** `linux/devices`, for containers that share the host's root; those with a root have a /dev anyway. */
export class DeviceIsolator extends IsolatorBase {
  readonly name = "linux/devices";
  readonly #options: DeviceIsolatorOptions;
  #template: Promise<DevTemplate> | undefined;

  constructor(options: DeviceIsolatorOptions) {
    super();
    this.#options = options;
  }

  async prepare(spec: ContainerSpec): Promise<Preparation> {
    if (spec.rootfs !== undefined) return NO_PREPARATION;
    const { mount, grants, mayGrow } = this.#options;
    this.#template ??= this.#options.template().catch((error: unknown) => {
      // The next launch tries again.
      this.#template = undefined;
      throw error;
    });
    const template = await this.#template;
    const setup = hostDevLines({ mount, template, devices: grants.of(spec) }, mayGrow);
    return { environment: {}, setup };
  }
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
