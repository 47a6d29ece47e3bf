/**
 * What happened in a run of chaos, as whoever stood outside saw it. Times are milliseconds of one
 * monotonic clock; a call that was never answered has no end.
 */

/** The weight of a role, which operators set to numbers that are never used again. */
export interface Write {
  readonly value: number;
  readonly startMs: number;
  /** Undefined: not acknowledged, and carried out at any later time, or never. */
  endMs: number | undefined;
  /** Who acknowledged it. */
  by: string | undefined;
}

export interface Read {
  readonly value: number;
  readonly startMs: number;
  readonly endMs: number;
  readonly by: string;
}

/** A look at the number of the reign, in ZooKeeper. */
export interface EpochLook {
  readonly epoch: number;
  readonly startMs: number;
  readonly endMs: number;
}

/** What the framework was told of a task, in order. */
export interface TaskStatus {
  readonly task: string;
  readonly state: string;
}

/** What a task itself wrote down on its agent. */
export interface TaskNote {
  readonly task: string;
  readonly what: "start" | "end";
}

export interface History {
  readonly writes: readonly Write[];
  readonly reads: readonly Read[];
  readonly epochs: readonly EpochLook[];
  /** Tasks that a master was asked to launch, with or without an answer. */
  readonly asked: readonly string[];
  readonly statuses: readonly TaskStatus[];
  readonly notes: readonly TaskNote[];
}
