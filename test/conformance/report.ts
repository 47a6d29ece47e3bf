/** The table at the end: one row per line of the acceptance list, then the rules without number. */
import { LINES, STANDINGS } from "./lines.ts";
import type { Run } from "./scene.ts";

export interface Judgement {
  isSkipped(run: Run): boolean;
  isFailed(run: Run): boolean;
}

/** All lines of the list, or only those that have a scenario in this file of tests. */
export type TableRows = "all" | "proven";

/** Prints the table and the counts. Rows begin with `| `, by which `npm test` finds them. */
export function printTable(rows: TableRows, runs: readonly Run[], judgement: Judgement): void {
  const counts = new Map<string, number>();
  for (const [number, text] of LINES) {
    const standing = STANDINGS.get(number);
    const own = runs.filter(({ scenario }) => scenario.lines.includes(number));
    if (rows === "proven" && own.length === 0) continue;
    const mark = own.length > 0 ? markOf(own, judgement) : (standing?.mark ?? "not run");
    counts.set(mark, (counts.get(mark) ?? 0) + 1);
    const note = own.length > 0 ? notes(own) : standing?.reason;
    console.log(row(String(number), mark, text, note));
  }
  const sections = new Set(
    runs.flatMap(({ scenario }) => scenario.lines.filter((line) => typeof line === "string")),
  );
  for (const section of [...sections].toSorted()) {
    const own = runs.filter(({ scenario }) => scenario.lines.includes(section));
    const titles = new Set(own.map(({ scenario }) => scenario.title));
    console.log(row(section, markOf(own, judgement), [...titles].join("; "), notes(own)));
  }
  console.log(`| conformance: ${[...counts].map(([mark, n]) => `${n} ${mark}`).join(", ")}`);
}

function markOf(runs: readonly Run[], judgement: Judgement): string {
  if (runs.some(judgement.isFailed)) return "FAILED";
  if (runs.some(({ scenario }) => scenario.obstacle !== undefined)) return "not here";
  return runs.some(judgement.isSkipped) ? "not yet" : "passed";
}

/** Why it cannot pass yet, and what is to be known of how it was proven. */
function notes(runs: readonly Run[]): string {
  const reasons = runs.flatMap(({ scenario: { obstacle, notYet, note } }) => [
    obstacle ?? notYet ?? "",
    note ?? "",
  ]);
  return [...new Set(reasons)].filter((reason) => reason !== "").join("; ");
}

function row(number: string, mark: string, text: string, note = ""): string {
  const remark = note === "" ? "" : ` (${note})`;
  return `| ${number.padStart(4)} | ${mark.padEnd(15)} | ${text}${remark}`;
}
