/**
 * What can go wrong with a database file, as one class with a closed list of codes. Every message
 * names the file and the next step.
 */

/**
 * - `missing`: there is no such file, where none was to be made.
 * - `locked`: another process has the file open.
 * - `foreign`: the file is not one of ours, or one of another kind.
 * - `shared`: it is a copy of what several masters share, and was not opened as one.
 * - `newer`: a newer version of the program wrote it.
 * - `damaged`: its content is broken.
 * - `full`: no space, or the quota of the user is used up.
 * - `unwritable`: missing rights, or a read-only file system.
 * - `io`: the device failed.
 * - `constraint`: a row breaks a rule of the schema, which is a fault of the program.
 * - `overloaded`: more is waiting to be written than the queue may hold.
 * - `closed`: used after it was closed or after an earlier failure.
 * - `failed`: any other answer of the engine.
 */
export type DatabaseErrorCode =
  | "missing"
  | "locked"
  | "foreign"
  | "shared"
  | "newer"
  | "damaged"
  | "full"
  | "unwritable"
  | "io"
  | "constraint"
  | "overloaded"
  | "closed"
  | "failed";

/** A failure of the file or its device. `cause` holds the engine's own error when there is one. */
export class DatabaseError extends Error {
  override readonly name: string = "DatabaseError";
  readonly code: DatabaseErrorCode;

  constructor(code: DatabaseErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }

  /** True when the same call may succeed later without anyone changing the file. */
  get isRetriable(): boolean {
    return this.code === "locked" || this.code === "full" || this.code === "overloaded";
  }
}

/**
 * Turns what SQLite or the file system threw into a `DatabaseError` about `file`. Everything else,
 * a failed assertion above all, is returned as it is.
 */
export function toDatabaseError(error: unknown, file: string): unknown {
  if (error instanceof DatabaseError) return error;
  const engineCode = codeOf(error);
  if (engineCode === undefined) return error;
  const code = classify(engineCode);
  const reason = error instanceof Error ? error.message : engineCode;
  return new DatabaseError(code, `${file}: ${reason} (${engineCode})${remedy(code)}`, error);
}

/** Start of an engine's or system's code → ours. The first match counts. */
const CODES: readonly (readonly [string, DatabaseErrorCode])[] = [
  ["SQLITE_BUSY", "locked"],
  ["SQLITE_LOCKED", "locked"],
  ["SQLITE_NOTADB", "foreign"],
  ["SQLITE_CORRUPT", "damaged"],
  ["SQLITE_FULL", "full"],
  ["SQLITE_IOERR", "io"],
  ["SQLITE_READONLY", "unwritable"],
  ["SQLITE_CANTOPEN", "unwritable"],
  ["SQLITE_PERM", "unwritable"],
  ["SQLITE_CONSTRAINT", "constraint"],
  ["SQLITE_", "failed"],
  ["ENOSPC", "full"],
  ["EDQUOT", "full"],
  ["EIO", "io"],
  ["EACCES", "unwritable"],
  ["EPERM", "unwritable"],
  ["EROFS", "unwritable"],
  ["ENOTDIR", "unwritable"],
  ["EISDIR", "unwritable"],
  ["EEXIST", "unwritable"],
];

function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  const code = error.code;
  return typeof code === "string" && /^(?:SQLITE_|E[A-Z])/.test(code) ? code : undefined;
}

function classify(engineCode: string): DatabaseErrorCode {
  return CODES.find(([start]) => engineCode.startsWith(start))?.[1] ?? "failed";
}

function remedy(code: DatabaseErrorCode): string {
  if (code === "full") return "; free some space on that disk";
  if (code === "unwritable") return "; give this user the right to write there";
  if (code === "io") return "; check the disk and the kernel log";
  return "";
}
