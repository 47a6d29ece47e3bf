/**
 * What a launcher is: how the processes of containers are put somewhere, found there and ended.
 * The posix launcher goes by sessions and marks, the linux launcher by cgroups and namespaces;
 * everything else about a container is the same. Source: semantics 7.10.
 */
import type { ContainerId } from "../base/ids.ts";
import type { Clock, Log } from "../base/ports.ts";
import type { ContainerSignal, ContainerSpec } from "./containerizer.ts";
import type { ProcessIdentity } from "./keeper/records.ts";
import type { ProcessStat } from "./posix/process-stat.ts";
import type { TrackedContainer } from "./posix/process-tree.ts";

/** What a launcher may know of the containerizer that uses it. */
export interface LauncherContext {
  /** Names the agent: its containers are told by it from those of another agent. */
  readonly mark: string;
  readonly clock: Clock;
  readonly log: Log;
  /** The containers there are at the moment of the call. */
  readonly tracked: () => Iterable<TrackedContainer>;
  /** First process of the container, which leads a session of its own. */
  readonly taskOf: (containerId: ContainerId) => ProcessIdentity | undefined;
}

/** How a keeper gets its container's processes to where they belong. */
export interface Placement {
  /** Words in front of the keeper's own shell. */
  readonly keeperWords: readonly string[];
  /** Cgroup of the keeper, absolute; empty for none. */
  readonly keeperCgroup: string;
  /** Cgroup of the command and all it starts, absolute; empty for none. */
  readonly cgroup: string;
  /** Words that make the command's namespaces; empty for those of the host. */
  readonly namespaceWords: readonly string[];
}

/** Each call is safe to repeat. Errors: `ContainerizerError`. */
export interface Launcher {
  readonly name: "posix" | "linux";
  /** Readies the host; called once, before everything else. */
  open(): Promise<void>;
  /** Makes what the container's processes will live in. */
  prepare(spec: ContainerSpec): Promise<Placement>;
  /** Live processes of the container, its keeper left out. */
  processesOf(containerId: ContainerId): Promise<readonly ProcessStat[]>;
  /** To every process of the container. */
  signal(containerId: ContainerId, signal: ContainerSignal): Promise<void>;
  /** SIGKILL until nothing is left. */
  kill(containerId: ContainerId): Promise<void>;
  /**
   * Words in front of a program that is to run where the container's command is, which has this
   * process id and this working folder.
   */
  insideWords(containerId: ContainerId, pid: number, directory: string): readonly string[];
  /** Containers of this agent of which something is there: processes, or what they lived in. */
  list(): Promise<readonly ContainerId[]>;
  /** Removes what `prepare` made; the processes have ended. */
  remove(containerId: ContainerId): Promise<void>;
  /** Containers keep running; what is empty is removed. */
  close(): Promise<void>;
}

/** The placement of a container that stays where its agent is. */
export const HOST_PLACEMENT: Placement = {
  keeperWords: [],
  keeperCgroup: "",
  cgroup: "",
  namespaceWords: [],
};
