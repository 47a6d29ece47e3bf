/** What tests of the fetcher share: a fetcher with real helpers, and a server that misbehaves. */
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Fetcher, type FetcherOptions } from "../../src/fetcher/fetcher.ts";
import type { CommandInfoURI } from "../../src/protocol/v1/types.ts";

const HELPER = resolve(import.meta.dir, "helper-process.ts");

export interface FetchScene {
  /** Holds everything of the scene. */
  readonly root: string;
  /** Of the task; its parent is closed to everybody but the agent. */
  readonly sandbox: string;
  readonly fetcher: Fetcher;
  readonly log: string[];
  fetch(uris: readonly (CommandInfoURI | string)[], more?: FetchExtras): Promise<void>;
  /** A new sandbox beside the first. */
  anotherSandbox(): string;
}

export interface FetchExtras {
  readonly signal?: AbortSignal;
  readonly user?: string;
  readonly directory?: string;
}

const roots: string[] = [];

export function removeScenes(): void {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true });
}

export function fetchScene(options: Partial<FetcherOptions> = {}): FetchScene {
  const root = mkdtempSync(join(tmpdir(), "allot-fetch-"));
  roots.push(root);
  const log: string[] = [];
  let sandboxes = 0;
  const anotherSandbox = (): string => {
    sandboxes += 1;
    return join(root, "work", "runs", `c${sandboxes}`);
  };
  mkdirSync(join(root, "work"));
  const sandbox = anotherSandbox();
  const fetcher = new Fetcher({
    helper: { command: [process.execPath, HELPER], environment: {} },
    cacheDir: join(root, "cache"),
    cacheBytes: 1_000_000,
    stallTimeoutMs: 30_000,
    frameworksHome: undefined,
    log: {
      write: (level, message, fields) => {
        log.push(`${level} ${message} ${JSON.stringify(fields ?? {})}`);
      },
    },
    ...options,
  });
  return {
    root,
    sandbox,
    fetcher,
    log,
    anotherSandbox,
    fetch: (uris, { signal, user, directory } = {}) =>
      fetcher.fetch(
        {
          containerId: "c",
          uris: uris.map((uri) => (typeof uri === "string" ? { value: uri } : uri)),
          directory: directory ?? sandbox,
          user,
        },
        signal ?? new AbortController().signal,
      ),
  };
}

export interface TestServer {
  readonly url: string;
  readonly requests: { readonly path: string; readonly headers: IncomingMessage["headers"] }[];
  [Symbol.asyncDispose](): Promise<void>;
}

/** Serves on loopback until disposed of. */
export async function serve(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<TestServer> {
  const requests: TestServer["requests"] = [];
  const server = createServer((request, response) => {
    requests.push({ path: request.url ?? "", headers: request.headers });
    answer(request, response);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}

/** The message a promise fails with. Errors: it does not fail. */
export async function failureOf(promise: Promise<unknown>): Promise<string> {
  const failure = await promise.then(
    () => undefined,
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
  if (failure === undefined) throw new Error("it did not fail");
  return failure;
}

/** Skips with a visible reason where the host lacks the program. */
export function hasProgram(name: string): boolean {
  return ["/usr/bin", "/bin", "/usr/local/bin"].some((folder) => existsSync(join(folder, name)));
}
