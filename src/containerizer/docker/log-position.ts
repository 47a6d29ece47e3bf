/**
 * How far a container's log has been copied: which messages of each output are in its file and how
 * long the file then was. Written in place after every copied chunk, so that a restart of the agent
 * neither loses nor doubles a byte, wherever it was interrupted.
 */
import { closeSync, constants, openSync, readFileSync, writeSync } from "node:fs";
import { Answer } from "./answer.ts";
import type { OutputName } from "./log-frames.ts";

/** Of one output. `count` messages of the time `time` are copied, and all before. */
export interface OutputPosition {
  readonly time: string;
  readonly count: number;
  /** Bytes of the file when they had been written. */
  readonly fileBytes: number;
}

export type LogPosition = Readonly<Record<OutputName, OutputPosition>>;

/** Before every message. */
export const LOG_START: OutputPosition = { time: "", count: 0, fileBytes: 0 };

/** Longer than any position, so that one write replaces all of the one before. */
const RECORD_BYTES = 256;

/** The file of one container's position. */
export class LogPositionFile {
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(path, constants.O_CREAT | constants.O_RDWR, 0o600);
  }

  write(position: LogPosition): void {
    writeSync(this.#file, JSON.stringify(position).padEnd(RECORD_BYTES), 0);
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** Undefined when nothing was copied yet, or what stands there is none of ours. */
export function readLogPosition(path: string): LogPosition | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
    const answer = new Answer(JSON.parse(text));
    return { stdout: positionOf(answer.at("stdout")), stderr: positionOf(answer.at("stderr")) };
  } catch {
    // No file, or an empty one: the copy has not begun.
    return undefined;
  }
}

function positionOf(answer: Answer): OutputPosition {
  return {
    time: answer.at("time").text() ?? LOG_START.time,
    count: answer.at("count").number() ?? LOG_START.count,
    fileBytes: answer.at("fileBytes").number() ?? LOG_START.fileBytes,
  };
}
