/**
 * Seccomp profiles in the format of Docker, which is that of Mesos: what happens at which system call.
 * Pure. Source: semantics 7.16; Docker's "Seccomp security profiles".
 */
import { ok, type Result, refuse } from "../../../base/result.ts";
import { type Architecture, systemCalls } from "./system-calls.ts";

/** What the kernel does; `errno` is the number of an error. */
export type Action =
  | { readonly kind: "allow" | "log" | "trap" | "killThread" | "killProcess" }
  | { readonly kind: "errno" | "trace"; readonly errno: number };

export type Comparison = "NE" | "LT" | "LE" | "EQ" | "GE" | "GT" | "MASKED_EQ";

/** A condition on an argument; with MASKED_EQ `value` is the mask and `valueTwo` what has to be left. */
export interface Condition {
  readonly index: number;
  readonly op: Comparison;
  readonly value: bigint;
  readonly valueTwo: bigint;
}

export interface Rule {
  readonly names: readonly string[];
  readonly action: Action;
  /** All of them have to hold. */
  readonly conditions: readonly Condition[];
}

export interface Profile {
  readonly defaultAction: Action;
  /** Whose calls are judged by the rules, the machine's own first; those of others end the process. */
  readonly architectures: readonly Architecture[];
  readonly rules: readonly Rule[];
}

/** Where the profile is to hold. */
export interface ProfilePlace {
  readonly architecture: "x86_64" | "aarch64";
  /** Version of the kernel, as [6, 1]. */
  readonly kernel: readonly [major: number, minor: number];
  /** The container's bounding set, as CAP_CHOWN and so on; undefined for all. */
  readonly capabilities: ReadonlySet<string> | undefined;
}

const EPERM = 1;
const ERRNO_MAX = 4095;
const OPERATORS: ReadonlyMap<string, Comparison> = new Map(
  (["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"] as const).map((op) => [`SCMP_CMP_${op}`, op]),
);
/** Names that profiles have for the architecture. */
const OTHER_NAMES = { x86_64: "amd64", aarch64: "arm64" } as const;
const TOKENS = { x86_64: "SCMP_ARCH_X86_64", aarch64: "SCMP_ARCH_AARCH64" } as const;
const I386 = "SCMP_ARCH_X86";

/** Reads a profile for one place. Errors: `invalid`, naming the field. */
export function parseProfile(json: unknown, place: ProfilePlace): Result<Profile> {
  try {
    return ok(new Reader(place).profile(fields(json, "the profile")));
  } catch (error) {
    if (!(error instanceof ProfileError)) throw error;
    return refuse("invalid", error.message);
  }
}

class ProfileError extends Error {}

type Fields = Readonly<Record<string, unknown>>;

class Reader {
  readonly #place: ProfilePlace;
  readonly #known: ReadonlySet<string>;

  constructor(place: ProfilePlace) {
    this.#place = place;
    const all = (["x86_64", "i386", "aarch64"] as const).map(systemCalls);
    this.#known = new Set(all.flatMap((calls) => [...calls.keys()]));
  }

  profile(json: Fields): Profile {
    const defaultAction = actionOf(json["defaultAction"], json["defaultErrnoRet"], "defaultAction");
    const isOpen = defaultAction.kind === "allow" || defaultAction.kind === "log";
    const rules = list(json["syscalls"], "syscalls").flatMap((entry, index) =>
      this.#rulesOf(fields(entry, `syscalls[${index}]`), `syscalls[${index}]`, isOpen),
    );
    return { defaultAction, architectures: this.#architecturesOf(json), rules };
  }

  #architecturesOf(json: Fields): Architecture[] {
    const { architecture } = this.#place;
    const listed = list(json["architectures"], "architectures").map(String);
    const mapped = list(json["archMap"], "archMap").flatMap((entry, index) => {
      const { architecture: own, subArchitectures } = fields(entry, `archMap[${index}]`);
      if (own !== TOKENS[architecture]) return [];
      return list(subArchitectures, `archMap[${index}].subArchitectures`).map(String);
    });
    const hasI386 = architecture === "x86_64" && [...listed, ...mapped].includes(I386);
    return hasI386 ? [architecture, "i386"] : [architecture];
  }

  /** None where the entry is for other places. `isOpen`: what no rule names is allowed. */
  #rulesOf(entry: Fields, field: string, isOpen: boolean): Rule[] {
    const action = actionOf(entry["action"], entry["errnoRet"], `${field}.action`);
    const { name, names } = entry;
    const all = (name === undefined ? list(names, `${field}.names`) : [name]).map(String);
    if (all.length === 0) throw new ProfileError(`${field} names no system call`);
    // Profiles name calls of machines that are not known here. Where a name is to be forbidden in what is
    // open otherwise it may as well be misspelt, and would forbid nothing.
    const unknown = isOpen ? all.find((one) => !this.#known.has(one)) : undefined;
    if (unknown !== undefined && action.kind !== "allow") {
      throw new ProfileError(`${field}.names: there is no system call ${unknown}`);
    }
    const conditions = list(entry["args"], `${field}.args`).map((arg, index) =>
      conditionOf(fields(arg, `${field}.args[${index}]`), `${field}.args[${index}]`),
    );
    const includes = fields(entry["includes"] ?? {}, `${field}.includes`);
    const excludes = fields(entry["excludes"] ?? {}, `${field}.excludes`);
    if (!this.#areIncluded(includes, field) || this.#areExcluded(excludes, field)) return [];
    const isRepeated = new Set(conditions.map(({ index }) => index)).size < conditions.length;
    // As in Docker, several conditions on one argument are a choice.
    if (isRepeated) return conditions.map((one) => ({ names: all, action, conditions: [one] }));
    return [{ names: all, action, conditions }];
  }

  #areIncluded({ caps, arches, minKernel }: Fields, field: string): boolean {
    const capabilities = list(caps, `${field}.includes.caps`).map(String);
    const architectures = list(arches, `${field}.includes.arches`).map(String);
    return (
      capabilities.every((one) => this.#hasCapability(one)) &&
      (architectures.length === 0 || architectures.some((one) => this.#isHere(one))) &&
      (minKernel === undefined || this.#isKernel(minKernel, `${field}.includes.minKernel`))
    );
  }

  #areExcluded({ caps, arches, minKernel }: Fields, field: string): boolean {
    const capabilities = list(caps, `${field}.excludes.caps`).map(String);
    const architectures = list(arches, `${field}.excludes.arches`).map(String);
    return (
      capabilities.some((one) => this.#hasCapability(one)) ||
      architectures.some((one) => this.#isHere(one)) ||
      (minKernel !== undefined && this.#isKernel(minKernel, `${field}.excludes.minKernel`))
    );
  }

  #hasCapability(name: string): boolean {
    return this.#place.capabilities?.has(name) ?? true;
  }

  #isHere(name: string): boolean {
    return name === OTHER_NAMES[this.#place.architecture];
  }

  #isKernel(text: unknown, field: string): boolean {
    const [, major = "", minor = ""] = /^(\d{1,4})\.(\d{1,4})$/.exec(String(text)) ?? [];
    if (major === "") throw new ProfileError(`${field} is no version such as 4.8`);
    const [own, ownMinor] = this.#place.kernel;
    return own > Number(major) || (own === Number(major) && ownMinor >= Number(minor));
  }
}

function actionOf(name: unknown, errno: unknown, field: string): Action {
  const number = errno ?? EPERM;
  if (typeof number !== "number" || !Number.isInteger(number) || number < 0 || number > ERRNO_MAX) {
    throw new ProfileError(`${field}: its errno is no number of an error`);
  }
  switch (name) {
    case "SCMP_ACT_ALLOW":
      return { kind: "allow" };
    case "SCMP_ACT_LOG":
      return { kind: "log" };
    case "SCMP_ACT_TRAP":
      return { kind: "trap" };
    case "SCMP_ACT_KILL":
    case "SCMP_ACT_KILL_THREAD":
      return { kind: "killThread" };
    case "SCMP_ACT_KILL_PROCESS":
      return { kind: "killProcess" };
    case "SCMP_ACT_ERRNO":
      return { kind: "errno", errno: number };
    case "SCMP_ACT_TRACE":
      return { kind: "trace", errno: number };
    default:
      throw new ProfileError(`${field} is no action such as SCMP_ACT_ALLOW or SCMP_ACT_ERRNO`);
  }
}

function conditionOf({ index, value, valueTwo, op }: Fields, field: string): Condition {
  if (typeof index !== "number" || !Number.isInteger(index) || index < 0 || index > 5) {
    throw new ProfileError(`${field}.index is no number from 0 to 5`);
  }
  const comparison = OPERATORS.get(String(op));
  if (comparison === undefined) {
    throw new ProfileError(`${field}.op is none of ${[...OPERATORS.keys()].join(", ")}`);
  }
  return {
    index,
    op: comparison,
    value: wide(value ?? 0, `${field}.value`),
    valueTwo: wide(valueTwo ?? 0, `${field}.valueTwo`),
  };
}

/** Arguments have 64 bits; numbers beyond what JSON keeps exactly would be others. */
function wide(value: unknown, field: string): bigint {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
    throw new ProfileError(`${field} is no whole number from 0 to ${Number.MAX_SAFE_INTEGER}`);
  }
  return BigInt(value);
}

function fields(value: unknown, field: string): Fields {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw new ProfileError(`${field} is no object`);
}

/** What is missing or null is an empty one. */
function list(value: unknown, field: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value;
  throw new ProfileError(`${field} is no list`);
}
