/**
 * A benchmark that this host has no room or no controllers for, in the counted machine: the same
 * program with the same arguments runs there, and its figures come back.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import process from "node:process";
import { ROOT } from "../../build/tools.mjs";
import { runCounted } from "../appliance/counted/counted-machine.ts";
import { BINARY } from "../harness/allot-process.ts";
import type { BenchContext } from "./bench.ts";
import type { Figure } from "./figures.ts";

/** Of what the machine says, when it does not end well. */
const LINES_TOLD = 30;

export interface MachineBench {
  /** As on the command line. */
  readonly name: string;
  /** Shell text that is carried out before it. */
  readonly before?: string;
  /** Variables of its environment. */
  readonly settings?: Readonly<Record<string, string | number>>;
  /** Of the machine's kernel, beside its usual ones. */
  readonly kernelWords?: readonly string[];
  readonly memoryMib: number;
  /** Of this host's time. */
  readonly wallMsMax: number;
}

/** Errors: the machine cannot be had, or the benchmark failed in it; what it said last is told. */
export async function runInMachine(context: BenchContext, bench: MachineBench): Promise<Figure[]> {
  const { name, before = ":", settings = {}, kernelWords = [], memoryMib, wallMsMax } = bench;
  const folder = mkdtempSync(join(tmpdir(), "allot-in-machine-"));
  try {
    const archive = join(folder, "project.tar");
    packProject(archive);
    const bun = `./${relative(ROOT, process.execPath)}`;
    const words = Object.entries({ ...settings, NO_COLOR: 1 }).map(
      ([key, value]) => `${key}=${value}`,
    );
    const options = ["--json", `--runs=${context.runs}`, `--scale=${context.scale}`];
    const lines: string[] = [];
    let figures: Figure[] | undefined;
    const status = await runCounted({
      files: new Map([["project.tar", archive]]),
      command: [
        "set -e",
        "mkdir /project && cd /project && tar -xf /src/project.tar && rm /src/project.tar",
        "ulimit -n $(ulimit -Hn)",
        before,
        `${words.join(" ")} ${bun} test/bench/main.ts ${name} ${options.join(" ")} >/figures`,
        "tr -d '\\n' </figures && echo",
      ].join("\n"),
      kernelWords,
      memoryMib,
      wallMsMax,
      onLine: (line) => {
        if (/^\[\s*\{/.test(line)) figures = JSON.parse(line) as Figure[];
        else context.progress(line.replace(`bench: ${name}: `, ""));
        lines.push(line);
      },
    });
    if (status === 0 && figures !== undefined) return figures;
    throw new Error(lines.slice(-LINES_TOLD).join("\n"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The project as far as its benchmarks need it: sources, the program, and packages they run with. */
function packProject(archive: string): void {
  const lock = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")) as {
    readonly packages: Readonly<Record<string, { readonly dev?: boolean }>>;
  };
  const packages = Object.entries(lock.packages).filter(([path, { dev }]) => path !== "" && !dev);
  const paths = [
    ...["src", "test", "build", "package.json", "package-lock.json", "tsconfig.json"],
    relative(ROOT, BINARY),
    relative(ROOT, process.execPath),
    // Those for other systems are not there.
    ...packages.map(([path]) => path).filter((path) => existsSync(join(ROOT, path))),
  ];
  execFileSync("tar", ["-C", ROOT, "-cf", archive, ...paths]);
}
