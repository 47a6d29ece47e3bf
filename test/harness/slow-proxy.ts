/** A TCP proxy on loopback that loses nothing, but passes slowly, or not at all for a while. */
import type { Socket } from "node:net";
import { LoopbackProxy } from "./loopback-proxy.ts";

export class SlowProxy extends LoopbackProxy {
  readonly #held = new Set<Socket>();
  #isFrozen = false;
  /** From the target to its clients, each connection for itself. */
  bytesPerSecond: number = Number.POSITIVE_INFINITY;

  static start(targetPort: number): Promise<SlowProxy> {
    return new SlowProxy(targetPort).listen();
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

  protected override ended(socket: Socket): void {
    this.#held.delete(socket);
  }

  protected override relay(client: Socket, target: Socket): void {
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
