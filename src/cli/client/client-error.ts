/** How talking to a master fails. Messages are complete for a terminal and say what to do. */

/**
 * `unreachable`: no answer, or it broke off; `refused`: an HTTP error status; `badAnswer`: the
 * other side does not speak the expected protocol.
 */
export type ClientErrorCode = "unreachable" | "refused" | "badAnswer";

/** A failed request to the master. */
export class ClientError extends Error {
  override readonly name: string = "ClientError";
  readonly code: ClientErrorCode;
  /** HTTP status of a refused request. */
  readonly status: number | undefined;

  constructor(
    code: ClientErrorCode,
    message: string,
    more: { readonly status?: number; readonly cause?: unknown } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.code = code;
    this.status = more.status;
  }

  /** Whether the same request may succeed later, without anything being changed. */
  get isRetriable(): boolean {
    return this.code === "unreachable" || this.status === 503;
  }
}
