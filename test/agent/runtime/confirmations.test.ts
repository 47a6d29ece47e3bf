/** What commands are carried out is told once for many, soon, and never to a link that comes later. */
import { expect, test } from "bun:test";
import { Confirmations } from "../../../src/agent/runtime/confirmations.ts";
import { CONFIRMATION_MS } from "../../../src/agent/runtime/limits.ts";
import { FakeClock } from "../../base/fake-clock.ts";

function stand(): { clock: FakeClock; sent: number[]; confirmations: Confirmations } {
  const clock = new FakeClock();
  const sent: number[] = [];
  const confirmations = new Confirmations(clock, ({ number }) => sent.push(number));
  return { clock, sent, confirmations };
}

test("one word for all of a while, also while more keep coming", () => {
  const { clock, sent, confirmations } = stand();
  for (let number = 1; number <= 10; number++) {
    confirmations.add({ kind: "commandDone", number });
    clock.advance(CONFIRMATION_MS / 5);
  }
  expect(sent).toEqual([5, 10]);
  clock.advance(10 * CONFIRMATION_MS);
  expect([sent, clock.pending]).toEqual([[5, 10], 0]);
});

test("it goes before what is sent anyway, and not once more", () => {
  const { clock, sent, confirmations } = stand();
  confirmations.add({ kind: "commandDone", number: 1 });
  confirmations.flush();
  expect(sent).toEqual([1]);
  confirmations.flush();
  clock.advance(10 * CONFIRMATION_MS);
  expect(sent).toEqual([1]);
});

test("what a link did not hear in time no other one hears", () => {
  const { clock, sent, confirmations } = stand();
  confirmations.add({ kind: "commandDone", number: 7 });
  confirmations.drop();
  clock.advance(10 * CONFIRMATION_MS);
  confirmations.flush();
  expect(sent).toEqual([]);
  confirmations.add({ kind: "commandDone", number: 1 });
  clock.advance(CONFIRMATION_MS);
  expect(sent).toEqual([1]);
});
