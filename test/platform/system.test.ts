/** The log and clock of a real process. */
import { describe, expect, spyOn, test } from "bun:test";
import process from "node:process";
import type { LogLevel } from "../../src/base/ports.ts";
import { stderrLog, systemClock } from "../../src/platform/system.ts";

/** What a log writes for one call, without the time. */
function written(minimum: LogLevel, level: LogLevel, fields: Record<string, unknown>): string {
  const write = spyOn(process.stderr, "write").mockImplementation(() => true);
  stderrLog(minimum).write(level, "said", fields);
  const lines = write.mock.calls.map(([text]) => String(text).replace(/^\S+ /, ""));
  write.mockRestore();
  return lines.join("");
}

describe("the log", () => {
  test("a line holds level, message and the fields that have a value", () => {
    const fields = { agent: "S1", count: 3, none: undefined, reason: new Error("no such file") };
    const line = 'info said agent=S1 count=3 reason="no such file"\n';
    expect(written("info", "info", fields)).toBe(line);
  });

  test("what is below the minimum is left out", () => {
    expect(written("warning", "info", {})).toBe("");
  });

  test("a value from outside can neither forge a line nor move a cursor", () => {
    const line = written("info", "info", {
      name: "a\nerror b",
      csi: "x\u009b2J",
      escape: "\u001b[2J",
    });
    expect(line).toBe('info said name="a\\nerror b" csi="x\\u{9b}2J" escape="\\u001b[2J"\n');
  });

  test("an empty value is seen as one", () => {
    expect(written("info", "info", { name: "" })).toBe('info said name=""\n');
  });
});

test("a delay longer than setTimeout takes does not run at once", async () => {
  let hasRun = false;
  const cancel = systemClock.schedule(2 ** 40, () => {
    hasRun = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 5));
  cancel();
  expect(hasRun).toBe(false);
});

test("the next turn comes once, after what is running now", async () => {
  const order: string[] = [];
  await new Promise<void>((resolve) => {
    systemClock.nextTurn(() => {
      order.push("next");
      resolve();
    });
    queueMicrotask(() => order.push("soon"));
    order.push("now");
  });
  expect(order).toEqual(["now", "soon", "next"]);
});
