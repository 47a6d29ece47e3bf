/** What proxies on loopback have in common: a port, and pairs of sockets that end together. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

export abstract class LoopbackProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(targetPort: number) {
    this.#server = createServer((client) => this.#join(client, connect(targetPort, "127.0.0.1")));
  }

  /** Listens on a port of the system's choice. */
  protected async listen(): Promise<this> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return this;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Ends all connections; new ones are taken. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  stop(): void {
    this.#server.close();
    this.cut();
  }

  /** Passes on what comes from either side. */
  protected abstract relay(client: Socket, target: Socket): void;

  /** The pair is gone. */
  protected ended(_socket: Socket): void {
    // Most keep nothing of it.
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
          this.ended(each);
        }
      });
    }
    this.relay(client, target);
  }
}
