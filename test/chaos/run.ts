/** A run of chaos: rounds of faults in a world, operators and frameworks at work, and its history. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { stateOf } from "../harness/masters.ts";
import { until } from "../harness/wait.ts";
import { JSON_WIRE, PROTOBUF_WIRE } from "../harness/wire.ts";
import type { EpochLook, History, TaskNote } from "./history.ts";
import { Observer } from "./observer.ts";
import { Operator } from "./operator.ts";
import { AGENTS, describeFault, type Means, roundOf } from "./schedule.ts";
import { Tenant } from "./tenant.ts";
import { PATH, type Program, type World } from "./world.ts";

const OPERATORS = 2;
const LOOK_MS = 100;
/** A machine that is busy otherwise takes longer than the 30 seconds that are told as too long. */
const RECOVERY_MS_MAX = 90_000;
const LASTING_TASKS = 2;
const SHORT_TASKS = 2;

export interface RunOptions {
  readonly seed: number;
  readonly means: Means;
  say(line: string): void;
}

export class Run {
  /** Milliseconds from the end of each round's faults until all was well. */
  readonly recoveriesMs: number[] = [];
  readonly #world: World;
  readonly #options: RunOptions;
  readonly #observer: Observer;
  readonly #operator: Operator;
  readonly #tenants: readonly Tenant[];
  readonly #epochs: EpochLook[] = [];
  readonly #notes: string;
  readonly #sign: string;
  readonly #abort = new AbortController();
  readonly #work: Promise<void>[];
  #leader: Program | undefined;

  /** Everybody begins to work. */
  constructor(world: World, options: RunOptions) {
    this.#world = world;
    this.#options = options;
    this.#observer = new Observer(world.servers, PATH);
    this.#operator = new Operator(() => world.masters);
    this.#notes = join(world.workDir, "notes");
    this.#sign = join(world.workDir, "sign");
    this.#tenants = [JSON_WIRE, PROTOBUF_WIRE].map(
      (wire) =>
        new Tenant({
          wire,
          notes: this.#notes,
          sign: this.#sign,
          leader: () => this.#leader?.process.url,
        }),
    );
    const { signal } = this.#abort;
    this.#work = [
      this.#observe(signal),
      ...Array.from({ length: OPERATORS }, () => this.#operator.work(signal)),
      ...this.#tenants.map((tenant) => tenant.work(signal)),
    ];
  }

  /** Before the first round: somebody leads, and lasting tasks run. */
  async begin(): Promise<void> {
    for (const tenant of this.#tenants) tenant.want({ lasting: LASTING_TASKS });
    await this.#recovered(0);
  }

  /** Errors: all is not well again long after the faults. */
  async round(number: number): Promise<void> {
    const { seed, means, say } = this.#options;
    const { faults, lastsMs } = roundOf(seed, number, means);
    const leader = this.#leader;
    if (leader === undefined) throw new Error("nobody leads before a round");
    const endMs = performance.now() + lastsMs;
    for (const tenant of this.#tenants) tenant.want({ short: SHORT_TASKS });
    const heals: (() => Promise<void>)[] = [];
    for (const { fault, pauseMs } of faults) {
      await sleep(pauseMs);
      say(`round ${number}: ${describeFault(fault)}`);
      heals.push(await this.#world.begin(fault, leader));
    }
    await sleep(Math.max(0, endMs - performance.now()));
    for (const heal of heals.reverse()) await heal();
    const healedMs = performance.now();
    await this.#world.restart();
    const serving = this.#world.untilServing().then(() => performance.now() - healedMs);
    for (const tenant of this.#tenants) tenant.want({ short: 1 });
    await this.#recovered(healedMs);
    const recoveryMs = performance.now() - healedMs;
    this.recoveriesMs.push(recoveryMs);
    const [allS, servingS] = [recoveryMs, await serving].map((ms) => (ms / 1000).toFixed(1));
    say(`round ${number}: all is well after ${allS} s, ZooKeeper's servers after ${servingS} s`);
  }

  /** Lets all tasks end, and everybody stop. */
  async end(): Promise<History> {
    await Bun.write(this.#sign, "");
    const open = (): string[] => this.#tenants.flatMap((tenant) => tenant.open);
    await until(
      "the end of all tasks to be told",
      () => open().length === 0,
      RECOVERY_MS_MAX,
    ).catch((error: unknown) => this.#options.say(`${error}: ${open().join(", ")}`));
    this.#abort.abort();
    await Promise.all(this.#work);
    this.#observer.close();
    return this.history();
  }

  /** So far. */
  history(): History {
    return {
      writes: this.#operator.writes,
      reads: this.#operator.reads,
      epochs: this.#epochs,
      asked: this.#tenants.flatMap(({ asked }) => asked),
      statuses: this.#tenants.flatMap(({ statuses }) => statuses),
      notes: existsSync(this.#notes) ? notesIn(readFileSync(this.#notes, "utf8")) : [],
    };
  }

  /** Ids of the frameworks: one for each. */
  frameworkIds(): readonly (readonly string[])[] {
    return this.#tenants.map(({ ids }) => [...ids]);
  }

  async #observe(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const look = await this.#observer.epoch();
      if (look !== undefined) this.#epochs.push(look);
      const address = await this.#observer.leader();
      this.#leader = this.#world.masters.find(({ process }) => process.url === `http://${address}`);
      await sleep(LOOK_MS);
    }
  }

  /** Somebody leads with all agents, takes writes, and has run new tasks of every framework. */
  async #recovered(sinceMs: number): Promise<void> {
    let lacking = "";
    const look = async (): Promise<boolean> => {
      const leader = this.#leader;
      const state = leader && (await stateOf(leader.process));
      const active = state?.slaves.filter((agent) => agent.active).length ?? 0;
      const idle = this.#tenants.filter((tenant) => !tenant.hasRunSince(sinceMs));
      lacking = [
        ...(leader === undefined ? ["nobody leads"] : []),
        ...(active < AGENTS ? [`${active} agents are active`] : []),
        ...(this.#operator.hasWrittenSince(sinceMs) ? [] : ["no write is acknowledged"]),
        ...idle.map(({ name, open }) => `no new task of ${name} has run: ${open.join(", ")}`),
      ].join(", ");
      if (lacking === "") return true;
      await sleep(LOOK_MS);
      return false;
    };
    await until("all to be well", look, RECOVERY_MS_MAX).catch((error: unknown) => {
      throw new Error(`${error}: ${lacking}`);
    });
  }
}

function notesIn(text: string): TaskNote[] {
  const lines = text.split("\n").filter((line) => line !== "");
  return lines.map((line) => {
    const [what, task = ""] = line.split(" ");
    return { task, what: what === "start" ? "start" : "end" };
  });
}
