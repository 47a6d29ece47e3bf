/**
 * HTTP/1.1 requests at a fraction of the cost of `fetch`, so that a load generator on the same
 * machine leaves the processor to what it measures. As with Mesos' own library there is one kept
 * connection, and requests do not wait for the answers to those before; unlike there, no more than
 * a window of them is under way, and what is asked for in one turn of the event loop is one write.
 */
import type { Socket } from "bun";
import { Fifo } from "../../../src/base/fifo.ts";

const CRLF2 = "\r\n\r\n";

interface Answer {
  readonly status: number;
  readonly text: string;
}

interface Request {
  readonly text: string;
  readonly resolve: (answer: Answer) => void;
}

export class RawHttp {
  readonly #windowLength: number;
  readonly #urgent = new Fifo<Request>();
  readonly #queue = new Fifo<Request>();
  readonly #underWay = new Fifo<Request>();
  /** Characters of requests under way. */
  #lengthUnderWay = 0;
  #isFlushDue = false;
  #socket: Socket | undefined;
  #unsent: Buffer | undefined;
  #received: Buffer = Buffer.alloc(0);

  private constructor(windowLength: number) {
    this.#windowLength = windowLength;
  }

  /** At least one request is under way, and beyond that no more characters than `windowLength`. */
  static async connect(url: string, windowLength: number = 0): Promise<RawHttp> {
    const http = new RawHttp(windowLength);
    const { hostname, port } = new URL(url);
    http.#socket = await Bun.connect({
      hostname,
      port: Number(port),
      socket: {
        data: (_, bytes) => http.#receive(bytes),
        drain: () => http.#write(),
      },
    });
    return http;
  }

  /**
   * POSTs JSON that is ASCII, before everything that waits if it is urgent. Errors: never; a
   * connection that is lost leaves its requests unanswered.
   */
  post(path: string, headers: string, body: string, isUrgent = false): Promise<Answer> {
    const types = "Content-Type: application/json\r\nAccept: application/json\r\n";
    const head = `POST ${path} HTTP/1.1\r\nHost: allot\r\n${headers}${types}Content-Length: ${body.length}`;
    return this.#request(`${head}${CRLF2}${body}`, isUrgent ? this.#urgent : this.#queue);
  }

  get(path: string): Promise<Answer> {
    return this.#request(`GET ${path} HTTP/1.1\r\nHost: allot${CRLF2}`, this.#queue);
  }

  close(): void {
    this.#socket?.terminate();
  }

  #request(text: string, queue: Fifo<Request>): Promise<Answer> {
    return new Promise((resolve) => {
      queue.push({ text, resolve });
      this.#flushSoon();
    });
  }

  #flushSoon(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    setImmediate(() => {
      this.#isFlushDue = false;
      this.#flush();
    });
  }

  #flush(): void {
    let text = "";
    while (this.#underWay.length === 0 || this.#lengthUnderWay < this.#windowLength) {
      const request = this.#urgent.take() ?? this.#queue.take();
      if (request === undefined) break;
      this.#underWay.push(request);
      this.#lengthUnderWay += request.text.length;
      text += request.text;
    }
    if (text === "") return;
    const bytes = Buffer.from(text, "latin1");
    const isWriting = this.#unsent !== undefined;
    this.#unsent = this.#unsent === undefined ? bytes : Buffer.concat([this.#unsent, bytes]);
    if (!isWriting) this.#write();
  }

  #write(): void {
    if (this.#unsent === undefined) return;
    const written = Math.max(0, this.#socket?.write(this.#unsent) ?? 0);
    this.#unsent = written < this.#unsent.length ? this.#unsent.subarray(written) : undefined;
  }

  #receive(bytes: Buffer): void {
    const received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
    let start = 0;
    for (;;) {
      const end = received.indexOf(CRLF2, start);
      if (end < 0) break;
      const head = received.toString("latin1", start, end);
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
      const next = end + CRLF2.length + length;
      if (received.length < next) break;
      this.#answered({
        status: Number(head.slice(9, 12)),
        text: received.toString("utf8", end + CRLF2.length, next),
      });
      start = next;
    }
    this.#received = Buffer.from(received.subarray(start));
  }

  #answered(answer: Answer): void {
    const request = this.#underWay.take();
    if (request === undefined) return;
    this.#lengthUnderWay -= request.text.length;
    request.resolve(answer);
    if (this.#urgent.length + this.#queue.length > 0) this.#flushSoon();
  }
}
