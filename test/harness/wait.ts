/** Waiting for what happens in other processes. */
import { setTimeout as sleep } from "node:timers/promises";

const POLL_MS = 5;

/** Milliseconds that a shared, busy machine may take for anything that is not measured. */
export const PATIENCE_MS = 60_000;

/**
 * Polls until `look` gives something else than undefined or false, and returns it.
 * Errors: after `timeoutMs`, naming what was waited for; a function is asked for it only then, so
 * that it can tell what there was instead.
 */
export async function until<T>(
  what: string | (() => string),
  look: () => T | undefined | false | Promise<T | undefined | false>,
  timeoutMs: number = PATIENCE_MS,
): Promise<T> {
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > deadlineMs) {
      const named = typeof what === "string" ? what : what();
      throw new Error(`waited ${timeoutMs} ms in vain: ${named}`);
    }
    await sleep(POLL_MS);
  }
}
