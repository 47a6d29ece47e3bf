/** Takes the packing off a stream: gzip and zstd here, bzip2 and xz by the host's own programs. */
import { spawn } from "node:child_process";
import { Readable, type Transform } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { HELPER_PATH } from "../../containerizer/keeper/host-tools.ts";
import type { Compression } from "../archive-kind.ts";
import { XZ_MEMORY_BYTES_MAX } from "../limits.ts";
import { FetchError, reasonOf } from "./fetch-error.ts";
import { chunksOf } from "./open-files.ts";

const PROGRAMS = { bzip2: "bzip2", xz: "xz-utils" } as const;

/** All of theirs: the way to servers, which may hold a password, is nothing to programs of the user. */
const ENVIRONMENT = {
  PATH: HELPER_PATH,
  XZ_DEFAULTS: `--memlimit-decompress=${XZ_MEMORY_BYTES_MAX}`,
};

/** The unpacked bytes of an open file. Errors, on reading: `FetchError`. */
export function unpackedChunks(file: number, compression: Compression): AsyncIterable<Uint8Array> {
  switch (compression) {
    case "none":
      return chunksOf(file);
    case "gzip":
      return through(file, createGunzip());
    case "zstd":
      return through(file, createZstdDecompress());
    case "bzip2":
    case "xz":
      return byProgram(file, compression);
  }
}

async function* through(file: number, unpacker: Transform): AsyncGenerator<Uint8Array> {
  const source = Readable.from(chunksOf(file));
  source.on("error", (error) => unpacker.destroy(error));
  try {
    yield* source.pipe(unpacker) as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw new FetchError(`the archive is damaged (${reasonOf(error)})`);
  }
}

async function* byProgram(file: number, program: "bzip2" | "xz"): AsyncGenerator<Uint8Array> {
  const child = spawn(program, ["-dc"], { stdio: [file, "pipe", "pipe"], env: ENVIRONMENT });
  let complaint = "";
  child.stderr?.on("data", (chunk: Uint8Array) => {
    complaint = `${complaint}${String(chunk)}`.slice(0, 200);
  });
  const ended = new Promise<string | undefined>((resolve) => {
    child.once("error", () => {
      resolve(`the program ${program} is missing: install ${PROGRAMS[program]}`);
    });
    child.once("close", (code) => {
      resolve(code === 0 ? undefined : `the archive is damaged (${complaint.trim()})`);
    });
  });
  if (child.stdout !== null) yield* child.stdout as AsyncIterable<Uint8Array>;
  const failure = await ended;
  if (failure !== undefined) throw new FetchError(failure);
}
