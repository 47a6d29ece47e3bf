/**
 * A framework that subscribes and does nothing, on a bare socket: a thousand of them cost little,
 * and one can stop reading, which readers of higher layers do not let one do.
 */
import { connect, type Socket } from "node:net";
import { until } from "../../harness/wait.ts";

export class Subscriber {
  readonly #socket: Socket;
  #text = "";
  #byteCount = 0;
  #isOver = false;

  private constructor(url: string, name: string) {
    const { hostname, port } = new URL(url);
    const framework_info = {
      user: "root",
      name,
      roles: ["*"],
      capabilities: [{ type: "MULTI_ROLE" }],
    };
    const body = JSON.stringify({ type: "SUBSCRIBE", subscribe: { framework_info } });
    const head = [
      "POST /api/v1/scheduler HTTP/1.1",
      "Host: allot",
      "Content-Type: application/json",
      "Accept: application/json",
      `Content-Length: ${body.length}`,
    ];
    this.#socket = connect(Number(port), hostname, () => {
      this.#socket.write(`${head.join("\r\n")}\r\n\r\n${body}`);
    });
    this.#socket.on("data", (bytes: Buffer) => {
      this.#byteCount += bytes.length;
      if (this.#id === undefined) this.#text += bytes.toString("utf8");
    });
    this.#socket.on("error", () => undefined);
    this.#socket.once("close", () => {
      this.#isOver = true;
    });
  }

  /** Resolves once SUBSCRIBED has come. */
  static async open(url: string, name: string): Promise<Subscriber> {
    const subscriber = new Subscriber(url, name);
    await until(`${name} to be subscribed`, () => subscriber.#id !== undefined);
    return subscriber;
  }

  /** Header line and framework id for calls. */
  get credentials(): { readonly header: string; readonly id: string } {
    const stream = /^Mesos-Stream-Id: (\S+)/im.exec(this.#text)?.[1] ?? "";
    return { header: `Mesos-Stream-Id: ${stream}\r\n`, id: this.#id ?? "" };
  }

  /** Bytes that came so far. */
  get byteCount(): number {
    return this.#byteCount;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Takes nothing more, over a connection that stays open. */
  stopReading(): void {
    this.#socket.pause();
  }

  close(): void {
    this.#socket.destroy();
  }

  get #id(): string | undefined {
    return /"framework_id":\{"value":"([^"]+)"/.exec(this.#text)?.[1];
  }
}
