/** Declares portable cases twice: carried out here on Bun, and in one child process on Deno. */
import { describe, expect, test } from "bun:test";
import { fileURLToPath } from "node:url";
import { denoPath } from "../../build/tools.mjs";
import type { PortableCase } from "./portable-case.ts";

/** Time for a whole file of cases on a cold Deno. */
const DENO_LIMIT_MS = 60_000;

/** `moduleUrl` is the file that exports `cases` under `exportName`. */
export function describePortable(
  subject: string,
  cases: readonly PortableCase[],
  moduleUrl: string,
  exportName: string,
): void {
  describe(`${subject} on Bun`, () => {
    for (const { name, run } of cases) test(name, run, 20_000);
  });
  describe(`${subject} on Deno`, () => {
    const deno = denoPath();
    if (deno === undefined) {
      console.log(`skipped: ${subject} on Deno, as there is no pinned Deno for this machine`);
      test.skip("skipped: there is no pinned Deno for this machine", () => undefined);
      return;
    }
    let results: Promise<ReadonlyMap<string, string>> | undefined;
    for (const { name } of cases) {
      const check = async (): Promise<void> => {
        results ??= runOnDeno(deno, moduleUrl, exportName);
        expect((await results).get(name) ?? "it was never carried out").toBe("");
      };
      test(name, check, DENO_LIMIT_MS);
    }
  });
}

async function runOnDeno(
  deno: string,
  moduleUrl: string,
  exportName: string,
): Promise<ReadonlyMap<string, string>> {
  const script = fileURLToPath(new URL("./run-cases.ts", import.meta.url));
  const child = Bun.spawn([deno, "run", "-A", script, moduleUrl, exportName], {
    stdout: "pipe",
    stderr: "pipe",
    timeout: DENO_LIMIT_MS,
  });
  const [output, errors] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  const results = new Map<string, string>();
  for (const line of output.split("\n").filter((text) => text.startsWith("{"))) {
    const { name, problem } = JSON.parse(line) as { name: string; problem: string };
    results.set(name, problem);
  }
  if (results.size === 0) throw new Error(`Deno carried out nothing: ${errors}`);
  return results;
}
