/** The server on Bun. Idle streams live for hours, so Bun's own idle time-out is off. */
import {
  ListenError,
  type Server,
  type ServerOptions,
  type ServerSocket,
  type SocketHandler,
} from "./server.ts";

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
    maxRequestBodySize: options.maxBodyBytes,
    development: false,
    fetch(request, bun) {
      const remoteIp = bun.requestIP(request)?.address ?? "";
      if (webSocket !== undefined && new URL(request.url).pathname === webSocket.path) {
        const data: SocketData = { remoteIp, handler: undefined };
        if (bun.upgrade(request, { data })) return undefined;
      }
      return options.fetch(request, remoteIp);
    },
    websocket: {
      maxPayloadLength: options.maxSocketMessageBytes,
      idleTimeout: 0,
      sendPings: false,
      perMessageDeflate: false,
      open(socket) {
        socket.binaryType = "uint8array";
        socket.data.handler = webSocket?.accept(wrap(socket));
      },
      message(socket, message) {
        const data = typeof message === "string" ? new TextEncoder().encode(message) : message;
        socket.data.handler?.message(data);
      },
      drain(socket) {
        socket.data.handler?.drained();
      },
      close(socket) {
        socket.data.handler?.closed();
        socket.data.handler = undefined;
      },
    },
  });
  return {
    port: server.port ?? options.port,
    stop: () => server.stop(true),
  };
}

function wrap(socket: Bun.ServerWebSocket<SocketData>): ServerSocket {
  return {
    remoteIp: socket.data.remoteIp,
    send: (data) => {
      socket.send(data);
    },
    bufferedBytes: () => socket.getBufferedAmount(),
    close: (code, reason) => socket.close(code, reason),
  };
}
