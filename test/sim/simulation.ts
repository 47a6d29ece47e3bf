/**
 * One run from one seed: a master, some servers and schedulers, a stretch of time with every kind
 * of fault, then peace, and in the end every account must balance. Source: DESIGN §10.
 */

import { isGroupMember } from "../../src/agent/core/state.ts";
import { brand } from "../../src/base/ids.ts";
import { Bundle } from "../../src/resources/bundle.ts";
import { withCheckpointed } from "../../src/resources/conversion.ts";
import { cpusMilliOf } from "./cpus.ts";
import { Judge } from "./judge.ts";
import { Ensemble } from "./masters/ensemble.ts";
import type { Masters } from "./masters.ts";
import { isVolume, volumeKey } from "./operation-judge.ts";
import { isOver as isTaskOver, SimFramework } from "./sim-framework.ts";
import { SimHost, type SimProcess } from "./sim-host.ts";
import { SimMaster } from "./sim-master.ts";
import { SimOperator } from "./sim-operator.ts";
import { type Plant, World } from "./world.ts";

export interface SimulationOptions {
  readonly seed: number;
  /** Events with faults; peace comes after. */
  readonly steps: number;
  readonly plant: Plant | undefined;
  /** 1 acts alone; more of them are elected in a modelled ZooKeeper. */
  readonly masters?: number;
}

export interface SimulationResult {
  readonly seed: number;
  readonly lines: readonly string[];
  readonly tasks: number;
  /** Undefined when nothing is wrong. */
  readonly failure: string | undefined;
}

/** Virtual time for retries (10 s doubling to 10 min) and unreachable agents to settle. */
const PEACE_MS = 45 * 60_000;
/** Of masters that are compared with each other and with ZooKeeper's servers. */
const CLOCK_DRIFT = 0.02;
/** Events that peace may take; more means that something never settles. */
const PEACE_STEPS = 400_000;

/** Runs one seed. Never throws: what is wrong is in `failure`. */
export function simulate(options: SimulationOptions): SimulationResult {
  const { masters = 1 } = options;
  const world = new World({ ...options, clockDrift: masters > 1 ? CLOCK_DRIFT : 0 });
  const cast = new Cast(world, masters);
  let failure: string | undefined;
  try {
    cast.storm(options.steps);
    cast.peace();
    cast.account();
  } catch (error) {
    failure = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    if (error instanceof Error && error.name !== "Violation") failure += `\n${error.stack ?? ""}`;
  } finally {
    cast.release();
  }
  const tasks = cast.frameworks.reduce((sum, framework) => sum + framework.tasks.size, 0);
  return { seed: options.seed, lines: world.lines, tasks, failure };
}

class Cast {
  readonly frameworks: SimFramework[] = [];
  readonly #world: World;
  readonly #judge: Judge;
  readonly #master: Masters;
  /** The same, where there are several. */
  readonly #ensemble: Ensemble | undefined;
  readonly #operator: SimOperator;
  readonly #hosts: SimHost[] = [];

  constructor(world: World, masters: number) {
    this.#world = world;
    this.#judge = new Judge(world);
    this.#ensemble = masters > 1 ? new Ensemble(world, this.#judge, masters) : undefined;
    this.#master = this.#ensemble ?? new SimMaster(world, this.#judge);
    const hosts = 1 + world.dice.below(3);
    for (let index = 0; index < hosts; index++) {
      const options = {
        name: `h${index}`,
        ip: `10.0.0.${index + 1}`,
        cpus: 1 + world.dice.below(4),
      };
      this.#hosts.push(new SimHost(world, this.#judge, this.#master, options));
    }
    const machines = this.#hosts.map(({ name, ip }) => ({ hostname: name, ip }));
    this.#operator = new SimOperator(world, this.#judge, this.#master, machines);
    const frameworks = 1 + world.dice.below(4);
    for (let index = 0; index < frameworks; index++) {
      this.frameworks.push(new SimFramework(world, this.#judge, this.#master, `f${index}`));
    }
  }

  release(): void {
    this.#ensemble?.release();
  }

  /** Random acts and faults until `steps` events have happened. */
  storm(steps: number): void {
    this.#disturbLater();
    if (this.#ensemble !== undefined) this.#governLater();
    for (let step = 0; step < steps; step++) {
      if (!this.#world.time.step(Number.POSITIVE_INFINITY)) break;
    }
  }

  /** No more faults: everything comes up, answers, and settles. */
  peace(): void {
    const { time } = this.#world;
    this.#world.areFaultsOn = false;
    this.#world.log("peace");
    this.#master.start();
    for (const host of this.#hosts) host.start();
    this.#settle(60_000);
    this.#operator.endMaintenance();
    this.#settle(PEACE_MS);
    // A new master learns of removed frameworks again from agents that were away (semantics 1.6).
    for (const { isOver, frameworkId } of this.frameworks) {
      if (isOver && frameworkId !== undefined) this.#operator.tearDown(frameworkId);
    }
    this.#settle(60_000);
    this.#checkDrains();
    this.#operator.reactivateAll();
    for (const framework of this.frameworks) {
      framework.offersSeen = 0;
      framework.revive();
      framework.reconcile(true);
      // A new master cannot know that an earlier one gave a task up; the list of all shows it.
      framework.reconcile(false);
      framework.reconcileOperations();
    }
    this.#settle(10 * 60_000);
    this.#world.log(`settled at ${time.nowMs}`);
  }

  /** Agents that drain have become empty in the meantime. */
  #checkDrains(): void {
    for (const { id, drain } of this.#master.core?.state.agents.values() ?? []) {
      this.#world.check(drain?.state !== "DRAINING", () => `${id} never ends draining`);
    }
  }

  /** What the master goes by is what is on its disk. */
  #accountPolicy(): void {
    const { policy } = this.#master.core?.state ?? {};
    const { registry } = this.#master;
    for (const name of ["quotas", "weights", "machines"] as const) {
      const known = JSON.stringify([...(policy?.[name] ?? [])]);
      const kept = JSON.stringify([...registry[name]]);
      this.#world.check(known === kept, () => `${name} are ${known} and on disk ${kept}`);
    }
  }

  /** What schedulers believe, what masters know and what runs must be one and the same. */
  account(): void {
    const alive = new Map<string, SimProcess>();
    for (const host of this.#hosts) {
      for (const process of host.processes.values()) {
        if (process.isAlive) alive.set(`${process.frameworkId}/${process.taskId}`, process);
      }
    }
    for (const framework of this.frameworks) this.#accountFramework(framework, alive);
    this.#accountPolicy();
    this.#ensemble?.account();
    // Nobody takes what was dropped of a framework that was ended under an earlier master: agents do
    // not report frameworks of which nothing runs, so the present one cannot say that it is over.
    const isBeyondReach = (id: string): boolean =>
      this.#master.core?.state.frameworks.has(brand(id)) !== true &&
      this.frameworks.some(
        (one) => one.frameworkId === id && (one.isOver || this.#judge.isRemoved(id)),
      );
    for (const key of alive.keys()) this.#world.fail(`${key} runs, but no framework owns it`);
    for (const host of this.#hosts) {
      this.#accountResources(host);
      const waiting = [...(host.core?.state.streams.values() ?? [])]
        .filter(({ pending, frameworkId }) => pending.length > 0 && !isBeyondReach(frameworkId))
        .map(({ frameworkId, taskId }) => `${frameworkId}/${taskId}`);
      this.#world.check(
        waiting.length === 0,
        () => `${host.name} still has unacknowledged updates of ${waiting.join(", ")}`,
      );
    }
  }

  /** What a master believes of an agent's resources is what the agent remembers. */
  #accountResources(host: SimHost): void {
    const { state } = host.core ?? {};
    const agent = this.#master.core?.state.agents.get(brand(state?.info.id?.value ?? ""));
    if (state === undefined || agent === undefined) return;
    const { kinds } = agent.total;
    const total = withCheckpointed(kinds, state.info.resources ?? [], state.checkpointedResources);
    const plain = agent.total.filter(({ isRevocable }) => !isRevocable);
    const isEqual = total.ok && Bundle.from(kinds, total.value).equals(plain);
    this.#world.check(isEqual, () => `${host.name} and its master differ about its resources`);
    this.#accountOversubscribed(host, agent.total);
    for (const volume of state.checkpointedResources.filter(isVolume)) {
      const key = volumeKey(volume);
      this.#world.check(host.folders.has(volume), () => `${host.name} has no folder of ${key}`);
    }
    this.#judge.operations.account(agent.id, state.checkpointedResources);
    const running = [...state.frameworks.values()].flatMap(({ executors }) =>
      [...executors.values()].filter(isGroupMember).filter(({ phase }) => phase !== "terminated"),
    );
    const own = new Set(
      running.map(({ frameworkId, info }) => `${frameworkId} ${info.executor_id.value}`),
    );
    const known = [...agent.executors.values()].map(
      ({ frameworkId, id }) => `${frameworkId} ${id}`,
    );
    this.#world.check(
      known.length === own.size && known.every((key) => own.has(key)),
      () => `${host.name} runs executors ${[...own].join()}, its master knows ${known.join()}`,
    );
    const open = state.operations.size + agent.operations.size;
    this.#world.check(open === 0, () => `${host.name} has ${open} unacknowledged operations`);
  }

  /** Nothing but what is in use and what the last estimate found beside it may be taken back. */
  #accountOversubscribed(host: SimHost, total: Bundle): void {
    const live = [...(host.core?.state.containers.values() ?? [])].filter(
      ({ phase }) => phase !== "terminated",
    );
    const tasks = live
      .flatMap((executor) => [...executor.tasks.values()])
      .flatMap(({ info }) => info.resources ?? []);
    // A default executor has as many containers as tasks.
    const executors = new Map(
      live.map(({ frameworkId, info }) => [`${frameworkId} ${info.executor_id.value}`, info]),
    );
    const own = [...executors.values()].flatMap(({ resources = [] }) => resources);
    const inUse = [...tasks, ...own].filter(({ revocable }) => revocable !== undefined);
    const expected = Bundle.from(total.kinds, [...host.estimate, ...inUse]).withoutAllocation();
    const present = total.filter(({ isRevocable }) => isRevocable);
    this.#world.check(
      present.equals(expected),
      () =>
        `${host.name} has ${expected.describe()} to be taken back, by its master ${present.describe()}`,
    );
    const alive = host.aliveCpusMilli("revocable", () => true);
    this.#world.check(
      alive === cpusMilliOf(tasks, "revocable"),
      () => `${host.name} runs ${alive} thousandths of revocable cpus, which are not its tasks'`,
    );
  }

  #accountFramework(framework: SimFramework, alive: Map<string, SimProcess>): void {
    const { frameworkId } = framework;
    if (frameworkId === undefined || this.#judge.isRemoved(frameworkId) || framework.isOver) return;
    this.#world.check(framework.isSubscribed, () => `${framework.name} cannot subscribe`);
    // Memory is never used up, so that there is always something for everybody.
    this.#world.check(framework.offersSeen > 0, () => `${framework.name} starves`);
    const agentIds = new Set(this.#hosts.map((host) => host.core?.state.info.id?.value));
    const open = framework.openOperations(agentIds);
    this.#world.check(
      open.length === 0,
      () => `${framework.name} never learned the end of ${open.join(", ")}`,
    );
    for (const task of framework.tasks.values()) {
      // What is left of a group is worth nothing without the others.
      const isBroken = task.group.some(
        (id) => framework.tasks.get(id)?.status?.reason === "REASON_CONTAINER_PREEMPTED",
      );
      this.#world.check(
        !isBroken || isTaskOver(task),
        () => `${task.taskId} runs on, while one of its group was preempted`,
      );
      const key = `${frameworkId}/${task.taskId}`;
      const isAlive = alive.delete(key);
      const told = task.status?.state ?? "nothing";
      if (isAlive)
        this.#world.check(!isTaskOver(task), () => `${key} runs, but was told to be ${told}`);
      else {
        // Nobody can speak for an agent that never heard its id before its master was gone.
        const isOpen = told === "TASK_UNREACHABLE" || told === "TASK_UNKNOWN";
        const isOrphan = isOpen && !agentIds.has(task.agentId);
        this.#world.check(
          isTaskOver(task) || isOrphan,
          () => `${key} does not run, but was told to be ${told}`,
        );
      }
    }
  }

  #settle(durationMs: number): void {
    const untilMs = this.#world.time.nowMs + durationMs;
    for (let step = 0; this.#world.time.step(untilMs); step++) {
      this.#world.check(step < PEACE_STEPS, () => "the cluster never settles");
    }
  }

  #disturbLater(): void {
    this.#world.time.after(this.#world.dice.below(4000), () => {
      if (!this.#world.areFaultsOn) return;
      this.#disturb();
      this.#disturbLater();
    });
  }

  /** With several masters it is the registry that has to be busy. */
  #governLater(): void {
    this.#world.time.after(this.#world.dice.below(3000), () => {
      if (!this.#world.areFaultsOn) return;
      this.#operator.setPolicy();
      this.#governLater();
    });
  }

  #disturb(): void {
    const { dice } = this.#world;
    const host = dice.pick(this.#hosts);
    const choice = dice.next();
    if (choice < 0.4) host?.endSomeProcess();
    else if (choice < 0.8) dice.pick(this.frameworks)?.act();
    else if (choice < 0.88) host?.cutLink();
    else if (choice < 0.94) host?.crash();
    else if (choice < 0.95) host?.reboot();
    else if (choice < 0.97) this.#master.crash();
    else this.#operator.act();
  }
}
