/** Documents: written in whatever pieces, they say what they would say at once. */
import { describe, expect, test } from "bun:test";
import {
  type Document,
  JsonDocument,
  type MessageBuilder,
  MessageDocument,
} from "../../../../src/master/core/views/document.ts";
import { createCodec } from "../../../../src/protocol/codec.ts";
import type { MasterResponse } from "../../../../src/protocol/v1/types.ts";
import { jsonOf, textOf } from "./documents.ts";

const codec = createCodec();

function taskNames(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `task ${index}`);
}

function describeResponse(builder: MessageBuilder<MasterResponse>, names: readonly string[]): void {
  builder.fields(() => ({ type: "GET_STATE" }));
  builder.message("get_state", (state) => {
    state.message("get_tasks", (tasks) => {
      tasks.list("tasks", names, (name) => ({
        name,
        task_id: { value: name },
        framework_id: { value: "F" },
        agent_id: { value: "S" },
        state: "TASK_RUNNING" as const,
      }));
      tasks.list("completed_tasks", [], (never) => never);
    });
    state.message("get_executors", () => undefined);
  });
}

/** All pieces in a row, in steps of the sections' own choice. */
function bytesOf(document: Document): { readonly bytes: Uint8Array; readonly pieceCount: number } {
  const pieces: Uint8Array[] = [];
  for (const section of document) {
    for (let from = 0; from < section.count(); from += section.batch) {
      const piece = section.write(from, Math.min(section.count(), from + section.batch));
      if (typeof piece !== "string") pieces.push(piece);
    }
  }
  return { bytes: Buffer.concat(pieces), pieceCount: pieces.length };
}

describe("JSON", () => {
  test("items of a long list are glanced at in batches before they are written", () => {
    const names = taskNames(70);
    const steps: string[] = [];
    const document = new JsonDocument();
    const write = (name: string): string => {
      steps.push(name);
      return JSON.stringify(name);
    };
    document.texts("names", names, write, (items, from, to) => {
      expect(items).toEqual(names);
      steps.push(`${from}-${to}`);
    });
    expect(jsonOf(document.end())).toEqual({ names });
    const batch = (from: number, to: number) => [`${from}-${to}`, ...names.slice(from, to)];
    expect(steps).toEqual([...batch(0, 32), ...batch(32, 64), ...batch(64, 70)]);
  });

  test("objects, lists of objects and what is found on the way come out in order", () => {
    const document = new JsonDocument();
    const seen: number[] = [];
    document.fields(() => ({ first: 1, 'a "b"': null }));
    document.work([1, 2, 3], (item) => seen.push(item));
    document.texts(
      "seen",
      () => seen,
      (item) => String(item),
    );
    document.objects("objects", ["x", "y"], (inner, name) => {
      inner.texts("empty", [], String);
      inner.fields(() => ({ name }));
    });
    document.objects("none", [], () => undefined);
    expect(textOf(document.end())).toBe(
      '{"first":1,"a \\"b\\"":null,"seen":[1,2,3],' +
        '"objects":[{"empty":[],"name":"x"},{"empty":[],"name":"y"}],"none":[]}',
    );
  });

  test("work is done once, however many writers pass", () => {
    const document = new JsonDocument();
    let count = 0;
    document.work([1, 2, 3], () => {
      count += 1;
    });
    document.fields(() => ({ count }));
    const sections = document.end();
    expect([jsonOf(sections), jsonOf(sections)]).toEqual([{ count: 3 }, { count: 3 }]);
  });

  test("an answer to jsonp is a call [http-api 9]", () => {
    const document = new JsonDocument("call");
    document.fields(() => ({ a: 1 }));
    expect(textOf(document.end())).toBe('call({"a":1});');
  });

  test("empty lists and messages are there [http-api 3.2]", () => {
    const document = new JsonDocument<MasterResponse>();
    describeResponse(document, []);
    expect(jsonOf(document.end())).toEqual({
      type: "GET_STATE",
      get_state: { get_tasks: { tasks: [], completed_tasks: [] }, get_executors: {} },
    });
  });
});

describe("protobuf", () => {
  test.each([
    ["one piece when short", 3, 1],
    ["several pieces when long, which read as one message", 300, 7],
  ])("%s", (_, count, pieceCount) => {
    const document = new MessageDocument<MasterResponse>();
    describeResponse(document, taskNames(count));
    const written = bytesOf(
      document.encoded((message) =>
        codec.encode("mesos.v1.master.Response", "application/x-protobuf", message),
      ),
    );
    expect(written.pieceCount).toBe(pieceCount);
    const read = codec.decode("mesos.v1.master.Response", "application/x-protobuf", written.bytes);
    const json = new JsonDocument<MasterResponse>();
    describeResponse(json, taskNames(count));
    const expected = codec.fromJson("mesos.v1.master.Response", jsonOf(json.end()));
    expect(read).toEqual(expected);
  });
});
