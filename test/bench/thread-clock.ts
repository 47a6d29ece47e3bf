/**
 * The processor time that this thread has used: what other programs on the machine do is not in it.
 * `process.threadCpuUsage` counts in ticks of some milliseconds, which is too coarse for short work.
 */
import { dlopen, FFIType, ptr } from "bun:ffi";

const CLOCK_THREAD_CPUTIME_ID = 3;
const MS_PER_SECOND = 1000;
const NS_PER_MS = 1e6;

const { symbols: libc } = dlopen("libc.so.6", {
  clock_gettime: { args: [FFIType.i32, FFIType.ptr], returns: FFIType.i32 },
});
/** Seconds and nanoseconds. */
const timespec = new BigInt64Array(2);

/** Milliseconds, to the nanosecond. */
export function threadTimeMs(): number {
  if (libc.clock_gettime(CLOCK_THREAD_CPUTIME_ID, ptr(timespec)) !== 0) {
    throw new Error("the processor time of the thread cannot be read");
  }
  const [seconds = 0n, nanoseconds = 0n] = timespec;
  return Number(seconds) * MS_PER_SECOND + Number(nanoseconds) / NS_PER_MS;
}
