/**
 * What a CI job out of hand does to the answers of a memcached on the same agent, with a Rails
 * application and its PostgreSQL beside them: alone, with these neighbours, with the job as a task whose
 * limit is what it asked for, as a task without a limit, and, for contrast, with the same job and
 * memcached as plain processes.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { ROOT } from "../../build/tools.mjs";
import { runCounted } from "../appliance/counted/counted-machine.ts";
import { makeImage } from "../appliance/images.ts";
import { BINARY } from "../harness/allot-process.ts";
import type { Bench } from "./bench.ts";
import { FigureSet, percentile } from "./figures.ts";
import { type Latencies, type Measured, PHASES, type Phase } from "./tenants/latencies.ts";
import { drawLatencies } from "./tenants/picture.ts";

const MEMORY_MIB = 5120;
const WALL_MS_MAX = 5_400_000;
const PICTURE = join(ROOT, "test/bench/tenants/latencies.svg");
/** Of what the machine says, when it does not end well. */
const LINES_TOLD = 30;
const PERCENTS = [50, 99, 99.9];
const NAMES: Readonly<Record<Phase, string>> = {
  alone: "alone",
  together: "with Rails and PostgreSQL",
  limited: "and the job, with a limit",
  weighted: "and the job, by weight alone",
  plain: "and the job, without allot",
};

export const tenantsBench: Bench = {
  name: "tenants",
  summary: "answers of memcached beside Rails, PostgreSQL and a CI job out of hand",
  needsBinary: true,
  defaultRuns: 3,
  run: async ({ runs, size, progress }) => {
    const latencies = await measure(runs, size(4, 3), progress);
    const set = new FigureSet();
    for (const phase of PHASES) {
      for (const run of latencies[phase]) {
        for (const percent of PERCENTS) {
          const name = `tenants, memcached ${NAMES[phase]}, p${percent}`;
          set.add(name, "µs", percentile(run, percent) * 1000);
        }
      }
    }
    writeFileSync(PICTURE, drawLatencies(latencies, NAMES));
    return set.figures();
  },
};

async function measure(
  runs: number,
  seconds: number,
  progress: (text: string) => void,
): Promise<Latencies> {
  const images = makeImage("tenants/images.sh");
  const folder = mkdtempSync(join(tmpdir(), "allot-tenants-"));
  try {
    for (const name of ["scene", "memcached-load"]) bundle(name, folder);
    const files = new Map([
      ["allot", BINARY],
      ["bun", process.execPath],
      ["install.sh", join(ROOT, "install.sh")],
      ...readdirSync(join(ROOT, "systemd")).map((name) => {
        return [`systemd/${name}`, join(ROOT, "systemd", name)] as const;
      }),
      ["ci-job.pl", join(ROOT, "test/appliance/tenants/ci-job.pl")],
      ["images/shop:1.tar", join(images, "shop.tar")],
      ["postgres.tar", join(images, "postgres.tar")],
      ["scene.js", join(folder, "scene.js")],
      ["memcached-load.js", join(folder, "memcached-load.js")],
    ]);
    const latencies: Record<Phase, (readonly number[])[]> = {
      alone: [],
      together: [],
      limited: [],
      weighted: [],
      plain: [],
    };
    const lines: string[] = [];
    const status = await runCounted({
      files,
      command: `/src/bun /src/scene.js ${runs} ${seconds}`,
      memoryMib: MEMORY_MIB,
      wallMsMax: WALL_MS_MAX,
      onLine: (line) => {
        if (!line.startsWith("{")) {
          progress(line);
          lines.push(line);
          return;
        }
        const measured = JSON.parse(line) as Measured;
        latencies[measured.phase].push(measured.latencies);
        const p99 = Math.round(percentile(measured.latencies, 99) * 1000);
        progress(`${NAMES[measured.phase]}: p99 ${p99} µs`);
      },
    });
    if (status !== 0) throw new Error(lines.slice(-LINES_TOLD).join("\n"));
    return latencies;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Makes one file of a program and what it imports. */
function bundle(name: string, folder: string): void {
  const source = join(ROOT, `test/bench/tenants/${name}.ts`);
  const words = ["build", "--target=bun", source, `--outfile=${join(folder, name)}.js`];
  const { status, stderr } = spawnSync(process.execPath, words, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${name} cannot be bundled: ${stderr}`);
}
