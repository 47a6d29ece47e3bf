/** `allot execute` as a program, without a cluster. */
import { expect, test } from "bun:test";
import { resolve } from "node:path";
import process from "node:process";
import { freePort } from "../harness/free-port.ts";
import { runProgram } from "../harness/run-program.ts";

const MAIN = resolve(import.meta.dir, "../../src/main.ts");

test("a command's own -h and --help are the command's", async () => {
  const master = `--master=127.0.0.1:${await freePort()}`;
  for (const flag of ["-h", "--help"]) {
    const words = ["execute", master, "--", "df", flag];
    const { code, stdout, stderr } = await runProgram(process.execPath, [MAIN, ...words]);
    expect(stdout).toBe("");
    expect(stderr).toContain("cannot reach a master");
    expect(code).toBe(125);
  }
  const { code, stdout } = await runProgram(process.execPath, [MAIN, "execute", "-h"]);
  expect(stdout).toContain("Usage");
  expect(code).toBe(0);
}, 60_000);
