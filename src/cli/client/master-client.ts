/**
 * A client of a master's HTTP API, as anybody outside could write it: operator calls, reading
 * sandbox files through the master, killing a task. Follows redirects to the leader with the body
 * and turns every failure into a `ClientError`. Source: reference/http-api.md 2.5, 6, 9.
 */
import type { Result } from "../../base/result.ts";
import { encodeUtf8, excerpt } from "../../base/text.ts";
import { encodeBase64 } from "../../protocol/base64.ts";
import { type Codec, createCodec } from "../../protocol/codec.ts";
import {
  type LeaderReport,
  parseLeaderReport,
  parseStepDownAnswer,
  type StepDownAnswer,
} from "../../protocol/leader-report.ts";
import type { MasterCall, MasterResponse } from "../../protocol/v1/types.ts";
import type { Credential } from "../../security/credentials.ts";
import { ClientError } from "./client-error.ts";
import { type DiskShortage, diskShortagesIn } from "./disk-shortages.ts";
import {
  ANSWER_TIMEOUT_MS,
  CLIENT_CODEC_LIMITS,
  ERROR_TEXT_LENGTH,
  REDIRECT_COUNT_MAX,
} from "./limits.ts";
import { drainStateIn } from "./registry-view.ts";

/** What to send; the body is kept whole so that it can go through redirects. */
export interface ClientRequest {
  readonly method: "GET" | "POST";
  /** With query, relative to the root. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array<ArrayBuffer>;
  /** Ends the request and the reading of its answer. */
  readonly signal?: AbortSignal;
  /** The answer may rightly take any time to begin. */
  readonly isUnhurried?: boolean;
}

/** Which file of a task to read, and from where. */
export interface FileRequest {
  readonly agentId: string;
  /** Virtual path on the agent (http-api 11). */
  readonly path: string;
  readonly offset: number;
  /** Stay at the end of the file and wait for more. */
  readonly isFollowing: boolean;
  readonly signal?: AbortSignal;
}

/** A task to end, as `POST /allot/v1/kill` takes it. */
export interface KillRequest {
  readonly task_id: string;
  readonly framework_id?: string | undefined;
  readonly grace_ms?: number | undefined;
}

/** The part of a `/tasks` entry that is used here (http-api 9.1). */
export interface TaskSummary {
  readonly id: string;
  readonly framework_id: string;
  readonly state: string;
}

/** Who leads now, where masters are found by more than an address. Errors: none is found. */
export type FindMaster = () => Promise<Result<URL>>;

export interface MasterClientOptions {
  /** Goes with every request, to whichever master leads. */
  readonly credential?: Credential | undefined;
  /** Asked once `root` does not answer any more. */
  readonly find?: FindMaster | undefined;
}

/** One master, or whoever leads now. */
export class MasterClient {
  readonly codec: Codec = createCodec(CLIENT_CODEC_LIMITS);
  readonly #credential: Credential | undefined;
  readonly #find: FindMaster | undefined;
  #root: URL;
  /** The root did not answer, or does not lead, and may have been followed by another one. */
  #isRootLost = false;
  #finding: Promise<Result<URL>> | undefined;
  /** Learned from a redirect; forgotten when it does not answer. */
  #leader: URL | undefined;

  constructor(root: URL, { credential, find }: MasterClientOptions = {}) {
    this.#root = root;
    this.#credential = credential;
    this.#find = find;
  }

  /** Whom the master sees. */
  get principal(): string | undefined {
    return this.#credential?.principal;
  }

  /** As people write the address. */
  get address(): string {
    return (this.#leader ?? this.#root).host;
  }

  /** An operator call with its answer. Errors: `ClientError`. */
  async call(call: MasterCall): Promise<MasterResponse> {
    const type = "application/json";
    const response = await this.request({
      method: "POST",
      path: "/api/v1",
      headers: { "Content-Type": type, Accept: type },
      body: this.codec.encode("mesos.v1.master.Call", type, call),
    });
    const bytes = await this.#body(response);
    if (bytes.length === 0) return {};
    const answer = this.codec.decode("mesos.v1.master.Response", type, bytes);
    if (answer.ok) return answer.value;
    throw new ClientError("badAnswer", `${this.address} is no master: ${answer.error.message}`);
  }

  /** Tasks with that id, of that framework, the newest first; over ones for as long as they are kept. */
  async findTasks(taskId: string, frameworkId: string): Promise<readonly TaskSummary[]> {
    const query = new URLSearchParams({ task_id: taskId, framework_id: frameworkId });
    const response = await this.request({ method: "GET", path: `/tasks?${query}` });
    const text = new TextDecoder().decode(await this.#body(response));
    const tasks = tasksOf(text);
    if (tasks === undefined) {
      throw new ClientError(
        "badAnswer",
        `${this.address} is no master: /tasks is no list of tasks`,
      );
    }
    return tasks.filter((task) => task.id === taskId && task.framework_id === frameworkId);
  }

  /** Asks for the end of a task; it is not over yet when this returns. Errors: `ClientError`. */
  async kill(request: KillRequest): Promise<void> {
    const response = await this.request({
      method: "POST",
      path: "/allot/v1/kill",
      headers: { "Content-Type": "application/json" },
      body: new TextEncoder().encode(JSON.stringify(request)),
    });
    await this.#body(response);
  }

  /** What that master itself says of who leads. Errors: `ClientError`. */
  async leaderReport(): Promise<LeaderReport> {
    const path = "/allot/v1/leader";
    const report = parseLeaderReport(await this.#json({ method: "GET", path }));
    if (report.ok) return report.value;
    throw new ClientError("badAnswer", `${this.address} is no master: ${report.error.message}`);
  }

  /** Agents without room on their disks, the first hundreds of them. Errors: `ClientError`. */
  async diskShortages(): Promise<readonly DiskShortage[]> {
    const answer = await this.#json({ method: "GET", path: "/allot/v1/agents?state=inactive" });
    return diskShortagesIn(answer);
  }

  /** Of an agent that need not be registered now; undefined where none is known. Errors: `ClientError`. */
  async drainStateOf(agentId: string): Promise<string | undefined> {
    return drainStateIn(
      await this.#json({ method: "GET", path: "/registrar(1)/registry" }),
      agentId,
    );
  }

  /** Has the leader hand over; it does not lead any more when this returns. Errors: `ClientError`. */
  async stepDown(isForced: boolean): Promise<StepDownAnswer> {
    const path = `/allot/v1/leader/step-down${isForced ? "?force=true" : ""}`;
    const answer = parseStepDownAnswer(await this.#json({ method: "POST", path }));
    if (answer.ok) return answer.value;
    throw new ClientError("badAnswer", `${this.address} is no master: ${answer.error.message}`);
  }

  /** The bytes of a file as they come. Errors: `ClientError`, refused with 404 for no such file. */
  async *readFile(request: FileRequest): AsyncGenerator<Uint8Array> {
    const query = new URLSearchParams({
      path: request.path,
      offset: String(request.offset),
      follow: String(request.isFollowing),
    });
    const response = await this.request({
      method: "GET",
      path: `/allot/v1/agents/${encodeURIComponent(request.agentId)}/files/follow?${query}`,
      ...(request.signal === undefined ? {} : { signal: request.signal }),
      // A quiet file may send its first bytes, and with them the head, much later.
      isUnhurried: request.isFollowing,
    });
    yield* this.stream(response);
  }

  /** The answer to a request once its head is there and its status is good. */
  async request(request: ClientRequest): Promise<Response> {
    if (this.#isRootLost) await this.#findAgain();
    const isLeaderKnown = this.#leader !== undefined;
    try {
      return await this.#send(this.#leader ?? this.#root, request);
    } catch (error) {
      const isLost = error instanceof ClientError && error.code === "unreachable";
      this.#leader = undefined;
      this.#isRootLost = error instanceof ClientError && error.isRetriable;
      // The request may have been carried out, so only a harmless one is sent again.
      if (!isLost || !isLeaderKnown || request.method !== "GET") throw error;
      return await this.#send(this.#root, request);
    }
  }

  /** One look for all that ask meanwhile. */
  async #findAgain(): Promise<void> {
    this.#finding ??= this.#find?.();
    const found = await this.#finding;
    this.#finding = undefined;
    if (found?.ok === false) throw new ClientError("unreachable", found.error.message);
    if (found !== undefined) this.#root = found.value;
    this.#isRootLost = false;
  }

  /** The chunks of a body; a broken connection is an `unreachable` error. */
  async *stream(response: Response): AsyncGenerator<Uint8Array> {
    if (response.body === null) return;
    const reader = response.body.getReader();
    try {
      for (;;) {
        const next = await reader.read();
        if (next.done) return;
        yield next.value;
      }
    } catch (error) {
      throw this.#broken(error);
    } finally {
      // A reader that fails to cancel has lost its connection already.
      await reader.cancel().catch(() => undefined);
    }
  }

  async #send(root: URL, request: ClientRequest): Promise<Response> {
    let base = root;
    for (let hop = 0; hop <= REDIRECT_COUNT_MAX; hop++) {
      const response = await this.#fetch(new URL(request.path, base), request);
      if (response.status !== 307) return await this.#checked(response);
      await response.body?.cancel();
      const target = URL.parse(response.headers.get("Location") ?? "", base);
      if (target === null) break;
      base = new URL("/", target);
      this.#leader = base;
    }
    throw new ClientError("badAnswer", `${root.host} redirects without end; try again later`);
  }

  async #fetch(url: URL, request: ClientRequest): Promise<Response> {
    const deadline = new AbortController();
    const timer =
      request.isUnhurried === true
        ? undefined
        : setTimeout(() => deadline.abort(), ANSWER_TIMEOUT_MS);
    const signals = request.signal === undefined ? [] : [request.signal];
    try {
      return await fetch(url, {
        method: request.method,
        redirect: "manual",
        signal: AbortSignal.any([deadline.signal, ...signals]),
        headers: { ...request.headers, ...this.#authorization() },
        ...(request.body === undefined ? {} : { body: request.body }),
      });
    } catch (error) {
      const reason = deadline.signal.aborted ? "it does not answer;" : "is it running?";
      const advice = "use --master=HOST:PORT or ALLOT_MASTER to name another one";
      const message = `cannot reach a master at ${url.host}: ${reason} ${advice}`;
      throw new ClientError("unreachable", message, { cause: error });
    } finally {
      clearTimeout(timer);
    }
  }

  #authorization(): Readonly<Record<string, string>> {
    if (this.#credential === undefined) return {};
    const { principal, secret } = this.#credential;
    const bytes = encodeUtf8(`${principal}:${secret}`);
    return { Authorization: `Basic ${encodeBase64(bytes)}` };
  }

  async #checked(response: Response): Promise<Response> {
    if (response.status >= 200 && response.status < 300) return response;
    if (response.status === 401) {
      await response.body?.cancel();
      throw new ClientError("refused", this.#loginAdvice(), { status: 401 });
    }
    const text = new TextDecoder().decode(await this.#body(response)).trim();
    const reason =
      text === "" ? `HTTP status ${response.status}` : excerpt(text, ERROR_TEXT_LENGTH);
    throw new ClientError("refused", reason, { status: response.status });
  }

  #loginAdvice(): string {
    const { principal } = this;
    return principal === undefined
      ? `${this.address} wants to know who asks: use --credential=FILE or ALLOT_CREDENTIAL`
      : `${this.address} knows no principal ${principal} with this secret`;
  }

  async #json(request: ClientRequest): Promise<unknown> {
    const bytes = await this.#body(await this.request(request));
    const value = this.codec.parseJson(bytes);
    return value.ok ? value.value : undefined;
  }

  async #body(response: Response): Promise<Uint8Array> {
    try {
      return new Uint8Array(await response.arrayBuffer());
    } catch (error) {
      throw this.#broken(error);
    }
  }

  #broken(cause: unknown): ClientError {
    return new ClientError("unreachable", `the connection to ${this.address} broke`, { cause });
  }
}

function tasksOf(text: string): readonly TaskSummary[] | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Not JSON, so not a list of tasks either: the caller says who answered.
    return undefined;
  }
  if (typeof value !== "object" || value === null || !("tasks" in value)) return undefined;
  return Array.isArray(value.tasks) ? (value.tasks as unknown[]).filter(isTaskSummary) : undefined;
}

function isTaskSummary(value: unknown): value is TaskSummary {
  if (typeof value !== "object" || value === null) return false;
  if (!("id" in value && "framework_id" in value && "state" in value)) return false;
  return [value.id, value.framework_id, value.state].every((part) => typeof part === "string");
}
