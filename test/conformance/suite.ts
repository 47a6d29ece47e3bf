/**
 * Runs scenarios of the acceptance list, every one in JSON and in protobuf, on one cluster. Method:
 * all are carried out at once, a few at a time, as most of them wait; a test awaits its own. The end
 * is a table: what passed, what is different on purpose, what cannot pass yet. CONFORMANCE_ONLY=22
 * runs the scenarios of one line, CONFORMANCE_ALL=1 also those that cannot pass yet.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  type AllotProcess,
  makeWorkDir,
  removeWorkDir,
  startAllot,
} from "../harness/allot-process.ts";
import { printTable, type TableRows } from "./report.ts";
import { type Run, runsOf, type Scenario, Scene, sliceResources } from "./scene.ts";

const TIMEOUT_MS = 300_000;
/** Most wait for time to pass, so that far more than the two cores can run at once. */
const AT_ONCE = 10;

const { CONFORMANCE_ONLY, CONFORMANCE_ALL } = process.env;

const isLong = ({ scenario }: Run): boolean => scenario.isLong === true;
const isSkipped = ({ scenario }: Run): boolean =>
  scenario.obstacle !== undefined ||
  (scenario.notYet !== undefined && CONFORMANCE_ALL === undefined);

/**
 * Defines the tests of these scenarios in the file that calls it, and prints these rows of the table at
 * its end.
 */
export function proveConformance(scenarios: readonly Scenario[], rows: TableRows): void {
  const runs = runsOf(scenarios).filter(
    ({ scenario }) =>
      CONFORMANCE_ONLY === undefined || scenario.lines.map(String).includes(CONFORMANCE_ONLY),
  );

  /** The longest first, so that the end does not wait for them. */
  const waiting = runs
    .filter((run) => !isSkipped(run))
    .toSorted((left, right) => Number(isLong(right)) - Number(isLong(left)));
  const outcomes = new Map(
    waiting.map((run) => [run, Promise.withResolvers<Error | undefined>()] as const),
  );
  const passed = new Set<Run>();
  let workDir = "";
  let cluster: AllotProcess | undefined;

  beforeAll(async () => {
    workDir = makeWorkDir();
    const flags = [`--resources=${sliceResources(runs)}`];
    const started = await startAllot({ role: "both", workDir, flags });
    cluster = started;
    const worker = async (): Promise<void> => {
      for (let run = waiting.shift(); run !== undefined; run = waiting.shift()) {
        outcomes.get(run)?.resolve(await carryOut(run, started.url, passed));
      }
    };
    for (let count = 0; count < AT_ONCE; count++) void worker();
  });

  afterAll(async () => {
    printTable(rows, runs, { isSkipped, isFailed: (run) => !isSkipped(run) && !passed.has(run) });
    await cluster?.end("SIGTERM");
    await removeWorkDir(workDir);
  });

  for (const run of runs) {
    const { lines, title, notYet, obstacle } = run.scenario;
    const name = `${title} in ${run.wire.name} [semantics 10: ${lines.join(", ")}]`;
    if (isSkipped(run)) {
      test.skip(`${name}: ${obstacle ?? notYet ?? ""}`, () => undefined);
      continue;
    }
    test(
      name,
      async () => {
        const error = await outcomes.get(run)?.promise;
        if (error !== undefined) throw error;
        expect(passed.has(run)).toBe(true);
      },
      TIMEOUT_MS,
    );
  }
}

/** What went wrong; undefined when nothing did. */
async function carryOut(run: Run, url: string, passed: Set<Run>): Promise<Error | undefined> {
  const scene = new Scene(run, url);
  const fault = await faultOf(() => run.scenario.run(scene));
  const afterwards = await faultOf(() => scene.end());
  const error = fault ?? afterwards;
  if (error === undefined) passed.add(run);
  return error;
}

async function faultOf(work: () => Promise<void>): Promise<Error | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
