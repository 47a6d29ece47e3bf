/** What a test and the process of its emulated agents say to each other, as JSON. */
import type { ContainerResult } from "../../../src/containerizer/containerizer.ts";
import type { AgentInfoCapability, DomainInfo } from "../../../src/protocol/v1/types.ts";

/** A group of servers that are alike, numbered from `firstIndex`. */
export interface AgentGroup {
  /** `host:port` of the master, or `zk://…` where masters stand. */
  readonly master: string;
  /** Of each agent's session with ZooKeeper; 10 seconds unless told. */
  readonly sessionTimeoutMs?: number;
  readonly count: number;
  /**
   * Number of the first one; 0 unless told. Agent N is `agent-N.emulated` at port 10000 + N, which
   * makes it one of its own: two processes with agents for one master need numbers apart.
   */
  readonly firstIndex?: number;
  /** As `--resources`; `cpus:4;mem:4096;disk:10000;ports:[31000-32000]` unless told. */
  readonly resources?: string;
  /** As `--attributes`. */
  readonly attributes?: string;
  readonly domain?: DomainInfo;
  /** All that an agent of this version has unless told. */
  readonly capabilities?: readonly AgentInfoCapability[];
  /** How many begin to connect per second; 5000 unless told. */
  readonly startsPerSecond?: number;
}

/** What can be done to agents, each to those it names, by number, or to all. */
export type AgentAction =
  | "start"
  | "stop"
  | "crash"
  | "reboot"
  | "erase"
  | "pause"
  | "resume"
  | "cutLink"
  | "leaveNetwork"
  | "joinNetwork";

export type Order =
  | {
      readonly kind: "add";
      readonly group: AgentGroup;
      readonly workDir: string;
    }
  | {
      readonly kind: "act";
      readonly action: AgentAction;
      readonly indexes: number[] | "all";
    }
  | {
      readonly kind: "endTask";
      readonly taskId: string;
      readonly result: ContainerResult;
    }
  | { readonly kind: "report" }
  | { readonly kind: "ids" };

export interface Report {
  readonly agents: number;
  /** Agents whose process runs. */
  readonly up: number;
  /** Agents that the master has admitted on their present link. */
  readonly registered: number;
  /** Containers that run, or are over and not acknowledged. */
  readonly containers: number;
  /** Processor time of all of them together, milliseconds. */
  readonly cpuMs: number;
  /** Why agents were told to end, or ended by themselves, oldest first; the last hundred. */
  readonly exits: readonly string[];
}

/** The answer to the order of the same number. */
export interface Reply {
  readonly number: number;
  readonly value?: unknown;
  readonly error?: string;
}
