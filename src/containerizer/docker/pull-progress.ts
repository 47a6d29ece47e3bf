/** How far a pull is, from the lines of JSON that the Engine writes about it. */
import type { Answer } from "./answer.ts";

/** Lines that repeat while nothing moves. */
const IDLE = /^(?:Waiting|Retrying)/;

/** Layers whose progress is kept; an image has 127 at most. */
const LAYERS_MAX = 1_000;

export class PullProgress {
  readonly #lines = new Map<string, string>();
  readonly #bytes = new Map<string, { readonly current: number; readonly total: number }>();
  #error: string | undefined;

  /** Why the pull failed, in the Engine's words. */
  get error(): string | undefined {
    return this.#error;
  }

  /** True when the line says that something moved. */
  take(line: Answer): boolean {
    this.#error ??= line.at("errorDetail", "message").text() ?? line.at("error").text();
    const id = line.at("id").text() ?? "";
    const status = line.at("status").text() ?? "";
    const current = line.at("progressDetail", "current").number();
    const total = line.at("progressDetail", "total").number();
    if (IDLE.test(status)) return false;
    const text = `${status} ${current ?? ""}`;
    if (this.#lines.get(id) === text) return false;
    if (this.#lines.size < LAYERS_MAX || this.#lines.has(id)) this.#lines.set(id, text);
    if (status === "Downloading" && current !== undefined && total !== undefined) {
      this.#bytes.set(id, { current, total });
    }
    return true;
  }

  /** `3.1 of 30.2 MB in 2 layers`. */
  describe(): string {
    let current = 0;
    let total = 0;
    for (const layer of this.#bytes.values()) {
      current += layer.current;
      total += layer.total;
    }
    if (total === 0) return "no layer begun";
    const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);
    return `${megabytes(current)} of ${megabytes(total)} MB in ${this.#bytes.size} layers`;
  }
}
