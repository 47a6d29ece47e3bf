/** Hears of every death of a container of ours, by one stream of events that is always kept open. */
import type { Clock, Log } from "../../base/ports.ts";
import { Answer } from "./answer.ts";
import type { Engine } from "./engine.ts";
import { type EngineStream, linesOf } from "./engine-client.ts";
import { RETRY_MS_MAX, RETRY_MS_MIN } from "./limits.ts";

export interface DeathWatchOptions {
  readonly engine: Engine;
  /** `name=value` of the label that our containers carry. */
  readonly label: string;
  readonly clock: Clock;
  readonly log: Log;
  /** The Engine's id of a container that died. */
  readonly onDeath: (engineId: string) => void;
  /** The stream is open, anew: what happened before is to be looked up. */
  readonly onOpen: () => void;
  /** There is no stream until the next `onOpen`: deaths are not heard of. */
  readonly onDown: () => void;
}

export class DeathWatch {
  readonly #options: DeathWatchOptions;
  #stream: EngineStream | undefined;
  #wake: () => void = () => undefined;
  #isStopped = false;

  constructor(options: DeathWatchOptions) {
    this.#options = options;
  }

  /** Runs until `stop`. Never rejects. */
  async run(): Promise<void> {
    let pauseMs = RETRY_MS_MIN;
    while (!this.#isStopped) {
      this.#options.onDown();
      try {
        await this.#listen();
        pauseMs = RETRY_MS_MIN;
      } catch (error) {
        this.#options.log.write("debug", "the stream of Docker's events is down", { error });
      }
      if (this.#isStopped) return;
      await this.#pause(pauseMs);
      pauseMs = Math.min(pauseMs * 2, RETRY_MS_MAX);
    }
  }

  stop(): void {
    this.#isStopped = true;
    this.#stream?.close();
    this.#wake();
  }

  async #listen(): Promise<void> {
    const stream = await this.#options.engine.deaths(this.#options.label);
    this.#stream = stream;
    if (this.#isStopped) stream.close();
    this.#options.onOpen();
    for await (const line of linesOf(stream.chunks)) {
      const engineId = idIn(line);
      if (engineId !== undefined) this.#options.onDeath(engineId);
    }
  }

  #pause(pauseMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.clock.schedule(pauseMs, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }
}

function idIn(line: string): string | undefined {
  try {
    return new Answer(JSON.parse(line)).at("Actor", "ID").text();
  } catch {
    // An event that cannot be read is made good for by the next look at all containers.
    return undefined;
  }
}
