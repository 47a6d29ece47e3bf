/** Streams of custom executors: one each, with heartbeats, in virtual time. */
import { expect, test } from "bun:test";
import { ExecutorStreams } from "../../../src/agent/runtime/executor-streams.ts";
import type { ExecutorStream } from "../../../src/agent/runtime/ports.ts";
import type { ExecutorCall, ExecutorEventType } from "../../../src/protocol/v1/types.ts";
import { FakeClock } from "../../base/fake-clock.ts";

const CALL: ExecutorCall = { framework_id: { value: "f" }, executor_id: { value: "e" } };
const HALF_HOUR_MS = 30 * 60_000;

class Recorded implements ExecutorStream {
  readonly sent: (ExecutorEventType | undefined)[] = [];
  isClosed = false;
  isCut = false;

  send({ type }: { readonly type?: ExecutorEventType | undefined }): boolean {
    if (!this.isCut) this.sent.push(type);
    return !this.isCut;
  }

  close(): void {
    this.isClosed = true;
  }
}

test("a heartbeat comes every half hour, the first after the first half hour [http-api 3.4]", () => {
  const clock = new FakeClock();
  const streams = new ExecutorStreams(clock);
  const stream = new Recorded();
  streams.add(CALL, stream);
  clock.advance(HALF_HOUR_MS - 1);
  expect(stream.sent).toEqual([]);
  clock.advance(1);
  streams.send("f", "e", { type: "KILL" });
  clock.advance(HALF_HOUR_MS);
  expect(stream.sent).toEqual(["HEARTBEAT", "KILL", "HEARTBEAT"]);
});

test("a new stream closes the earlier one and gets everything from then on [http-api 5]", () => {
  const clock = new FakeClock();
  const streams = new ExecutorStreams(clock);
  const first = new Recorded();
  const second = new Recorded();
  streams.add(CALL, first);
  clock.advance(HALF_HOUR_MS / 2);
  streams.add(CALL, second);
  expect(first.isClosed).toBe(true);
  expect(streams.lose(CALL, first)).toBe(false);
  clock.advance(HALF_HOUR_MS - 1);
  expect([...first.sent, ...second.sent]).toEqual([]);
  clock.advance(1);
  expect(second.sent).toEqual(["HEARTBEAT"]);
  expect(streams.lose(CALL, second)).toBe(true);
});

test("a stream that was cut is forgotten", () => {
  const clock = new FakeClock();
  const streams = new ExecutorStreams(clock);
  const stream = new Recorded();
  streams.add(CALL, stream);
  stream.isCut = true;
  clock.advance(HALF_HOUR_MS);
  expect(streams.lose(CALL, stream)).toBe(false);
  clock.advance(10 * HALF_HOUR_MS);
  expect(stream.sent).toEqual([]);
});
