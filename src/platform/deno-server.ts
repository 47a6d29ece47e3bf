/**
 * The server on Deno, which runs from source. Deno's types are not installed beside Bun's, so the
 * few calls used here are declared by hand.
 */
import {
  ListenError,
  type Server,
  type ServerOptions,
  type ServerSocket,
  type SocketHandler,
} from "./server.ts";

interface DenoApi {
  serve(
    options: { hostname: string; port: number; onListen(): void },
    handler: (
      request: Request,
      info: { remoteAddr: { hostname: string } },
    ) => Response | Promise<Response>,
  ): { addr: { port: number }; shutdown(): Promise<void>; finished: Promise<void> };
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
  const sockets = new Set<WebSocket>();
  const server = deno.serve(
    { hostname: options.ip, port: options.port, onListen: () => undefined },
    (request, info) => {
      const remoteIp = info.remoteAddr.hostname;
      if (isUpgrade(request, options)) {
        const { socket, response } = deno.upgradeWebSocket(request, { idleTimeout: 0 });
        attach(socket, remoteIp, options, sockets);
        return response;
      }
      const length = Number(request.headers.get("content-length") ?? 0);
      if (length > options.maxBodyBytes) return new Response(null, { status: 413 });
      return options.fetch(request, remoteIp);
    },
  );
  return {
    port: server.addr.port,
    stop: async () => {
      for (const socket of sockets) socket.close();
      // Open event streams keep `shutdown` waiting for ever, so its end is not awaited.
      await Promise.race([server.shutdown(), Promise.resolve()]);
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
  sockets: Set<WebSocket>,
): void {
  socket.binaryType = "arraybuffer";
  sockets.add(socket);
  let handler: SocketHandler | undefined;
  const wrapped: ServerSocket = {
    remoteIp,
    send: (data) => socket.send(data as Uint8Array<ArrayBuffer>),
    bufferedBytes: () => socket.bufferedAmount,
    close: (code, reason) => socket.close(code, reason),
  };
  socket.addEventListener("open", () => {
    handler = options.webSocket?.accept(wrapped);
  });
  socket.addEventListener("message", (event: MessageEvent<ArrayBuffer | string>) => {
    const data =
      typeof event.data === "string"
        ? new TextEncoder().encode(event.data)
        : new Uint8Array(event.data);
    if (data.byteLength > options.maxSocketMessageBytes) socket.close(1009, "message too large");
    else handler?.message(data);
  });
  socket.addEventListener("close", () => {
    sockets.delete(socket);
    handler?.closed();
    handler = undefined;
  });
}
