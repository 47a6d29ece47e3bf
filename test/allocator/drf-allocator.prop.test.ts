/**
 * The incremental allocator against the slow model in `model/`, over random clusters and events:
 * same offers, same shares, same reasons, nothing promised twice, and never an offer that `isDirty`
 * and `nextWakeMs` hid. `npm test -- drf-allocator.prop --runs=100000`
 * runs that many of each kind; a failure prints the seed, and the variable SEED replays it.
 */
import { test } from "bun:test";
import process from "node:process";
import fc from "fast-check";
import { history } from "./arbitraries.ts";
import type { Event } from "./events.ts";
import { pressedHistory } from "./pressure.ts";
import { Twins } from "./twins.ts";

const DEFAULT_RUNS = 150;
/** Long enough for a hundred thousand runs on a slow machine. */
const TIMEOUT_MS = 14_400_000;

test(
  "offers, shares and reasons are those of the slow model, whatever happens [semantics 4.1–4.6]",
  () => compare(history),
  TIMEOUT_MS,
);

test(
  "so they are when guarantees and limits hold back nearly everything [semantics 4.3, 4.4]",
  () => compare(pressedHistory),
  TIMEOUT_MS,
);

function compare(histories: fc.Arbitrary<Event[]>): void {
  const seed = numberFrom("SEED");
  fc.assert(
    fc.property(histories, (events) => {
      const twins = new Twins();
      for (const event of events) twins.apply(event);
      twins.apply({ kind: "allocate", afterMs: 20_000 });
    }),
    {
      includeErrorInReport: true,
      numRuns: numberFrom("RUNS") ?? DEFAULT_RUNS,
      ...(seed !== undefined && { seed }),
    },
  );
}

/** A whole number from the environment, when there is one. */
function numberFrom(name: string): number | undefined {
  const text = process.env[name];
  return text !== undefined && /^-?\d+$/.test(text) ? Number(text) : undefined;
}
