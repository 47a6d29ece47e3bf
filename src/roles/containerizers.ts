/** The containerizers of an agent, from `--containerizers` and the flags of each. */
import { resolve } from "node:path";
import type { Clock, Log } from "../base/ports.ts";
import { ok, type Result, refuse } from "../base/result.ts";
import type { ParsedFlags } from "../cli/flags/parse-flags.ts";
import {
  ComposingContainerizer,
  type ContainerizerChoice,
} from "../containerizer/composing-containerizer.ts";
import type { Containerizer } from "../containerizer/containerizer.ts";
import { DockerContainerizer } from "../containerizer/docker/docker-containerizer.ts";
import { logBounds } from "./log-flags.ts";
import { sandboxDirectory } from "./sandbox-flag.ts";

const KNOWN = ["mesos", "docker"] as const;
const REMOVE_DELAY_MS = 6 * 3_600_000;

export interface ContainerizerParts {
  readonly flags: ParsedFlags;
  readonly workDir: string;
  readonly runtimeDir: string;
  readonly clock: Clock;
  readonly log: Log;
  /** The one of `mesos`. */
  readonly openNative: () => Containerizer;
}

/** Errors: a refusal for a name that is none, or none at all. */
export function openContainerizers(parts: ContainerizerParts): Result<Containerizer> {
  const text = parts.flags.string("containerizers") ?? "mesos";
  const names = new Set(text.split(",").map((name) => name.trim()));
  const choices: ContainerizerChoice[] = [];
  for (const name of names) {
    if (name === "mesos") choices.push({ containerizer: parts.openNative(), types: ["MESOS"] });
    else if (name === "docker")
      choices.push({ containerizer: openDocker(parts), types: ["DOCKER"] });
    else {
      const known = KNOWN.join(", ");
      return refuse("invalid", `bad value for --containerizers: ${name} is none of ${known}`);
    }
  }
  return ok(new ComposingContainerizer(choices));
}

function openDocker({ flags, workDir, runtimeDir, clock, log }: ContainerizerParts): Containerizer {
  const config = flags.json("docker_config");
  return new DockerContainerizer({
    workDir,
    runtimeDir,
    clock,
    log,
    socketPath: resolve(flags.string("docker_socket") ?? "/var/run/docker.sock"),
    sandboxPath: sandboxDirectory(flags),
    removeDelayMs: flags.durationMs("docker_remove_delay") ?? REMOVE_DELAY_MS,
    areOrphansKilled: flags.boolean("docker_kill_orphans") ?? true,
    cgroupParent: flags.string("docker_cgroup_parent"),
    logBounds: logBounds(flags),
    isCfsEnabled: flags.boolean("cgroups_enable_cfs") ?? false,
    dockerConfig: config === undefined ? undefined : JSON.stringify(config),
  });
}
