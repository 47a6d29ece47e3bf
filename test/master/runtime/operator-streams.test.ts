/** Fan-out of operators' events: encoded once per encoding, to streams that have begun, each bounded. */
import { expect, test } from "bun:test";
import { brand, type StreamId } from "../../../src/base/ids.ts";
import { OperatorStreams } from "../../../src/master/runtime/operator-streams.ts";
import type { OperatorSink } from "../../../src/master/runtime/ports.ts";
import type { MasterEvent } from "../../../src/protocol/v1/types.ts";

const HEARTBEAT: MasterEvent = { type: "HEARTBEAT" };

/** A stream that remembers what it was sent; it is full after `room` records. */
class Sink implements OperatorSink {
  readonly records: string[] = [];
  encodedCount = 0;
  isClosed = false;
  readonly encoding: string;
  readonly #room: number;

  constructor(encoding: string, room = 100) {
    this.encoding = encoding;
    this.#room = room;
  }

  encode(event: MasterEvent): Uint8Array<ArrayBuffer> {
    this.encodedCount += 1;
    return new TextEncoder().encode(event.type);
  }

  begin(): void {
    this.records.push("SUBSCRIBED");
  }

  write(record: Uint8Array<ArrayBuffer>): boolean {
    if (this.records.length >= this.#room) return false;
    this.records.push(new TextDecoder().decode(record));
    return true;
  }

  close(): void {
    this.isClosed = true;
  }
}

const id = (name: string): StreamId => brand<StreamId>(name);

function streamsOf(sinks: Readonly<Record<string, Sink>>): {
  streams: OperatorStreams;
  cut: string[];
} {
  const cut: string[] = [];
  const streams = new OperatorStreams((streamId) => cut.push(streamId));
  for (const [name, sink] of Object.entries(sinks)) {
    streams.open(id(name), sink);
    streams.begin(id(name));
  }
  return { streams, cut };
}

test("an event is encoded once for all streams of an encoding", () => {
  const sinks = { a: new Sink("json"), b: new Sink("json"), c: new Sink("protobuf") };
  const { streams } = streamsOf(sinks);
  streams.publish(HEARTBEAT);
  expect(Object.values(sinks).map(({ encodedCount }) => encodedCount)).toEqual([1, 0, 1]);
  for (const sink of Object.values(sinks))
    expect(sink.records).toEqual(["SUBSCRIBED", "HEARTBEAT"]);
});

test("what happens before a stream's snapshot is not sent to it: the snapshot has it", () => {
  const { streams } = streamsOf({});
  const sink = new Sink("json");
  streams.open(id("a"), sink);
  streams.publish(HEARTBEAT);
  streams.send(id("a"), HEARTBEAT);
  expect(sink.records).toEqual([]);
  streams.begin(id("a"));
  streams.send(id("a"), HEARTBEAT);
  expect(sink.records).toEqual(["SUBSCRIBED", "HEARTBEAT"]);
});

test("a stream that is full is cut and reported once, the others feel nothing", () => {
  const sinks = { slow: new Sink("json", 2), quick: new Sink("json") };
  const { streams, cut } = streamsOf(sinks);
  for (let count = 0; count < 4; count++) streams.publish(HEARTBEAT);
  expect(cut).toEqual(["slow"]);
  expect(sinks.slow.records).toHaveLength(2);
  expect(sinks.quick.records).toHaveLength(5);
});

test("a stream ends by its reader or by us, whether it has begun or not", () => {
  const sinks = { a: new Sink("json"), b: new Sink("json") };
  const { streams } = streamsOf(sinks);
  const waiting = new Sink("json");
  streams.open(id("w"), waiting);
  expect([streams.forget(id("a")), streams.forget(id("a"))]).toEqual([true, false]);
  streams.closeAll();
  expect([sinks.a.isClosed, sinks.b.isClosed, waiting.isClosed]).toEqual([false, true, true]);
  streams.publish(HEARTBEAT);
  expect(sinks.b.records).toEqual(["SUBSCRIBED"]);
});
