/** `allot why` as a program, against a master whose answer holds what a task chose to say. */
import { expect, test } from "bun:test";
import { resolve } from "node:path";
import process from "node:process";
import { serve } from "../fetcher/fetching.ts";
import { runProgram } from "../harness/run-program.ts";

const MAIN = resolve(import.meta.dir, "../../src/main.ts");

test("a message of a task cannot rewrite the terminal of whoever asks", async () => {
  const said = "  3 s ago TASK_FAILED \u001b]0;owned\u0007\u001b[2Jall is well\r\u009b1A";
  await using server = await serve((_request, response) => {
    response.writeHead(200, { "Content-Type": "application/json" });
    response.end(JSON.stringify({ summary: ["t of framework f: TASK_FAILED", said] }));
  });
  const master = `--master=${new URL(server.url).host}`;
  const { code, stdout } = await runProgram(process.execPath, [MAIN, "why", "task", "t", master]);
  expect(code).toBe(0);
  expect(stdout).toBe(
    "t of framework f: TASK_FAILED\n  3 s ago TASK_FAILED ?]0;owned??[2Jall is well??1A\n",
  );
}, 60_000);
