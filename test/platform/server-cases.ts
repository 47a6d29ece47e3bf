/**
 * What the server must do alike on Bun and Deno: how it listens, bounds, upgrades and stops. Each
 * case starts a server of its own on a port the system chooses.
 */
import { deepEqual, equal, ok } from "node:assert/strict";
import { loadServe } from "../../src/platform/server.ts";
import {
  ListenError,
  type Server,
  type ServerOptions,
  type ServerSocket,
} from "../../src/platform/server-types.ts";
import { type PortableCase, rawClient, until, upgradeText } from "./portable-case.ts";

const BODY_BYTES = 100_000;
const MESSAGE_BYTES = 50_000;

/** What the server's sockets have seen, newest last. */
interface Seen {
  readonly events: string[];
  readonly sockets: ServerSocket[];
}

async function withServer(
  run: (server: Server, seen: Seen) => Promise<void>,
  fetch: ServerOptions["fetch"] = answer,
): Promise<void> {
  const seen: Seen = { events: [], sockets: [] };
  const serve = await loadServe();
  const server = await serve({
    ip: "127.0.0.1",
    port: 0,
    maxBodyBytes: BODY_BYTES,
    maxSocketMessageBytes: MESSAGE_BYTES,
    fetch,
    webSocket: { path: "/socket", accept: (socket) => accept(socket, seen) },
  });
  try {
    await run(server, seen);
  } finally {
    await server.stop();
  }
}

function accept(socket: ServerSocket, seen: Seen) {
  seen.sockets.push(socket);
  return {
    message: (data: Uint8Array) => {
      seen.events.push(`message ${data.length}`);
      socket.send(data);
    },
    drained: () => undefined,
    closed: () => {
      seen.events.push("closed");
    },
  };
}

async function answer(request: Request, remoteIp: () => string): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (pathname === "/size") return new Response(String((await request.bytes()).length));
  return new Response(`${pathname} for ${remoteIp()}`);
}

async function openSocket(server: Server): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}/socket`);
  socket.binaryType = "arraybuffer";
  await new Promise((resolve) => socket.addEventListener("open", resolve));
  return socket;
}

export const SERVER_CASES: readonly PortableCase[] = [
  {
    name: "a handler learns the address of the client as plain IPv4",
    run: () =>
      withServer(async (server) => {
        const response = await fetch(`http://127.0.0.1:${server.port}/a?b=c`);
        equal(await response.text(), "/a for 127.0.0.1");
      }),
  },
  {
    name: "a body above the limit is answered with 413, one at the limit is read [http-api 2.3]",
    run: () =>
      withServer(async (server) => {
        const url = `http://127.0.0.1:${server.port}/size`;
        const post = (size: number) => fetch(url, { method: "POST", body: new Uint8Array(size) });
        equal(await (await post(BODY_BYTES)).text(), String(BODY_BYTES));
        const refused = await post(BODY_BYTES + 1);
        equal(refused.status, 413);
        await refused.body?.cancel();
      }),
  },
  {
    name: "two requests sent at once on one connection are answered in order",
    run: () =>
      withServer(async (server) => {
        const request = (path: string) => `GET ${path} HTTP/1.1\r\nHost: here\r\n\r\n`;
        const client = await rawClient(server.port, request("/one") + request("/two"));
        await until(() => client.heard().includes("/two for"), "the second answer");
        ok(client.heard().indexOf("/one for") < client.heard().indexOf("/two for"));
        client.socket.write(request("/three"));
        await until(() => client.heard().includes("/three for"), "an answer after keep-alive");
        client.socket.destroy();
      }),
  },
  {
    name: "a broken request line is refused and the connection closed",
    run: () =>
      withServer(async (server) => {
        const client = await rawClient(server.port, "THIS IS NOT HTTP\r\n\r\n");
        await until(client.isClosed, "the connection to be closed");
        ok(!client.heard().includes(" 200 "));
      }),
  },
  {
    name: "a taken port is a ListenError that says what to do",
    run: () =>
      withServer(async (server) => {
        const serve = await loadServe();
        const options = { ip: "127.0.0.1", port: server.port, maxBodyBytes: 1 };
        const error = await serve({ ...options, maxSocketMessageBytes: 1, fetch: answer }).then(
          () => undefined,
          (cause: unknown) => cause,
        );
        ok(error instanceof ListenError);
        equal(error.code, "EADDRINUSE");
        ok(error.message.includes(`127.0.0.1:${server.port}`), error.message);
        ok(error.message.includes("choose another address"), error.message);
      }),
  },
  {
    name: "a plain request for the WebSocket's path goes to the routes",
    run: () =>
      withServer(async (server) => {
        const response = await fetch(`http://127.0.0.1:${server.port}/socket`);
        equal(await response.text(), "/socket for 127.0.0.1");
      }),
  },
  {
    name: "WebSocket messages come and go as bytes, text included",
    run: () =>
      withServer(async (server, seen) => {
        const socket = await openSocket(server);
        const sizes: number[] = [];
        socket.addEventListener("message", (event: MessageEvent<ArrayBuffer>) => {
          sizes.push(event.data.byteLength);
        });
        socket.send(new Uint8Array(MESSAGE_BYTES));
        socket.send("ä");
        await until(() => sizes.length === 2, "both echoes");
        deepEqual(sizes, [MESSAGE_BYTES, 2]);
        socket.close();
        await until(() => seen.events.includes("closed"), "the server to see the end");
      }),
  },
  {
    name: "a WebSocket message above the limit ends that connection, unheard",
    run: () =>
      withServer(async (server, seen) => {
        const socket = await openSocket(server);
        const isClosed = new Promise((resolve) => socket.addEventListener("close", resolve));
        socket.send(new Uint8Array(MESSAGE_BYTES + 1));
        await isClosed;
        await until(() => seen.events.length > 0, "the end");
        deepEqual(seen.events, ["closed"]);
      }),
  },
  {
    name: "closing a WebSocket tells its handler once, even when the peer never answers",
    run: () =>
      withServer(async (server, seen) => {
        const client = await rawClient(server.port, upgradeText("/socket"));
        await until(() => seen.sockets.length === 1, "the upgrade");
        client.socket.pause();
        const [socket] = seen.sockets;
        socket?.close(1008, "enough");
        await until(() => seen.events.length > 0, "the end", 500);
        socket?.close(1008, "again");
        socket?.send(new Uint8Array(1));
        deepEqual(seen.events, ["closed"]);
        client.socket.destroy();
      }),
  },
  {
    name: "a WebSocket that leaves 32 MB unread is cut and its memory bounded",
    run: () =>
      withServer(async (server, seen) => {
        const client = await rawClient(server.port, upgradeText("/socket"));
        await until(() => seen.sockets.length === 1, "the upgrade");
        client.socket.pause();
        const [socket] = seen.sockets;
        let bufferedMax = 0;
        for (let count = 0; count < 100 && seen.events.length === 0; count++) {
          socket?.send(new Uint8Array(1024 * 1024));
          bufferedMax = Math.max(bufferedMax, socket?.bufferedBytes() ?? 0);
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
        await until(() => seen.events.length > 0, "the cut");
        deepEqual(seen.events, ["closed"]);
        ok(bufferedMax < 40 * 1024 * 1024, `${bufferedMax} bytes were buffered`);
        client.socket.destroy();
      }),
  },
  {
    name: "a client that goes away ends its stream at once, by signal and by cancel",
    run: async () => {
      const ends: string[] = [];
      const stream = (request: Request): Response => {
        request.signal.addEventListener("abort", () => ends.push("signal"));
        const body = new ReadableStream<Uint8Array>({
          start: (controller) => controller.enqueue(new Uint8Array(10)),
          cancel: () => {
            ends.push("cancel");
          },
        });
        return new Response(body);
      };
      await withServer(async (server) => {
        const client = await rawClient(server.port, "GET / HTTP/1.1\r\nHost: here\r\n\r\n");
        await until(() => client.heard().includes("200"), "the answer to begin");
        client.socket.destroy();
        await until(() => ends.length === 2, `both ends, have ${ends}`, 1000);
      }, stream);
    },
  },
  {
    name: "stop cuts streams and WebSockets and frees the port",
    run: async () => {
      const endless = (): Response =>
        new Response(
          new ReadableStream<Uint8Array>({
            start: (controller) => controller.enqueue(new Uint8Array(10)),
          }),
        );
      let port = 0;
      const clients: { isClosed(): boolean }[] = [];
      await withServer(async (server, seen) => {
        port = server.port;
        clients.push(await rawClient(port, "GET / HTTP/1.1\r\nHost: here\r\n\r\n"));
        clients.push(await rawClient(port, upgradeText("/socket")));
        await until(() => seen.sockets.length === 1, "the upgrade");
      }, endless);
      await until(() => clients.every((client) => client.isClosed()), "all to be cut");
      const serve = await loadServe();
      const options = { ip: "127.0.0.1", port, maxBodyBytes: 1, maxSocketMessageBytes: 1 };
      await (await serve({ ...options, fetch: answer })).stop();
    },
  },
];
