/**
 * `npm run appliance [-- OPTION… COMMAND…]`: carries out a command in the test machine, or, without
 * one, all tests that need it. Exit status: the command's; 124 when its time was up, 125 when the
 * machine cannot be had here, 126 when it ended by itself, each with the reason in one line.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import process from "node:process";
import { ROOT } from "../../build/tools.mjs";
import { makeImage } from "./images.ts";
import { COMMAND_SECONDS_MAX, FILE_SECONDS_MAX, MEMORY_MIB } from "./limits.ts";
import { hasWideState, JOB, type Outcome, runInMachine, SOURCE, whyNoMachine } from "./machine.ts";
import { mergeReports } from "./reports.ts";

const USAGE = `usage: npm run appliance -- [OPTION…] [COMMAND…]
  COMMAND…           run by sh as root in ${SOURCE}, which is this project; without one, the tests run
  --rw               the project can be written to (default: read only)
  --memory=MIB       of the machine (default: ${MEMORY_MIB})
  --timeout=SECONDS  for the command (default: ${COMMAND_SECONDS_MAX})
  --tests FILE… [OPTIONS of bun test]  run these files of tests, each by itself
Images are kept in $APPLIANCE_CACHE (default: /var/cache/allot-appliance).`;

const STATUS_WITHOUT_END = { "no machine": 125, broken: 126, "timed out": 124 } as const;
const REPORT_OPTION = "--reporter-outfile=";

interface Settings {
  mode: "ro" | "rw";
  memoryMib: number;
  seconds: number;
  areTests: boolean;
  words: readonly string[];
}

async function main(args: readonly string[]): Promise<number> {
  const settings = parse(args);
  if (settings === undefined) {
    console.error(USAGE);
    return 2;
  }
  if (settings.areTests) return await runTests(settings);
  if (settings.words.length === 0) {
    const tests = ["build/test.mjs", "--appliance=only"];
    return spawnSync("node", tests, { cwd: ROOT, stdio: "inherit" }).status ?? 1;
  }
  const command = settings.words.length === 1 ? settings.words[0] : quoted(settings.words);
  return statusOf(await run(settings, command ?? ""));
}

function parse(args: readonly string[]): Settings | undefined {
  const settings: Settings = {
    mode: "ro",
    memoryMib: MEMORY_MIB,
    seconds: COMMAND_SECONDS_MAX,
    areTests: false,
    words: [],
  };
  for (const [index, word] of args.entries()) {
    const [, name, value] = /^--(memory|timeout)=([1-9]\d{0,5})$/.exec(word) ?? [];
    if (name === "memory") settings.memoryMib = Number(value);
    else if (name === "timeout") settings.seconds = Number(value);
    else if (word === "--rw") settings.mode = "rw";
    else if (word === "--tests") {
      return { ...settings, areTests: true, words: args.slice(index + 1) };
    } else if (word.startsWith("-")) return undefined;
    else return { ...settings, words: args.slice(index) };
  }
  return settings;
}

async function run(
  settings: Settings,
  command: string,
  onEnd?: (jobFolder: string) => void,
): Promise<Outcome> {
  const reason = whyNoMachine();
  if (reason !== undefined) return { kind: "no machine", message: reason };
  let image: string;
  let preloaded: string | undefined;
  try {
    image = makeImage("image.sh");
    preloaded = hasWideState() ? join(makeImage("xstate/image.sh"), "ptrace.so") : undefined;
  } catch {
    return { kind: "no machine", message: "its image cannot be made" };
  }
  return await runInMachine({
    image,
    preloaded,
    command: `export IN_APPLIANCE=1\n${command}\n`,
    source: ROOT,
    mode: settings.mode,
    memoryMib: settings.memoryMib,
    commandMsMax: settings.seconds * 1000,
    stdout: process.stdout,
    stderr: process.stderr,
    ...(onEnd === undefined ? {} : { onEnd }),
  });
}

/** Each file in a bun of its own, so that one that hangs or crashes takes no other along. */
async function runTests(settings: Settings): Promise<number> {
  const files = settings.words.filter((word) => !word.startsWith("-"));
  const report = settings.words.find((word) => word.startsWith(REPORT_OPTION));
  const options = settings.words.filter((word) => word.startsWith("-") && word !== report);
  const bun = join(SOURCE, relative(ROOT, process.execPath));
  const lines = files.map((file, index) => {
    const words = [
      "timeout",
      "--kill-after=10",
      String(FILE_SECONDS_MAX),
      bun,
      "test",
      `./${file}`,
    ];
    const outfile = report === undefined ? [] : [`${REPORT_OPTION}${JOB}/${index}.xml`];
    const output = `${JOB}/${index}.out`;
    return `${quoted([...words, ...options, ...outfile])} >${output} 2>&1; echo $? >${JOB}/${index}.status; cat ${output} >&2`;
  });
  const runs = (folder: string) =>
    files.map((path, index) => {
      const status = join(folder, `${index}.status`);
      return {
        path,
        status: existsSync(status) ? Number(readFileSync(status, "utf8")) : undefined,
        report: join(folder, `${index}.xml`),
        output: join(folder, `${index}.out`),
      };
    });
  let isOk = false;
  const seconds = files.length * FILE_SECONDS_MAX;
  const outcome = await run({ ...settings, seconds }, lines.join("\n"), (folder) => {
    const ended = runs(folder);
    isOk = ended.every(({ status }) => status === 0);
    // Once more at the end, where they are found: the files before and after say a lot too.
    for (const { path, status, output } of ended) {
      if (status === undefined || status === 0) continue;
      console.error(`failed in the machine: ${path}\n${readFileSync(output, "utf8")}`);
    }
    if (report !== undefined)
      writeFileSync(report.slice(REPORT_OPTION.length), mergeReports(ended));
  });
  const status = statusOf(outcome);
  return status === 0 && !isOk ? 1 : status;
}

function statusOf(outcome: Outcome): number {
  if (outcome.kind === "ended") return outcome.status;
  if (outcome.kind === "no machine") console.error(`no test machine: ${outcome.message}`);
  else console.error(`test machine: ${outcome.message}`);
  return STATUS_WITHOUT_END[outcome.kind];
}

function quoted(words: readonly string[]): string {
  return words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
}

process.exitCode = await main(process.argv.slice(2));
