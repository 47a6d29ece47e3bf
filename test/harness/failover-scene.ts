/**
 * Three compiled masters on a real ZooKeeper, emulated agents that know nothing but its path, and two
 * frameworks, one in JSON and one in protobuf, whose tasks fill the agents. The leader is ended, and
 * what happens then is timed; whether anything was lost is asked afterwards.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type AllotProcess, makeWorkDir, removeWorkDir } from "./allot-process.ts";
import { EmulatedAgents } from "./emulated-agents.ts";
import { Masters, postTo } from "./masters.ts";
import { type Status, TestFramework } from "./test-framework.ts";
import { PATIENCE_MS, until } from "./wait.ts";
import { JSON_WIRE, PROTOBUF_WIRE, type Wire } from "./wire.ts";

const MASTERS = 3;
/** The tasks of an agent fill it together. */
const AGENT = { cpus: 4, mem: 4000 };
const INFO = {
  checkpoint: true,
  failover_timeout: 36_000,
  capabilities: [{ type: "MULTI_ROLE" }, { type: "PARTITION_AWARE" }],
};
const LOOK_MS = 20;
/** A call to a master that may be about to lead. */
const CALL_MS_MAX = 3000;

export interface FailoverOptions {
  /** `zk://…` with a path of its own. */
  readonly url: string;
  readonly agents: number;
  readonly tasksPerAgent: number;
  readonly sessionTimeoutMs: number;
}

/** Milliseconds since the leader was told to end. */
export interface Failover {
  /** A new leader has committed what an operator asked for. */
  readonly actsMs: number;
  /** It has all agents. */
  readonly agentsMs: number;
  /** Both frameworks are subscribed again. */
  readonly frameworksMs: number;
}

/** One framework over all its streams. */
interface Tenant {
  readonly wire: Wire;
  readonly id: string;
  /** Container of each task, by the task's id. */
  readonly containers: ReadonlyMap<string, string>;
  stream: TestFramework;
}

export class FailoverScene {
  readonly #options: FailoverOptions;
  readonly #workDir: string = makeWorkDir();
  readonly #tenants: Tenant[] = [];
  #masters: Masters | undefined;
  #agents: EmulatedAgents | undefined;
  #leader: AllotProcess | undefined;
  #weight = 1;

  private constructor(options: FailoverOptions) {
    this.#options = options;
  }

  /** Gives `work` a scene in which all tasks run, and ends all of it afterwards. */
  static async with<T>(
    options: FailoverOptions,
    work: (scene: FailoverScene) => Promise<T>,
  ): Promise<T> {
    const scene = new FailoverScene(options);
    try {
      await scene.#start();
      return await work(scene);
    } finally {
      await scene.#end();
    }
  }

  /** Ends the leader, waits until all is well without it, and starts it again as a follower. */
  async failOver(signal: "SIGKILL" | "SIGTERM"): Promise<Failover> {
    const { agents } = this.#options;
    const leader = present(this.#leader);
    const masters = present(this.#masters);
    const others = masters.others(leader);
    const startMs = performance.now();
    const elapsedMs = (): number => performance.now() - startMs;
    const ended = leader.end(signal);
    const next = await this.#acting(others);
    const actsMs = elapsedMs();
    this.#leader = next;
    const times = await Promise.all([
      settled(next, "master/slaves_active", agents).then(elapsedMs),
      Promise.all(this.#tenants.map((tenant) => subscribeAgain(tenant, next))).then(elapsedMs),
    ]);
    await ended;
    await masters.startMaster(leader);
    const [agentsMs, frameworksMs] = times;
    return { actsMs, agentsMs, frameworksMs };
  }

  /** What is not as it was before, one line each: tasks that do not run, or not where they ran. */
  async changes(): Promise<string[]> {
    const found = await Promise.all(this.#tenants.map(changesOf));
    const expected = this.#options.agents * this.#options.tasksPerAgent;
    const report = await present(this.#agents).report();
    if (report.containers !== expected) {
      found.push([`${report.containers} containers instead of ${expected}`]);
    }
    if (report.exits.length > 0) found.push([...report.exits]);
    return found.flat();
  }

  async #start(): Promise<void> {
    const { url, agents, sessionTimeoutMs } = this.#options;
    const resources = `cpus:${AGENT.cpus};mem:${AGENT.mem}`;
    this.#masters = await Masters.start(url, MASTERS, { sessionTimeoutMs });
    this.#leader = await this.#acting(this.#masters.masters);
    this.#agents = EmulatedAgents.process(this.#workDir);
    await this.#agents.add({ master: url, count: agents, resources, sessionTimeoutMs });
    await settled(this.#leader, "master/slaves_active", agents);
    const wires = [JSON_WIRE, PROTOBUF_WIRE];
    const shares = wires.map((_, at) => Math.floor((agents + at) / wires.length));
    for (const [at, wire] of wires.entries()) {
      this.#tenants.push(await this.#fill(this.#leader, wire, shares[at] ?? 0));
    }
  }

  /** A framework whose tasks fill that many agents. */
  async #fill(leader: AllotProcess, wire: Wire, agents: number): Promise<Tenant> {
    const { tasksPerAgent } = this.#options;
    const stream = await TestFramework.subscribe({
      master: leader.url,
      info: { ...INFO, name: wire.name },
      wire,
    });
    for (let index = 0; index < agents; index++) {
      const tasks = Array.from({ length: tasksPerAgent }, (_, at) => ({
        id: `${wire.name}-${index}-${at}`,
        command: "run for ever",
        cpus: AGENT.cpus / tasksPerAgent,
        mem: AGENT.mem / tasksPerAgent,
      }));
      await stream.launch(await stream.offer(), tasks);
    }
    await stream.call("SUPPRESS");
    const offer_ids = stream.offers.splice(0).map(({ id }) => id);
    await stream.call("DECLINE", { decline: { offer_ids, filters: { refuse_seconds: 0 } } });
    const running = await until("all tasks to run", async () => {
      await sleep(LOOK_MS);
      const found = stream.updates.filter(({ state }) => state === "TASK_RUNNING");
      return found.length >= agents * tasksPerAgent && found;
    });
    return { wire, id: stream.id, containers: containersOf(running), stream };
  }

  /** The one of these that carries out what an operator asks for. */
  async #acting(among: readonly AllotProcess[]): Promise<AllotProcess> {
    this.#weight += 1;
    const weight_infos = [{ role: "failover", weight: this.#weight }];
    const call = { type: "UPDATE_WEIGHTS", update_weights: { weight_infos } };
    return await until("a master that acts", async () => {
      const answers = await Promise.all(
        among.map((master) => postTo(master, call, CALL_MS_MAX).catch(() => undefined)),
      );
      const found = among[answers.findIndex((answer) => answer?.status === 200)];
      if (found === undefined) await sleep(LOOK_MS);
      return found;
    });
  }

  async #end(): Promise<void> {
    for (const { stream } of this.#tenants) stream.disconnect();
    await this.#agents?.end();
    await this.#masters?.end();
    await removeWorkDir(this.#workDir);
  }
}

/** As frameworks do: again and again until the master takes it. */
async function subscribeAgain(tenant: Tenant, leader: AllotProcess): Promise<void> {
  const { wire, id } = tenant;
  const info = { ...INFO, name: wire.name, id: { value: id } };
  tenant.stream = await TestFramework.subscribe({ master: leader.url, info, wire });
}

async function changesOf({ wire, id, containers, stream }: Tenant): Promise<string[]> {
  const { name } = wire;
  if (stream.id !== id) return [`${name}: the framework is ${stream.id} instead of ${id}`];
  stream.updates.splice(0);
  await stream.call("RECONCILE", { reconcile: { tasks: [] } });
  await until(`${name}: all tasks to be told`, async () => {
    await sleep(LOOK_MS);
    return stream.updates.length >= containers.size;
  });
  const found = containersOf(stream.updates);
  const others = stream.updates.filter(({ state }) => state !== "TASK_RUNNING");
  const moved = [...containers].filter(([task, container]) => found.get(task) !== container);
  return [
    ...others.map(({ task_id, state }) => `${name}: ${task_id.value} is ${state}`),
    ...moved.map(([task]) => `${name}: ${task} runs in ${found.get(task)}`),
  ];
}

type PlacedStatus = Status & {
  readonly container_status?: { readonly container_id?: { readonly value: string } };
};

function containersOf(updates: readonly PlacedStatus[]): Map<string, string> {
  const pairs = updates.map(
    ({ task_id, container_status }) =>
      [task_id.value, container_status?.container_id?.value ?? ""] as const,
  );
  return new Map(pairs);
}

async function settled(master: AllotProcess, metric: string, value: number): Promise<void> {
  const options = { signal: AbortSignal.timeout(PATIENCE_MS) };
  await until(`${metric} to be ${value}`, async () => {
    const response = await fetch(`${master.url}/metrics/snapshot`, options);
    const metrics = (await response.json()) as Record<string, number>;
    if (metrics[metric] === value) return true;
    await sleep(LOOK_MS);
    return false;
  });
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("the scene has not been started");
  return value;
}
