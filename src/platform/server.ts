/**
 * The one HTTP and WebSocket server of a role, on Bun or Deno. Routing and meaning live above; this
 * file knows only how each platform listens, upgrades and bounds what comes in.
 */

/** One accepted WebSocket, server side. */
export interface ServerSocket {
  readonly remoteIp: string;
  send(data: Uint8Array): void;
  /** Bytes handed to `send` that the peer has not taken yet. */
  bufferedBytes(): number;
  close(code: number, reason: string): void;
}

/** What to do with an accepted WebSocket; `closed` is the last call, exactly once. */
export interface SocketHandler {
  message(data: Uint8Array): void;
  drained(): void;
  closed(): void;
}

export interface ServerOptions {
  readonly ip: string;
  /** 0 lets the system choose; the chosen one is in `Server.port`. */
  readonly port: number;
  readonly maxBodyBytes: number;
  readonly maxSocketMessageBytes: number;
  fetch(request: Request, remoteIp: string): Response | Promise<Response>;
  /** Path on which WebSockets are accepted, and who takes them. */
  readonly webSocket?:
    | { readonly path: string; accept(socket: ServerSocket): SocketHandler }
    | undefined;
}

export interface Server {
  readonly port: number;
  /** Stops listening and cuts open connections. */
  stop(): Promise<void>;
}

export type Serve = (options: ServerOptions) => Promise<Server>;

/** The address cannot be listened on; the message says which and what to do. */
export class ListenError extends Error {
  override readonly name: string = "ListenError";

  constructor(ip: string, port: number, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`cannot listen on ${ip}:${port}: ${reason}; choose another address or end what uses it`, {
      cause,
    });
  }
}

/** Loads the server of the platform we run on. */
export async function loadServe(): Promise<Serve> {
  if ("Bun" in globalThis) return (await import("./bun-server.ts")).serveOnBun;
  if ("Deno" in globalThis) return (await import("./deno-server.ts")).serveOnDeno;
  throw new Error("allot runs on Bun or Deno; start it with the compiled binary or `deno run -A`");
}
