/**
 * What a server gives beyond what it has: production's estimators and QoS controllers, which are
 * shown what runs, with figures of the dice, as late as the runtime shows it to them.
 */
import type { AgentCore } from "../../src/agent/core/agent-core.ts";
import { resourcesOf } from "../../src/agent/core/executors.ts";
import type { AgentInput } from "../../src/agent/core/inputs.ts";
import {
  type Estimator,
  fixedEstimator,
  oversubscribedBy,
  usageEstimator,
} from "../../src/agent/core/oversubscription/estimators.ts";
import {
  loadController,
  pressureController,
  type QosController,
} from "../../src/agent/core/oversubscription/qos-controllers.ts";
import { given, type Usage } from "../../src/agent/core/oversubscription/usage.ts";
import type { ExecutorState } from "../../src/agent/core/state.ts";
import type { ContainerId } from "../../src/base/ids.ts";
import type { AgentToMaster } from "../../src/protocol/link-frames.ts";
import type { Resource } from "../../src/protocol/v1/types.ts";
import { cpusMilliOf } from "./cpus.ts";
import type { OversubscriptionJudge } from "./oversubscription-judge.ts";
import type { World } from "./world.ts";

/** Thresholds of the QoS controllers. */
const LOAD_LIMIT = 8;
const PRESSURE_LIMIT = 50;

/** Within which a container is over that has to be, however late it was launched. */
const CORRECTION_MS = 20_000;

/** The agent process it is a part of. */
export interface OversubscribedHost {
  readonly name: string;
  readonly core: AgentCore | undefined;
  /** By container id. */
  readonly processes: ReadonlyMap<string, { readonly isAlive: boolean }>;
}

/** Processor time of one container. */
interface Spending {
  seconds: number;
  atMs: number;
}

export class SimOversubscription {
  readonly #world: World;
  readonly #judge: OversubscriptionJudge;
  readonly #host: OversubscribedHost;
  readonly #input: (input: AgentInput) => void;
  /** Some servers never give more than they have. */
  readonly #isAble: boolean;
  readonly #spent = new Map<string, Spending>();
  #estimator: Estimator | undefined;
  /** Thousandths of cpus of a fixed estimator; undefined with another one, or none. */
  #fixedMilli: number | undefined;
  /** Thousandths of revocable cpus that were in use at the last look for an estimate. */
  #lookedMilli = 0;
  /** Thousandths of revocable cpus that the agent found last, and told its master last. */
  #foundMilli = 0;
  #toldMilli = 0;
  /** Containers that the agent was told to end by what it does now, and by what is on its disk. */
  #deciding = new Set<string>();
  readonly #corrected = new Set<string>();
  /** What the estimator of this process found last. */
  estimate: readonly Resource[] = [];

  constructor(
    world: World,
    judge: OversubscriptionJudge,
    { host, input }: { host: OversubscribedHost; input: (input: AgentInput) => void },
  ) {
    this.#world = world;
    this.#judge = judge;
    this.#host = host;
    this.#input = input;
    this.#isAble = world.dice.chance(0.75);
  }

  /** With the flags that this agent process was given, which an earlier one may not have had. */
  start(): void {
    const { dice } = this.#world;
    this.#estimator = undefined;
    this.#fixedMilli = undefined;
    this.#lookedMilli = 0;
    this.#foundMilli = 0;
    this.#toldMilli = 0;
    this.#deciding = new Set();
    this.estimate = [];
    for (const containerId of this.#corrected) {
      if (this.#host.processes.has(containerId)) this.#expectEnd(containerId);
      else this.#corrected.delete(containerId);
    }
    if (!this.#isAble) return;
    const name = dice.pick(["fixed", "fixed", "usage", "usage", undefined]);
    if (name !== undefined) {
      this.#estimator = name === "fixed" ? this.#someFixed() : usageEstimator();
      this.#repeat(dice.pick([5000, 15_000]) ?? 15_000, (usage) => this.#estimate(usage));
    }
    const controller = dice.pick([
      loadController({ fiveMinutes: LOAD_LIMIT, fifteenMinutes: undefined }),
      pressureController({ cpu: PRESSURE_LIMIT, memory: PRESSURE_LIMIT }),
      undefined,
    ]);
    if (controller === undefined) return;
    this.#repeat(dice.pick([5000, 15_000]) ?? 5000, (usage) => this.#correct(controller, usage));
  }

  #estimate(usage: Usage): void {
    // As if the flags were others.
    const isChanged = this.#fixedMilli !== undefined && this.#world.isFault(0.2);
    if (isChanged) this.#estimator = this.#someFixed();
    const estimate = this.#estimator?.(usage) ?? [];
    this.estimate = estimate;
    this.#lookedMilli = cpusMilliOf(usage.inUse, "revocable");
    const resources = oversubscribedBy(() => estimate, usage);
    this.#input({ kind: "oversubscribable", resources });
  }

  /** Before the agent takes it in. */
  hears(input: AgentInput): void {
    if (input.kind === "qosCorrections") this.#beginCorrections(input.containerIds);
    if (input.kind !== "oversubscribable") return;
    this.#foundMilli = cpusMilliOf(input.resources, "revocable");
  }

  /** What the agent has decided is on its disk, and nothing of it was done before. */
  committed(): void {
    for (const containerId of this.#deciding) {
      this.#corrected.add(containerId);
      this.#expectEnd(containerId);
    }
    this.#deciding.clear();
  }

  /** What the agent tells its master; false when that never hears of it. */
  says(message: AgentToMaster): boolean {
    if (message.kind === "register") {
      this.#toldMilli = cpusMilliOf(message.oversubscribedResources ?? [], "revocable");
    }
    if (message.kind !== "oversubscribedChanged") return true;
    const milli = cpusMilliOf(message.resources, "revocable");
    const most = Math.max(this.#fixedMilli ?? Number.POSITIVE_INFINITY, this.#lookedMilli);
    this.#world.check(
      milli <= most,
      () => `${this.#host.name} tells of ${milli} thousandths of cpus, and may give ${most}`,
    );
    const isFall = milli < this.#toldMilli;
    this.#toldMilli = milli;
    // The planted fault: what is not there any more is not taken back.
    return !isFall || this.#world.plant !== "keepEstimate";
  }

  /** Whatever the agent had to do is done: a master that counts it as registered knows the newest. */
  worked(): void {
    this.#world.check(
      this.#host.core?.state.phase !== "running" || this.#toldMilli === this.#foundMilli,
      () => `${this.#host.name} found ${this.#foundMilli}, its master was told ${this.#toldMilli}`,
    );
  }

  /** The container ends since a QoS controller wanted it to. */
  isPreempted(containerId: string): boolean {
    return this.#corrected.has(containerId);
  }

  /** What is to end does as a whole, unless it is ending already, or the agent dies first. */
  #beginCorrections(containerIds: readonly ContainerId[]): void {
    const { name, core } = this.#host;
    for (const containerId of containerIds) {
      const executor = core?.state.containers.get(containerId);
      if (core === undefined || executor === undefined || !isLive(executor)) continue;
      const { info } = core.state.frameworks.get(executor.frameworkId) ?? {};
      const isPartitionAware =
        info?.capabilities?.some(({ type }) => type === "PARTITION_AWARE") === true;
      const isRevocable = resourcesOf(executor).some(({ revocable }) => revocable !== undefined);
      for (const part of partsOf(core, executor)) {
        this.#deciding.add(part.containerId);
        for (const taskId of part.tasks.keys()) {
          const key = `${part.frameworkId}/${taskId}`;
          this.#world.log(`${name} preempts ${key}`);
          this.#judge.corrected(key, { isPartitionAware, isRevocable });
        }
      }
    }
  }

  /** Soon, unless the agent dies before. */
  #expectEnd(containerId: string): void {
    const { name, core, processes } = this.#host;
    this.#world.time.after(CORRECTION_MS, () => {
      const isAlive = processes.get(containerId)?.isAlive === true;
      this.#world.check(
        !isAlive || this.#host.core !== core,
        () => `${name} runs ${containerId} on, which was to be preempted`,
      );
    });
  }

  #correct(controller: QosController, usage: Usage): void {
    const containerIds = controller(usage);
    if (containerIds.length > 0) this.#input({ kind: "qosCorrections", containerIds });
  }

  /** Now and then nothing at all. */
  #someFixed(): Estimator {
    const { dice } = this.#world;
    const cpus = dice.pick([0, 0.5, 1, 2, 3]) ?? 0;
    this.#world.log(`${this.#host.name} may give ${cpus} cpus more`);
    const resources: Resource[] = [];
    this.#fixedMilli = cpus * 1000;
    if (cpus > 0) resources.push({ name: "cpus", type: "SCALAR", scalar: { value: cpus } });
    if (dice.chance(0.3)) resources.push({ name: "mem", type: "SCALAR", scalar: { value: 64 } });
    return fixedEstimator(resources);
  }

  #repeat(intervalMs: number, use: (usage: Usage) => void): void {
    const { time } = this.#world;
    const { core } = this.#host;
    time.after(intervalMs, () => {
      if (this.#host.core !== core) return;
      this.#look((usage) => {
        if (this.#host.core !== core) return;
        use(usage);
        this.#repeat(intervalMs, use);
      });
    });
  }

  /** What runs is seen at once, what it uses a little later. */
  #look(use: (usage: Usage) => void): void {
    const { time, dice } = this.#world;
    const { containers: present, inUse } = given(this.#host.core?.state.containers.values() ?? []);
    time.after(dice.delayMs(), () => {
      const containers = present.map((one) => ({ ...one, cpuSeconds: this.#cpuSeconds(one) }));
      use({ atMs: time.nowMs, containers, inUse, ...this.#strain() });
    });
  }

  #cpuSeconds(container: {
    readonly containerId: string;
    readonly resources: readonly Resource[];
  }): number | undefined {
    const { dice, time } = this.#world;
    const { containerId, resources } = container;
    const isMeasured = this.#host.processes.get(containerId)?.isAlive === true;
    if (!isMeasured || this.#world.isFault(0.05)) return undefined;
    const before = this.#spent.get(containerId) ?? { seconds: 0, atMs: time.nowMs };
    const given = resources.find(({ name }) => name === "cpus")?.scalar?.value ?? 0;
    const share = this.#world.areFaultsOn ? dice.next() : 0.5;
    const seconds = before.seconds + (share * given * (time.nowMs - before.atMs)) / 1000;
    this.#spent.set(containerId, { seconds, atMs: time.nowMs });
    return seconds;
  }

  /** Too much now and then, and never in peace. */
  #strain(): Pick<Usage, "load" | "pressure"> {
    const fiveMinutes = this.#world.isFault(0.2) ? LOAD_LIMIT + 1 : 1;
    const cpu = this.#world.isFault(0.4) ? PRESSURE_LIMIT + 1 : 1;
    const pressure = this.#world.isFault(0.1) ? undefined : { cpu, memory: 1 };
    return { load: { fiveMinutes, fifteenMinutes: 1 }, pressure };
  }
}

function isLive({ phase }: ExecutorState): boolean {
  return phase === "running" || phase === "registering";
}

/** The containers of its executor, which is one for all tasks of a default executor. */
function partsOf({ state }: AgentCore, executor: ExecutorState): ExecutorState[] {
  const { frameworkId, info } = executor;
  if (info.type !== "DEFAULT") return [executor];
  return [...state.containers.values()].filter(
    (other) =>
      other.frameworkId === frameworkId &&
      other.info.type === "DEFAULT" &&
      other.info.executor_id.value === info.executor_id.value &&
      isLive(other),
  );
}
