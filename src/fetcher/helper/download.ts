/**
 * One transfer over HTTP: redirects, silence that lasts too long, and a connection that breaks in
 * the middle, after which the rest is asked for with Range, as long as it is the same file.
 * Source: semantics 7.8; RFC 9110, 13.1.5 (If-Range) and 14 (Range).
 */
import type { Clock } from "../../base/ports.ts";
import { IDLE_RESUMES_MAX, REDIRECTS_MAX, RESUME_PAUSE_MS, RESUMES_MAX } from "../limits.ts";
import { networkReason } from "../network-reason.ts";
import { FetchError } from "./fetch-error.ts";

/** Where the bytes go. */
export interface DownloadSink {
  /** Before the first byte, and when it is another; undefined when the server does not say it. */
  size(bytes: number | undefined): Promise<void>;
  write(chunk: Uint8Array): void;
  /** What was written is of another version of the file: forget it. */
  restart(): void;
  resumed(reason: string, bytes: number): void;
}

export interface DownloadOptions {
  readonly url: string;
  readonly shown: string;
  /** For the server of `url` alone, not for where it sends us. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly stallTimeoutMs: number;
  readonly clock: Clock;
}

/** Resolves when all is written. Errors: `FetchError`; whatever the sink throws. */
export async function download(options: DownloadOptions, sink: DownloadSink): Promise<void> {
  const transfer = new Transfer(options, sink);
  let idleBreaks = 0;
  for (let breaks = 1; ; breaks += 1) {
    const before = transfer.received;
    const broken = await transfer.attempt();
    if (broken === undefined) return;
    idleBreaks = transfer.received > before ? 0 : idleBreaks + 1;
    if (idleBreaks > IDLE_RESUMES_MAX || breaks > RESUMES_MAX) throw transfer.failure(broken);
    sink.resumed(broken, transfer.received);
    const pauseMs = RESUME_PAUSE_MS * 2 ** idleBreaks;
    await new Promise<void>((resolve) => options.clock.schedule(pauseMs, resolve));
  }
}

class Transfer {
  received = 0;
  readonly #options: DownloadOptions;
  readonly #sink: DownloadSink;
  #total: number | undefined;
  #validator: string | undefined;
  #hasBegun = false;

  constructor(options: DownloadOptions, sink: DownloadSink) {
    this.#options = options;
    this.#sink = sink;
  }

  failure(reason: string): FetchError {
    return new FetchError(`Failed to fetch ${this.#options.shown}: ${reason}`);
  }

  /** Undefined when all has come, or how the connection broke. */
  async attempt(): Promise<string | undefined> {
    const silence = new Silence(this.#options);
    try {
      const response = await this.#request(silence);
      await this.#begin(response, silence);
      for await (const chunk of response.body ?? []) {
        silence.broken();
        if (this.received + chunk.length > (this.#total ?? Number.POSITIVE_INFINITY)) {
          throw this.failure(`the server sends more than the ${this.#total} bytes that it told of`);
        }
        this.#sink.write(chunk);
        this.received += chunk.length;
      }
    } catch (error) {
      if (silence.isTooLong) {
        const seconds = this.#options.stallTimeoutMs / 1000;
        throw this.failure(`no byte came for ${seconds} s (--fetcher_stall_timeout)`);
      }
      if (!isNetworkError(error)) throw error;
      if (!this.#hasBegun) throw this.failure(networkReason(error));
      return networkReason(error);
    } finally {
      silence.end();
    }
    if (this.#total === undefined || this.received === this.#total) return undefined;
    return `the connection ended after ${this.received} of ${this.#total} bytes`;
  }

  async #request(silence: Silence): Promise<Response> {
    let url = this.#options.url;
    for (let redirects = 0; redirects <= REDIRECTS_MAX; redirects += 1) {
      const response = await fetch(url, {
        headers: {
          "Accept-Encoding": "identity",
          ...(new URL(url).origin === new URL(this.#options.url).origin && this.#options.headers),
          ...this.#rangeHeaders(),
        },
        redirect: "manual",
        decompress: false,
        signal: silence.signal,
      });
      const location = response.headers.get("Location");
      if (![301, 302, 303, 307, 308].includes(response.status) || location === null) {
        return response;
      }
      await response.body?.cancel();
      const next = URL.canParse(location, url) ? new URL(location, url) : undefined;
      if (next?.protocol !== "http:" && next?.protocol !== "https:") {
        throw this.failure("the server redirects to where this agent does not go");
      }
      url = next.href;
    }
    throw this.failure(`the server redirects more than ${REDIRECTS_MAX} times`);
  }

  /** Without a validator the length alone has to tell that the file is still the same. */
  #rangeHeaders(): Record<string, string> {
    if (this.received === 0) return {};
    const range = { Range: `bytes=${this.received}-` };
    return this.#validator === undefined ? range : { ...range, "If-Range": this.#validator };
  }

  async #begin(response: Response, silence: Silence): Promise<void> {
    if (response.status === 206 && this.#isContinuation(response)) return;
    if (response.status === 206 || response.status === 416) {
      // The file is another one by now; the next attempt asks for all of it.
      this.#restart();
      await response.body?.cancel();
      throw new TypeError("the file has changed on the server");
    }
    if (response.status !== 200) {
      await response.body?.cancel();
      throw this.failure(`the server answered ${response.status}`);
    }
    this.#restart();
    this.#validator = validatorOf(response.headers);
    const length = response.headers.get("Content-Length");
    const before = this.#total;
    this.#total = length !== null && /^\d+$/.test(length) ? Number(length) : undefined;
    if (this.#hasBegun && this.#total === before) return;
    this.#hasBegun = true;
    silence.pause();
    await this.#sink.size(this.#total);
    silence.broken();
  }

  #isContinuation({ headers }: Response): boolean {
    const match = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get("Content-Range") ?? "");
    const isFromHere = Number(match?.[1]) === this.received && this.received > 0;
    return isFromHere && (this.#total === undefined || Number(match?.[2]) === this.#total);
  }

  #restart(): void {
    if (this.received > 0) this.#sink.restart();
    this.received = 0;
  }
}

/** A strong one only: equal bytes are meant. */
function validatorOf(headers: Headers): string | undefined {
  const tag = headers.get("ETag");
  if (tag !== null && !tag.startsWith("W/")) return tag;
  return headers.get("Last-Modified") ?? undefined;
}

/** As `fetch` and its streams report them; our own errors and those of files are others. */
function isNetworkError(error: unknown): boolean {
  return !(error instanceof FetchError) && !(error instanceof Error && "syscall" in error);
}

/** Aborts a request when nothing has come for too long. */
class Silence {
  isTooLong = false;
  readonly #abort = new AbortController();
  readonly #options: DownloadOptions;
  #cancel: () => void = () => undefined;

  constructor(options: DownloadOptions) {
    this.#options = options;
    this.broken();
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  broken(): void {
    const { clock, stallTimeoutMs } = this.#options;
    this.#cancel();
    this.#cancel = clock.schedule(stallTimeoutMs, () => {
      this.isTooLong = true;
      this.#abort.abort();
    });
  }

  pause(): void {
    this.#cancel();
  }

  end(): void {
    this.#cancel();
    // Lets go of a body that nobody reads any more.
    this.#abort.abort();
  }
}
