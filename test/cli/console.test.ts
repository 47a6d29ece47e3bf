/** What a verb prints: by a process of its own, whose output is read. */
import { expect, test } from "bun:test";
import { resolve } from "node:path";
import process from "node:process";
import { jsonText } from "../../src/cli/commands/listing.ts";
import { runProgram } from "../harness/run-program.ts";

const CONSOLE = resolve(import.meta.dir, "../../src/cli/console.ts");
const SAID = "a\u001b[2J\tb\u009b1A\r\n";

test("what others chose to say in a text cannot rewrite the terminal; a task's own output passes", async () => {
  const script = `
    import { processConsole } from "${CONSOLE}";
    const { out, error } = processConsole();
    await out(${JSON.stringify(SAID)});
    await out(new TextEncoder().encode(${JSON.stringify(SAID)}));
    await error(${JSON.stringify(SAID)});
  `;
  const { code, stdout, stderr } = await runProgram(process.execPath, ["-e", script]);
  expect({ code, stdout, stderr }).toEqual({
    code: 0,
    stdout: `a?[2J\tb?1A?\n${SAID}`,
    stderr: "a?[2J\tb?1A?\n",
  });
}, 60_000);

test("JSON has control characters escaped, and says the same", () => {
  const value = { name: `${SAID}\u007f\u00a0é` };
  expect(jsonText(value)).not.toMatch(/\p{Cc}/u);
  expect(JSON.parse(jsonText(value))).toEqual(value);
});
