/** Timers as Mesos tells them. */
import { expect, test } from "bun:test";
import { Durations } from "../../src/base/durations.ts";

test("nothing is told before the first run [metrics.json notes]", () => {
  expect(new Durations().metrics("x_ms")).toEqual({});
});

test("the last value, and the window in percentiles [metrics.json notes]", () => {
  const durations = new Durations();
  for (let ms = 1; ms <= 200; ms += 1) durations.add(ms);
  expect(durations.metrics("x_ms")).toEqual({
    x_ms: 200,
    "x_ms/count": 200,
    "x_ms/max": 200,
    "x_ms/min": 1,
    "x_ms/p50": 100,
    "x_ms/p90": 180,
    "x_ms/p95": 190,
    "x_ms/p99": 198,
    "x_ms/p999": 200,
    "x_ms/p9999": 200,
  });
});

test("the window holds the last thousand", () => {
  const durations = new Durations();
  for (let ms = 1; ms <= 2500; ms += 1) durations.add(ms);
  expect(durations.metrics("x")).toMatchObject({ "x/count": 1000, "x/min": 1501, "x/max": 2500 });
});
