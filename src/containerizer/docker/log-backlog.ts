/**
 * Whether a reader that follows an Engine's log is so far behind that the Engine may soon leave out
 * what it has rotated away from: it goes from the file that it reads to the newest one. A log that is
 * read once from a time on has everything that is still kept.
 */
import { ENGINE_LOG_MESSAGE_BYTES, LOG_RATE_MS } from "./limits.ts";
import type { LogMessage } from "./log-frames.ts";

export class LogBacklog {
  readonly #fileBytes: number;
  #fromMs: number | undefined;
  #bytes = 0;
  /** Bytes of log per millisecond. */
  #rate = 0;

  /** `fileBytes` is the size at which the Engine begins a new file. */
  constructor(fileBytes: number) {
    this.#fileBytes = fileBytes;
  }

  /** Takes in what was read by now, in order; `wallMs` is the time of the Engine's host. */
  isTooLong(messages: readonly LogMessage[], wallMs: number): boolean {
    const last = messages.at(-1);
    if (last === undefined) return false;
    const atMs = timeMs(last);
    this.#fromMs ??= timeMs(messages[0] ?? last);
    for (const { bytes } of messages) this.#bytes += bytes.length + ENGINE_LOG_MESSAGE_BYTES;
    const spanMs = atMs - this.#fromMs;
    if (spanMs >= LOG_RATE_MS) {
      this.#rate = this.#bytes / spanMs;
      this.#fromMs = atMs;
      this.#bytes = 0;
    }
    return this.#rate * (wallMs - atMs) > this.#fileBytes / 2;
  }
}

function timeMs({ time }: LogMessage): number {
  return Date.parse(`${time.slice(0, 23)}Z`);
}
