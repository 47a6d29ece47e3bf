/** What shells complete: verbs, their flags, and the first word of those that have a few. */
import { expect, test } from "bun:test";
import { LEADER } from "../../src/cli/commands/leader.ts";
import { REGISTRY } from "../../src/cli/commands/registry.ts";
import { completionScript } from "../../src/cli/completion.ts";
import { runProgram } from "../harness/run-program.ts";

/** What bash offers after these words. */
async function offeredBy(...words: string[]): Promise<string> {
  const script = completionScript("bash", [LEADER, REGISTRY]) ?? "";
  const line = `COMP_WORDS=(${words.join(" ")}); COMP_CWORD=${words.length - 1}; _allot`;
  const { stdout } = await runProgram("bash", ["-c", `${script}${line}; echo "\${COMPREPLY[@]}"`]);
  return stdout.trim();
}

test("bash offers verbs, the words of a verb and its flags", async () => {
  expect(await offeredBy("allot", "le")).toBe("leader");
  expect(await offeredBy("allot", "registry", "re")).toBe("restore");
  expect(await offeredBy("allot", "leader", "--fo")).toBe("--force");
});

test("fish and zsh have the same, other shells none", () => {
  expect(completionScript("fish", [REGISTRY])).toContain("registry' -f -a verify\n");
  expect(completionScript("zsh", [LEADER])).toContain('leader) words="step-down --force');
  expect(completionScript("csh", [LEADER])).toBeUndefined();
});
