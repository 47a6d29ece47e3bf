/** The level of the log, for a while. */
import { expect, test } from "bun:test";
import { LoggingLevel } from "../../src/http/logging-level.ts";
import { FakeClock } from "../base/fake-clock.ts";

const HOUR_MS = 3_600_000;

test("is back at 0 when the duration is over; a later one replaces it [http-api 6.2]", () => {
  const clock = new FakeClock();
  const level = new LoggingLevel(clock);
  expect(level.set(3, 1000).ok).toBe(true);
  clock.advance(999);
  expect(level.level).toBe(3);
  level.set(1, 2000);
  clock.advance(1999);
  expect(level.level).toBe(1);
  clock.advance(1);
  expect([level.level, clock.pending]).toEqual([0, 0]);
});

test("what makes no sense changes nothing and names the field", () => {
  const level = new LoggingLevel(new FakeClock());
  level.set(2, HOUR_MS);
  for (const [wanted, ms, field] of [
    [-1, 1, "level"],
    [1.5, 1, "level"],
    [1001, 1, "level"],
    [1, -1, "duration"],
    [1, 25 * HOUR_MS, "duration"],
    [1, Number.NaN, "duration"],
  ] as const) {
    expect(level.set(wanted, ms)).toMatchObject({ ok: false, error: { code: "invalid", field } });
  }
  expect(level.level).toBe(2);
});
