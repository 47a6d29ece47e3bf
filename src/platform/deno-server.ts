/**
 * The server on Deno, which runs from source. Deno's types are not installed beside Bun's, so the
 * few calls used here are declared by hand. Deno bounds bodies of unknown length nowhere: who reads
 * one must count (`http/body.ts` does).
 */
import { SOCKET_BACKLOG_BYTES } from "./limits.ts";
import {
  ListenError,
  lengthRefusal,
  plainIp,
  type Server,
  type ServerOptions,
  type ServerSocket,
  type SocketHandler,
} from "./server-types.ts";

interface DenoApi {
  serve(
    options: { hostname: string; port: number; signal: AbortSignal; onListen(): void },
    handler: (
      request: Request,
      info: { remoteAddr: { hostname: string } },
    ) => Response | Promise<Response>,
  ): { addr: { port: number }; finished: Promise<void> };
  upgradeWebSocket(
    request: Request,
    options: { idleTimeout: number },
  ): { socket: WebSocket; response: Response };
}

/** Starts listening. Errors: `ListenError`. */
export function serveOnDeno(options: ServerOptions): Promise<Server> {
  try {
    return Promise.resolve(listen(options));
  } catch (error) {
    return Promise.reject(new ListenError(options.ip, options.port, error));
  }
}

function listen(options: ServerOptions): Server {
  const deno = (globalThis as unknown as { Deno: DenoApi }).Deno;
  const stopper = new AbortController();
  const sockets = new Set<ServerSocket>();
  const server = deno.serve(
    {
      hostname: options.ip,
      port: options.port,
      signal: stopper.signal,
      onListen: () => undefined,
    },
    (request, info) => {
      const remoteIp = plainIp(info.remoteAddr.hostname);
      if (isUpgrade(request, options)) {
        const { socket, response } = deno.upgradeWebSocket(request, { idleTimeout: 0 });
        attach(socket, remoteIp, options, sockets);
        return response;
      }
      const refusal = lengthRefusal(request, options);
      if (refusal !== undefined) return refusal;
      return options.fetch(request, () => remoteIp);
    },
  );
  return {
    port: server.addr.port,
    stop: async () => {
      for (const socket of sockets) socket.close(1001, "the server stops");
      stopper.abort();
      await server.finished;
    },
  };
}

function isUpgrade(request: Request, options: ServerOptions): boolean {
  return (
    options.webSocket !== undefined &&
    request.headers.get("upgrade")?.toLowerCase() === "websocket" &&
    new URL(request.url).pathname === options.webSocket.path
  );
}

function attach(
  socket: WebSocket,
  remoteIp: string,
  options: ServerOptions,
  sockets: Set<ServerSocket>,
): void {
  let handler: SocketHandler | undefined;
  const finish = (): void => {
    const last = handler;
    handler = undefined;
    sockets.delete(wrapped);
    last?.closed();
  };
  const wrapped = wrap(socket, remoteIp, finish);
  socket.binaryType = "arraybuffer";
  sockets.add(wrapped);
  socket.addEventListener("open", () => {
    handler = options.webSocket?.accept(wrapped);
    if (socket.readyState !== WebSocket.OPEN) finish();
  });
  socket.addEventListener("message", (event: MessageEvent<ArrayBuffer | string>) => {
    const data =
      typeof event.data === "string"
        ? new TextEncoder().encode(event.data)
        : new Uint8Array(event.data);
    if (data.byteLength > options.maxSocketMessageBytes) wrapped.close(1009, "message too large");
    else handler?.message(data);
  });
  socket.addEventListener("close", finish);
}

/** `finish` is called on `close` at once, since a peer that is stuck never answers it. */
function wrap(socket: WebSocket, remoteIp: string, finish: () => void): ServerSocket {
  const close = (code: number, reason: string): void => {
    if (socket.readyState !== WebSocket.OPEN && socket.readyState !== WebSocket.CONNECTING) return;
    socket.close(code, reason);
    finish();
  };
  return {
    remoteIp,
    send: (data) => {
      if (socket.readyState !== WebSocket.OPEN) return;
      if (socket.bufferedAmount > SOCKET_BACKLOG_BYTES) close(1008, "too much is left unread");
      else socket.send(data as Uint8Array<ArrayBuffer>);
    },
    bufferedBytes: () => socket.bufferedAmount,
    close,
  };
}
