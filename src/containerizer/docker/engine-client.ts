/**
 * HTTP to a Docker Engine over its Unix socket: one connection per call, a deadline for every
 * answer, a bound on every body, and the version of the API settled once. Knows no meaning of any
 * call; that is `engine.ts`.
 */
import { request as httpRequest, type IncomingMessage } from "node:http";
import { connect as connectSocket } from "node:net";
import type { Clock } from "../../base/ports.ts";
import { writeHeld } from "../held-write.ts";
import { Answer } from "./answer.ts";
import {
  ANSWER_BYTES_MAX,
  API_VERSION_MAX,
  API_VERSION_MIN,
  LOOKUP_DEADLINE_MS,
  STREAM_LINE_BYTES_MAX,
} from "./limits.ts";

/**
 * What went wrong: nobody listens, the answer did not come in time, the Engine said no (`status`
 * and its own words), or the answer makes no sense.
 */
export type EngineFault = "unreachable" | "silent" | "refused" | "malformed" | "aborted";

export class EngineError extends Error {
  override readonly name: string = "EngineError";
  readonly fault: EngineFault;
  /** HTTP status of a refusal. */
  readonly status: number | undefined;

  constructor(
    fault: EngineFault,
    message: string,
    more: { status?: number; cause?: unknown } = {},
  ) {
    super(message, { cause: more.cause });
    this.fault = fault;
    this.status = more.status;
  }

  /** The Engine itself is not there or not well: the same call may succeed later. */
  get isOutage(): boolean {
    return this.fault === "unreachable" || this.fault === "silent";
  }
}

export interface EngineRequest {
  readonly method: "GET" | "POST" | "DELETE";
  /** Without the version. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Until the whole answer is there, or for a stream until it begins. */
  readonly deadlineMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** A body that goes on; `close` hangs up and ends the iteration. */
export interface EngineStream {
  readonly chunks: AsyncIterable<Uint8Array>;
  close(): void;
}

/** A connection that was taken over for bytes both ways. */
export interface EngineConnection {
  readonly chunks: AsyncIterable<Uint8Array>;
  /** A promise asks for no more until it resolves. */
  write(data: Uint8Array): Promise<void> | undefined;
  /** Nothing more will be written. */
  end(): void;
  /** Hangs up. */
  close(): void;
}

export interface EngineClientOptions {
  readonly socketPath: string;
  readonly clock: Clock;
}

export class EngineClient {
  readonly socketPath: string;
  readonly #clock: Clock;
  #version: Promise<string> | undefined;
  /** Gives up a call that waits for its answer; streams that have begun are their readers'. */
  readonly #pending = new Set<() => void>();
  #isClosed = false;

  constructor(options: EngineClientOptions) {
    this.socketPath = options.socketPath;
    this.#clock = options.clock;
  }

  /** Calls and reads the whole answer. Errors: `EngineError`. */
  async call(request: EngineRequest): Promise<Answer> {
    const text = await this.#exchange(request, await this.#versionedPath(request), readAll);
    return parseAnswer(text, request.path);
  }

  /** Calls and resolves once the answer has begun. Errors: `EngineError`. */
  async stream(request: EngineRequest): Promise<EngineStream> {
    const path = await this.#versionedPath(request);
    return this.#exchange(request, path, async (response) => ({
      chunks: response,
      close: () => response.destroy(),
    }));
  }

  /** Calls and takes the connection over. Errors: `EngineError`. */
  async connect(request: EngineRequest): Promise<EngineConnection> {
    const path = await this.#versionedPath(request);
    const text = JSON.stringify(request.body ?? {});
    const head = [
      `${request.method} ${path} HTTP/1.1`,
      "Host: docker",
      "Connection: Upgrade",
      "Upgrade: tcp",
      "Content-Type: application/json",
      `Content-Length: ${Buffer.byteLength(text)}`,
    ].join("\r\n");
    const socket = connectSocket({ path: this.socketPath, allowHalfOpen: true });
    const cancelDeadline = this.#clock.schedule(request.deadlineMs, () => {
      socket.destroy(new Error(`${path} was not answered in time`));
    });
    const chunks = socket[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
    try {
      socket.write(`${head}\r\n\r\n${text}`);
      const rest = await readHead(chunks, path);
      return {
        chunks: withFirst(rest, chunks),
        write: (data) => writeHeld(socket, data),
        end: () => socket.end(),
        close: () => socket.destroy(),
      };
    } catch (error) {
      socket.destroy();
      throw error instanceof EngineError ? error : this.#unreachable(error);
    } finally {
      cancelDeadline();
    }
  }

  /** Answers when the Engine lives; needs no version. Errors: `EngineError`. */
  async ping(deadlineMs: number): Promise<void> {
    await this.#exchange({ method: "GET", path: "/_ping", deadlineMs }, "/_ping", readAll);
  }

  /** The Engine may be another one the next time. */
  forgetVersion(): void {
    this.#version = undefined;
  }

  /** Gives up every call that waits, and refuses new ones. */
  close(): void {
    this.#isClosed = true;
    for (const abort of [...this.#pending]) abort();
  }

  async #versionedPath({ path, deadlineMs }: EngineRequest): Promise<string> {
    this.#version ??= this.#negotiate(Math.min(deadlineMs, LOOKUP_DEADLINE_MS));
    try {
      return `/v${await this.#version}${path}`;
    } catch (error) {
      this.#version = undefined;
      throw error;
    }
  }

  async #negotiate(deadlineMs: number): Promise<string> {
    const request = { method: "GET", path: "/version", deadlineMs } as const;
    const answer = parseAnswer(await this.#exchange(request, "/version", readAll), "/version");
    const newest = answer.at("ApiVersion").text() ?? "";
    const oldest = answer.at("MinAPIVersion").text() ?? API_VERSION_MIN;
    if (compareVersions(newest, API_VERSION_MIN) < 0) {
      throw new EngineError(
        "malformed",
        `Docker Engine at ${this.socketPath} speaks API ${newest || "of no version"}; at least ${API_VERSION_MIN} is needed (Docker 19.03)`,
      );
    }
    if (compareVersions(oldest, API_VERSION_MAX) > 0) {
      throw new EngineError(
        "malformed",
        `Docker Engine at ${this.socketPath} speaks API ${oldest} and newer; allot knows ${API_VERSION_MAX} at most`,
      );
    }
    return compareVersions(newest, API_VERSION_MAX) < 0 ? newest : API_VERSION_MAX;
  }

  #exchange<T>(
    { method, query, body, headers, deadlineMs, signal }: EngineRequest,
    path: string,
    read: (response: IncomingMessage) => Promise<T>,
  ): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const text = body === undefined ? undefined : JSON.stringify(body);
    const search = query === undefined ? "" : `?${new URLSearchParams(query)}`;
    const request = httpRequest({
      socketPath: this.socketPath,
      method,
      path: `${path}${search}`,
      agent: false,
      headers: {
        Host: "docker",
        Connection: "close",
        ...(text === undefined
          ? {}
          : { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(text) }),
        ...headers,
      },
    });
    const fail = (error: EngineError): void => {
      reject(error);
      request.destroy();
    };
    const abort = (): void => fail(new EngineError("aborted", `${path} was given up`));
    const cancelDeadline = this.#clock.schedule(deadlineMs, () => {
      const seconds = deadlineMs / 1000;
      fail(new EngineError("silent", `${this.#name()} did not answer ${path} within ${seconds} s`));
    });
    this.#pending.add(abort);
    if (signal?.aborted || this.#isClosed) abort();
    signal?.addEventListener("abort", abort, { once: true });
    request.on("error", (cause) => fail(this.#unreachable(cause)));
    request.on("response", (response) => {
      response.on("error", (cause) => fail(this.#unreachable(cause)));
      readResponse(response, read).then(resolve, (error: unknown) => {
        fail(error instanceof EngineError ? error : this.#unreachable(error));
      });
    });
    request.end(text);
    // A stream outlives its beginning: from then on whoever reads it hangs up.
    return promise.finally(() => {
      cancelDeadline();
      this.#pending.delete(abort);
      signal?.removeEventListener("abort", abort);
    });
  }

  #unreachable(cause: unknown): EngineError {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const text = `${this.#name()} cannot be reached: ${reason}`;
    return new EngineError("unreachable", text, { cause });
  }

  #name(): string {
    return `Docker Engine at ${this.socketPath}`;
  }
}

/** Lines of a stream, without their ends. Errors: `EngineError` for a line without end. */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of chunks) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    if (rest.length > STREAM_LINE_BYTES_MAX) throw new EngineError("malformed", "a line too long");
    for (const line of parts) if (line.trim() !== "") yield line;
  }
  if (rest.trim() !== "") yield rest;
}

async function readResponse<T>(
  response: IncomingMessage,
  read: (response: IncomingMessage) => Promise<T>,
): Promise<T> {
  const status = response.statusCode ?? 0;
  // 304 is how the Engine says that there was nothing to do.
  if ((status >= 200 && status < 300) || status === 304) return read(response);
  throw new EngineError("refused", refusalText(await readAll(response), status), { status });
}

async function readAll(response: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX) {
      throw new EngineError("malformed", `an answer is larger than ${ANSWER_BYTES_MAX} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function refusalText(text: string, status: number): string {
  try {
    const message = new Answer(JSON.parse(text)).at("message").text();
    if (message !== undefined && message !== "") return message;
  } catch {
    // Some refusals are plain text.
  }
  return text.trim() === "" ? `HTTP status ${status}` : text.trim();
}

function parseAnswer(text: string, path: string): Answer {
  if (text.trim() === "") return new Answer(undefined);
  try {
    return new Answer(JSON.parse(text));
  } catch (cause) {
    throw new EngineError("malformed", `the answer to ${path} is no JSON`, { cause });
  }
}

/** Below, at or above zero as `a` is older than, the same as or newer than `b`. */
function compareVersions(a: string, b: string): number {
  const [aMajor = 0, aMinor = 0] = a.split(".").map(Number);
  const [bMajor = 0, bMinor = 0] = b.split(".").map(Number);
  return aMajor - bMajor || aMinor - bMinor;
}

/** Reads up to the end of the head; what came behind it. Errors: `EngineError`. */
async function readHead(chunks: AsyncIterator<Uint8Array>, path: string): Promise<Uint8Array> {
  let head = Buffer.alloc(0);
  while (head.length <= STREAM_LINE_BYTES_MAX) {
    const next = await chunks.next();
    if (next.done === true) throw new EngineError("malformed", `${path} was hung up on`);
    head = Buffer.concat([head, next.value]);
    const end = head.indexOf("\r\n\r\n");
    if (end < 0) continue;
    const status = Number(head.toString("latin1", 0, end).split(" ")[1]);
    if (status === 101 || status === 200) return head.subarray(end + 4);
    const text = head.toString("utf8", end + 4).trim();
    throw new EngineError("refused", text === "" ? `HTTP status ${status}` : text, { status });
  }
  throw new EngineError("malformed", `${path} was answered with a head that is too long`);
}

async function* withFirst(
  first: Uint8Array,
  chunks: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array, void, void> {
  if (first.length > 0) yield first;
  for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) {
    yield next.value;
  }
}
