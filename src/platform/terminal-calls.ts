/**
 * What Bun's terminals leave to the C library: holding back whoever writes to the other end, as Bun
 * reads its own without a pause, and how much of what Bun wrote is not read yet. Where the library
 * cannot be had nothing is stopped and nothing counts as unread.
 */
import { dlopen } from "bun:ffi";
import { closeSync, constants, openSync } from "node:fs";
import process from "node:process";

/** Of `termios.h` and `asm-generic/ioctls.h`; alike on x86 and ARM. */
const TCOOFF = 0;
const TCOON = 1;
const FIONREAD = 0x541b;

/** The C library by its name with glibc, then with musl. */
const LIBRARIES: readonly string[] = [
  "libc.so.6",
  `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`,
];

interface TerminalCalls {
  tcflow(descriptor: number, action: number): number;
  ioctl(descriptor: number, request: number, count: Int32Array): number;
}

const CALLS = findCalls();

/** Stops, or lets go on, whoever writes to the terminal at `path`. Ctrl-C works all the same. Never throws. */
export function setTerminalFlow(path: string, isStopped: boolean): void {
  withTerminal(path, (calls, descriptor) => calls.tcflow(descriptor, isStopped ? TCOOFF : TCOON));
}

/** What the terminal at `path` holds for its reader; 0 when it is closed. Never throws. */
export function unreadBytes(path: string): number {
  const count = new Int32Array(1);
  withTerminal(path, (calls, descriptor) => calls.ioctl(descriptor, FIONREAD, count));
  return count[0] ?? 0;
}

function withTerminal(
  path: string,
  work: (calls: TerminalCalls, descriptor: number) => unknown,
): void {
  if (CALLS === undefined) return;
  try {
    const descriptor = openSync(path, constants.O_RDWR | constants.O_NOCTTY);
    try {
      work(CALLS, descriptor);
    } finally {
      closeSync(descriptor);
    }
  } catch {
    // It is closed: nobody writes or reads any more.
  }
}

function findCalls(): TerminalCalls | undefined {
  for (const library of LIBRARIES) {
    try {
      const { symbols } = dlopen(library, {
        tcflow: { args: ["int", "int"], returns: "int" },
        ioctl: { args: ["int", "u64", "ptr"], returns: "int" },
      });
      return {
        tcflow: (descriptor, action) => symbols.tcflow(descriptor, action),
        ioctl: (descriptor, request, count) => symbols.ioctl(descriptor, request, count),
      };
    } catch {
      // Another one may be here.
    }
  }
  return undefined;
}
