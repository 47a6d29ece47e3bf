/**
 * Stands between a client and a Docker Engine and holds back what it is told to: an Engine that is
 * late with some of its calls or answers, and with no others.
 */
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** Between the head of an answer and its break. */
const BREAK_MS = 50;
/** Of answers that come slowly. */
const PIECE_BYTES = 1024;

/** Calls that are held, until they are let go. */
export interface Held {
  /** How many wait now. */
  readonly count: number;
  /** They go on, and so do all that come later. */
  release(): void;
}

type Half = "call" | "answer";

interface Hold {
  readonly half: Half;
  /** Of the first line of the request. */
  readonly pattern: RegExp;
  readonly released: PromiseWithResolvers<void>;
  count: number;
}

export class EngineGate {
  readonly socketPath: string;
  readonly #target: string;
  readonly #server: Server;
  readonly #open = new Map<Socket, string>();
  readonly #holds = new Set<Hold>();
  #broken: RegExp | undefined;
  #slow: { readonly pattern: RegExp; readonly bytesPerSecond: number } | undefined;

  private constructor(socketPath: string, target: string) {
    this.socketPath = socketPath;
    this.#target = target;
    this.#server = createServer({ allowHalfOpen: true }, (client) => {
      this.#pass(client).catch(() => client.destroy());
    });
  }

  /** Listens at `socketPath` for the Engine at `target`. */
  static async start(socketPath: string, target: string): Promise<EngineGate> {
    const gate = new EngineGate(socketPath, target);
    gate.#server.listen(socketPath);
    await once(gate.#server, "listening");
    return gate;
  }

  /** Calls like this do not reach the Engine. */
  holdCalls(pattern: RegExp): Held {
    return this.#hold("call", pattern);
  }

  /** Calls like this are carried out, and their answers do not come. */
  holdAnswers(pattern: RegExp): Held {
    return this.#hold("answer", pattern);
  }

  /** Answers to calls like this come no faster from now on. */
  slowAnswers(pattern: RegExp, bytesPerSecond: number): void {
    this.#slow = { pattern, bytesPerSecond };
  }

  /** Answers to calls like this begin, and then are hung up on, from now on. */
  breakAnswers(pattern: RegExp): void {
    this.#broken = pattern;
  }

  /** Hangs up on all calls like this. */
  cut(pattern: RegExp): void {
    for (const [client, line] of this.#open) if (pattern.test(line)) client.destroy();
  }

  stop(): void {
    this.#server.close();
    this.cut(/^/);
  }

  #hold(half: Half, pattern: RegExp): Held {
    const hold: Hold = { half, pattern, released: Promise.withResolvers<void>(), count: 0 };
    this.#holds.add(hold);
    return {
      get count() {
        return hold.count;
      },
      release: () => {
        this.#holds.delete(hold);
        hold.released.resolve();
      },
    };
  }

  async #pass(client: Socket): Promise<void> {
    client.on("error", () => client.destroy());
    const [first] = (await once(client, "data")) as [Buffer];
    client.pause();
    const line = first.toString("latin1").split("\r\n")[0] ?? "";
    this.#open.set(client, line);
    await this.#wait("call", line);
    if (client.destroyed) return;
    const target = connect({ path: this.#target, allowHalfOpen: true });
    target.on("error", () => client.destroy());
    client.once("close", () => {
      this.#open.delete(client);
      target.destroy();
    });
    target.write(first);
    client.pipe(target);
    await this.#wait("answer", line);
    if (this.#broken?.test(line) === true) {
      target.once("data", (begin: Buffer) => {
        client.write(begin.subarray(0, begin.indexOf("\r\n\r\n") + 4));
        setTimeout(() => client.destroy(), BREAK_MS);
      });
    } else if (this.#slow?.pattern.test(line) !== true) target.pipe(client);
    else await trickle(target, client, this.#slow.bytesPerSecond);
  }

  async #wait(half: Half, line: string): Promise<void> {
    for (const hold of this.#holds) {
      if (hold.half !== half || !hold.pattern.test(line)) continue;
      hold.count += 1;
      await hold.released.promise;
      hold.count -= 1;
    }
  }
}

async function trickle(source: Socket, sink: Socket, bytesPerSecond: number): Promise<void> {
  for await (const chunk of source as AsyncIterable<Uint8Array>) {
    for (let at = 0; at < chunk.length; at += PIECE_BYTES) {
      const piece = chunk.subarray(at, at + PIECE_BYTES);
      sink.write(piece);
      await sleep((piece.length / bytesPerSecond) * 1000);
    }
  }
  sink.end();
}
