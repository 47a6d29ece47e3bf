/**
 * The keeper script by itself, in both of its modes and on every shell at hand: what it writes down
 * for each way a command can end, and what it says to the agent.
 */
import { afterEach, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { KEEPER_SCRIPT } from "../../../src/containerizer/keeper/keeper-script.ts";
import { parseEnd } from "../../../src/containerizer/keeper/records.ts";
import { newRoot, removeRoots } from "../containers.ts";

const EXTRA_SHELLS = (process.env["ALLOT_TEST_SHELLS"] ?? "").split(":");
const SHELLS = ["/bin/dash", "/bin/bash", "/bin/sh", ...EXTRA_SHELLS].filter(existsSync);

afterEach(removeRoots);

/** Runs one command under a keeper; `word` is what the agent says when asked. */
async function keep(
  shell: string,
  mode: "background" | "foreground",
  command: string,
  word: string = "go\n",
  before: string = "",
): Promise<{ said: string; end: string; root: string }> {
  const root = newRoot();
  for (const folder of ["records", "exits", "sandbox"]) mkdirSync(join(root, folder));
  writeFileSync(join(root, "script"), KEEPER_SCRIPT);
  for (const path of ["records/note", "exits/c1"]) writeFileSync(join(root, path), before);
  const reset = mode === "background" ? "--default-signal" : "";
  writeFileSync(
    join(root, "records", "plan"),
    `exec /usr/bin/env ${reset} -- sh -c '${command}' </dev/null\n`,
  );
  const args = [join(root, "script"), join(root, "records"), join(root, "exits"), "c1", mode];
  const noCgroups = ["", "", ""];
  const keeper = spawn(shell, [...args, ...noCgroups, "setsid", "sh"], {
    cwd: join(root, "sandbox"),
    detached: true,
    stdio: ["pipe", "pipe", "inherit"],
  });
  let said = "";
  keeper.stdout.on("data", (chunk: Uint8Array) => {
    said += String(chunk);
  });
  keeper.stdin.end(word);
  await new Promise((resolve) => keeper.once("exit", resolve));
  return { said, end: readFileSync(join(root, "exits", "c1"), "utf8"), root };
}

for (const shell of SHELLS) {
  describe(`a keeper on ${shell}`, () => {
    test("tells exits from signals in the background mode", async () => {
      const cases = [
        ["exit 0", "exited 0\n"],
        ["exit 143", "exited 143\n"],
        ["exit 130", "exited 130\n"],
        ["kill -TERM $$", "signaled 15\n"],
        ["kill -INT $$", "signaled 2\n"],
        ["kill -PIPE $$", "signaled 13\n"],
        ["kill -KILL $$", "signaled 9\n"],
      ] as const;
      const ends = await Promise.all(cases.map(([command]) => keep(shell, "background", command)));
      expect(ends.map(({ end }) => end)).toEqual(cases.map(([, end]) => end));
      expect(ends[0]?.said).toBe("ready\nstarted\n");
    });

    test("says how it ended over what was there before, and takes no room for that", async () => {
      const before = " ".repeat(256);
      for (const mode of ["background", "foreground"] as const) {
        for (const [command, told] of [
          ["exit 3", "exited 3\n"],
          ["kill -KILL $$", "signaled 9\n"],
        ] as const) {
          const { end } = await keep(shell, mode, command, "go\n", before);
          // Bash prints no note where it runs a script.
          if (mode === "foreground" && shell !== "/bin/dash") continue;
          expect(end.length).toBe(256);
          expect(end.trimEnd()).toBe(told.trimEnd());
          expect(parseEnd(end)).toBeDefined();
        }
      }
    });

    test("never starts the command when the agent ends without a word", async () => {
      for (const word of ["", "g", "stop\n"]) {
        const { said, end, root } = await keep(shell, "background", "touch ran", word);
        expect({ said, end }).toEqual({ said: "ready\n", end: "aborted\n" });
        expect(existsSync(join(root, "sandbox", "ran"))).toBe(false);
        expect(existsSync(join(root, "records", "task"))).toBe(false);
      }
    });
  });
}

// Bash prints no note where it runs a script, and every host with bash has an env that resets.
for (const shell of SHELLS.filter((path) => /dash|ash$/.test(path) && !path.endsWith("bash"))) {
  test(`a keeper on ${shell} without such an env still tells all but SIGINT and SIGPIPE`, async () => {
    const cases = [
      ["exit 0", "exited 0\n"],
      ["exit 143", "exited 143\n"],
      ["kill -TERM $$", "signaled 15\n"],
      ["kill -KILL $$", "signaled 9\n"],
      ["grep -q SigIgn:.0000000000000000 /proc/self/status", "exited 0\n"],
    ] as const;
    const ends = await Promise.all(cases.map(([command]) => keep(shell, "foreground", command)));
    expect(ends.map(({ end }) => end)).toEqual(cases.map(([, end]) => end));
    expect(ends[0]?.said).toBe("ready\nstarted\n");
  });
}

test("an end counts only when the whole line is there", () => {
  expect(parseEnd("exited 143\n")).toEqual({ kind: "exited", code: 143 });
  expect(parseEnd("signaled 9\n")).toEqual({ kind: "signaled", signal: 9 });
  expect(parseEnd("aborted\n")).toEqual({ kind: "aborted" });
  for (const text of ["", "exited 14", "exited\n", "signaled -1\n", "exited 1\nexited 0\n"]) {
    expect(parseEnd(text)).toBeUndefined();
  }
});
