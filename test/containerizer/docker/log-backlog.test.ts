/** When a reader of an Engine's log is too far behind: made-up messages of a log of 1 MB per file. */
import { expect, test } from "bun:test";
import { LogBacklog } from "../../../src/containerizer/docker/log-backlog.ts";
import type { LogMessage } from "../../../src/containerizer/docker/log-frames.ts";

const START_MS = Date.parse("2026-01-31T12:00:00Z");

/** Messages of 910 bytes, 1,000 in the log, one every `everyMs`. */
function messages(count: number, everyMs: number): LogMessage[] {
  return Array.from({ length: count }, (_, index) => ({
    output: "stdout",
    time: new Date(START_MS + index * everyMs).toISOString().replace("Z", "000000Z"),
    bytes: new Uint8Array(910),
  }));
}

test("who is behind by half a file, at the speed at which the log is written, is too far behind", () => {
  // A thousand bytes per millisecond: 500 ms are half a file.
  const near = new LogBacklog(1_000_000);
  expect(near.isTooLong(messages(100, 1), START_MS + 99 + 400)).toBe(false);
  const far = new LogBacklog(1_000_000);
  expect(far.isTooLong(messages(100, 1), START_MS + 99 + 600)).toBe(true);
});

test("a slow writer may be read late, and nothing at all is nothing late", () => {
  const slow = new LogBacklog(1_000_000);
  expect(slow.isTooLong(messages(10, 1_000), START_MS + 9_000 + 60_000)).toBe(false);
  expect(slow.isTooLong([], START_MS + 100_000)).toBe(false);
});

test("a log that is never rotated leaves nothing out", () => {
  const whole = new LogBacklog(Number.POSITIVE_INFINITY);
  expect(whole.isTooLong(messages(100, 1), START_MS + 1_000_000)).toBe(false);
});
