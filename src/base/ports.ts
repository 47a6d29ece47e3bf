/**
 * Interfaces of the outside world. `platform/` implements them for real, `test/sim` for the
 * simulator; nothing above `platform/` reads a clock, a random source or the process directly.
 */

/** Time. Wall time is for people and wire messages, monotonic time for every decision. */
export interface Clock {
  /** Milliseconds since the Unix epoch; may jump. */
  wallMs(): number;
  /** Milliseconds that never go back; the zero point is arbitrary. */
  monotonicMs(): number;
  /** Runs `callback` once after `delayMs`; the returned function cancels it. */
  schedule(delayMs: number, callback: () => void): () => void;
  /** Runs `callback` once after other events had their turn, sooner than the shortest timer would. */
  nextTurn(callback: () => void): void;
}

/** Chance, injected so that a simulation replays exactly. */
export interface Rng {
  /** A float in [0, 1). */
  next(): number;
  /** A version 4 UUID in text form. */
  uuid(): string;
}

export type LogLevel = "debug" | "info" | "warning" | "error";

/** Structured log. Values are printed as `key=value`; secrets are never passed in. */
export interface Log {
  write(level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>): void;
}

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** A pseudo-terminal, seen from the end where a person would sit. */
export interface Terminal {
  /** Its other end, a device. */
  readonly path: string;
  /** Takes all; what the other end does not read yet waits here. */
  write(data: Uint8Array): void;
  /** False while the other end has something to read, as far as the platform can tell. */
  isRead(): boolean;
  resize(size: TerminalSize): void;
  /** Lets nobody write to the other end until `go`, where the platform can. */
  stop(): void;
  go(): void;
  /** Whatever runs on it is hung up. Safe to repeat. */
  close(): void;
}

/**
 * Makes a pseudo-terminal; `onOutput` gets what is written to it, and `onTaken` is called when
 * nothing waits any more of what this end wrote; not for what the other end took at once. Throws
 * what the system throws.
 */
export type OpenTerminal = (
  size: TerminalSize,
  onOutput: (data: Uint8Array<ArrayBuffer>) => void,
  onTaken: () => void,
) => Terminal;

/** A value SQLite stores. Integers stay below 2^53; larger ids are text. */
export type SqlValue = string | number | null | Uint8Array;

/** A prepared statement, cached by its connection. */
export interface SqlStatement {
  /** True when the statement returns rows. */
  readonly reader: boolean;
  all(parameters: readonly SqlValue[]): unknown[];
  run(parameters: readonly SqlValue[]): { changes: number; lastInsertRowid: number | bigint };
  iterate(parameters: readonly SqlValue[]): IterableIterator<unknown>;
}

/** One synchronous SQLite connection; `platform/` opens it with the engine at hand. */
export interface SqlConnection {
  prepare(sql: string): SqlStatement;
  close(): void;
}

/** Opens (or creates) a database file. Throws what the engine throws. */
export type SqlOpen = (path: string) => SqlConnection;
