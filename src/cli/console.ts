/**
 * The terminal or pipes of a command. Writing waits until the bytes are taken, so that nothing is
 * lost when the process exits and a slow reader slows the sender down.
 */
import process from "node:process";

/** Where a command prints. A promise resolves once the text is handed over. */
export interface Console {
  /** What was asked for. Throws `ConsoleClosedError` when nobody reads any more. */
  out(data: string | Uint8Array): Promise<void>;
  /** Notices and complaints. As `out`. */
  error(data: string | Uint8Array): Promise<void>;
}

/** The reader went away, as `head` does after ten lines. */
export class ConsoleClosedError extends Error {
  override readonly name: string = "ConsoleClosedError";
  readonly code = "closed";
}

/** Standard output and standard error of this process. Make one per process. */
export function processConsole(): Console {
  // A closed pipe is reported to the write that met it; without a listener it would be thrown.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
  return {
    out: (data) => write(process.stdout, shown(data)),
    error: (data) => write(process.stderr, shown(data)),
  };
}

/**
 * Bytes are a task's own output and pass as they are. Text is ours, with names and messages in it
 * that come from anywhere: control characters there could rewrite the terminal.
 */
function shown(data: string | Uint8Array): string | Uint8Array {
  return typeof data === "string" ? data.replace(/[^\P{Cc}\n\t]/gu, "?") : data;
}

function write(stream: NodeJS.WritableStream, data: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(data, (error) => {
      if (error === null || error === undefined) resolve();
      else reject(new ConsoleClosedError("nobody reads the output", { cause: error }));
    });
  });
}
