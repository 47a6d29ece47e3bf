/**
 * What a server of any platform offers and wants. Apart from `server.ts`, so that the servers and
 * the place that chooses between them do not import each other.
 */

/** One accepted WebSocket, server side. */
export interface ServerSocket {
  readonly remoteIp: string;
  /** Does nothing on a closed socket. A peer that leaves too much unread is cut. */
  send(data: Uint8Array): void;
  /** Bytes handed to `send` that the peer has not taken yet. */
  bufferedBytes(): number;
  /** Says goodbye, and cuts the connection when the peer does not answer soon. Safe to repeat. */
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
  /** Of a body that says its length, unless it is a stream; who reads any other must count. */
  readonly maxBodyBytes: number;
  /** Requests whose bodies are never read whole. */
  readonly isStream?: ((request: Request) => boolean) | undefined;
  readonly maxSocketMessageBytes: number;
  /** `remoteIp` is asked for only where it is wanted, as it costs as much as a small answer. */
  fetch(request: Request, remoteIp: () => string): Response | Promise<Response>;
  /** Path on which WebSockets are accepted, and who takes them. */
  readonly webSocket?:
    | { readonly path: string; accept(socket: ServerSocket): SocketHandler }
    | undefined;
}

export interface Server {
  readonly port: number;
  /** Stops listening and cuts open connections; resolves when the port is free. */
  stop(): Promise<void>;
}

export type Serve = (options: ServerOptions) => Promise<Server>;

/** The address cannot be listened on; the message says which and what to do. */
export class ListenError extends Error {
  override readonly name: string = "ListenError";
  /** As the system names it (`EADDRINUSE`, `EACCES`, …). */
  readonly code: string;

  constructor(ip: string, port: number, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`cannot listen on ${ip}:${port}: ${reason}; choose another address or end what uses it`, {
      cause,
    });
    this.code = codeOf(cause);
  }
}

function codeOf(cause: unknown): string {
  if (typeof cause !== "object" || cause === null || !("code" in cause)) return "";
  return String(cause.code);
}

/** The answer to a body that says that it is too long. */
export function lengthRefusal(
  request: Request,
  { maxBodyBytes, isStream }: ServerOptions,
): Response | undefined {
  const length = Number(request.headers.get("content-length") ?? 0);
  if (length <= maxBodyBytes || isStream?.(request) === true) return undefined;
  return new Response(`The body is above the limit of ${maxBodyBytes} bytes`, { status: 413 });
}

/** The address as IPv4 where it is one: a dual stack socket prints `::ffff:10.0.0.1`. */
export function plainIp(address: string): string {
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
}
