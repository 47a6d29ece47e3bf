/** An operator's stream while the state is being written: what happens meanwhile comes after it. */
import { describe, expect, test } from "bun:test";
import { must } from "../../src/base/assert.ts";
import { brand, type StreamId } from "../../src/base/ids.ts";
import { STREAM_BUFFER_BYTES } from "../../src/http/limits.ts";
import { openEventStream } from "../../src/http/master/event-stream.ts";
import { PacedReads } from "../../src/http/paced-reads.ts";
import type { MasterRuntime } from "../../src/master/runtime/master-runtime.ts";
import type { OperatorSink } from "../../src/master/runtime/ports.ts";
import { createCodec } from "../../src/protocol/codec.ts";
import { MEDIA_TYPES, type MediaType } from "../../src/protocol/media-types.ts";
import { frameRecord, RecordDecoder } from "../../src/protocol/recordio.ts";
import type { MasterEvent } from "../../src/protocol/v1/types.ts";
import { FakeClock } from "../base/fake-clock.ts";
import { World } from "../master/core/harness.ts";
import { EVERYTHING } from "../master/core/views/documents.ts";

interface Opened {
  readonly world: World;
  readonly sink: OperatorSink;
  readonly closed: string[];
  /** The first so many events of the response. */
  read(count: number): Promise<(MasterEvent | undefined)[]>;
}

function open(mediaType: MediaType, world = new World(), viewer = EVERYTHING): Opened {
  const codec = createCodec();
  const closed: string[] = [];
  let sink: OperatorSink | undefined;
  const runtime = {
    state: world.state,
    operatorSubscribe: (make: (streamId: StreamId) => OperatorSink) => {
      sink = make(brand("s"));
    },
    operatorStreamClosed: (streamId: StreamId) => closed.push(streamId),
  };
  const reads = new PacedReads({
    clock: new FakeClock(),
    defer: (next) => void setImmediate(next),
  });
  const options = {
    runtime: runtime as unknown as MasterRuntime,
    codec,
    reads,
    mediaType,
    viewer,
  };
  const response = openEventStream(options, new Request("http://master/api/v1"));
  const body = must(response.body, "body of a stream").getReader();
  const decoder = new RecordDecoder(100_000_000);
  const events: (MasterEvent | undefined)[] = [];
  return {
    world,
    sink: must(sink, "sink of a stream"),
    closed,
    read: async (count) => {
      while (events.length < count) {
        const { done, value } = await body.read();
        if (done) throw new Error("the stream has ended");
        const records = decoder.push(value);
        for (const record of records.ok ? records.value : []) {
          const event = codec.decode("mesos.v1.master.Event", mediaType, record);
          events.push(event.ok ? event.value : undefined);
        }
      }
      return events.splice(0, count);
    },
  };
}

/** Of an event that the reader of the stream may see. */
const encoded = (sink: OperatorSink, event: MasterEvent): Uint8Array<ArrayBuffer> =>
  must(sink.encode(event), "record of an event");

const HEARTBEAT: MasterEvent = { type: "HEARTBEAT" };

describe("while the state is written", () => {
  for (const mediaType of MEDIA_TYPES) {
    test(`events wait and then follow in their order (${mediaType})`, async () => {
      const { world, sink, read } = open(mediaType);
      const agent = world.addAgent();
      sink.begin();
      const removed = {
        type: "AGENT_REMOVED",
        agent_removed: { agent_id: { value: "a" } },
      } as const;
      for (const event of [HEARTBEAT, removed]) expect(sink.write(encoded(sink, event))).toBe(true);
      const [subscribed, ...others] = await read(3);
      expect(subscribed).toMatchObject({
        type: "SUBSCRIBED",
        subscribed: {
          heartbeat_interval_seconds: 15,
          get_state: { get_agents: { agents: [{ agent_info: { id: { value: agent.id } } }] } },
        },
      });
      expect(others).toEqual([HEARTBEAT, removed]);
      sink.write(encoded(sink, HEARTBEAT));
      expect(await read(1)).toEqual([HEARTBEAT]);
    });
  }

  test("a state of many pieces is one record", async () => {
    const world = new World();
    for (let count = 0; count < 400; count++) world.addAgent("cpus:4;mem:4096;ports:[1-9]");
    for (const mediaType of MEDIA_TYPES) {
      const { sink, read } = open(mediaType, world);
      sink.begin();
      const [subscribed] = await read(1);
      expect(subscribed?.subscribed?.get_state?.get_agents?.agents).toHaveLength(400);
    }
  });

  test("more than the bound of a stream cuts it", async () => {
    const { sink, read } = open("application/json");
    sink.begin();
    const large = frameRecord(new Uint8Array(STREAM_BUFFER_BYTES / 2));
    expect([0, 1, 2].map(() => sink.write(large))).toEqual([true, false, false]);
    expect(read(1)).rejects.toThrow("does not keep up");
  });

  test("a stream that was closed meanwhile ends", async () => {
    const { sink, read } = open("application/json");
    sink.begin();
    sink.close();
    expect(read(1)).rejects.toThrow("has ended");
  });
});
