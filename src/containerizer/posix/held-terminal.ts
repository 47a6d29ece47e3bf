/** A pseudo-terminal whose two ends wait for each other, as those of pipes do by themselves. */
import type { Clock, OpenTerminal, Terminal, TerminalSize } from "../../base/ports.ts";
import type { InteractiveSpec } from "../containerizer.ts";
import { TERMINAL_INPUT_BYTES, TERMINAL_INPUT_MS } from "../limits.ts";

export class HeldTerminal {
  readonly #terminal: Terminal;
  readonly #onOutput: InteractiveSpec["onOutput"];
  #isStopped = false;
  /** Written since all had been taken, at most. */
  #waitingBytes = 0;
  #taken: PromiseWithResolvers<void> | undefined;
  #cancelWait = (): void => undefined;
  readonly #clock: Clock;

  /** Throws what the system throws. */
  constructor(
    open: OpenTerminal,
    clock: Clock,
    size: TerminalSize,
    onOutput: InteractiveSpec["onOutput"],
  ) {
    this.#clock = clock;
    this.#onOutput = onOutput;
    this.#terminal = open(
      size,
      (data) => this.#output(data),
      () => this.#allTaken(),
    );
  }

  /** Of the other end, a device. */
  get path(): string {
    return this.#terminal.path;
  }

  /** A promise asks for no more until it resolves. What a person types is never held up. */
  write(data: Uint8Array): Promise<void> | undefined {
    this.#waitingBytes += data.length;
    this.#terminal.write(data);
    if (this.#waitingBytes <= TERMINAL_INPUT_BYTES) return undefined;
    if (this.#taken === undefined) {
      this.#taken = Promise.withResolvers<void>();
      this.#look();
    }
    return this.#taken.promise;
  }

  resize(size: TerminalSize): void {
    this.#terminal.resize(size);
  }

  /** Whatever runs on it is hung up. Safe to repeat. */
  close(): void {
    this.#terminal.close();
    this.#allTaken();
  }

  #output(data: Uint8Array<ArrayBuffer>): void {
    const room = this.#onOutput("stdout", data);
    if (room === undefined || this.#isStopped) return;
    this.#isStopped = true;
    this.#terminal.stop();
    void room.then(() => {
      this.#isStopped = false;
      this.#terminal.go();
    });
  }

  /** Nobody tells of what was taken at once. */
  #look(): void {
    this.#cancelWait = this.#clock.schedule(TERMINAL_INPUT_MS, () => {
      if (this.#terminal.isRead()) this.#allTaken();
      else this.#look();
    });
  }

  #allTaken(): void {
    this.#waitingBytes = 0;
    this.#cancelWait();
    this.#taken?.resolve();
    this.#taken = undefined;
  }
}
