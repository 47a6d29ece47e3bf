/** Many members called on once per period, by one timer. */
import { expect, test } from "bun:test";
import type { Due } from "../../src/base/due-queue.ts";
import { Rounds } from "../../src/base/rounds.ts";
import { FakeClock } from "./fake-clock.ts";

interface Named extends Due {
  readonly name: string;
}

function named(name: string): Named {
  return { name, dueMs: Number.POSITIVE_INFINITY };
}

function makeRounds() {
  const clock = new FakeClock();
  const calls: string[] = [];
  const rounds = new Rounds<Named>(clock, 100, ({ name }) => {
    calls.push(`${name} ${clock.monotonicMs() - 1000}`);
  });
  return { clock, calls, rounds };
}

test("each member is called on a period after it came, and each period from then on", () => {
  const { clock, calls, rounds } = makeRounds();
  rounds.add(named("a"));
  clock.advance(30);
  rounds.add(named("b"));
  clock.advance(220);
  expect(calls).toEqual(["a 100", "b 130", "a 200", "b 230"]);
  expect(clock.pending).toBe(1);
});

test("one that is removed is not called on any more, and the last one takes the timer along", () => {
  const { clock, calls, rounds } = makeRounds();
  const [a, b] = [named("a"), named("b")];
  rounds.add(a);
  rounds.add(b);
  rounds.remove(a);
  rounds.remove(a);
  clock.advance(100);
  expect(calls).toEqual(["b 100"]);
  rounds.remove(b);
  expect(clock.pending).toBe(0);
});

test("a stall makes each late call once and not as often as it was missed", () => {
  const { clock, calls, rounds } = makeRounds();
  rounds.add(named("a"));
  clock.leap(350);
  expect(calls).toEqual(["a 350"]);
  clock.advance(100);
  expect(calls).toEqual(["a 350", "a 450"]);
});
