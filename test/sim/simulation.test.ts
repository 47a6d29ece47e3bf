/**
 * The simulator itself: a seed replays byte for byte, the cores survive, and faults planted on
 * purpose are found, so that a green run means something.
 */
import { describe, expect, test } from "bun:test";
import { simulate } from "./simulation.ts";
import { PLANTS } from "./world.ts";

const STEPS = 4000;

describe("simulator", () => {
  test("a seed replays byte for byte [DESIGN 10]", () => {
    const first = simulate({ seed: 7, steps: STEPS, plant: undefined });
    const second = simulate({ seed: 7, steps: STEPS, plant: undefined });
    expect(second.lines.join("\n")).toBe(first.lines.join("\n"));
    expect(first.failure).toBeUndefined();
  }, 30_000);

  for (const plant of PLANTS) {
    test(`the planted fault ${plant} is found within 200 seeds [DESIGN 10]`, () => {
      const isFound = Array.from({ length: 200 }, (_, index) => index + 1).some(
        (seed) => simulate({ seed, steps: STEPS, plant }).failure !== undefined,
      );
      expect(isFound).toBe(true);
    }, 120_000);
  }
});
