/**
 * Looks at the place of the main thread from beside it: says so when that stays the same for long,
 * which the main thread cannot, and ends the process when it stays for too long.
 */
import { writeSync } from "node:fs";
import { workerData } from "node:worker_threads";
import { placeOf, type WatchdogData } from "./watchdog.ts";

const LOOK_EVERY_MS = 1000;
/** A large request on a busy machine may take some seconds. */
const SILENT_MS = 15_000;
const STUCK_MS = 240_000;

const { cells, seed } = workerData as WatchdogData;
let last = placeOf(cells);
let sinceMs = performance.now();
let nextTellMs = SILENT_MS;

setInterval(() => {
  const now = placeOf(cells);
  if (now !== last) {
    last = now;
    sinceMs = performance.now();
    nextTellMs = SILENT_MS;
    return;
  }
  const silentMs = performance.now() - sinceMs;
  if (silentMs < nextTellMs) return;
  nextTellMs *= 2;
  writeSync(1, `  nothing moves since ${Math.round(silentMs / 1000)} s: --seed ${seed}, ${now}\n`);
  if (silentMs > STUCK_MS) process.kill(process.pid, "SIGKILL");
}, LOOK_EVERY_MS);
