/**
 * HTTP/1.1 requests at a fraction of the cost of `fetch`, so that a load generator on the same
 * machine leaves the processor to what it measures: keep-alive sockets with one request at a time.
 */
import type { Socket } from "bun";
import { Fifo } from "../../../src/base/fifo.ts";

const CRLF2 = "\r\n\r\n";

interface Answer {
  readonly status: number;
  readonly text: string;
}

interface Request {
  readonly bytes: Buffer;
  readonly resolve: (answer: Answer) => void;
}

interface Line {
  socket: Socket<Line> | undefined;
  received: Buffer;
  current: Request | undefined;
  unsent: Buffer | undefined;
}

/** Some sockets to one server that share a queue of requests. */
export class RawHttp {
  readonly #idle: Line[] = [];
  readonly #lines: Line[] = [];
  readonly #urgent = new Fifo<Request>();
  readonly #queue = new Fifo<Request>();

  static async connect(url: string, sockets: number): Promise<RawHttp> {
    const http = new RawHttp();
    const { hostname, port } = new URL(url);
    for (let index = 0; index < sockets; index += 1) await http.#open(hostname, Number(port));
    return http;
  }

  /**
   * POSTs JSON, before everything that waits if it is urgent. Errors: never; a connection that is
   * lost leaves its request unanswered.
   */
  post(path: string, headers: string, body: string, isUrgent = false): Promise<Answer> {
    const length = Buffer.byteLength(body);
    const types = "Content-Type: application/json\r\nAccept: application/json\r\n";
    const head = `POST ${path} HTTP/1.1\r\nHost: allot\r\n${headers}${types}Content-Length: ${length}`;
    return this.#request(`${head}${CRLF2}${body}`, isUrgent ? this.#urgent : this.#queue);
  }

  get(path: string): Promise<Answer> {
    return this.#request(`GET ${path} HTTP/1.1\r\nHost: allot${CRLF2}`, this.#queue);
  }

  close(): void {
    for (const { socket } of this.#lines) socket?.terminate();
  }

  #request(text: string, queue: Fifo<Request>): Promise<Answer> {
    return new Promise((resolve) => {
      queue.push({ bytes: Buffer.from(text), resolve });
      this.#next();
    });
  }

  async #open(hostname: string, port: number): Promise<void> {
    const line: Line = {
      socket: undefined,
      received: Buffer.alloc(0),
      current: undefined,
      unsent: undefined,
    };
    line.socket = await Bun.connect<Line>({
      hostname,
      port,
      data: line,
      socket: {
        data: (_, bytes) => this.#receive(line, bytes),
        drain: () => flush(line),
      },
    });
    this.#lines.push(line);
    this.#idle.push(line);
  }

  #next(): void {
    while (this.#idle.length > 0) {
      const request = this.#urgent.take() ?? this.#queue.take();
      if (request === undefined) return;
      const line = this.#idle.pop();
      if (line === undefined) return;
      line.current = request;
      line.unsent = request.bytes;
      flush(line);
    }
  }

  #receive(line: Line, bytes: Buffer): void {
    line.received =
      line.received.length === 0 ? Buffer.from(bytes) : Buffer.concat([line.received, bytes]);
    const end = line.received.indexOf(CRLF2);
    if (end < 0) return;
    const head = line.received.toString("latin1", 0, end);
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
    const whole = end + CRLF2.length + length;
    if (line.received.length < whole) return;
    const text = line.received.toString("utf8", end + CRLF2.length, whole);
    line.received = line.received.subarray(whole);
    const { current } = line;
    line.current = undefined;
    this.#idle.push(line);
    this.#next();
    current?.resolve({ status: Number(head.slice(9, 12)), text });
  }
}

function flush(line: Line): void {
  if (line.unsent === undefined) return;
  const written = line.socket?.write(line.unsent) ?? 0;
  line.unsent =
    written < line.unsent.length ? line.unsent.subarray(Math.max(0, written)) : undefined;
}
