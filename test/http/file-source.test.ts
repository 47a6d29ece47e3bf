/** The log as a virtual file, beside other files or alone. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type FileSource, withLogFile } from "../../src/http/file-source.ts";
import { FILE_CHUNK_BYTES } from "../../src/http/limits.ts";

const VIRTUAL = "/master/log";

let folder: string;
let log: FileSource;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "allot-log-"));
  writeFileSync(join(folder, "log"), "0123456789");
  log = withLogFile(VIRTUAL, join(folder, "log"));
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

async function textOf(offset?: number, length?: number): Promise<string> {
  const piece = await log.read(VIRTUAL, offset, length);
  if (!piece.ok) return piece.error.message;
  return `${piece.value.offset} ${new TextDecoder().decode(piece.value.data)} ${piece.value.size}`;
}

async function downloaded(files: FileSource, path: string, offset = 0): Promise<string> {
  const chunks: Uint8Array[] = [];
  const { signal } = new AbortController();
  for await (const chunk of files.tail(path, offset, false, signal)) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

describe("the log", () => {
  test("is read in pieces; without an offset only its size is told [http-api 11]", async () => {
    expect(await textOf(2, 3)).toBe("2 234 10");
    expect(await textOf(8)).toBe("8 89 10");
    expect(await textOf(50, 3)).toBe("50  10");
    expect(await textOf()).toBe("10  10");
    expect(await textOf(-2)).toBe("Negative offset -2 in query");
    expect(await textOf(0, 1.5)).toBe("Negative length 1.5 in query");
  });

  test("is read 64 KiB at a time and downloaded whole [http-api 11]", async () => {
    const size = FILE_CHUNK_BYTES + 10;
    writeFileSync(join(folder, "large"), "x".repeat(size));
    const large = withLogFile(VIRTUAL, join(folder, "large"));
    const piece = await large.read(VIRTUAL, 0, undefined);
    expect(piece.ok && piece.value.data.length).toBe(FILE_CHUNK_BYTES);
    expect(await downloaded(large, VIRTUAL)).toHaveLength(size);
    expect(await downloaded(large, `${VIRTUAL}/`, size - 3)).toBe("xxx");
  });

  test("is a file without entries, at its virtual path alone", async () => {
    expect(await log.browse(VIRTUAL)).toEqual({ ok: true, value: [] });
    expect(log.debug()).toEqual({ [VIRTUAL]: join(folder, "log") });
    for (const path of ["/", "/master", "/etc/passwd", `${VIRTUAL}/../log`, join(folder, "log")]) {
      expect([path, (await log.read(path, 0, 1)).ok, (await log.browse(path)).ok]).toEqual([
        path,
        false,
        false,
      ]);
      expect(downloaded(log, path)).rejects.toThrow("is not found");
    }
  });

  test("that is not there, or no file, is not found", async () => {
    mkdirSync(join(folder, "folder"));
    for (const name of ["missing", "folder"]) {
      const files = withLogFile(VIRTUAL, join(folder, name));
      expect((await files.read(VIRTUAL, 0, 1)).ok).toBe(false);
      expect((await files.browse(VIRTUAL)).ok).toBe(false);
      expect(downloaded(files, VIRTUAL)).rejects.toThrow("is not found");
    }
  });

  test("stands beside other files, and where there is none they stand alone", async () => {
    const both = withLogFile("/slave/log", join(folder, "log"), log);
    expect(Object.keys(both.debug())).toEqual([VIRTUAL, "/slave/log"]);
    expect(await downloaded(both, VIRTUAL)).toBe("0123456789");
    expect(await downloaded(both, "/slave/log")).toBe("0123456789");
    expect(withLogFile("/slave/log", undefined, log)).toBe(log);
    expect(withLogFile("/slave/log", undefined).debug()).toEqual({});
  });
});
