/** What a test and its custom executor write for each other, a line of JSON each. */

/** A call as it is posted, framework and executor filled in unless named. */
export interface ExecutorCallText {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** The parts of events that the executor looks at. */
export interface HeardEvent {
  readonly type: string;
  readonly launch?: { readonly task: { readonly task_id: { readonly value: string } } };
  readonly launch_group?: {
    readonly task_group: {
      readonly tasks: readonly { readonly task_id: { readonly value: string } }[];
    };
  };
  readonly acknowledged?: { readonly task_id: { readonly value: string }; readonly uuid: string };
  readonly kill?: {
    readonly task_id: { readonly value: string };
    readonly kill_policy?: { readonly grace_period?: { readonly nanoseconds: number } };
  };
  readonly message?: { readonly data: string };
}

/** One of: an update of a task, a message, a call as it is, an end. */
export interface ExecutorOrder {
  readonly task?: string;
  readonly state?: string;
  /** Over the update's own. */
  readonly fields?: Record<string, unknown>;
  readonly message?: string;
  readonly call?: ExecutorCallText;
  readonly exit?: number;
}

/** A line of the journal: an event heard, the answer to a call, or how it began. */
export interface JournalLine extends Partial<HeardEvent> {
  readonly event?: string;
  readonly call?: string;
  readonly status?: number;
  readonly text?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly pid?: number;
}
