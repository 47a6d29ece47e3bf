/**
 * Differential test against protoc, an implementation of protobuf that shares nothing with ours.
 * Method: the schema is written out as .proto files with one message that holds lists of all
 * others; random messages go as text through `protoc --encode` and as bytes through `--decode`.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { createCodec } from "../../src/protocol/codec.ts";
import type { V1Messages } from "../../src/protocol/v1/types.ts";
import { messageArbitrary, schema } from "./message-arbitrary.ts";
import { batchProto, protoFiles } from "./proto-text.ts";
import { textFormat } from "./text-format.ts";

const MESSAGES_PER_TYPE = 12;
const PROTOBUF = "application/x-protobuf";

const hasProtoc = spawnSync("protoc", ["--version"]).status === 0;
if (!hasProtoc) {
  console.warn("skipped: no protoc on the PATH (Debian package protobuf-compiler)");
}

const codec = createCodec();
const names = schema.messageNames() as (keyof V1Messages)[];

interface Item {
  readonly name: keyof V1Messages;
  readonly number: number;
  readonly message: object;
}

describe.skipIf(!hasProtoc)("codec and protoc", () => {
  let folder = "";
  let items: Item[] = [];

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "protoc-"));
    for (const [path, text] of [...protoFiles(), ["batch.proto", batchProto(names)] as const]) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    items = names.flatMap((name, index) =>
      fc
        .sample(messageArbitrary(name), MESSAGES_PER_TYPE)
        .map((message) => ({ name, number: index + 1, message })),
    );
  }, 120_000);

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** Runs protoc on a batch; fails the test with its own words. */
  function protoc(mode: "encode" | "decode", input: string | Uint8Array): Uint8Array {
    const run = spawnSync(
      "protoc",
      [`--${mode}=Batch`, "--deterministic_output", "batch.proto"].filter(
        (argument) => mode === "encode" || argument !== "--deterministic_output",
      ),
      { cwd: folder, input, maxBuffer: 256 * 1024 * 1024 },
    );
    const complaint = run.stderr.toString();
    expect(complaint.slice(0, 2000)).toBe("");
    expect(run.status).toBe(0);
    return new Uint8Array(run.stdout);
  }

  test("protoc encodes every message to the bytes that we encode [http-api 3.2]", () => {
    const text = items.map(
      ({ name, number, message }) =>
        `f${number} {\n${textFormat(schema.messageType(name), message)}}\n`,
    );
    const theirs = protoc("encode", text.join(""));
    expect(sameBytes(theirs, batchBytes(items))).toBe(true);
  }, 120_000);

  test("protoc knows every field that we encode [http-api 3.2]", () => {
    const ours = batchBytes(items);
    const text = new TextDecoder().decode(protoc("decode", ours));
    // A field that protoc does not know is printed by number.
    expect(/^\s*\d+[:\s]/m.exec(text)).toBeNull();
    expect(sameBytes(protoc("encode", text), ours)).toBe(true);
  }, 120_000);
});

function batchBytes(items: readonly Item[]): Uint8Array {
  return Buffer.concat(
    items.map(({ name, number, message }) => {
      const bytes = codec.encode(name, PROTOBUF, message as never);
      return Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes]);
    }),
  );
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return Uint8Array.of(...bytes, rest);
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}
