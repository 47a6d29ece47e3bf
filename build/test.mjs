/**
 * `npm test [-- PATH-PART… --seed=N --runs=N --verbose --with-check --appliance=with|only]`: installs and
 * compiles what is missing, runs the tests in groups (units, then the compiled program, then the
 * simulator), and ends with one line `N passed, N failed[, N skipped]`. Tests run in random order;
 * the seed is printed. Property tests that read RUNS try as many random cases as `--runs` says. With `--appliance` the files that say what they need of a machine
 * (test/harness/needs.ts) run in test/appliance, or here when that cannot be had.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compile, isCompiled } from "./compile.mjs";
import { ensureInstalled } from "./install.mjs";
import { runStep, seconds } from "./steps.mjs";
import { bunPath, ROOT } from "./tools.mjs";

/** Of one test that names none: a busy machine must not decide whether it passes. */
const TEST_TIMEOUT_MS = 60_000;
const UNIT_TIMEOUT_MS = 300_000;
/** What one more random case of each property in a group takes at the most. */
const RUN_TIMEOUT_MS = 200;
const E2E_TIMEOUT_MS = 900_000;
const CHECK_TIMEOUT_MS = 600_000;
const SIMULATOR_TIMEOUT_MS = 1_200_000;
/** Of one test in the test machine, where a system call costs ten times as much. */
const APPLIANCE_TEST_TIMEOUT_MS = 240_000;
/** The first time, the machine's disk is made. */
const APPLIANCE_TIMEOUT_MS = 2_400_000;
/** Of test/appliance, when this host cannot have the machine. */
const NO_MACHINE = "exit status 125";
/** Imports by which a file of tests says that it is about a machine of its own. */
const STATES_NEEDS = /from ".*\/(?:needs|native)\.ts";$/m;
const SIMULATOR_SEEDS = 200;
const SEED_MAX = 2 ** 31;
const OPTIONS = "PATH-PART… --seed=N --runs=N --verbose --with-check --appliance=with|only";

/**
 * @typedef {object} Group
 * @property {string} name
 * @property {string} command
 * @property {readonly string[]} args
 * @property {number} timeoutMs
 * @property {boolean} hasReport true for bun test, which counts; else the group is one test
 * @property {readonly Group[]} [elsewise] what runs when there is no machine for the group
 */

/**
 * @typedef {object} Counts
 * @property {number} passed
 * @property {number} failed
 * @property {number} skipped
 */

/** @typedef {"without" | "with" | "only"} Appliance */
/** @typedef {{ seed: number, runs: number, isVerbose: boolean, withCheck: boolean, appliance: Appliance, filters: string[] }} Options */

/** @type {Counts} */
const total = { passed: 0, failed: 0, skipped: 0 };
const options = parseOptions(process.argv.slice(2));
const reports = mkdtempSync(join(tmpdir(), "allot-test-reports-"));
try {
  if (!(await ensureInstalled())) total.failed += 1;
  else await runAll();
} catch (error) {
  console.log(`FAIL ${error instanceof Error ? error.message : error}`);
  total.failed += 1;
} finally {
  rmSync(reports, { recursive: true, force: true });
}
if (total.passed + total.failed + total.skipped === 0) {
  console.log("FAIL no test matches");
  total.failed = 1;
}
console.log(countsLine(total));
process.exitCode = total.failed === 0 ? 0 : 1;

async function runAll() {
  console.log(
    `     seed ${options.seed}; the same order again: npm test -- --seed=${options.seed}`,
  );
  if (options.withCheck) await runGroup(checkGroup());
  // The units run all the same when the program does not compile: they tell more.
  if (!isCompiled() && !(await compile())) total.failed += 1;
  for (const group of [...testGroups(), ...simulatorGroups()]) await runGroup(group);
}

/** @returns {Group} */
function checkGroup() {
  return {
    name: "npm run check",
    command: process.execPath,
    args: ["build/check.mjs"],
    timeoutMs: CHECK_TIMEOUT_MS,
    hasReport: false,
  };
}

/**
 * One group per folder of test/ for the units, then one per file that runs the compiled program or
 * a Docker Engine.
 * @returns {Group[]}
 */
function testGroups() {
  const files = testFiles("test").filter(isWanted);
  if (options.appliance === "without") return hostGroups(files);
  const inMachine = files.filter((path) =>
    STATES_NEEDS.test(readFileSync(join(ROOT, path), "utf8")),
  );
  const onHost =
    options.appliance === "only" ? [] : files.filter((path) => !inMachine.includes(path));
  const machine = inMachine.length === 0 ? [] : [applianceGroup(inMachine)];
  return [...hostGroups(onHost), ...machine];
}

/**
 * @param {readonly string[]} files
 * @returns {Group[]}
 */
function hostGroups(files) {
  const endToEnd = files.filter((path) => /\.(?:e2e|docker)\.test\.ts$/.test(path));
  /** @type {Map<string, string[]>} */
  const folders = new Map();
  for (const path of files) {
    if (endToEnd.includes(path)) continue;
    const folder = path.split("/")[1] ?? "";
    const members = folders.get(folder) ?? [];
    folders.set(folder, members);
    members.push(path);
  }
  const units = [...folders].map(([name, paths]) => bunGroup(name, paths, unitTimeoutMs()));
  return [...units, ...endToEnd.map((path) => bunGroup(path, [path], E2E_TIMEOUT_MS))];
}

function unitTimeoutMs() {
  return UNIT_TIMEOUT_MS + options.runs * RUN_TIMEOUT_MS;
}

/**
 * @param {string} name
 * @param {readonly string[]} paths
 * @param {number} timeoutMs
 * @returns {Group}
 */
function bunGroup(name, paths, timeoutMs) {
  const args = ["test", ...paths.map((path) => `./${path}`), ...bunOptions()];
  return { name, command: bunPath(), args, timeoutMs, hasReport: true };
}

/**
 * @param {readonly string[]} paths
 * @returns {Group}
 */
function applianceGroup(paths) {
  return {
    name: `test machine, ${paths.join(" ")}`,
    command: bunPath(),
    args: ["test/appliance/main.ts", "--tests", ...paths, ...bunOptions(APPLIANCE_TEST_TIMEOUT_MS)],
    timeoutMs: APPLIANCE_TIMEOUT_MS,
    hasReport: true,
    elsewise: hostGroups(paths),
  };
}

function bunOptions(testTimeoutMs = TEST_TIMEOUT_MS) {
  return ["--randomize", `--timeout=${testTimeoutMs}`, `--seed=${options.seed}`];
}

/** @returns {Group[]} */
function simulatorGroups() {
  const path = "test/sim/main.ts";
  if (options.appliance === "only") return [];
  if (!existsSync(join(ROOT, path)) || !isWanted(path)) return [];
  return [
    {
      name: `simulator, ${SIMULATOR_SEEDS} seeds`,
      command: bunPath(),
      args: [path, "--seeds", String(SIMULATOR_SEEDS)],
      timeoutMs: SIMULATOR_TIMEOUT_MS,
      hasReport: false,
    },
  ];
}

/**
 * Runs the group, prints its line, its output when something failed, what was skipped and why, and
 * the rows of a table (`| …`) that it ended with.
 * @param {Group} group
 */
async function runGroup(group) {
  const report = join(reports, "report.xml");
  rmSync(report, { force: true });
  const reportArgs = group.hasReport ? ["--reporter=junit", `--reporter-outfile=${report}`] : [];
  const result = await runStep({
    name: group.name,
    command: group.command,
    args: [...group.args, ...reportArgs],
    timeoutMs: group.timeoutMs,
    // Colours would get in the way of reading the output back.
    env: {
      NO_COLOR: "1",
      FORCE_COLOR: undefined,
      ...(options.runs > 0 && { RUNS: String(options.runs) }),
    },
    isShown: options.isVerbose,
  });
  if (group.elsewise !== undefined && result.ending === NO_MACHINE) {
    console.log(
      `     ${result.output.trim().split("\n").at(-1)}; its tests run here and skip what they lack`,
    );
    for (const other of group.elsewise) await runGroup(other);
    return;
  }
  const xml = group.hasReport && existsSync(report) ? readFileSync(report, "utf8") : undefined;
  const counts = group.hasReport
    ? countsOf(xml)
    : { passed: result.isOk ? 1 : 0, failed: 0, skipped: 0 };
  // A file that does not load leaves no report, and a crash after the last test leaves a clean one.
  const hasNoReport = group.hasReport && xml === undefined;
  if (counts.failed === 0 && (!result.isOk || hasNoReport)) counts.failed = 1;

  const mark = counts.failed === 0 ? "ok  " : "FAIL";
  const ending = result.isOk ? "" : ` (${result.ending})`;
  console.log(
    `${mark} ${group.name}: ${countsLine(counts)}, ${seconds(result.durationMs)}${ending}`,
  );
  if (counts.failed > 0 && !options.isVerbose) console.log(withoutPasses(result.output));
  if (xml !== undefined && counts.skipped > 0) printSkips(xml, result.output);
  for (const row of result.output.split("\n")) if (row.startsWith("| ")) console.log(`     ${row}`);
  total.passed += counts.passed;
  total.failed += counts.failed;
  total.skipped += counts.skipped;
}

/**
 * @param {string | undefined} xml the JUnit report of bun test
 * @returns {Counts}
 */
function countsOf(xml) {
  const root = /<testsuites\b[^>]*>/.exec(xml ?? "")?.[0] ?? "";
  /** @param {string} name */
  const count = (name) => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(root)?.[1] ?? 0);
  const failed = count("failures") + count("errors");
  const skipped = count("skipped");
  return { passed: Math.max(0, count("tests") - failed - skipped), failed, skipped };
}

/**
 * The names of the skipped tests, and the lines `skipped: …` in which a test file says why.
 * @param {string} xml
 * @param {string} output
 */
function printSkips(xml, output) {
  for (const match of xml.matchAll(/<testcase\b([^>]*)>\s*<skipped\b/g)) {
    const name = /\bname="([^"]*)"/.exec(match[1] ?? "")?.[1] ?? "";
    console.log(`     skipped: ${unescapeXml(name)}`);
  }
  const reasons = output.split("\n").filter((line) => /^\s*skipped:/.test(line));
  for (const reason of new Set(reasons))
    console.log(`     because: ${reason.trim().slice(8).trim()}`);
}

/** @param {string} text */
function unescapeXml(text) {
  return text
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&apos;", "'")
    .replaceAll("&#10;", " ")
    .replaceAll("&amp;", "&");
}

/** @param {string} output */
function withoutPasses(output) {
  const lines = output.split("\n").filter((line) => !/^\((?:pass|skip|todo)\) /.test(line));
  return lines.join("\n").trim();
}

/**
 * @param {string} folder
 * @returns {string[]} test files below it, as paths from the top folder, sorted
 */
function testFiles(folder) {
  return readdirSync(join(ROOT, folder), { withFileTypes: true })
    .flatMap((entry) => {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory()) return testFiles(path);
      return entry.name.endsWith(".test.ts") ? [path] : [];
    })
    .sort();
}

/** @param {string} path */
function isWanted(path) {
  return options.filters.length === 0 || options.filters.some((part) => path.includes(part));
}

/** @param {Counts} counts */
function countsLine(counts) {
  const skipped = counts.skipped === 0 ? "" : `, ${counts.skipped} skipped`;
  return `${counts.passed} passed, ${counts.failed} failed${skipped}`;
}

/**
 * @param {readonly string[]} args
 * @returns {Options}
 */
function parseOptions(args) {
  /** @type {Options} */
  const parsed = {
    seed: Math.floor(Math.random() * SEED_MAX),
    runs: 0,
    isVerbose: false,
    withCheck: false,
    appliance: "without",
    filters: [],
  };
  for (const arg of args) {
    const seed = /^--seed=(\d+)$/.exec(arg)?.[1];
    const runs = /^--runs=(\d+)$/.exec(arg)?.[1];
    if (seed !== undefined) parsed.seed = Number(seed);
    else if (runs !== undefined) parsed.runs = Number(runs);
    else if (arg === "--verbose") parsed.isVerbose = true;
    else if (arg === "--with-check") parsed.withCheck = true;
    else if (arg === "--appliance=with") parsed.appliance = "with";
    else if (arg === "--appliance=only") parsed.appliance = "only";
    else if (!arg.startsWith("-")) parsed.filters.push(arg);
    else {
      console.error(`unknown option ${arg}; known: ${OPTIONS}`);
      process.exit(2);
    }
  }
  return parsed;
}
