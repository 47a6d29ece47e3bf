/**
 * `memcached-load.ts PORT PER_SECOND SECONDS`: asks a memcached so many times per second, nine reads
 * to one write, and prints how long each answer took as one JSON array of milliseconds. Requests come
 * as from many clients who know nothing of each other: at a steady pace they would keep step with the
 * periods of the kernel, and a run would meet the beginning of each or of none. The clock of a
 * request starts when it is due, also when the one before it is still unanswered, so that a stall
 * counts for everybody who would have come meanwhile. Blocking system calls and no event loop: what
 * is measured is memcached's time and not this program's.
 */
import { dlopen, FFIType, ptr } from "bun:ffi";
import process from "node:process";

const KEYS = 1000;
const VALUE = "v".repeat(100);
const WRITE_EVERY = 10;
const ANSWER_BYTES_MAX = 4096;
const NS_PER_MS = 1e6;
const NS_PER_SECOND = 1e9;
/** Not measured: the first requests, which meet cold caches. */
const WARM_UP_SECONDS = 1;

const AF_INET = 2;
const SOCK_STREAM = 1;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;

const { symbols: libc } = dlopen("libc.so.6", {
  socket: { args: [FFIType.i32, FFIType.i32, FFIType.i32], returns: FFIType.i32 },
  setsockopt: {
    args: [FFIType.i32, FFIType.i32, FFIType.i32, FFIType.ptr, FFIType.u32],
    returns: FFIType.i32,
  },
  connect: { args: [FFIType.i32, FFIType.ptr, FFIType.u32], returns: FFIType.i32 },
  send: { args: [FFIType.i32, FFIType.ptr, FFIType.u64, FFIType.i32], returns: FFIType.i64 },
  recv: { args: [FFIType.i32, FFIType.ptr, FFIType.u64, FFIType.i32], returns: FFIType.i64 },
  usleep: { args: [FFIType.u32], returns: FFIType.i32 },
});

class Connection {
  readonly #socket: number;
  readonly #answer = Buffer.alloc(ANSWER_BYTES_MAX);

  constructor(port: number) {
    this.#socket = libc.socket(AF_INET, SOCK_STREAM, 0);
    const on = new Int32Array([1]);
    libc.setsockopt(this.#socket, IPPROTO_TCP, TCP_NODELAY, ptr(on), on.byteLength);
    const address = new Uint8Array([AF_INET, 0, port >> 8, port & 255, 127, 0, 0, 1, ...zeros(8)]);
    if (libc.connect(this.#socket, ptr(address), address.length) !== 0) {
      throw new Error(`nobody answers at port ${port}`);
    }
  }

  /** Sends the request and waits for the whole answer. */
  ask(request: Buffer, end: string): void {
    if (Number(libc.send(this.#socket, ptr(request), request.length, 0)) !== request.length) {
      throw new Error("a request could not be sent");
    }
    let length = 0;
    do {
      const free = ANSWER_BYTES_MAX - length;
      const received = Number(libc.recv(this.#socket, ptr(this.#answer, length), free, 0));
      if (received <= 0) throw new Error("memcached has hung up");
      length += received;
    } while (this.#answer.toString("latin1", length - end.length, length) !== end);
  }
}

function zeros(count: number): number[] {
  return Array.from({ length: count }, () => 0);
}

function load(port: number, perSecond: number, seconds: number): number[] {
  const connection = new Connection(port);
  const keys = Array.from({ length: KEYS }, (_, key) => `key-${key}`);
  const writes = keys.map((key) =>
    Buffer.from(`set ${key} 0 0 ${VALUE.length}\r\n${VALUE}\r\n`, "latin1"),
  );
  const reads = keys.map((key) => Buffer.from(`get ${key}\r\n`, "latin1"));
  for (const write of writes) connection.ask(write, "STORED\r\n");
  const warmUp = WARM_UP_SECONDS * perSecond;
  const count = warmUp + seconds * perSecond;
  const latencies = new Float64Array(count);
  let dueNs = Bun.nanoseconds();
  for (let index = 0; index < count; index += 1) {
    dueNs += -Math.log(1 - Math.random()) * (NS_PER_SECOND / perSecond);
    const aheadNs = dueNs - Bun.nanoseconds();
    if (aheadNs > 0) libc.usleep(aheadNs / 1000);
    const key = (index * 7919) % KEYS;
    if (index % WRITE_EVERY === 0) connection.ask(writes[key] ?? Buffer.of(), "STORED\r\n");
    else connection.ask(reads[key] ?? Buffer.of(), "END\r\n");
    latencies[index] = Math.round(Bun.nanoseconds() - dueNs) / NS_PER_MS;
  }
  return [...latencies.subarray(warmUp)];
}

const [port, perSecond, seconds] = process.argv.slice(2).map(Number);
if (port === undefined || perSecond === undefined || seconds === undefined) {
  throw new Error("usage: memcached-load.ts PORT PER_SECOND SECONDS");
}
console.log(JSON.stringify(load(port, perSecond, seconds)));
