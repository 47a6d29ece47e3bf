/** Who is due next, with members that are removed and put off meanwhile. */
import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { type Due, DueQueue } from "../../src/base/due-queue.ts";

interface Member extends Due {
  readonly name: number;
}

const WAIT = 100;
const STEP = fc.record({
  kind: fc.constantFrom("set" as const, "remove" as const, "take" as const),
  name: fc.integer({ min: 0, max: 7 }),
  passedMs: fc.constantFrom(0, 0, 1, 30, 120),
});

test("members come out when they are due, as a list put in order says", () => {
  void fc.assert(
    fc.property(fc.array(STEP, { maxLength: 200 }), (steps) => {
      const members: Member[] = Array.from({ length: 8 }, (_, name) => {
        return { name, dueMs: Number.POSITIVE_INFINITY };
      });
      const queue = new DueQueue<Member>();
      // In order of time by itself, as times never go back.
      const model = new Map<number, number>();
      let nowMs = 0;
      for (const { kind, name, passedMs } of steps) {
        nowMs += passedMs;
        const member = members[name] as Member;
        if (kind === "set") {
          queue.set(member, nowMs + WAIT);
          model.delete(name);
          model.set(name, nowMs + WAIT);
        } else if (kind === "remove") {
          queue.remove(member);
          model.delete(name);
        } else {
          const [first] = model;
          const expected = first !== undefined && first[1] <= nowMs ? first[0] : undefined;
          expect(queue.take(nowMs)?.name).toBe(expected as number);
          if (expected !== undefined) model.delete(expected);
        }
        expect(queue.size).toBe(model.size);
        expect(queue.firstMs()).toBe([...model.values()][0] as number);
        for (const one of members) {
          expect(one.dueMs).toBe(model.get(one.name) ?? Number.POSITIVE_INFINITY);
        }
      }
    }),
  );
});

test("a time before that of others is a mistake of whoever asks", () => {
  const queue = new DueQueue<Due>();
  queue.set({ dueMs: Number.POSITIVE_INFINITY }, 5);
  expect(() => queue.set({ dueMs: Number.POSITIVE_INFINITY }, 4)).toThrow("order");
});
