/**
 * Looks at what the host and its containers use, in intervals, and tells the core what an estimator
 * finds left over and what a QoS controller wants ended. Source: semantics 8.
 */
import { readFile } from "node:fs/promises";
import { loadavg } from "node:os";
import type { Clock, Log } from "../../base/ports.ts";
import type { Containerizer } from "../../containerizer/containerizer.ts";
import type { AgentInput } from "../core/inputs.ts";
import { type Estimator, oversubscribedBy } from "../core/oversubscription/estimators.ts";
import type { QosController } from "../core/oversubscription/qos-controllers.ts";
import { type ContainerUse, given, type Usage } from "../core/oversubscription/usage.ts";
import type { AgentState } from "../core/state.ts";

export interface OversubscriptionOptions {
  /** Undefined: nothing is oversubscribed. */
  readonly estimator: Estimator | undefined;
  /** `--oversubscribed_resources_interval` */
  readonly estimateIntervalMs: number;
  /** Undefined: nothing is preempted. */
  readonly qosController: QosController | undefined;
  readonly qosIntervalMs: number;
}

export interface OversubscriptionDependencies {
  readonly options: OversubscriptionOptions;
  readonly state: AgentState;
  readonly containerizer: Containerizer;
  readonly clock: Clock;
  readonly log: Log;
  readonly input: (input: AgentInput) => void;
}

export class Oversubscription {
  readonly #deps: OversubscriptionDependencies;
  readonly #cancels = new Map<string, () => void>();
  readonly #running = new Set<Promise<void>>();
  #isStopped = false;

  constructor(dependencies: OversubscriptionDependencies) {
    this.#deps = dependencies;
  }

  start(): void {
    const { options, input } = this.#deps;
    const { estimator, qosController } = options;
    if (estimator !== undefined) {
      this.#repeat("estimate", options.estimateIntervalMs, (usage) =>
        input({ kind: "oversubscribable", resources: oversubscribedBy(estimator, usage) }),
      );
    }
    if (qosController !== undefined) {
      this.#repeat("qos", options.qosIntervalMs, (usage) => {
        const containerIds = qosController(usage);
        if (containerIds.length > 0) input({ kind: "qosCorrections", containerIds });
      });
    }
  }

  /** Resolves when nothing is being looked at any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const cancel of this.#cancels.values()) cancel();
    await Promise.all(this.#running);
  }

  #repeat(name: string, intervalMs: number, use: (usage: Usage) => void): void {
    const { clock, log } = this.#deps;
    const cancel = clock.schedule(intervalMs, () => {
      const look = this.#look().then(
        (usage) => {
          if (!this.#isStopped) use(usage);
        },
        (error: unknown) => log.write("warning", "usage could not be looked at", { error }),
      );
      this.#running.add(look);
      void look.finally(() => {
        this.#running.delete(look);
        if (!this.#isStopped) this.#repeat(name, intervalMs, use);
      });
    });
    this.#cancels.set(name, cancel);
  }

  async #look(): Promise<Usage> {
    const { clock, state, containerizer } = this.#deps;
    const { containers: present, inUse } = given(state.containers.values());
    const [containers, pressure] = await Promise.all([
      Promise.all(present.map((container) => useOf(containerizer, container))),
      readPressure(),
    ]);
    const [, fiveMinutes = 0, fifteenMinutes = 0] = loadavg();
    return {
      atMs: clock.monotonicMs(),
      containers,
      inUse,
      load: { fiveMinutes, fifteenMinutes },
      pressure,
    };
  }
}

/** Percent of the last ten seconds in which something waited; undefined where there is no PSI. */
async function readPressure(): Promise<Usage["pressure"]> {
  const [cpu, memory] = await Promise.all(
    ["cpu", "memory"].map(async (name) => {
      const text = await readFile(`/proc/pressure/${name}`, "utf8").catch(() => "");
      const share = /^some avg10=(\d+\.\d+)/m.exec(text)?.[1];
      return share === undefined ? undefined : Number(share);
    }),
  );
  return cpu === undefined || memory === undefined ? undefined : { cpu, memory };
}

/** A container that ends meanwhile, or is not up yet, is shown without figures. */
async function useOf(
  containerizer: Containerizer,
  container: Omit<ContainerUse, "cpuSeconds">,
): Promise<ContainerUse> {
  const usage = await containerizer.usage(container.containerId).catch(() => undefined);
  const { cpus_user_time_secs: user, cpus_system_time_secs: system } = usage ?? {};
  const cpuSeconds = user === undefined ? undefined : user + (system ?? 0);
  return { ...container, cpuSeconds };
}
