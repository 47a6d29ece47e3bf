/**
 * The calls of the Docker Engine API that allot makes, each with its deadline. Errors of all:
 * `EngineError`; what is gone already counts as removed or ended.
 */
import type { Answer } from "./answer.ts";
import { type ContainerFacts, factsOf, labelsOf } from "./container-facts.ts";
import {
  type EngineClient,
  type EngineConnection,
  EngineError,
  type EngineStream,
} from "./engine-client.ts";
import {
  END_CALL_DEADLINE_MS,
  LAUNCH_CALL_DEADLINE_MS,
  LOOKUP_DEADLINE_MS,
  PULL_STALL_MS,
  WELL_ANSWER_MS,
} from "./limits.ts";

/** A row of the list of containers. */
export interface ListedContainer {
  readonly engineId: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly isRunning: boolean;
}

export interface LogRequest {
  readonly isFollowing: boolean;
  /** `seconds.nanoseconds` since the epoch, inclusive; undefined for all. */
  readonly since: string | undefined;
  readonly deadlineMs: number;
}

export class Engine {
  readonly client: EngineClient;

  constructor(client: EngineClient) {
    this.client = client;
  }

  /** True when the Engine has the image. */
  async hasImage(image: string, signal: AbortSignal): Promise<boolean> {
    try {
      const path = `/images/${encodeReference(image)}/json`;
      await this.client.call({ method: "GET", path, deadlineMs: LOOKUP_DEADLINE_MS, signal });
      return true;
    } catch (error) {
      if (isStatus(error, 404)) return false;
      throw error;
    }
  }

  /** Lines of JSON that tell how a pull goes. `registryAuth` is the header's value. */
  pull(
    query: Readonly<Record<string, string>>,
    registryAuth: string | undefined,
    signal: AbortSignal,
  ): Promise<EngineStream> {
    const headers = registryAuth === undefined ? {} : { "X-Registry-Auth": registryAuth };
    return this.client.stream({
      method: "POST",
      path: "/images/create",
      query,
      headers,
      deadlineMs: PULL_STALL_MS,
      signal,
    });
  }

  /** What containers log with that ask for nothing else. */
  async logDriver(signal: AbortSignal): Promise<string | undefined> {
    const request = { method: "GET", path: "/info", deadlineMs: LOOKUP_DEADLINE_MS } as const;
    return (await this.client.call({ ...request, signal })).at("LoggingDriver").text();
  }

  /** Returns the Engine's id of the new container. */
  async create(name: string, body: unknown, signal: AbortSignal): Promise<string> {
    const answer = await this.client.call({
      method: "POST",
      path: "/containers/create",
      query: { name },
      body,
      deadlineMs: LAUNCH_CALL_DEADLINE_MS,
      signal,
    });
    const engineId = answer.at("Id").text();
    if (engineId === undefined) throw new EngineError("malformed", "a new container has no id");
    return engineId;
  }

  async start(engineId: string, signal: AbortSignal): Promise<void> {
    const path = `/containers/${engineId}/start`;
    await this.client.call({ method: "POST", path, deadlineMs: LAUNCH_CALL_DEADLINE_MS, signal });
  }

  /** Undefined when there is no such container; takes the Engine's id or the name. */
  async inspect(idOrName: string, signal?: AbortSignal): Promise<ContainerFacts | undefined> {
    try {
      const path = `/containers/${idOrName}/json`;
      const deadlineMs = LOOKUP_DEADLINE_MS;
      return factsOf(await this.client.call({ method: "GET", path, deadlineMs, signal }));
    } catch (error) {
      if (isStatus(error, 404)) return undefined;
      throw error;
    }
  }

  /** All containers with the label, also those that do not run. */
  async list(label: string, deadlineMs: number): Promise<ListedContainer[]> {
    const query = { all: "1", filters: JSON.stringify({ label: [label] }) };
    const path = "/containers/json";
    const answer = await this.client.call({ method: "GET", path, query, deadlineMs });
    return answer.list().map((row) => ({
      engineId: row.at("Id").text() ?? "",
      labels: labelsOf(row.at("Labels")),
      isRunning: !["created", "exited", "dead"].includes(row.at("State").text() ?? ""),
    }));
  }

  /** Sends a signal to the first process. False when there is none any more. */
  async kill(engineId: string, signal: string): Promise<boolean> {
    try {
      const path = `/containers/${engineId}/kill`;
      const deadlineMs = END_CALL_DEADLINE_MS;
      await this.client.call({ method: "POST", path, query: { signal }, deadlineMs });
      return true;
    } catch (error) {
      if (isStatus(error, 404) || isStatus(error, 409)) return false;
      throw error;
    }
  }

  /** Ends what runs and removes the container with its anonymous volumes. */
  async remove(idOrName: string): Promise<void> {
    try {
      await this.client.call({
        method: "DELETE",
        path: `/containers/${idOrName}`,
        query: { force: "1", v: "1" },
        deadlineMs: END_CALL_DEADLINE_MS,
      });
    } catch (error) {
      // 409: it is being removed already.
      if (!isStatus(error, 404) && !isStatus(error, 409)) throw error;
    }
  }

  /** Changes the limits of a container. */
  async update(engineId: string, body: unknown): Promise<void> {
    const path = `/containers/${engineId}/update`;
    await this.client.call({ method: "POST", path, body, deadlineMs: LOOKUP_DEADLINE_MS });
  }

  /** One sample, taken at once. */
  stats(engineId: string): Promise<Answer> {
    return this.client.call({
      method: "GET",
      path: `/containers/${engineId}/stats`,
      query: { stream: "0", "one-shot": "1" },
      deadlineMs: LOOKUP_DEADLINE_MS,
    });
  }

  /** Lines of JSON, one for each container with the label that died. */
  deaths(label: string): Promise<EngineStream> {
    const filters = JSON.stringify({ type: ["container"], event: ["die"], label: [label] });
    return this.client.stream({
      method: "GET",
      path: "/events",
      query: { filters },
      deadlineMs: LOOKUP_DEADLINE_MS,
    });
  }

  /** Messages of stdout and stderr with their times, in the framing of `log-frames.ts`. */
  logs(engineId: string, { isFollowing, since, deadlineMs }: LogRequest): Promise<EngineStream> {
    return this.client.stream({
      method: "GET",
      path: `/containers/${engineId}/logs`,
      query: {
        stdout: "1",
        stderr: "1",
        timestamps: "1",
        follow: isFollowing ? "1" : "0",
        ...(since === undefined ? {} : { since }),
      },
      deadlineMs,
    });
  }

  /** Makes ready a command inside a running container; returns its id. */
  async createInside(engineId: string, body: unknown): Promise<string> {
    const path = `/containers/${engineId}/exec`;
    const deadlineMs = LOOKUP_DEADLINE_MS;
    const answer = await this.client.call({ method: "POST", path, body, deadlineMs });
    const insideId = answer.at("Id").text();
    if (insideId === undefined) throw new EngineError("malformed", "a new command has no id");
    return insideId;
  }

  /** Starts it; its output goes nowhere. */
  async startInside(insideId: string): Promise<void> {
    const path = `/exec/${insideId}/start`;
    const deadlineMs = LAUNCH_CALL_DEADLINE_MS;
    await this.client.call({ method: "POST", path, body: { Detach: true }, deadlineMs });
  }

  /** Starts it with its input and output on the connection. */
  async connectInside(insideId: string, isTerminal: boolean): Promise<EngineConnection> {
    const path = `/exec/${insideId}/start`;
    const body = { Detach: false, Tty: isTerminal };
    return this.client.connect({ method: "POST", path, body, deadlineMs: LAUNCH_CALL_DEADLINE_MS });
  }

  async resizeInside(insideId: string, columns: number, rows: number): Promise<void> {
    const path = `/exec/${insideId}/resize`;
    const query = { h: String(rows), w: String(columns) };
    await this.client.call({ method: "POST", path, query, deadlineMs: LOOKUP_DEADLINE_MS });
  }

  /** Whether it answers at once, and what runs containers for it too: a ping would not ask that. */
  async isWell(): Promise<boolean> {
    const request = { method: "GET", path: "/version", deadlineMs: WELL_ANSWER_MS } as const;
    return this.client.call(request).then(
      () => true,
      () => false,
    );
  }

  async inspectInside(insideId: string): Promise<Answer> {
    const path = `/exec/${insideId}/json`;
    return this.client.call({ method: "GET", path, deadlineMs: LOOKUP_DEADLINE_MS });
  }
}

function isStatus(error: unknown, status: number): boolean {
  return error instanceof EngineError && error.status === status;
}

/** Slashes and colons of a reference are part of the path, as every client sends them. */
function encodeReference(image: string): string {
  return encodeURIComponent(image)
    .replaceAll("%2F", "/")
    .replaceAll("%3A", ":")
    .replaceAll("%40", "@");
}
