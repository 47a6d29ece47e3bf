/** What the Docker containerizer knows of one of its containers. */
import type { ContainerId } from "../../base/ids.ts";
import type { ContainerStatus } from "../../protocol/v1/types.ts";
import type { ContainerResult, ContainerSpec } from "../containerizer.ts";
import type { ContainerFacts } from "./container-facts.ts";
import type { ContainerOutput } from "./container-output.ts";

export interface DockerContainer {
  readonly containerId: ContainerId;
  readonly directory: string;
  readonly result: Promise<ContainerResult>;
  readonly resolve: (result: ContainerResult) => void;
  /** Gives up the launch. */
  readonly abort: AbortController;
  /** Settles when the launch has succeeded or failed; never rejects. */
  launch: Promise<void>;
  phase: "launching" | "running" | "ending" | "ended";
  /** Its end was told of since the Engine was last asked about it. */
  isSuspect: boolean;
  /** Set once the Engine has made it. */
  engineId: string | undefined;
  stopSignal: string;
  pid: number | undefined;
  /** This host had a process of that id while the Engine said that it runs. */
  isSeen: boolean;
  /** When the process was gone at the latest, in wall time, where the agent knows it by itself. */
  goneByMs: number | undefined;
  /** What the Engine said last. */
  facts: ContainerFacts | undefined;
  output: ContainerOutput | undefined;
}

/** Nothing is known of it at the Engine yet. */
export function newContainer(
  { containerId, directory }: Pick<ContainerSpec, "containerId" | "directory">,
  phase: DockerContainer["phase"],
): DockerContainer {
  const { promise, resolve } = Promise.withResolvers<ContainerResult>();
  return {
    containerId,
    directory,
    result: promise,
    resolve,
    abort: new AbortController(),
    launch: Promise.resolve(),
    phase,
    isSuspect: false,
    engineId: undefined,
    stopSignal: "SIGTERM",
    pid: undefined,
    isSeen: false,
    goneByMs: undefined,
    facts: undefined,
    output: undefined,
  };
}

/** As frameworks are told it. */
export function statusOf({ containerId, pid, facts }: DockerContainer): ContainerStatus {
  const networks = facts?.networks ?? [];
  return {
    container_id: { value: containerId },
    ...(pid === undefined ? {} : { executor_pid: pid }),
    ...(networks.length === 0 ? {} : { network_infos: networks }),
  };
}
