/** What is typed into a session: in order, no faster than it is taken, and told when it breaks off. */
import { expect, test } from "bun:test";
import { must } from "../../../src/base/assert.ts";
import { encodeUtf8 } from "../../../src/base/text.ts";
import { CallRecords, passInput } from "../../../src/http/agent/attach-input.ts";
import { createCodec } from "../../../src/protocol/codec.ts";
import { frameRecord } from "../../../src/protocol/recordio.ts";

const codec = createCodec();

function typed(text: string): Uint8Array<ArrayBuffer> {
  const data = { type: "STDIN", data: Buffer.from(text).toString("base64") };
  const call = {
    type: "ATTACH_CONTAINER_INPUT",
    attach_container_input: { type: "PROCESS_IO", process_io: { type: "DATA", data } },
  };
  return frameRecord(encodeUtf8(JSON.stringify(call)));
}

/** A request whose body is sent by hand, and a command that notes what it gets. */
function scene() {
  let body: ReadableStreamDefaultController<Uint8Array> | undefined;
  const stream = new ReadableStream<Uint8Array>({
    start: (controller) => {
      body = controller;
    },
  });
  const request = new Request("http://here/", { method: "POST", body: stream });
  const notes: string[] = [];
  const ended = Promise.withResolvers<void>();
  const command = { room: undefined as Promise<void> | undefined, end: ended.resolve };
  const result = passInput(new CallRecords(codec, "application/json", request), {
    write: (data) => {
      notes.push(new TextDecoder().decode(data));
      return command.room;
    },
    closeInput: () => notes.push("closed"),
    resize: () => undefined,
    ended: ended.promise,
    release: () => undefined,
  });
  return { body: must(body, "the body"), notes, command, result };
}

test("a body of any length is passed on, its end leaves the input open for the next", async () => {
  const { body, notes, result } = scene();
  for (const text of ["a", "b"]) body.enqueue(typed(text));
  body.close();
  expect(await result).toEqual({ ok: true, value: undefined });
  expect(notes).toEqual(["a", "b"]);
});

test("nothing more is passed on until the command has taken what it got, or has ended", async () => {
  const { body, notes, command, result } = scene();
  const room = Promise.withResolvers<void>();
  command.room = room.promise;
  for (const text of ["a", "b"]) body.enqueue(typed(text));
  await Bun.sleep(5);
  expect(notes).toEqual(["a"]);
  command.room = undefined;
  room.resolve();
  await Bun.sleep(5);
  expect(notes).toEqual(["a", "b"]);
  // Nothing more comes, and the request goes on.
  command.end();
  expect(await result).toEqual({ ok: true, value: undefined });
});

test("a body that breaks off, also inside a record, is refused, and the input open for the next", async () => {
  const broken = scene();
  broken.body.enqueue(typed("a"));
  await Bun.sleep(1);
  broken.body.error(new Error("gone"));
  expect(await broken.result).toMatchObject({
    error: { code: "invalid", message: expect.stringContaining("gone") },
  });
  expect(broken.notes).toEqual(["a"]);
  const short = scene();
  short.body.enqueue(typed("a").subarray(0, 20));
  short.body.close();
  expect(await short.result).toMatchObject({ error: { message: "A record was cut short" } });
  expect(short.notes).toEqual([]);
});

test("a record that makes no sense is refused, and the input stays open for better ones", async () => {
  const { body, notes, result } = scene();
  body.enqueue(frameRecord(encodeUtf8("{}")));
  expect(await result).toMatchObject({ error: { code: "invalid" } });
  expect(notes).toEqual([]);
});
