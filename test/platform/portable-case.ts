/**
 * Cases that run on Bun and on Deno alike: no bun:test in them, so that a Deno child process can
 * carry them out and tell the result line by line.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** One case; `run` throws when what its name says does not hold. */
export interface PortableCase {
  readonly name: string;
  run(): Promise<void>;
}

/** Waits until `check` holds, looking every few milliseconds. */
export async function until(
  check: () => boolean,
  what: string,
  limitMs: number = 5000,
): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (!check()) {
    if (performance.now() > endMs) throw new Error(`waited ${limitMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
}

/** A bare TCP connection that keeps what it hears, to speak broken or slow HTTP. */
export interface RawClient {
  readonly socket: Socket;
  heard(): string;
  bytesHeard(): number;
  isClosed(): boolean;
}

/** Connects to a port on loopback; the connection's errors count as closing. */
export async function rawClient(port: number, firstText: string): Promise<RawClient> {
  const socket = connect(port, "127.0.0.1");
  let text = "";
  let byteCount = 0;
  let isClosed = false;
  socket.on("data", (chunk: Uint8Array) => {
    byteCount += chunk.length;
    if (text.length < 100_000) text += new TextDecoder("latin1").decode(chunk);
  });
  socket.on("error", () => undefined);
  socket.on("close", () => {
    isClosed = true;
  });
  await once(socket, "connect");
  socket.write(firstText);
  return {
    socket,
    heard: () => text,
    bytesHeard: () => byteCount,
    isClosed: () => isClosed,
  };
}

/** The request that opens a WebSocket by hand. */
export function upgradeText(path: string): string {
  return [
    `GET ${path} HTTP/1.1`,
    "Host: here",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "\r\n",
  ].join("\r\n");
}
