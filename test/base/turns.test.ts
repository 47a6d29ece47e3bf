/** Work that shares the event loop, on a clock that only the work moves. */
import { expect, test } from "bun:test";
import { Turns } from "../../src/base/turns.ts";
import { FakeClock } from "./fake-clock.ts";

/** Lets microtasks run. */
const settle = async (): Promise<void> => {
  for (let count = 0; count < 5; count++) await Promise.resolve();
};

function makeTurns(clock: StandingClock): Turns {
  return new Turns({ clock, turnMs: 10, soon: queueMicrotask });
}

test("an item is worked off in the turn it came in, but not before its push returns", async () => {
  const done: string[] = [];
  const lane = makeTurns(new StandingClock()).lane<{ name: string }>(({ name }) => {
    done.push(name);
  });
  lane.push({ name: "a" });
  expect(done).toEqual([]);
  await settle();
  expect(done).toEqual(["a"]);
});

test("what does not fit the turn waits for the next one, whatever arrives meanwhile", async () => {
  const clock = new StandingClock();
  const turns = makeTurns(clock);
  const done: number[] = [];
  const lane = turns.lane<{ readonly index: number }>(({ index }) => {
    done.push(index);
    clock.nowMs += 4;
  });
  for (let index = 0; index < 5; index++) lane.push({ index });
  await settle();
  expect(done).toEqual([0, 1, 2]);
  lane.push({ index: 5 });
  await settle();
  expect(done).toEqual([0, 1, 2]);
  expect(lane.length).toBe(3);
  clock.endTurn();
  expect(done).toEqual([0, 1, 2, 3, 4, 5]);
  clock.endTurn();
  await settle();
  lane.push({ index: 6 });
  await settle();
  expect(done).toEqual([0, 1, 2, 3, 4, 5, 6]);
});

test("a full lane does not keep another one from its turn", async () => {
  const turns = makeTurns(new StandingClock());
  const done: string[] = [];
  const lane = () => turns.lane<{ name: string }>(({ name }) => done.push(name));
  const packets = lane();
  const inputs = lane();
  for (const name of ["p1", "p2", "p3"]) packets.push({ name });
  inputs.push({ name: "i1" });
  await settle();
  expect(done).toEqual(["p1", "i1", "p2", "p3"]);
});

test("an urgent lane is worked off in the turn it is filled, and first", async () => {
  const clock = new StandingClock();
  const turns = makeTurns(clock);
  const done: string[] = [];
  const work = ({ name }: { name: string }): void => {
    done.push(name);
    clock.nowMs += 6;
  };
  const lane = turns.lane(work);
  const urgent = turns.urgentLane(work);
  for (const name of ["p1", "p2"]) lane.push({ name });
  for (const name of ["u1", "u2", "u3"]) urgent.push({ name });
  await settle();
  expect(done).toEqual(["u1", "u2", "u3"]);
  urgent.push({ name: "u4" });
  await settle();
  expect(done).toEqual(["u1", "u2", "u3", "u4"]);
  clock.endTurn();
  expect(done.slice(4)).toEqual(["p1", "p2"]);
});

test("the end of a turn is told, of one in which nothing happened not", async () => {
  const clock = new StandingClock();
  let ended = 0;
  const turns = new Turns({
    clock,
    turnMs: 10,
    soon: queueMicrotask,
    turnEnded: () => {
      ended += 1;
    },
  });
  const lane = turns.lane<{ name: string }>(() => undefined);
  lane.push({ name: "a" });
  lane.push({ name: "b" });
  await settle();
  expect(ended).toBe(0);
  clock.endTurn();
  expect(ended).toBe(1);
  clock.endTurn();
  await settle();
  expect(ended).toBe(1);
});

/** Turns end when the test says so. */
class StandingClock extends FakeClock {
  nowMs = 0;
  #ends: (() => void)[] = [];

  override monotonicMs(): number {
    return this.nowMs;
  }

  override schedule(_delayMs: number, callback: () => void): () => void {
    this.#ends.push(callback);
    return () => undefined;
  }

  endTurn(): void {
    for (const end of this.#ends.splice(0)) end();
  }
}
