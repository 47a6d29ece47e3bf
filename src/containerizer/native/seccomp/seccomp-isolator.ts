/**
 * The isolator `linux/seccomp`: a filter of system calls for each container, by the profile that it
 * names or the agent's own. It is loaded with the agent's rights, so that programs with a setuid bit go
 * on working unless `linux/nnp` says otherwise; a profile has to leave what leads to the command
 * (setting user and capabilities, execve). Source: semantics 7.16.
 */
import { readFileSync, statSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { ok, type Result, refuse } from "../../../base/result.ts";
import { ContainerizerError, type ContainerSpec, type Preparation } from "../../containerizer.ts";
import { findPerl } from "../../keeper/perl.ts";
import { PERL_MISSING } from "../../keeper/seccomp-script.ts";
import { REMEMBERED_PROFILES } from "../../limits.ts";
import { IsolatorBase, NO_PREPARATION } from "../isolator-base.ts";
import { boundingSet, type CapabilitySettings } from "../privilege-isolators.ts";
import { seccompProgram } from "./filter.ts";
import { type ProfilePlace, parseProfile } from "./profile.ts";

export interface SeccompSettings {
  /** `--seccomp_config_dir`, where profiles are. */
  readonly folder: string | undefined;
  /** `--seccomp_profile_name`; undefined for none unless a container asks. */
  readonly defaultName: string | undefined;
}

const ARCHITECTURES: Readonly<Record<string, ProfilePlace["architecture"]>> = {
  x64: "x86_64",
  arm64: "aarch64",
};

/** Why this host can load no profile; undefined when it can. */
export function seccompObstacle(): string | undefined {
  if (findPerl() === undefined) return PERL_MISSING;
  // Undefined where the kernel was built without it.
  const status = readFileSync("/proc/self/status", "utf8");
  return /^Seccomp:/m.test(status)
    ? undefined
    : "the kernel has no seccomp (CONFIG_SECCOMP_FILTER)";
}

export class SeccompIsolator extends IsolatorBase {
  readonly name = "linux/seccomp";
  readonly #settings: SeccompSettings;
  readonly #capabilities: CapabilitySettings;
  /** Made programs by file, its last change and capabilities: making one takes milliseconds. */
  readonly #programs = new Map<string, Uint8Array>();

  constructor(settings: SeccompSettings, capabilities: CapabilitySettings) {
    super();
    this.#settings = settings;
    this.#capabilities = capabilities;
  }

  prepare(spec: ContainerSpec): Promise<Preparation> {
    const asked = spec.container?.linux_info?.seccomp;
    const field = "container.linux_info.seccomp";
    if (asked?.unconfined === true && asked.profile_name !== undefined) {
      throw new ContainerizerError(`${field} is both unconfined and has a profile_name`);
    }
    const name = asked?.profile_name ?? this.#settings.defaultName;
    if (asked?.unconfined === true || name === undefined) return Promise.resolve(NO_PREPARATION);
    const bounding = boundingSet(spec, this.#capabilities)?.map((one) => `CAP_${one}`);
    const program = this.#programOf(name, bounding);
    if (!program.ok) {
      throw new ContainerizerError(`${field}.profile_name: ${program.error.message}`);
    }
    return Promise.resolve({ environment: {}, seccomp: program.value });
  }

  #programOf(name: string, bounding: readonly string[] | undefined): Result<Uint8Array> {
    const { folder } = this.#settings;
    const stat = statSync(join(folder ?? "", name), { throwIfNoEntry: false });
    const key = [name, stat?.mtimeMs, stat?.size, ...(bounding?.toSorted() ?? ["all"])].join(" ");
    const known = this.#programs.get(key);
    if (known !== undefined) return ok(known);
    const made = readProfile(folder, name, bounding === undefined ? undefined : new Set(bounding));
    if (!made.ok) return made;
    if (this.#programs.size >= REMEMBERED_PROFILES) this.#programs.clear();
    this.#programs.set(key, made.value);
    return made;
  }
}

/**
 * The program of a profile in the folder. `capabilities`: the container's bounding set, undefined for
 * all. Errors: `invalid`, saying what is wrong with the file.
 */
export function readProfile(
  folder: string | undefined,
  name: string,
  capabilities: ReadonlySet<string> | undefined,
): Result<Uint8Array> {
  if (folder === undefined) {
    return refuse("invalid", "the agent has no profiles; start it with --seccomp_config_dir");
  }
  if (!/^[\w.-]+(?:\/[\w.-]+)*$/.test(name) || name.split("/").includes("..")) {
    return refuse("invalid", `${JSON.stringify(name)} is no name of a file in ${folder}`);
  }
  const architecture = ARCHITECTURES[process.arch];
  if (architecture === undefined) {
    return refuse("invalid", `numbers of system calls are not known for ${process.arch}`);
  }
  const [, major = "0", minor = "0"] = /^(\d+)\.(\d+)/.exec(release()) ?? [];
  const kernel = [Number(major), Number(minor)] as const;
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(join(folder, name), "utf8"));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return refuse("invalid", `the profile ${name} cannot be read: ${reason}`);
  }
  const profile = parseProfile(json, { architecture, kernel, capabilities });
  if (!profile.ok) return refuse("invalid", `the profile ${name}: ${profile.error.message}`);
  const program = seccompProgram(profile.value);
  if (program !== undefined) return ok(program);
  return refuse("invalid", `the profile ${name} has more rules than the kernel takes`);
}
