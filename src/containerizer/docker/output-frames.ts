/** The framing of output without a terminal: eight bytes of head (stream, zeros, length), the bytes. */
import { EngineError } from "./engine-client.ts";
import { LOG_MESSAGE_BYTES_MAX } from "./limits.ts";

/** What came in one frame. */
export interface OutputFrame {
  readonly output: "stdout" | "stderr";
  readonly bytes: Uint8Array<ArrayBuffer>;
}

const HEADER_BYTES = 8;
const STDERR = 2;

/** Cuts chunks into frames. Keeps what is incomplete until the next chunk. */
export class OutputFrames {
  #rest: Uint8Array = new Uint8Array();

  /** Frames complete with this chunk, in order. Errors: `EngineError`. */
  take(chunk: Uint8Array): OutputFrame[] {
    const data = Buffer.concat([this.#rest, chunk]);
    const frames: OutputFrame[] = [];
    let offset = 0;
    while (data.length - offset >= HEADER_BYTES) {
      const length = data.readUInt32BE(offset + 4);
      if (length > LOG_MESSAGE_BYTES_MAX) {
        throw new EngineError("malformed", `a frame of output has ${length} bytes`);
      }
      const end = offset + HEADER_BYTES + length;
      if (data.length < end) break;
      const output = data.readUInt8(offset) === STDERR ? "stderr" : "stdout";
      frames.push({ output, bytes: new Uint8Array(data.subarray(offset + HEADER_BYTES, end)) });
      offset = end;
    }
    this.#rest = data.subarray(offset);
    return frames;
  }
}
