/** A TCP proxy on loopback that can cut, freeze and count what passes. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

export class TcpProxy {
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  /** Bytes towards the server after which the connection is cut, in the middle of what it carries. */
  cutAfterBytes: number = Number.POSITIVE_INFINITY;
  /** As `cutAfterBytes`, of the next bytes towards the client, on any connection; used up by a cut. */
  cutAnswersAfterBytes: number = Number.POSITIVE_INFINITY;
  #isFrozen = false;

  private constructor(targetPort: number) {
    this.#server = createServer((client) => this.#join(client, connect(targetPort, "127.0.0.1")));
  }

  static async start(targetPort: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(targetPort);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Nothing passes any more, nothing is closed: a network that swallows. */
  freeze(): void {
    this.#isFrozen = true;
  }

  thaw(): void {
    this.#isFrozen = false;
  }

  /** Ends all connections; new ones are taken. */
  cut(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
  }

  stop(): void {
    this.#server.close();
    this.cut();
  }

  #join(client: Socket, server: Socket): void {
    const pair = [client, server] as const;
    this.#pairs.add(pair);
    let passed = 0;
    const end = (): void => {
      for (const socket of pair) socket.destroy();
      this.#pairs.delete(pair);
    };
    for (const socket of pair) {
      socket.on("error", end);
      socket.on("close", end);
    }
    server.on("data", (chunk: Uint8Array) => {
      if (this.#isFrozen) return;
      const left = this.cutAnswersAfterBytes;
      this.cutAnswersAfterBytes -= chunk.length;
      if (chunk.length < left) client.write(chunk);
      else {
        this.cutAnswersAfterBytes = Number.POSITIVE_INFINITY;
        client.write(chunk.subarray(0, left), end);
      }
    });
    client.on("data", (chunk: Uint8Array) => {
      if (this.#isFrozen) return;
      const left = this.cutAfterBytes - passed;
      passed += chunk.length;
      if (chunk.length < left) server.write(chunk);
      else server.write(chunk.subarray(0, left), end);
    });
  }
}
