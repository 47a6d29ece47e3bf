/** The names `--isolation` may list, as sets. Pure. Source: semantics 7.10. */
import { ok, type Result, refuse } from "../../base/result.ts";

/** What a container can be isolated by. */
const ISOLATIONS = [
  "posix/cpu",
  "posix/mem",
  "posix/rlimits",
  "cgroups/cpu",
  "cgroups/mem",
  "cgroups/pids",
  "cgroups/blkio",
  "cgroups/devices",
  "disk/du",
  "disk/xfs",
  "docker/runtime",
  "filesystem/posix",
  "filesystem/linux",
  "gpu/nvidia",
  "linux/capabilities",
  "linux/devices",
  "linux/nnp",
  "linux/seccomp",
  "namespaces/ipc",
  "namespaces/pid",
  "network/cni",
  "network/ports",
  "volume/host_path",
  "volume/image",
  "volume/sandbox_path",
  "volume/secret",
  "environment_secret",
] as const;

export type Isolation = (typeof ISOLATIONS)[number];

/** Other names for the same, and names for several. */
const OTHER_NAMES: ReadonlyMap<string, readonly Isolation[]> = new Map([
  [
    "cgroups/all",
    ["cgroups/cpu", "cgroups/mem", "cgroups/pids", "cgroups/blkio", "cgroups/devices"],
  ],
  ["posix/disk", ["disk/du"]],
]);

/** What is done where nothing is asked for and the host can do it. */
export const NATIVE_ISOLATION: ReadonlySet<Isolation> = new Set(
  ISOLATIONS.filter(
    (name) =>
      ![
        "disk/xfs",
        "linux/nnp",
        "linux/seccomp",
        "gpu/nvidia",
        "filesystem/posix",
        "posix/cpu",
        "posix/mem",
      ].includes(name),
  ),
);

/** What is done where nothing is asked for and the host can do no more. */
export const POSIX_ISOLATION: ReadonlySet<Isolation> = new Set(["posix/cpu", "posix/mem"]);

/** Reads the flag. Errors: invalid, naming what is unknown and what there is. */
export function parseIsolation(text: string): Result<ReadonlySet<Isolation>> {
  const chosen = new Set<Isolation>();
  for (const name of text.split(",").map((part) => part.trim())) {
    const plain = ISOLATIONS.find((one) => one === name);
    const found = plain === undefined ? OTHER_NAMES.get(name) : [plain];
    if (found === undefined) {
      const names = [...ISOLATIONS, ...OTHER_NAMES.keys()].join(", ");
      return refuse("invalid", `There is no isolator ${name}; there are ${names}`, "isolation");
    }
    for (const one of found) chosen.add(one);
  }
  return ok(chosen);
}

/** What needs neither cgroups nor namespaces. */
const ANYWHERE: ReadonlySet<Isolation> = new Set([
  ...POSIX_ISOLATION,
  "filesystem/posix",
  "posix/rlimits",
  "disk/du",
  "disk/xfs",
  "environment_secret",
]);

/** True when one of them needs the linux launcher. */
export function needsLinuxLauncher(isolation: ReadonlySet<Isolation>): boolean {
  return [...isolation].some((name) => !ANYWHERE.has(name));
}
