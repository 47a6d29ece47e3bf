/** Copies of a running master's registry for whoever asks; the master goes on meanwhile. */
import { closeSync, openSync, readSync, rmSync } from "node:fs";
import type { Clock } from "../base/ports.ts";
import type { RegistryCopy } from "../http/master/registry-endpoint.ts";
import { nextTurnOf } from "../registry/store/next-turn.ts";
import { type FileParts, writeRegistryFileInTurns } from "../registry/store/registry-copies.ts";
import type { RegistryImage } from "../registry/store/registry-image.ts";

/** Read at once of a copy. */
const CHUNK_BYTES: number = 256 * 1024;

export interface CopiesOptions extends FileParts {
  readonly clock: Clock;
  readonly registry: { image(): Promise<RegistryImage> };
  /** Where a copy is made; nothing is left there. */
  readonly path: string;
}

/** One copy is made at a time. Rejects with `DatabaseError`. */
export function registryCopies(options: CopiesOptions): RegistryCopy {
  let last: Promise<unknown> = Promise.resolve();
  return () => {
    const copy = last.then(() => makeCopy(options));
    last = copy.catch(() => undefined);
    return copy;
  };
}

async function makeCopy(options: CopiesOptions): Promise<ReadableStream<Uint8Array>> {
  const { clock, registry, path } = options;
  // What a master left that died meanwhile.
  remove(path);
  try {
    await writeRegistryFileInTurns(options, path, await registry.image(), () => nextTurnOf(clock));
    return contentOf(openSync(path, "r"));
  } finally {
    remove(path);
  }
}

function remove(path: string): void {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(`${path}${suffix}`, { force: true });
}

function contentOf(descriptor: number): ReadableStream<Uint8Array> {
  return new ReadableStream({
    pull: (controller) => {
      const chunk = new Uint8Array(CHUNK_BYTES);
      const count = readSync(descriptor, chunk);
      if (count > 0) {
        controller.enqueue(chunk.subarray(0, count));
        return;
      }
      closeSync(descriptor);
      controller.close();
    },
    cancel: () => closeSync(descriptor),
  });
}
