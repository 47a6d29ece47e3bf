/** Goal: the picture shows every phase with its own p99. Method: draw known latencies. */
import { expect, test } from "bun:test";
import { type Latencies, PHASES, type Phase } from "./latencies.ts";
import { drawLatencies } from "./picture.ts";

const NAMES = Object.fromEntries(PHASES.map((phase) => [phase, `the ${phase}`])) as Record<
  Phase,
  string
>;

test("each phase has a line, its name and its p99, one above the other [issue 4]", () => {
  const latencies = Object.fromEntries(
    PHASES.map((phase, index) => [phase, [[0.05, 0.06 * 10 ** index], [0.05]]]),
  ) as unknown as Latencies;
  const svg = drawLatencies(latencies, NAMES);
  expect(svg.match(/<polyline /g)).toHaveLength(PHASES.length);
  for (const [index, told] of ["60 µs", "600 µs", "6 ms", "60 ms", "600 ms"].entries()) {
    expect(svg).toContain(`>the ${PHASES[index]}: p99 ${told}<`);
  }
  const heights = [...svg.matchAll(/y="([\d.]+)" fill=/g)].map(([, y]) => Number(y));
  expect(new Set(heights.map((y) => Math.round(y))).size).toBe(PHASES.length);
});
