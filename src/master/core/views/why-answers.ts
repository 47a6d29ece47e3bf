/** What `/allot/v1/why/…` answers. */
import type { TaskState } from "../../../protocol/v1/types.ts";

export interface WhyReason {
  readonly kind: string;
  /** Agents that this reason stands for. */
  readonly agents: number;
  readonly text: string;
}

/** Why a framework gets nothing (more) for one of its roles. */
export interface WhyClient {
  readonly framework_id: string;
  readonly framework_name: string;
  /** Only `active` ones are offered anything. */
  readonly state: "active" | "disconnected" | "recovered";
  readonly role: string;
  readonly suppressed: boolean;
  readonly offers_outstanding: number;
  /** Since when it wants offers and got none; null when it wants none. */
  readonly starving_seconds: number | null;
  readonly agents: number;
  /** Most agents first; each agent counts once. */
  readonly reasons: readonly WhyReason[];
}

export interface WhyStatus {
  readonly state: TaskState;
  /** Epoch seconds. */
  readonly timestamp: number | null;
  readonly source: string | null;
  readonly reason: string | null;
  readonly message: string | null;
}

/** All that the master was told of a task. */
export interface WhyTask {
  readonly task_id: string;
  readonly framework_id: string;
  readonly agent_id: string;
  readonly state: TaskState;
  /** It is over and its framework has not said that it knows. */
  readonly awaits_acknowledgement: boolean;
  /** Oldest first. */
  readonly history: readonly WhyStatus[];
}

/** An answer, and the same as lines for people. */
export type Why<Answer> = Answer & { readonly summary: readonly string[] };
