/**
 * The framing of a container's log as the Engine streams it: eight bytes (stream, three zeros, length
 * in network order), then the message, which begins with its time when times are asked for.
 */
import { EngineError } from "./engine-client.ts";
import { LOG_MESSAGE_BYTES_MAX } from "./limits.ts";

export type OutputName = "stdout" | "stderr";

/** One write of the container, or a piece of a long one. */
export interface LogMessage {
  readonly output: OutputName;
  /** `2026-01-31T12:00:00.123456789Z`: always of this length, so that texts compare as times do. */
  readonly time: string;
  readonly bytes: Uint8Array;
}

const HEADER_BYTES = 8;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z $/;
const TIME_BYTES = 31;
const OUTPUTS: Readonly<Record<number, OutputName>> = { 1: "stdout", 2: "stderr" };
/** The Engine's own complaint about the log. */
const ENGINE_ERROR = 3;

/** Cuts chunks into messages. Keeps what is incomplete until the next chunk. */
export class LogFrames {
  #rest: Uint8Array = new Uint8Array();

  /** Messages complete with this chunk, in order. Errors: `EngineError`. */
  take(chunk: Uint8Array): LogMessage[] {
    const data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    const messages: LogMessage[] = [];
    let offset = 0;
    while (data.length - offset >= HEADER_BYTES) {
      const length = view.getUint32(offset + 4);
      if (length > LOG_MESSAGE_BYTES_MAX) {
        throw new EngineError("malformed", `a log message has ${length} bytes`);
      }
      const end = offset + HEADER_BYTES + length;
      if (data.length < end) break;
      messages.push(messageOf(view.getUint8(offset), data.subarray(offset + HEADER_BYTES, end)));
      offset = end;
    }
    this.#rest = data.slice(offset);
    return messages;
  }
}

function messageOf(stream: number, body: Uint8Array): LogMessage {
  const output = OUTPUTS[stream];
  const time = Buffer.from(body.subarray(0, TIME_BYTES)).toString("latin1");
  if (output !== undefined && TIME.test(time)) {
    return { output, time: time.trimEnd(), bytes: body.subarray(TIME_BYTES) };
  }
  const text = Buffer.from(body.subarray(0, 200)).toString("utf8");
  if (stream === ENGINE_ERROR) throw new EngineError("malformed", `reading the log: ${text}`);
  throw new EngineError("malformed", "a log message has no stream or no time");
}

/** The time as the API takes it for `since`. */
export function sinceOf(time: string): string {
  const seconds = Date.parse(`${time.slice(0, 19)}Z`) / 1000;
  return `${seconds}.${time.slice(20, 29)}`;
}
