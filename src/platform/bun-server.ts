/**
 * The server on Bun. Idle streams live for hours, so Bun's idle time-out is off; a request's header
 * is bounded all the same, as Bun cuts a connection that has not sent one whole within 12 seconds.
 * Bun's own bound of bodies is off as well: it would end streams of input that go on. Who reads a
 * body of unknown length must count (`http/body.ts` does); what is not read is not taken in.
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

interface SocketData {
  readonly remoteIp: string;
  handler: SocketHandler | undefined;
}

/** Starts listening. Errors: `ListenError`. */
export function serveOnBun(options: ServerOptions): Promise<Server> {
  try {
    return Promise.resolve(listen(options));
  } catch (error) {
    return Promise.reject(new ListenError(options.ip, options.port, error));
  }
}

function listen(options: ServerOptions): Server {
  const { webSocket } = options;
  const server = Bun.serve<SocketData>({
    hostname: options.ip,
    port: options.port,
    idleTimeout: 0,
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    development: false,
    // Off by itself only in development: two masters would share one port and neither would know.
    reusePort: false,
    fetch(request, bun) {
      if (webSocket !== undefined && pathOf(request.url) === webSocket.path) {
        const data: SocketData = { remoteIp: remoteIpOf(bun, request), handler: undefined };
        if (bun.upgrade(request, { data })) return undefined;
      }
      const refusal = lengthRefusal(request, options);
      if (refusal !== undefined) return refusal;
      return options.fetch(request, () => remoteIpOf(bun, request));
    },
    websocket: {
      maxPayloadLength: options.maxSocketMessageBytes,
      backpressureLimit: SOCKET_BACKLOG_BYTES,
      closeOnBackpressureLimit: true,
      idleTimeout: 0,
      sendPings: false,
      perMessageDeflate: false,
      open(socket) {
        socket.binaryType = "uint8array";
        const handler = webSocket?.accept(new BunSocket(socket));
        // `accept` may have closed it; the close event has come and gone then.
        if (socket.readyState === WebSocket.OPEN) socket.data.handler = handler;
        else handler?.closed();
      },
      message(socket, message) {
        const data = typeof message === "string" ? new TextEncoder().encode(message) : message;
        socket.data.handler?.message(data);
      },
      drain(socket) {
        socket.data.handler?.drained();
      },
      close(socket) {
        const { handler } = socket.data;
        socket.data.handler = undefined;
        handler?.closed();
      },
    },
  });
  return {
    port: server.port ?? options.port,
    stop: () => server.stop(true),
  };
}

/** The path without the cost of a URL object; Bun's request URLs are always absolute. */
function pathOf(url: string): string {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  const query = url.indexOf("?", start);
  return url.slice(start, query < 0 ? undefined : query);
}

function remoteIpOf(server: Bun.Server<SocketData>, request: Request): string {
  return plainIp(server.requestIP(request)?.address ?? "");
}

/** One object and no closures: there is one for each agent. */
class BunSocket implements ServerSocket {
  readonly #socket: Bun.ServerWebSocket<SocketData>;

  constructor(socket: Bun.ServerWebSocket<SocketData>) {
    this.#socket = socket;
  }

  get remoteIp(): string {
    return this.#socket.data.remoteIp;
  }

  send(data: Uint8Array): void {
    this.#socket.send(data);
  }

  bufferedBytes(): number {
    return this.#socket.getBufferedAmount();
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, reason);
  }
}
