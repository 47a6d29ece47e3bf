/** Pseudo-terminals on Bun. The kernel's table of open files says which device the other end is. */
import { readdirSync, readFileSync } from "node:fs";
import type { OpenTerminal } from "../base/ports.ts";
import { setTerminalFlow, unreadBytes } from "./terminal-calls.ts";

/** Throws what the system throws. */
export const openBunTerminal: OpenTerminal = (size, onOutput, onTaken) => {
  const before = new Set(terminalNumbers());
  const terminal = new Bun.Terminal({
    cols: size.columns,
    rows: size.rows,
    data: (_terminal, data) => onOutput(new Uint8Array(data)),
    drain: () => onTaken(),
  });
  const number = terminalNumbers().find((one) => !before.has(one));
  if (number === undefined) {
    terminal.close();
    throw new Error("the new terminal is not among this process's open files");
  }
  const path = `/dev/pts/${number}`;
  // Once it is closed the number may be another terminal's.
  const setStopped = (isStopped: boolean): void => {
    if (!terminal.closed) setTerminalFlow(path, isStopped);
  };
  return {
    path,
    write: (data) => {
      if (!terminal.closed) terminal.write(new Uint8Array(data));
    },
    isRead: () => terminal.closed || unreadBytes(path) === 0,
    resize: ({ columns, rows }) => {
      if (!terminal.closed) terminal.resize(columns, rows);
    },
    stop: () => setStopped(true),
    go: () => setStopped(false),
    close: () => {
      if (!terminal.closed) terminal.close();
    },
  };
};

/** Numbers of the terminals whose near end this process holds. */
function terminalNumbers(): number[] {
  return readdirSync("/proc/self/fdinfo").flatMap((descriptor) => {
    try {
      const text = readFileSync(`/proc/self/fdinfo/${descriptor}`, "utf8");
      const match = /^tty-index:\s*(\d+)$/m.exec(text);
      return match === null ? [] : [Number(match[1])];
    } catch {
      // Closed since it was listed.
      return [];
    }
  });
}
