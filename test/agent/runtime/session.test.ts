/** A session between its command and whoever is connected: order, waiting output, one keyboard. */
import { expect, test } from "bun:test";
import { type OutputReader, Session } from "../../../src/agent/runtime/session.ts";
import type { ContainerEnd, Interaction } from "../../../src/containerizer/containerizer.ts";

class Reader implements OutputReader {
  text = "";
  isEnded = false;
  /** What it answers. */
  room: Promise<void> | undefined;

  output({ stream, data }: Parameters<OutputReader["output"]>[0]): Promise<void> | undefined {
    this.text += `${stream}:${new TextDecoder().decode(data)} `;
    return this.room;
  }

  ended(): void {
    expect(this.isEnded).toBe(false);
    this.isEnded = true;
  }
}

const piece = (text: string): Parameters<Session["output"]>[0] => ({
  stream: "stdout",
  data: new TextEncoder().encode(text),
});

/** Notes what it is told. */
function interaction(notes: string[]): Interaction {
  return {
    pid: 7,
    end: new Promise<ContainerEnd>(() => undefined),
    write: (data) => {
      notes.push(`write ${new TextDecoder().decode(data)}`);
      return undefined;
    },
    closeInput: () => notes.push("close"),
    resize: ({ columns, rows }) => notes.push(`resize ${columns}x${rows}`),
    signal: (signal) => notes.push(`signal ${signal}`),
  };
}

async function waits(room: Promise<void> | undefined): Promise<boolean> {
  return (await Promise.race([room, Bun.sleep(1).then(() => true)])) === true;
}

test("what is written before the first reader waits for them, and for nobody else", () => {
  const session = new Session();
  void session.output(piece("a"));
  const first = new Reader();
  const leave = session.attachOutput(first);
  const second = new Reader();
  session.attachOutput(second);
  void session.output(piece("b"));
  leave();
  void session.output(piece("c"));
  session.end();
  expect([first.text, first.isEnded]).toEqual(["stdout:a stdout:b ", false]);
  expect([second.text, second.isEnded]).toEqual(["stdout:b stdout:c ", true]);
});

test("a reader who comes after the end hears what nobody has heard, and that it is over", () => {
  const session = new Session();
  void session.output(piece("last words"));
  session.end();
  const late = new Reader();
  session.attachOutput(late);
  expect([late.text, late.isEnded]).toEqual(["stdout:last words ", true]);
});

test("output that nobody reads is bounded, and the newest of it stays", () => {
  const session = new Session();
  for (let number = 0; number < 100; number += 1) void session.output(piece("x".repeat(50_000)));
  void session.output(piece("newest"));
  const reader = new Reader();
  session.attachOutput(reader);
  expect(reader.text.length).toBeLessThan(1_200_000);
  expect(reader.text).toEndWith("stdout:newest ");
});

test("output waits for its first reader, or for the end when none comes", async () => {
  const session = new Session();
  expect(session.output(piece("a"))).toBeUndefined();
  const unread = session.output(piece("b".repeat(600_000)));
  expect(await waits(unread)).toBe(true);
  const leave = session.attachOutput(new Reader());
  await unread;
  leave();
  expect(session.output(piece("c".repeat(600_000)))).toBeUndefined();
  const other = new Session();
  const never = other.output(piece("b".repeat(600_000)));
  other.end();
  await never;
});

test("output waits for the slowest of its readers", async () => {
  const session = new Session();
  const readers = [new Reader(), new Reader()];
  for (const reader of readers) session.attachOutput(reader);
  expect(session.output(piece("a"))).toBeUndefined();
  const rooms = readers.map((reader) => {
    const room = Promise.withResolvers<void>();
    reader.room = room.promise;
    return room;
  });
  const full = session.output(piece("b"));
  rooms[0]?.resolve();
  expect(await waits(full)).toBe(true);
  rooms[1]?.resolve();
  await full;
  expect(readers.map(({ text }) => text)).toEqual(Array(2).fill("stdout:a stdout:b "));
});

test("one caller types at a time; the next may when they have left [http-api 7.3]", async () => {
  const session = new Session();
  const notes: string[] = [];
  expect(session.attachInput()).toMatchObject({ error: { code: "notFound" } });
  session.begin(interaction(notes));
  const first = session.attachInput();
  if (!first.ok) throw new Error(first.error.message);
  void first.value.write(new TextEncoder().encode("ls"));
  first.value.resize({ columns: 80, rows: 24 });
  expect(session.attachInput()).toMatchObject({ error: { code: "conflict" } });
  first.value.release();
  const second = session.attachInput();
  if (!second.ok) throw new Error(second.error.message);
  second.value.closeInput();
  session.signal(9);
  expect(notes).toEqual(["write ls", "resize 80x24", "close", "signal 9"]);
  session.end();
  await second.value.ended;
  expect(session.attachInput()).toMatchObject({ error: { code: "notFound" } });
});
