/**
 * `npm run sim -- --seeds N --seed S [--masters M] [--steps K] [--plant NAME]`: runs N seeds from S
 * on, with one master or several, and says which failed, with the command that replays it.
 */
import process from "node:process";
import { type SimulationResult, simulate } from "./simulation.ts";
import { MASTERS_PLANTS, PLANTS, type Plant } from "./world.ts";

const DEFAULT_STEPS = 4000;
/** One seed of so many is run twice: the second run must say the same, byte for byte. */
const REPEAT_EVERY = 25;
/** Events shown of a failing run. */
const TAIL_LINES = 40;

interface Settings {
  seeds: number;
  seed: number;
  steps: number;
  masters: number;
  plant: Plant | undefined;
}

function parse(argv: readonly string[]): Settings {
  const settings: Settings = {
    seeds: 1,
    seed: 1,
    steps: DEFAULT_STEPS,
    masters: 1,
    plant: undefined,
  };
  const words = argv.flatMap((word) => word.split(/=(.*)/s, 2));
  for (let index = 0; index < words.length; index += 2) {
    const name = words[index] ?? "";
    const value = words[index + 1] ?? "";
    if (name === "--plant") {
      const plants = [...PLANTS, ...MASTERS_PLANTS];
      settings.plant = plants.find((plant) => plant === value);
      if (settings.plant === undefined) fail(`--plant is one of ${plants.join(", ")}`);
    } else if (OPTIONS.some((option) => name === `--${option}`)) {
      const number = Number(value);
      if (!Number.isSafeInteger(number) || number < 0) fail(`${name} needs a whole number`);
      settings[name.slice(2) as (typeof OPTIONS)[number]] = number;
    } else {
      fail(`unknown option ${name}; known are --plant and --${OPTIONS.join(", --")}`);
    }
  }
  return settings;
}

/** The options that are numbers. */
const OPTIONS = ["seeds", "seed", "steps", "masters"] as const;

function fail(message: string): never {
  process.stderr.write(`sim: ${message}\n`);
  process.exit(2);
}

/** Ends the program when a replay differs, since no failure could be trusted then. */
function expectSame(first: SimulationResult, second: SimulationResult): void {
  const place = first.lines.findIndex((line, index) => line !== second.lines[index]);
  if (place < 0 && first.lines.length === second.lines.length) return;
  const line = place < 0 ? first.lines.length : place;
  process.stdout.write(
    `seed ${first.seed} does not replay: line ${line} is first\n${first.lines[line]}\nand then\n${second.lines[line]}\n`,
  );
  process.exit(1);
}

function run(settings: Settings): number {
  const startMs = Date.now();
  let tasks = 0;
  for (let index = 0; index < settings.seeds; index++) {
    const seed = settings.seed + index;
    const { steps, plant: planted, masters } = settings;
    const options = { seed, steps, plant: planted, masters };
    const result = simulate(options);
    if (index % REPEAT_EVERY === 0) expectSame(result, simulate(options));
    tasks += result.tasks;
    if (result.failure !== undefined) {
      const plant = settings.plant === undefined ? "" : ` --plant ${settings.plant}`;
      process.stdout.write(`${result.lines.slice(-TAIL_LINES).join("\n")}\n`);
      process.stdout.write(`seed ${seed} failed: ${result.failure}\n`);
      process.stdout.write(
        `replay: npm run sim -- --seeds 1 --seed ${seed} --steps ${steps} --masters ${masters}${plant}\n`,
      );
      return 1;
    }
    if (index % 20 === 19) process.stderr.write(`sim: ${index + 1} of ${settings.seeds} seeds\n`);
  }
  const seconds = ((Date.now() - startMs) / 1000).toFixed(1);
  process.stdout.write(`${settings.seeds} seeds passed, ${tasks} tasks, ${seconds} s\n`);
  return 0;
}

process.exit(run(parse(process.argv.slice(2))));
