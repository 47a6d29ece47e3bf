/** A URI could not be fetched or unpacked; `message` is shown to frameworks. */
export class FetchError extends Error {
  override readonly name: string = "FetchError";
}

/** A system's or library's reason, in short. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
