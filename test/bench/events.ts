/**
 * The operators' event stream: one event to many subscribers of both encodings over HTTP on loopback.
 * Master's side and readers share this process, so that a figure includes the work of both.
 */
import { Coalescer } from "../../src/base/coalescer.ts";
import { brand } from "../../src/base/ids.ts";
import { STREAM_BUFFER_BYTES } from "../../src/http/limits.ts";
import { RecordStream } from "../../src/http/record-stream.ts";
import { OperatorStreams } from "../../src/master/runtime/operator-streams.ts";
import { loadServe } from "../../src/platform/server.ts";
import { systemClock } from "../../src/platform/system.ts";
import { createCodec } from "../../src/protocol/codec.ts";
import { MEDIA_TYPES } from "../../src/protocol/media-types.ts";
import { frameRecord } from "../../src/protocol/recordio.ts";
import type { MasterEvent } from "../../src/protocol/v1/types.ts";
import { until } from "../harness/wait.ts";
import { type Bench, perSecond } from "./bench.ts";
import { FigureSet } from "./figures.ts";

/** Events between two turns of the event loop, as a batch of inputs makes them. */
const BATCH = 64;

export const eventsBench: Bench = {
  name: "events",
  summary: "task updates to subscribed operators, half of them in protobuf",
  needsBinary: false,
  defaultRuns: 5,
  run: async ({ runs, size, progress }) => {
    const set = new FigureSet();
    for (const readers of [1, size(100, 10)]) {
      const count = size(10_000, 1000) / Math.sqrt(readers);
      const stand = await openStand(readers);
      await stand.publish(Math.ceil(count / 10));
      for (let run = 1; run <= runs; run += 1) {
        progress(`${readers} readers, run ${run} of ${runs}`);
        const elapsedMs = await stand.publish(Math.ceil(count));
        const name = `events, ${readers} ${readers === 1 ? "reader" : "readers"}`;
        set.add(name, "events/s", perSecond(count, elapsedMs));
        set.add(`${name}, deliveries`, "records/s", perSecond(count * readers, elapsedMs));
      }
      await stand.close();
    }
    return set.figures();
  },
};

interface Stand {
  /** Milliseconds until every reader has all of them. */
  publish(count: number): Promise<number>;
  close(): Promise<void>;
}

async function openStand(readers: number): Promise<Stand> {
  const codec = createCodec();
  // As the master's runtime gathers what goes to one stream.
  const writes = new Coalescer({ clock: systemClock, pauseMs: 2, soon: queueMicrotask });
  const streams = new OperatorStreams(() => {
    throw new Error("a reader was cut");
  });
  let opened = 0;
  const serve = await loadServe();
  const server = await serve({
    ip: "127.0.0.1",
    port: 0,
    maxBodyBytes: 1024,
    maxSocketMessageBytes: 1024,
    fetch: () => {
      const streamId = brand<Parameters<OperatorStreams["open"]>[0]>(`s${opened}`);
      const encoding = MEDIA_TYPES[opened % MEDIA_TYPES.length] ?? "application/json";
      opened += 1;
      const stream = new RecordStream({
        bufferBytes: STREAM_BUFFER_BYTES,
        writes,
        onClosed: () => streams.forget(streamId),
      });
      streams.open(streamId, {
        encoding,
        encode: (event) => frameRecord(codec.encode("mesos.v1.master.Event", encoding, event)),
        begin: () => undefined,
        write: (record) => stream.sendFramed(record),
        close: () => stream.close(),
      });
      streams.begin(streamId);
      return new Response(stream.body);
    },
  });
  const received = new Array<number>(readers).fill(0);
  for (let reader = 0; reader < readers; reader += 1) {
    void read(`http://127.0.0.1:${server.port}/`, (bytes) => {
      received[reader] = (received[reader] ?? 0) + bytes;
    });
  }
  await until("all readers", () => opened === readers);
  const sizes = MEDIA_TYPES.map((type) => {
    return frameRecord(codec.encode("mesos.v1.master.Event", type, EVENT)).byteLength;
  });
  let published = 0;
  const isAllThere = (): boolean =>
    received.every((bytes) => {
      // Readers are served in any order: each is complete at the size of one of the encodings.
      return sizes.some((size) => bytes === size * published);
    });
  return {
    publish: async (count) => {
      const startMs = performance.now();
      for (let sent = 0; sent < count; sent += BATCH) {
        const batch = Math.min(BATCH, count - sent);
        for (let index = 0; index < batch; index += 1) streams.publish(EVENT);
        published += batch;
        await new Promise((resolve) => setImmediate(resolve));
      }
      await until("all events at all readers", isAllThere);
      return performance.now() - startMs;
    },
    close: async () => {
      streams.closeAll();
      await server.stop();
    },
  };
}

async function read(url: string, onBytes: (count: number) => void): Promise<void> {
  const response = await fetch(url);
  try {
    for await (const chunk of response.body ?? []) onBytes(chunk.byteLength);
  } catch {
    // The server stops under its readers; whoever lacks something is waited for in vain.
  }
}

const EVENT: MasterEvent = {
  type: "TASK_UPDATED",
  task_updated: {
    framework_id: { value: "0a1b2c3d-1111-4222-8333-444455556666-0001" },
    state: "TASK_RUNNING",
    status: {
      task_id: { value: "web.instance-1.5f7d1c2a-9b3e-11ee-8c90-0242ac120002" },
      agent_id: { value: "0a1b2c3d-1111-4222-8333-444455556666-S1" },
      state: "TASK_RUNNING",
      source: "SOURCE_EXECUTOR",
      timestamp: 1_790_000_000.25,
      uuid: "q83vEjRWeJCrze8SNFZ4kA==",
      container_status: {
        container_id: { value: "8f14e45f-ceea-467f-a0e6-000000000001" },
        network_infos: [{ ip_addresses: [{ protocol: "IPv4", ip_address: "10.0.0.7" }] }],
      },
    },
  },
};
