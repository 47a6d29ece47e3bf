/** The JUnit reports of several runs of bun test made one, so that `npm test` counts them as its own. */
import { existsSync, readFileSync } from "node:fs";

/** One file of tests that was carried out. */
export interface FileRun {
  readonly path: string;
  /** Of bun test; undefined when the machine ended before. */
  readonly status: number | undefined;
  /** Where its report should be. */
  readonly report: string;
}

/** A file that left no report, or failed after a clean one, counts as one failed test. */
export function mergeReports(runs: readonly FileRun[]): string {
  const counts = { tests: 0, failures: 0, skipped: 0 };
  const suites = runs.map((run) => {
    const xml = existsSync(run.report) ? readFileSync(run.report, "utf8") : "";
    const root = /<testsuites\b[^>]*>/.exec(xml)?.[0] ?? "";
    const count = (name: string): number =>
      Number(new RegExp(`\\b${name}="(\\d+)"`).exec(root)?.[1] ?? 0);
    const failures = count("failures") + count("errors");
    counts.tests += count("tests");
    counts.failures += failures;
    counts.skipped += count("skipped");
    const inside = xml.slice(xml.indexOf(root) + root.length).replace("</testsuites>", "");
    if (root !== "" && (run.status === 0 || failures > 0)) return inside.trim();
    counts.tests += 1;
    counts.failures += 1;
    return `${inside.trim()}\n<testcase name="${run.path}"><failure/></testcase>`;
  });
  const { tests, failures, skipped } = counts;
  return `<testsuites tests="${tests}" failures="${failures}" skipped="${skipped}">
${suites.join("\n")}
</testsuites>
`;
}
