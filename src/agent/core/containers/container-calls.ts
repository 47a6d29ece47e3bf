/**
 * The operator calls about containers, as the core takes them: who asks, for what, and what is
 * answered. Source: http-api 7.2, 7.3.
 */
import type { ContainerId } from "../../../base/ids.ts";
import type {
  CommandInfo,
  ContainerID,
  ContainerInfo,
  Resource,
  ValueScalar,
} from "../../../protocol/v1/types.ts";
import type { ExecutorClaims } from "../../../security/executor-claims.ts";
import type { ContainerTermination } from "../container-termination.ts";

/** What a launch asks for. */
export interface LaunchWish {
  readonly id: ContainerID;
  readonly command: CommandInfo | undefined;
  readonly container: ContainerInfo | undefined;
  readonly resources: readonly Resource[];
  readonly limits: Readonly<Record<string, ValueScalar>> | undefined;
  /** It shares all of its parent's surroundings and lives as long as somebody is connected. */
  readonly isSession: boolean;
}

export type ContainerCall =
  | ({ readonly kind: "launch" } & LaunchWish)
  | { readonly kind: "wait"; readonly id: ContainerID }
  | { readonly kind: "kill"; readonly id: ContainerID; readonly signal: number }
  | { readonly kind: "remove"; readonly id: ContainerID }
  | { readonly kind: "attachInput"; readonly id: ContainerID }
  | { readonly kind: "attachOutput"; readonly id: ContainerID };

/** Who asks. */
export interface ContainerCaller {
  readonly principal: string | undefined;
  readonly claims?: ExecutorClaims | undefined;
}

export type ContainerAnswer =
  | { readonly kind: "done" }
  | { readonly kind: "launched"; readonly containerId: ContainerId }
  | { readonly kind: "exists" }
  | { readonly kind: "ended"; readonly termination: ContainerTermination }
  /** What may be attached to. */
  | {
      readonly kind: "target";
      readonly containerId: ContainerId;
      readonly directory: string;
      readonly isSession: boolean;
    };
