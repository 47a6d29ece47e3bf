/**
 * Many agents without servers, in one process of their own: each is the agent's real core, runtime
 * and link with a disk in memory and containers that are timers (what a task's command may say is in
 * `emulated/emulated-containers.ts`). For tests and benchmarks of the master.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import process from "node:process";
import type { ContainerResult } from "../../src/containerizer/containerizer.ts";
import type { AgentAction, AgentGroup, Order, Reply, Report } from "./emulated/protocol.ts";
import { until } from "./wait.ts";

const PROGRAM = join(import.meta.dir, "emulated", "program.ts");

interface Waiter {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** Which agents: one by its number, some, or all of the process. */
type Which = number | readonly number[] | "all";

export class EmulatedAgents {
  readonly #child: ChildProcess;
  readonly #workDir: string;
  readonly #waiting = new Map<number, Waiter>();
  #orders = 0;

  private constructor(workDir: string) {
    this.#workDir = workDir;
    this.#child = spawn(process.execPath, [PROGRAM], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      cwd: workDir,
    });
    this.#child.on("message", (message) => this.#take(message as Reply));
    this.#child.once("exit", () => this.#fail("the process of the emulated agents has ended"));
  }

  /** A process with no agents yet; `workDir` is for the folders of their volumes. */
  static process(workDir: string): EmulatedAgents {
    return new EmulatedAgents(workDir);
  }

  /** A process with one group of agents, all of which the master has admitted. */
  static async start(workDir: string, group: AgentGroup): Promise<EmulatedAgents> {
    const agents = EmulatedAgents.process(workDir);
    await agents.add(group);
    await agents.registered(group.count);
    return agents;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Resolves when all of the group have begun to connect. */
  async add(group: AgentGroup): Promise<void> {
    const master = group.master.replace(/^http:\/\//, "");
    await this.#order({
      kind: "add",
      group: { ...group, master },
      workDir: this.#workDir,
    });
  }

  /** Waits until that many agents are registered on their present links. */
  async registered(count: number, timeoutMs?: number): Promise<void> {
    await until(
      `${count} emulated agents to be registered`,
      async () => (await this.report()).registered >= count,
      timeoutMs,
    );
  }

  /** Agent processes start, recover what their disk holds and connect. */
  async start(which: Which): Promise<void> {
    await this.#act("start", which);
  }

  /** As SIGTERM: tasks of frameworks that checkpoint run on. */
  async stop(which: Which): Promise<void> {
    await this.#act("stop", which);
  }

  /** As SIGKILL: all tasks run on; `start` brings the agent back. */
  async crash(which: Which): Promise<void> {
    await this.#act("crash", which);
  }

  /** The servers go down and come back; nobody saw their tasks end. */
  async reboot(which: Which): Promise<void> {
    await this.#act("reboot", which);
  }

  /** Crash, and the disk and all tasks are gone; `start` brings a new agent at the same address. */
  async erase(which: Which): Promise<void> {
    await this.#act("erase", which);
  }

  /** Neither hear nor say anything, pings among it, over links that stay open. */
  async pause(which: Which): Promise<void> {
    await this.#act("pause", which);
  }

  /** All that was not heard and said while paused happens now. */
  async resume(which: Which): Promise<void> {
    await this.#act("resume", which);
  }

  /** Links are lost and made again after the usual back-off. */
  async cutLink(which: Which): Promise<void> {
    await this.#act("cutLink", which);
  }

  /** Links are lost and cannot be made again until `joinNetwork`. */
  async leaveNetwork(which: Which): Promise<void> {
    await this.#act("leaveNetwork", which);
  }

  async joinNetwork(which: Which): Promise<void> {
    await this.#act("joinNetwork", which);
  }

  /** A task's process ends by itself, wherever it runs. False when it runs nowhere. */
  async endTask(taskId: string, result: ContainerResult): Promise<boolean> {
    return (await this.#order({ kind: "endTask", taskId, result })) as boolean;
  }

  async report(): Promise<Report> {
    return (await this.#order({ kind: "report" })) as Report;
  }

  /** Agent ids by number; undefined for one that was never admitted. */
  async ids(): Promise<Map<number, string | undefined>> {
    return new Map((await this.#order({ kind: "ids" })) as [number, string | undefined][]);
  }

  /** Ends the process with all its agents, without a word to the master. */
  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill("SIGKILL");
    await once(this.#child, "exit");
  }

  async #act(action: AgentAction, which: Which): Promise<void> {
    const indexes = typeof which === "number" ? [which] : which === "all" ? which : [...which];
    await this.#order({ kind: "act", action, indexes });
  }

  #order(order: Order): Promise<unknown> {
    this.#orders += 1;
    const number = this.#orders;
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject });
      this.#child.send({ ...order, number });
    });
  }

  #take({ number, value, error }: Reply): void {
    const waiter = this.#waiting.get(number);
    this.#waiting.delete(number);
    if (error === undefined) waiter?.resolve(value);
    else waiter?.reject(new Error(error));
  }

  #fail(message: string): void {
    for (const { reject } of this.#waiting.values()) reject(new Error(message));
    this.#waiting.clear();
  }
}
