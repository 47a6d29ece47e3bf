/**
 * Holding back what runs on a pseudo-terminal: Bun reads its end without a pause, so that the kernel
 * is told to let nobody write to the other one. Ctrl-C and the like work all the same.
 */
import { dlopen } from "bun:ffi";
import { closeSync, constants, openSync } from "node:fs";
import process from "node:process";

/** Of `termios.h`; alike on every Linux. */
const TCOOFF = 0;
const TCOON = 1;

/** The C library by its name with glibc, then with musl. */
const LIBRARIES: readonly string[] = [
  "libc.so.6",
  `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`,
];

type Tcflow = (descriptor: number, action: number) => number;

const TCFLOW = findTcflow();

/**
 * Stops, or lets go on, whoever writes to the terminal at `path`. Where the C library cannot be had
 * nothing is stopped. Never throws.
 */
export function setTerminalFlow(path: string, isStopped: boolean): void {
  if (TCFLOW === undefined) return;
  try {
    const descriptor = openSync(path, constants.O_RDWR | constants.O_NOCTTY);
    try {
      TCFLOW(descriptor, isStopped ? TCOOFF : TCOON);
    } finally {
      closeSync(descriptor);
    }
  } catch {
    // It is closed: nobody writes any more.
  }
}

function findTcflow(): Tcflow | undefined {
  for (const library of LIBRARIES) {
    try {
      const { symbols } = dlopen(library, { tcflow: { args: ["int", "int"], returns: "int" } });
      return (descriptor, action) => symbols.tcflow(descriptor, action);
    } catch {
      // Another one may be here.
    }
  }
  return undefined;
}
