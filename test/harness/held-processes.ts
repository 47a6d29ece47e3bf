/** A task without namespaces and the keeper above it, whose child it is. */
import { readFileSync } from "node:fs";
import { processesBelow } from "./allot-process.ts";
import { until } from "./wait.ts";

/** Ids of the process with these words below the folder, once it runs, and of its keeper. */
export async function heldProcesses(
  folder: string,
  words: readonly string[],
): Promise<{ readonly task: number; readonly keeper: number }> {
  const line = words.map((word) => `${word}\0`).join("");
  const task = await until(`${words.join(" ")} to run`, () =>
    processesBelow(folder).find((pid) => textOf(pid, "cmdline") === line),
  );
  const keeper = Number(/^PPid:\s(\d+)$/m.exec(textOf(task, "status"))?.[1]);
  return { task, keeper };
}

/** Empty once the process has ended. */
function textOf(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
}
