/**
 * Goal: input of a terminal waits for who reads it, and for nothing else. Method: a made-up terminal
 * and clock, for what the platform tells and what it does not; test/e2e/exec.e2e.test.ts has a real
 * one.
 */
import { describe, expect, test } from "bun:test";
import type { OpenTerminal } from "../../../src/base/ports.ts";
import { TERMINAL_INPUT_BYTES, TERMINAL_INPUT_MS } from "../../../src/containerizer/limits.ts";
import { HeldTerminal } from "../../../src/containerizer/posix/held-terminal.ts";
import { FakeClock } from "../../base/fake-clock.ts";

const SIZE = { columns: 80, rows: 24 };
const MUCH = new Uint8Array(TERMINAL_INPUT_BYTES + 1);

describe("input of a terminal", () => {
  test("waits until it is read or told to be taken [http-api 7.3]", async () => {
    const clock = new FakeClock();
    const end = { isRead: false, onTaken: (): void => undefined };
    const open: OpenTerminal = (_size, _onOutput, onTaken) => {
      end.onTaken = onTaken;
      const nothing = (): void => undefined;
      return {
        path: "/dev/pts/0",
        write: nothing,
        isRead: () => end.isRead,
        resize: nothing,
        stop: nothing,
        go: nothing,
        close: nothing,
      };
    };
    const terminal = new HeldTerminal(open, clock, SIZE, () => undefined);
    expect(terminal.write(MUCH.subarray(1))).toBeUndefined();
    let taken = 0;
    const write = (): void => void terminal.write(MUCH)?.then(() => (taken += 1));
    write();
    clock.advance(100 * TERMINAL_INPUT_MS);
    await Promise.resolve();
    expect(taken).toBe(0);
    end.isRead = true;
    clock.advance(TERMINAL_INPUT_MS);
    await Promise.resolve();
    expect(taken).toBe(1);
    end.isRead = false;
    write();
    end.onTaken();
    clock.advance(0);
    await Promise.resolve();
    expect(taken).toBe(2);
  });
});
