/** The test's end of a custom executor: what to launch it with, its journal, its orders. */
import { appendFileSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Offer } from "../test-framework.ts";
import { until } from "../wait.ts";
import type { Wire } from "../wire.ts";
import type { ExecutorOrder, JournalLine } from "./protocol.ts";

const PROGRAM = resolve(import.meta.dir, "program.ts");

export interface ExecutorOptions {
  readonly id: string;
  readonly wire: Wire;
  /** `mute`: does nothing on its own. `stubborn`: ignores SHUTDOWN and SIGTERM. `silent`: never subscribes. */
  readonly words?: readonly ("mute" | "stubborn" | "silent")[];
  /** Over the rest of the ExecutorInfo. */
  readonly info?: Record<string, unknown>;
}

/** An ExecutorInfo for the offer's role. */
export function executorInfo(offer: Offer, options: ExecutorOptions): Record<string, unknown> {
  const allocation_info = offer.resources[0]?.allocation_info;
  const scalar = (name: string, value: number): object => ({
    name,
    type: "SCALAR",
    scalar: { value },
    allocation_info,
  });
  return {
    type: "CUSTOM",
    executor_id: { value: options.id },
    name: `executor ${options.id}`,
    command: {
      shell: false,
      value: process.execPath,
      arguments: [process.execPath, PROGRAM, options.wire.name, ...(options.words ?? [])],
    },
    resources: [scalar("cpus", 0.01), scalar("mem", 32), scalar("disk", 1)],
    ...options.info,
  };
}

/** A running executor, found by its sandbox below the agent's work folder. */
export class TestExecutor {
  readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
  }

  /** Waits until it has begun to write. */
  static async find(workDir: string, frameworkId: string, id: string): Promise<TestExecutor> {
    const directory = await until(`the sandbox of executor ${id}`, () => {
      const [agent] = foldersIn(join(workDir, "slaves"));
      const path = `slaves/${agent ?? ""}/frameworks/${frameworkId}/executors/${id}/runs/latest`;
      return existsSync(join(workDir, path, "journal")) ? join(workDir, path) : undefined;
    });
    return new TestExecutor(directory);
  }

  order(order: ExecutorOrder): void {
    appendFileSync(join(this.directory, "orders"), `${JSON.stringify(order)}\n`);
  }

  journal(): JournalLine[] {
    const lines = readFileSync(join(this.directory, "journal"), "utf8").split("\n").slice(0, -1);
    return lines.map((line) => JSON.parse(line) as JournalLine);
  }

  /** Types of the events so far, acknowledgements left out. */
  events(): string[] {
    return this.journal().flatMap(({ event }) =>
      event === undefined || event === "ACKNOWLEDGED" ? [] : [event],
    );
  }

  /** The newest line that fits, waited for. */
  async line(what: string, fits: (line: JournalLine) => boolean): Promise<JournalLine> {
    return await until(what, () => this.journal().findLast(fits));
  }

  /** Posts a call by way of the executor and returns the answer. */
  async answer(call: NonNullable<ExecutorOrder["call"]>): Promise<JournalLine> {
    const before = this.#answers(call.type).length;
    this.order({ call });
    return await until(`the answer to ${call.type}`, () => this.#answers(call.type)[before]);
  }

  #answers(type: string): JournalLine[] {
    return this.journal().filter((line) => line.call === type);
  }
}

function foldersIn(path: string): string[] {
  return existsSync(path) ? readdirSync(path).filter((name) => name !== "latest") : [];
}
