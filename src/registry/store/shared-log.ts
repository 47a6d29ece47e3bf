/** The log that several masters share, as the registrar uses it; ZooKeeper implements it. */
import type { Result } from "../../base/result.ts";

export interface LogContent {
  /** In place of all that comes before the first entry; absent when the reader has that. */
  readonly snapshot?: Uint8Array | undefined;
  /** In order and without gaps. */
  readonly entries: readonly { readonly position: number; readonly bytes: Uint8Array }[];
}

/** `fenced`: another master leads. `lost`: the session is over; whether it was done is unknown. */
export type WriteOutcome = "done" | "fenced" | "lost";

export interface SharedLog {
  /**
   * What comes after `position`, the entry at it included, so that the reader can tell whether it
   * has the same one; position 0 reads from the beginning. Errors: `notReady`, it cannot be read now;
   * `invalid`, it is none.
   */
  read(position: number): Promise<Result<LogContent>>;

  /** Calls back, once, when there is more than at the last `read`. */
  watch(onChange: () => void): void;

  /** Takes the log over: what masters before this one write fails from here on. */
  claim(): Promise<WriteOutcome>;

  /** Adds the entry at `position`, unless this master was fenced. */
  append(position: number, bytes: Uint8Array): Promise<WriteOutcome>;

  /** Keeps a snapshot of everything up to `position`, and forgets old entries. */
  putSnapshot(position: number, bytes: Uint8Array): Promise<WriteOutcome>;
}
