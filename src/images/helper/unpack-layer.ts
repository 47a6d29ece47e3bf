/**
 * One layer: fetched where it is far, compared with its digests in its packing and without, and
 * unpacked with the signs that overlayfs knows for what is gone. Source: OCI image specification 1.1.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import type { Clock } from "../../base/ports.ts";
import type { Compression } from "../../fetcher/archive-kind.ts";
import { unpackedChunks } from "../../fetcher/helper/decompress.ts";
import { download } from "../../fetcher/helper/download.ts";
import { FetchError } from "../../fetcher/helper/fetch-error.ts";
import { chunksOf, openPlainFile, writeAll } from "../../fetcher/helper/open-files.ts";
import { unpackTar } from "../../fetcher/helper/unpack-tar.ts";
import { PROGRESS_MS } from "../../fetcher/limits.ts";
import { LAYER_FACTS, LAYER_ROOT, type LayerFacts, type LayerJob } from "../helper-jobs.ts";
import { LAYER_BYTES_MAX, LAYER_FACTS_BYTES_MAX, PROGRAM_DEADLINE_MS } from "../limits.ts";
import { LayerFolder } from "./layer-folder.ts";

/** Name of the blob while it is fetched, and of the device that stands for what is gone. */
const BLOB = "blob";
const SIGN = "sign";

export interface LayerContext {
  readonly clock: Clock;
  /** Changes the working folder of this process, which is the job's. */
  readonly enter: (folder: string) => void;
  readonly progress: (bytes: number, totalBytes: number | undefined) => void;
  readonly resumed: (reason: string, bytes: number) => void;
}

/** Resolves with the number of bytes unpacked. Errors: `FetchError`, system errors. */
export async function unpackLayer(job: LayerJob, context: LayerContext): Promise<number> {
  const { place } = job;
  const file =
    place.kind === "http"
      ? await fetchBlob(job, place, context)
      : openPlainFile(place.path, "the layer").file;
  try {
    if (place.kind === "file") await assertFileDigest(job, file);
    mkdirSync(LAYER_ROOT, { mode: 0o755 });
    context.enter(LAYER_ROOT);
    const folder = new LayerFolder();
    const content = new DigestedChunks(unpackedChunks(file, compressionOf(file)));
    await unpackTar(content, folder);
    await content.drain();
    assertSame("the layer's content", content.digest(), job.diffId);
    const gone = folder.finish();
    markWhiteouts(gone.whiteouts);
    context.enter("..");
    writeFacts({ ...gone, bytes: content.bytes });
    return content.bytes;
  } finally {
    closeSync(file);
    rmSync(BLOB, { force: true });
  }
}

async function fetchBlob(
  { digest, bytes, stallTimeoutMs }: LayerJob,
  place: Extract<LayerJob["place"], { kind: "http" }>,
  context: LayerContext,
): Promise<number> {
  const { clock } = context;
  const file = openSync(BLOB, "wx+", 0o600);
  let hash = createHash("sha256");
  let written = 0;
  let toldMs = clock.monotonicMs();
  const sink = {
    size: () => Promise.resolve(),
    write: (chunk: Uint8Array): void => {
      if (bytes !== undefined && written + chunk.length > bytes) {
        throw new FetchError(`the layer is larger than the ${bytes} bytes that its manifest names`);
      }
      writeAll(file, chunk, written);
      hash.update(chunk);
      written += chunk.length;
      if (clock.monotonicMs() - toldMs < PROGRESS_MS) return;
      toldMs = clock.monotonicMs();
      context.progress(written, bytes);
    },
    restart: (): void => {
      ftruncateSync(file, 0);
      hash = createHash("sha256");
      written = 0;
    },
    resumed: context.resumed,
  };
  const { url, headers } = place;
  await download({ url, shown: shownUrl(url), headers, stallTimeoutMs, clock }, sink);
  if (digest !== undefined) assertSame("the layer", `sha256:${hash.digest("hex")}`, digest);
  return file;
}

/** What a registry signs into addresses is nobody's business. */
function shownUrl(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}

async function assertFileDigest({ digest }: LayerJob, file: number): Promise<void> {
  if (digest === undefined) return;
  const hash = createHash("sha256");
  for await (const chunk of chunksOf(file)) hash.update(chunk);
  assertSame("the layer", `sha256:${hash.digest("hex")}`, digest);
}

function assertSame(what: string, found: string, asked: string): void {
  if (found === asked) return;
  throw new FetchError(`${what} has the digest ${found}, but ${asked} is asked for`);
}

const MAGICS: readonly (readonly [string, Compression])[] = [
  ["1f8b", "gzip"],
  ["28b52ffd", "zstd"],
  ["fd377a585a00", "xz"],
  ["425a68", "bzip2"],
];

/** By its first bytes: names of types are wrong often enough. */
function compressionOf(file: number): Compression {
  const bytes = Buffer.alloc(8);
  readSync(file, bytes, 0, bytes.length, 0);
  const hex = bytes.toString("hex");
  return MAGICS.find(([magic]) => hex.startsWith(magic))?.[1] ?? "none";
}

/** Passes chunks on and remembers their digest. */
class DigestedChunks implements AsyncIterable<Uint8Array> {
  bytes = 0;
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #hash = createHash("sha256");

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return { next: () => this.#next() };
  }

  /** Reads what comes after the archive's end, which counts for the digest too. */
  async drain(): Promise<void> {
    while ((await this.#next()).done !== true);
  }

  digest(): string {
    return `sha256:${this.#hash.digest("hex")}`;
  }

  async #next(): Promise<IteratorResult<Uint8Array>> {
    const next = await this.#chunks.next();
    if (next.done === true) return next;
    this.bytes += next.value.length;
    if (this.bytes > LAYER_BYTES_MAX) {
      throw new FetchError(`the layer is larger than ${LAYER_BYTES_MAX} bytes when unpacked`);
    }
    this.#hash.update(next.value);
    return next;
  }
}

/** One device with many names, since making one takes a process. */
function markWhiteouts(whiteouts: readonly string[]): void {
  if (whiteouts.length === 0) return;
  makeSign(`../${SIGN}`);
  for (const path of whiteouts) linkSync(`../${SIGN}`, `./${path}`);
  rmSync(`../${SIGN}`);
}

/** The character device 0/0: what overlayfs takes for something that is gone. */
function makeSign(path: string): void {
  execFileSync("mknod", ["--", path, "c", "0", "0"], {
    timeout: PROGRAM_DEADLINE_MS,
    stdio: "pipe",
  });
}

/** On disk before the layer gets the name by which it is found. */
function writeFacts(facts: LayerFacts): void {
  const text = JSON.stringify(facts);
  if (text.length > LAYER_FACTS_BYTES_MAX) {
    throw new FetchError(
      `the layer has ${facts.implied.length} folders without an entry of their own and takes ${facts.whiteouts.length} files away, which is too much to keep: pack it with its folders`,
    );
  }
  const file = openSync(LAYER_FACTS, "wx", 0o600);
  try {
    writeFileSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  execFileSync("sync", ["-f", LAYER_FACTS], { stdio: "pipe" });
}
