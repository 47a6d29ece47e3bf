/** Carries out portable cases in a process of its own: `deno run -A run-cases.ts MODULE EXPORT`. */
import process from "node:process";
import type { PortableCase } from "./portable-case.ts";

const [modulePath, exportName] = process.argv.slice(2);
if (modulePath === undefined || exportName === undefined) throw new Error("MODULE and EXPORT");
const module = (await import(modulePath)) as Readonly<Record<string, readonly PortableCase[]>>;
for (const { name, run } of module[exportName] ?? []) {
  try {
    await run();
    console.log(JSON.stringify({ name, problem: "" }));
  } catch (error) {
    const problem = error instanceof Error ? (error.stack ?? error.message) : String(error);
    console.log(JSON.stringify({ name, problem }));
  }
}
process.exit(0);
