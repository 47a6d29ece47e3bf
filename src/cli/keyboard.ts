/**
 * The keyboard end of a command: bytes as they are typed, and the size of the window as it changes.
 */
import process from "node:process";
import type { TerminalSize } from "../base/ports.ts";

/** Bytes that are read before somebody takes them: what is piped in may be any size. */
const WAITING_BYTES_MAX = 1024 * 1024;

export type Typed =
  | { readonly kind: "data"; readonly data: Uint8Array }
  /** Nothing more will come. */
  | { readonly kind: "end" }
  | { readonly kind: "size"; readonly size: TerminalSize };

/** Whether a person sits at both ends. */
export function isTerminal(): boolean {
  return process.stdin.isTTY === true && process.stdout.isTTY === true;
}

/** Of the window; undefined without a terminal. */
export function windowSize(): TerminalSize | undefined {
  const { columns, rows } = process.stdout;
  return columns === undefined || rows === undefined ? undefined : { columns, rows };
}

/**
 * What is typed until `signal` aborts or the input ends. With `isRaw` every key is passed on as it
 * is, also those that end programs; the terminal is as before afterwards.
 */
export async function* typed(isRaw: boolean, signal: AbortSignal): AsyncGenerator<Typed> {
  const waiting: Typed[] = [];
  let waitingBytes = 0;
  let wake = (): void => undefined;
  const add = (one: Typed): void => {
    waiting.push(one);
    wake();
  };
  const onData = (data: Uint8Array): void => {
    add({ kind: "data", data: new Uint8Array(data) });
    waitingBytes += data.length;
    if (waitingBytes > WAITING_BYTES_MAX) stdin.pause();
  };
  const onEnd = (): void => add({ kind: "end" });
  const onResize = (): void => {
    const size = windowSize();
    if (size !== undefined) add({ kind: "size", size });
  };
  const onAbort = (): void => wake();
  const { stdin, stdout } = process;
  if (isRaw) stdin.setRawMode?.(true);
  stdin.on("data", onData).on("end", onEnd);
  stdout.on("resize", onResize);
  signal.addEventListener("abort", onAbort);
  try {
    while (!signal.aborted) {
      const next = waiting.shift();
      if (next !== undefined) {
        yield next;
        if (next.kind === "data") waitingBytes -= next.data.length;
        if (waitingBytes === 0) stdin.resume();
        if (next.kind === "end") return;
        continue;
      }
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  } finally {
    stdin.off("data", onData).off("end", onEnd);
    stdout.off("resize", onResize);
    signal.removeEventListener("abort", onAbort);
    if (isRaw) stdin.setRawMode?.(false);
    // Otherwise the process would wait for more keys.
    stdin.pause();
  }
}
