/** A TCP proxy on loopback that loses nothing, but passes slowly, or not at all for a while. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

export class SlowProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #held = new Set<Socket>();
  #isFrozen = false;
  /** From the target to its clients, each connection for itself. */
  bytesPerSecond: number = Number.POSITIVE_INFINITY;

  private constructor(targetPort: number) {
    this.#server = createServer((client) => this.#join(client, connect(targetPort, "127.0.0.1")));
  }

  static async start(targetPort: number): Promise<SlowProxy> {
    const proxy = new SlowProxy(targetPort);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Nothing passes until `thaw`; what waits is kept. */
  freeze(): void {
    this.#isFrozen = true;
  }

  thaw(): void {
    this.#isFrozen = false;
    for (const socket of this.#held) socket.resume();
    this.#held.clear();
  }

  stop(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #join(client: Socket, target: Socket): void {
    const pair = [client, target] as const;
    for (const socket of pair) {
      this.#sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        for (const each of pair) {
          each.destroy();
          this.#sockets.delete(each);
          this.#held.delete(each);
        }
      });
    }
    client.on("data", (chunk: Uint8Array) => this.#pass(client, target, chunk, 0));
    target.on("data", (chunk: Uint8Array) => {
      this.#pass(target, client, chunk, (chunk.length / this.bytesPerSecond) * 1000);
    });
  }

  #pass(from: Socket, to: Socket, chunk: Uint8Array, pauseMs: number): void {
    from.pause();
    to.write(chunk, () => {
      setTimeout(() => {
        if (this.#isFrozen) this.#held.add(from);
        else from.resume();
      }, pauseMs);
    });
  }
}
