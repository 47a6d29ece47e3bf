/** Writing no faster than the other end takes it. */
import type { Writable } from "node:stream";

/**
 * A promise asks for no more until it resolves: what was written is taken, or never will be. Nothing
 * is written to a stream that is at its end.
 */
export function writeHeld(stream: Writable, data: Uint8Array): Promise<void> | undefined {
  if (!stream.writable || stream.write(data)) return undefined;
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off("drain", done).off("close", done);
      resolve();
    };
    stream.on("drain", done).on("close", done);
  });
}
