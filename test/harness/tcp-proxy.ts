/** A TCP proxy on loopback that can cut, and swallow what passes. */
import type { Socket } from "node:net";
import { LoopbackProxy } from "./loopback-proxy.ts";

export class TcpProxy extends LoopbackProxy {
  /** Bytes towards the server after which the connection is cut, in the middle of what it carries. */
  cutAfterBytes: number = Number.POSITIVE_INFINITY;
  /** As `cutAfterBytes`, of the next bytes towards the client, on any connection; used up by a cut. */
  cutAnswersAfterBytes: number = Number.POSITIVE_INFINITY;
  #isFrozen = false;

  static start(targetPort: number): Promise<TcpProxy> {
    return new TcpProxy(targetPort).listen();
  }

  /** Nothing passes any more, nothing is closed: a network that swallows. */
  freeze(): void {
    this.#isFrozen = true;
  }

  thaw(): void {
    this.#isFrozen = false;
  }

  protected override relay(client: Socket, target: Socket): void {
    let passed = 0;
    const end = (): void => {
      client.destroy();
      target.destroy();
    };
    target.on("data", (chunk: Uint8Array) => {
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
      if (chunk.length < left) target.write(chunk);
      else target.write(chunk.subarray(0, left), end);
    });
  }
}
