/** Pace of calls by principal: who waits, for how long, and who is refused. */
import { describe, expect, test } from "bun:test";
import type { RateLimits } from "../../../src/master/core/master-options.ts";
import type { MasterState } from "../../../src/master/core/state.ts";
import { SUCCESS, type TestStream, World } from "./harness.ts";

const LIMITS: RateLimits = {
  byPrincipal: new Map([
    ["slow", { intervalMs: 1000, capacity: 2 }],
    ["free", { intervalMs: undefined, capacity: undefined }],
  ]),
  aggregate: { intervalMs: 500, capacity: undefined },
};

function world(): World {
  return new World({ rateLimits: LIMITS });
}

/** Calls carried out so far for a principal. */
function processed({ counters }: MasterState, principal: string): number {
  return counters.get(`frameworks/${principal}/messages_processed`)?.value ?? 0;
}

function post(at: World, stream: TestStream): number {
  return at.post((requestId) => ({
    kind: "schedulerCall",
    requestId,
    call: { framework_id: { value: stream.frameworkId }, type: "SUPPRESS" },
    streamId: stream.id,
    principal: undefined,
  }));
}

describe("--rate_limits", () => {
  test("makes calls wait for their turn, and their answers with them [semantics 9.5]", () => {
    const at = world();
    const stream = at.subscribe({ principal: "slow" });
    const requests = [post(at, stream), post(at, stream), post(at, stream)];
    const answers = (): unknown[] => requests.map((request) => at.outcomeOf(request));
    expect(answers()).toEqual([SUCCESS, undefined, undefined]);
    at.advance(999);
    expect(answers()).toEqual([SUCCESS, undefined, undefined]);
    at.advance(1);
    expect(answers()).toEqual([SUCCESS, SUCCESS, undefined]);
    at.advance(1000);
    expect(answers()).toEqual([SUCCESS, SUCCESS, SUCCESS]);
    expect(processed(at.state, "slow")).toBe(3);
  });

  test("refuses calls beyond the capacity, which are received and not processed", () => {
    const at = world();
    const stream = at.subscribe({ principal: "slow" });
    for (let count = 0; count < 3; count++) post(at, stream);
    expect(at.outcomeOf(post(at, stream))).toMatchObject({
      error: { code: "notReady", message: "Message SUPPRESS dropped: capacity(2) exceeded" },
    });
    expect(at.state.counters.get("frameworks/slow/messages_received")?.value).toBe(4);
    expect(processed(at.state, "slow")).toBe(1);
  });

  test("shares one limit among those without their own, and spares those without a rate", () => {
    const at = world();
    const first = at.subscribe({ principal: "one" });
    const second = at.subscribe({});
    const free = at.subscribe({ principal: "free" });
    expect(at.outcomeOf(post(at, first))).toEqual(SUCCESS);
    const waiting = post(at, second);
    expect(at.outcomeOf(waiting)).toBeUndefined();
    for (let count = 0; count < 10; count++) expect(at.outcomeOf(post(at, free))).toEqual(SUCCESS);
    at.advance(500);
    expect(at.outcomeOf(waiting)).toEqual(SUCCESS);
  });

  test("answers a call whose framework has gone meanwhile", () => {
    const at = world();
    const stream = at.subscribe({ principal: "slow" });
    post(at, stream);
    const waiting = post(at, stream);
    at.hangUp(stream);
    at.advance(1000);
    expect(at.outcomeOf(waiting)).toMatchObject({ ok: false });
  });
});

test("a principal's counters go with its last framework [semantics 9.5]", () => {
  const at = new World();
  const streams = [at.subscribe({ principal: "p q" }), at.subscribe({ principal: "p q" })];
  for (const stream of streams) at.call(stream, { type: "SUPPRESS" });
  const received = (): number | undefined =>
    at.state.counters.get("frameworks/p%20q/messages_received")?.value;
  expect(received()).toBe(2);
  for (const stream of streams) at.hangUp(stream);
  expect(received()).toBeUndefined();
});
