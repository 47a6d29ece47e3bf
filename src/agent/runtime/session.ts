/**
 * A command that somebody is connected to: its output goes to whoever attached, or waits for the
 * first who does; its input comes from one caller at a time. Source: http-api 7.3.
 */
import type { TerminalSize } from "../../base/ports.ts";
import { ok, type Result, refuse } from "../../base/result.ts";
import type { Interaction } from "../../containerizer/containerizer.ts";
import { SESSION_OUTPUT_BYTES } from "./limits.ts";

export interface OutputPiece {
  readonly stream: "stdout" | "stderr";
  readonly data: Uint8Array<ArrayBuffer>;
}

/** Gets output in order; `ended` is the last call. */
export interface OutputReader {
  /** A promise asks for no more until it resolves, which it does also when the reader leaves. */
  output(piece: OutputPiece): Promise<void> | undefined;
  ended(): void;
}

/** What one caller writes. */
export interface InputWriter {
  /** A promise asks for no more until it resolves, at the latest when the command is over. */
  write(data: Uint8Array): Promise<void> | undefined;
  closeInput(): void;
  resize(size: TerminalSize): void;
  /** The command is over. */
  readonly ended: Promise<void>;
  /** Another may be attached from now on. */
  release(): void;
}

export class Session {
  readonly #readers = new Set<OutputReader>();
  #waiting: OutputPiece[] = [];
  #waitingBytes = 0;
  /** Resolves when the first reader has come, or none will. */
  readonly #first = Promise.withResolvers<void>();
  #isFirstToCome = true;
  #interaction: Interaction | undefined;
  readonly #ended = Promise.withResolvers<void>();
  #isInputTaken = false;
  #isEnded = false;

  /** Called once, when the command runs. */
  begin(interaction: Interaction): void {
    this.#interaction = interaction;
  }

  /** A promise asks for no more until it resolves: the slowest reader, or the first, is waited for. */
  output(piece: OutputPiece): Promise<void> | undefined {
    if (this.#readers.size === 0) return this.#keep(piece);
    const rooms = [...this.#readers].map((reader) => reader.output(piece));
    const waits = rooms.filter((room) => room !== undefined);
    return waits.length === 0 ? undefined : Promise.all(waits).then(() => undefined);
  }

  #keep(piece: OutputPiece): Promise<void> | undefined {
    this.#waiting.push(piece);
    this.#waitingBytes += piece.data.byteLength;
    while (this.#waitingBytes > SESSION_OUTPUT_BYTES) {
      this.#waitingBytes -= this.#waiting.shift()?.data.byteLength ?? 0;
    }
    // What is on its way already needs room too.
    const isFull = this.#waitingBytes > SESSION_OUTPUT_BYTES / 2;
    return this.#isFirstToCome && isFull ? this.#first.promise : undefined;
  }

  /** All output has been handed in. */
  end(): void {
    this.#isEnded = true;
    for (const reader of this.#readers) reader.ended();
    this.#readers.clear();
    this.#first.resolve();
    this.#ended.resolve();
  }

  /** The first reader gets what has waited; returns a function that ends the reading. */
  attachOutput(reader: OutputReader): () => void {
    for (const piece of this.#waiting.splice(0)) void reader.output(piece);
    this.#waitingBytes = 0;
    this.#isFirstToCome = false;
    this.#first.resolve();
    if (this.#isEnded) reader.ended();
    else this.#readers.add(reader);
    return () => this.#readers.delete(reader);
  }

  /** Refuses with `conflict` while somebody else is attached. */
  attachInput(): Result<InputWriter> {
    const interaction = this.#interaction;
    if (interaction === undefined || this.#isEnded) {
      return refuse("notFound", "The session's command does not run");
    }
    if (this.#isInputTaken) return refuse("conflict", "Multiple input connections are not allowed");
    this.#isInputTaken = true;
    return ok({
      write: (data) => interaction.write(data),
      closeInput: () => interaction.closeInput(),
      resize: (size) => interaction.resize(size),
      ended: this.#ended.promise,
      release: () => {
        this.#isInputTaken = false;
      },
    });
  }

  signal(signal: number): void {
    this.#interaction?.signal(signal);
  }
}
