/**
 * What the kernel says of processes that it killed for memory. The Engine learns of such a death from
 * a cgroup that may be gone before it has looked, and then keeps nothing but exit status 137; the
 * kernel's log has it in any case. Lines are those of mm/oom_kill.c.
 */
import { closeSync, constants, openSync, readSync } from "node:fs";
import process from "node:process";
import { KERNEL_LOG_RECORDS_MAX, KERNEL_RECORD_BYTES_MAX } from "./limits.ts";

/** One record of /dev/kmsg. */
export interface KernelRecord {
  /** Since the host's start, microseconds. */
  readonly atUs: number;
  readonly text: string;
}

/** Whom the kernel may have killed. */
export interface Suspect {
  /** Part of the name of its cgroup. */
  readonly engineId: string;
  /** Of its first process on the host. */
  readonly pid: number | undefined;
}

/** By which the kernel's clock and the Engine's may differ about the start of a container. */
const CLOCK_DRIFT_MS = 1000;

/**
 * True when a record since `sinceUs` says that something of the container was killed at a memory limit
 * of its cgroup. A second kind of record does not name the cgroup, but is there for every death.
 */
export function tellsOfKill(
  records: Iterable<KernelRecord>,
  { engineId, pid }: Suspect,
  sinceUs: number,
): boolean {
  const killed = `Memory cgroup out of memory: Killed process ${pid} `;
  for (const { atUs, text } of records) {
    if (atUs < sinceUs) continue;
    if (text.startsWith("oom-kill:") && cgroupAtLimit(text).includes(engineId)) return true;
    if (pid !== undefined && text.startsWith(killed)) return true;
  }
  return false;
}

/** As `tellsOfKill`, for the last `ageMs`, by this host's log; false where that may not be read. */
export function kernelTellsOfKill(suspect: Suspect, ageMs: number): boolean {
  const sinceMs = Number(process.hrtime.bigint() / 1_000_000n) - ageMs - CLOCK_DRIFT_MS;
  try {
    return tellsOfKill(kernelRecords(), suspect, sinceMs * 1000);
  } catch {
    // Only root may read it everywhere; then the Engine's word is all there is.
    return false;
  }
}

/** `prefix,sequence,microseconds,flags;text`, and lines of details behind it. */
export function parseRecord(record: string): KernelRecord | undefined {
  const match = /^\d+,\d+,(\d+),[^;]*;([^\n]*)/.exec(record);
  return match === null ? undefined : { atUs: Number(match[1]), text: match[2] ?? "" };
}

/** Empty when it was the host that ran out of memory. */
function cgroupAtLimit(text: string): string {
  return /,oom_memcg=([^,]*)/.exec(text)?.[1] ?? "";
}

/** Each read gives one record, from the oldest on. */
function* kernelRecords(): Generator<KernelRecord> {
  const file = openSync("/dev/kmsg", constants.O_RDONLY | constants.O_NONBLOCK);
  const buffer = Buffer.alloc(KERNEL_RECORD_BYTES_MAX);
  try {
    for (let count = 0; count < KERNEL_LOG_RECORDS_MAX; count += 1) {
      const bytes = readRecord(file, buffer);
      if (bytes === undefined) return;
      const record = parseRecord(buffer.toString("utf8", 0, bytes));
      if (record !== undefined) yield record;
    }
  } finally {
    closeSync(file);
  }
}

/** Bytes of the next record; undefined when there is none yet. */
function readRecord(file: number, buffer: Buffer): number | undefined {
  try {
    return readSync(file, buffer, 0, buffer.length, null);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "EAGAIN") return undefined;
    // New records have taken the place of the next one.
    if (code === "EPIPE") return 0;
    throw error;
  }
}
