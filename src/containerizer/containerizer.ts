/**
 * What a containerizer and an isolator are (DESIGN §7). `mesos-containerizer.ts` is the one for
 * processes of this host, `docker/` the one over Docker's Engine. Source: semantics 7.10.
 */
import type { ContainerId } from "../base/ids.ts";
import type { TerminalSize } from "../base/ports.ts";
import type {
  CommandInfo,
  ContainerInfo,
  ContainerStatus,
  Resource,
  ResourceStatistics,
  ValueScalar,
} from "../protocol/v1/types.ts";
import type { HeldFolder } from "./posix/held-folder.ts";

/** How the first process of a container ended, or why it is over. */
export type ContainerEnd =
  | { readonly kind: "exited"; readonly code: number }
  | { readonly kind: "signaled"; readonly signal: number }
  /** `hasBegun` where it is known that its command ran. */
  | { readonly kind: "unknown"; readonly message: string; readonly hasBegun?: boolean };

/** An isolator's verdict that ended a container. */
export interface Limitation {
  readonly reason:
    | "REASON_CONTAINER_LIMITATION"
    | "REASON_CONTAINER_LIMITATION_MEMORY"
    | "REASON_CONTAINER_LIMITATION_DISK";
  readonly message: string;
  readonly resources: readonly Resource[];
}

export interface ContainerResult {
  readonly exit: ContainerEnd;
  readonly limitation?: Limitation | undefined;
}

export interface ContainerSpec {
  readonly containerId: ContainerId;
  readonly command: CommandInfo;
  /** Complete environment of the process; nothing is inherited from the agent. */
  readonly environment: Readonly<Record<string, string>>;
  /** Sandbox, absolute: created with mode 0750 and given to `user`; working folder of the process. */
  readonly directory: string;
  readonly user: string | undefined;
  /** Requests. */
  readonly resources: readonly Resource[];
  /** What may be used at most, by name of the resource, where that is not the request. */
  readonly limits?: ResourceLimits | undefined;
  /** Persistent volumes among the resources. */
  readonly volumes?: readonly ContainerVolume[];
  /** What the task, or else the executor, says about its container. */
  readonly container?: ContainerInfo | undefined;
  /**
   * The container this one is nested in: it shares that one's network, and its limits unless it has
   * cgroups of its own (`share_cgroups` false).
   */
  readonly parentId?: ContainerId | undefined;
  /** Set for a container that shares a network with others, unless it lists networks of its own. */
  readonly group?: ContainerGroup | undefined;
  /** The root that the command sees; undefined for the host's. */
  readonly rootfs?: ContainerRootfs | undefined;
  /** What those of `container.volumes` hold that are images, by their places in that list. */
  readonly imageVolumes?: ReadonlyMap<number, ImageVolume> | undefined;
  /** Where what it writes into its root and these volumes is. */
  readonly written?: readonly WrittenFolder[] | undefined;
  /** Whose container it is, for people who find it elsewhere. */
  readonly origin?: ContainerOrigin | undefined;
}

/** A root file system that is ready, may be written to and belongs to one container alone. */
export interface ContainerRootfs {
  /** Absolute, on the host. */
  readonly path: string;
  /** Lines of shell that put it there in the container's own namespaces; left out when it is there. */
  readonly setup?: readonly string[] | undefined;
  /** Where the sandbox is seen in it, absolute. */
  readonly sandboxPath: string;
  /** Working folder of the command in it; the sandbox when left out. */
  readonly workingDirectory?: string | undefined;
}

/** A folder of the host that holds what one container writes outside its sandbox. */
export interface WrittenFolder {
  /** Absolute. */
  readonly path: string;
  /** What it held before: the image's, and not the container's. */
  readonly imageBytes: number;
}

/** Containers around which there is one that has no process, as the tasks of a default executor. */
export interface ContainerGroup {
  readonly groupId: ContainerId;
  /** What is said of the one around them. */
  readonly container: ContainerInfo | undefined;
}

/** Files of an image, which may be written to and belong to one container alone. */
export type ImageVolume = Pick<ContainerRootfs, "path" | "setup">;

export interface ContainerOrigin {
  readonly frameworkId: string;
  readonly executorId: string;
  /** Set when the container is a task. */
  readonly taskId?: string | undefined;
}

export interface LaunchedContainer {
  /** Of its first process. */
  readonly pid: number;
  /** What frameworks are told of it, where that is more than the pid. */
  readonly status?: ContainerStatus | undefined;
  /** Text for `TaskStatus.data` of TASK_RUNNING. */
  readonly data?: string | undefined;
}

/** Whether what a containerizer itself depends on is well. */
export interface ContainerizerHealth {
  readonly name: string;
  readonly isHealthy: boolean;
  /** What is wrong, and since when (milliseconds since the epoch). */
  readonly message?: string | undefined;
  readonly sinceMs?: number | undefined;
}

/** Any signal by its number. */
export type ContainerSignal = "SIGTERM" | "SIGKILL" | number;

/** `TaskInfo.limits`: values are cpus and megabytes; infinity means no bound. */
export type ResourceLimits = Readonly<Record<string, ValueScalar>>;

/** What a container uses: the figures of the v1 API, and those that it has no fields for. */
export interface ContainerUsage extends ResourceStatistics {
  readonly pressure?: ContainerPressure | undefined;
}

/** Waiting for what there was too little of; kinds that the kernel does not measure are missing. */
export interface ContainerPressure {
  readonly cpu?: PressureLines | undefined;
  readonly memory?: PressureLines | undefined;
  readonly io?: PressureLines | undefined;
}

/** `some`: at least one process waited; `full`: all that had something to do. */
export interface PressureLines {
  readonly some: PressureFigures;
  readonly full?: PressureFigures | undefined;
}

/** Percent of the last 10, 60 and 300 seconds, and seconds in all. */
export interface PressureFigures {
  readonly avg10: number;
  readonly avg60: number;
  readonly avg300: number;
  readonly total_secs: number;
}

/** A command to be run beside a container's own, such as that of a check. */
export interface InsideSpec {
  readonly containerId: ContainerId;
  readonly command: CommandInfo;
  /** Complete, as in `ContainerSpec`. */
  readonly environment: Readonly<Record<string, string>>;
  /** The container's sandbox, absolute; working folder of the command. */
  readonly directory: string;
  readonly user: string | undefined;
  /** The command is killed when it has run for so long, its start left out; undefined for no bound. */
  readonly timeoutMs: number | undefined;
}

/** How a command beside a container's own ended. */
export type InsideEnd =
  | Exclude<ContainerEnd, { readonly kind: "unknown" }>
  | { readonly kind: "timedOut" };

/** A command beside a container's own that somebody is connected to. */
export interface InteractiveSpec extends Omit<InsideSpec, "timeoutMs"> {
  /** Tells the processes of this command from others of the container. */
  readonly sessionId: string;
  /** Set for a terminal of this size, undefined for three pipes. */
  readonly terminal: TerminalSize | undefined;
  /**
   * Gets what the command writes, all of it before its end is told; a terminal has one stream. A
   * promise asks for no more until it resolves, so that the command has to wait; what is left when
   * it has ended comes all the same, and is little.
   */
  onOutput(stream: "stdout" | "stderr", data: Uint8Array<ArrayBuffer>): Promise<void> | undefined;
}

/** This end of such a command. What comes after its end does nothing. */
export interface Interaction {
  readonly pid: number;
  /** Nothing of the command is left. Never rejects. */
  readonly end: Promise<ContainerEnd>;
  /** A promise asks for no more until it resolves, at the latest when the command has ended. */
  write(data: Uint8Array): Promise<void> | undefined;
  /** Nothing more will be written; a terminal takes no notice. */
  closeInput(): void;
  resize(size: TerminalSize): void;
  signal(signal: number): void;
}

/** A folder that outlives the container and is seen inside its sandbox. */
export interface ContainerVolume {
  /** Absolute. */
  readonly hostPath: string;
  /** Relative to the sandbox. */
  readonly containerPath: string;
  /** Set where tasks may have put links: the folder that it must not lead out of, absolute. */
  readonly within?: string | undefined;
  readonly isReadOnly?: boolean | undefined;
  /** Others use it, whose it stays. */
  readonly isInUse?: boolean | undefined;
}

/** Errors: rejects with `ContainerizerError` whose message is fit for a task status. */
export interface Containerizer {
  readonly name: string;
  /** Of what it depends on; absent in one that depends on nothing. */
  health?(): readonly ContainerizerHealth[];
  /** Starts the container and resolves when its process runs. The end arrives through `wait`. */
  launch(spec: ContainerSpec): Promise<LaunchedContainer>;
  /** Resolves once, when the container's first process has ended and everything in it is gone. */
  wait(containerId: ContainerId): Promise<ContainerResult>;
  /** Signals the whole process tree, processes that left their session included. */
  signal(containerId: ContainerId, signal: ContainerSignal): Promise<void>;
  /** SIGKILL to the tree until nothing is left; `wait` then resolves. Safe to repeat. */
  destroy(containerId: ContainerId): Promise<void>;
  /**
   * Runs a command where the container's processes are (user, sandbox, namespaces, limits) and
   * resolves with its end, at the latest soon after its time. It belongs to the container: it goes
   * when that goes. Errors: `ContainerizerError` when the container does not run, `UnavailableError`.
   */
  runInside(spec: InsideSpec): Promise<InsideEnd>;
  /** As `runInside`; resolves when the command runs. Left out where that cannot be had. */
  runInteractive?(spec: InteractiveSpec): Promise<Interaction>;
  usage(containerId: ContainerId): Promise<ContainerUsage>;
  status(containerId: ContainerId): Promise<ContainerStatus>;
  /** The container is to have these requests and limits from now on. */
  update(
    containerId: ContainerId,
    resources: readonly Resource[],
    limits?: ResourceLimits,
  ): Promise<void>;
  /**
   * After a restart of the agent: finds what still lives, learns what ended meanwhile, and destroys
   * containers that carry our mark but are not in `known`. Touches nothing without our mark.
   */
  recover(known: readonly KnownContainer[]): Promise<RecoveredContainers>;
  /** Releases everything but the sandbox. Safe to repeat. */
  cleanup(containerId: ContainerId): Promise<void>;
  /** Stops watching; containers keep running. */
  close(): Promise<void>;
}

export interface KnownContainer {
  readonly containerId: ContainerId;
  readonly directory: string;
  /** As in `ContainerSpec`: says which containerizer it is for. */
  readonly container?: ContainerInfo | undefined;
  /** As in `ContainerSpec`. */
  readonly parentId?: ContainerId | undefined;
  /** As in `ContainerSpec`. */
  readonly written?: readonly WrittenFolder[] | undefined;
}

export interface RecoveredContainers {
  /** `startedAtMs`, since the epoch, is when the process was started, if that is known. */
  readonly alive: ReadonlyMap<
    ContainerId,
    {
      readonly pid: number;
      readonly startedAtMs?: number | undefined;
      readonly status?: ContainerStatus | undefined;
    }
  >;
  readonly ended: ReadonlyMap<ContainerId, ContainerResult>;
  readonly orphans: readonly ContainerId[];
}

/** What an isolator wants of a launch. */
export interface Preparation {
  readonly environment: Readonly<Record<string, string>>;
  /** Lines of shell, run with the agent's rights in the container's own namespaces. */
  readonly setup?: readonly string[] | undefined;
  /** Programs in front of the command that still have the agent's rights. */
  readonly commandWords?: readonly string[] | undefined;
  /** Options of setpriv, which gives these rights away. */
  readonly privileges?: readonly string[] | undefined;
  /** A program of classic BPF that decides which system calls it may make from then on. */
  readonly seccomp?: Uint8Array | undefined;
  /** What the isolator wants to know of the container after a restart of the agent, by name. */
  readonly kept?: Readonly<Record<string, string>> | undefined;
}

/** A user by name and numbers. */
export interface HostUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** A limit that can be put around a container. Each call is safe to repeat. */
export interface Isolator {
  readonly name: string;
  /**
   * Before the launch takes its turn among others: what programs of others do, which may take long
   * or hang. Errors: as those of `prepare`.
   */
  precede?(spec: ContainerSpec): Promise<void>;
  /**
   * Before the process exists: make what it will live in. `user` is whom it runs as, undefined for
   * the agent's own user. Errors: `ContainerizerError` for what cannot be had.
   */
  prepare(
    spec: ContainerSpec,
    user: HostUser | undefined,
    sandbox: HeldFolder,
  ): Promise<Preparation>;
  /** The keeper exists but has not yet started the command. */
  isolate(containerId: ContainerId, pid: number): Promise<void>;
  /** The figures it knows. */
  usage(containerId: ContainerId): Promise<Partial<ContainerUsage>>;
  update(
    containerId: ContainerId,
    resources: readonly Resource[],
    limits: ResourceLimits,
  ): Promise<void>;
  recover(containers: readonly KnownContainer[]): Promise<void>;
  cleanup(containerId: ContainerId): Promise<void>;
  /** Calls `onLimitation` when the container must be ended; returns a function that stops it. */
  watch(containerId: ContainerId, onLimitation: (limitation: Limitation) => void): () => void;
  /** Asked when everything in the container has ended: was it because of this isolator? */
  limitationOf?(containerId: ContainerId): Limitation | undefined;
  /** What frameworks are told of the container that only this isolator knows. */
  statusOf?(containerId: ContainerId): ContainerStatus;
  /** The agent ends; containers keep running. */
  close?(): void;
}

/** A container could not be started, found or signalled. `message` is shown to frameworks. */
export class ContainerizerError extends Error {
  override readonly name: string = "ContainerizerError";
}

/** No containerizer of this agent runs containers of that type. */
export class UnsupportedContainerError extends ContainerizerError {
  override readonly name: string = "UnsupportedContainerError";
}

/**
 * What a containerizer depends on does not answer now: nothing is known of the container, and nothing
 * was learnt of it.
 */
export class UnavailableError extends ContainerizerError {
  override readonly name: string = "UnavailableError";
}
