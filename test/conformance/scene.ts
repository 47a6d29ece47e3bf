/**
 * What a scenario works with: one encoding, a role of its own on a cluster that all scenarios share
 * (one real master with one real agent, which holds resources reserved to each role), and processes
 * of its own where it needs them. All of it ends with the scenario.
 */
import { expect } from "bun:test";
import {
  type AllotProcess,
  makeWorkDir,
  removeWorkDir,
  startAllot,
} from "../harness/allot-process.ts";
import type { AgentGroup } from "../harness/emulated/protocol.ts";
import { EmulatedAgents } from "../harness/emulated-agents.ts";
import { type FrameworkOptions, TestFramework } from "../harness/test-framework.ts";
import { until } from "../harness/wait.ts";
import { JSON_WIRE, PROTOBUF_WIRE, type Wire } from "../harness/wire.ts";

export interface Scenario {
  /** Numbers of the acceptance list, or a section for a rule without a number. */
  readonly lines: readonly (number | string)[];
  /** What it proves, as a sentence. */
  readonly title: string;
  /** Needs a slice of the shared cluster. */
  readonly isSlice?: boolean;
  /** Nothing of it is encoded, so that once is enough. */
  readonly isOnce?: boolean;
  /** Takes a quarter of a minute and more. */
  readonly isLong?: boolean;
  /** Why it cannot pass yet. It is skipped then, and never counts as passed. */
  readonly notYet?: string;
  /** Why this machine cannot run it; undefined when it can. */
  readonly obstacle?: string | undefined;
  /** How it is proven where that is not by the compiled program in real time. */
  readonly note?: string;
  run(scene: Scene): Promise<void>;
}

/** One scenario in one encoding. */
export interface Run {
  readonly scenario: Scenario;
  readonly wire: Wire;
  /** Its own role, below which nobody else is offered anything. */
  readonly role: string;
}

/** Every scenario in both encodings. */
export function runsOf(scenarios: readonly Scenario[]): Run[] {
  return scenarios.flatMap((scenario, number) => {
    const wires = scenario.isOnce === true ? [JSON_WIRE] : [JSON_WIRE, PROTOBUF_WIRE];
    return wires.map((wire) => ({ scenario, wire, role: `slice${number}-${wire.name}` }));
  });
}

/** `--resources` of the shared agent: a slice for each run that wants one, nothing for others. */
export function sliceResources(runs: readonly Run[]): string {
  const slices = runs
    .filter(({ scenario }) => scenario.isSlice === true)
    .map(({ role }) => `cpus(${role}):2;mem(${role}):256;disk(${role}):128`);
  return [...slices, "ports(nobody):[1-2]"].join(";");
}

/** An agent's process with the folder it can be started in again. */
export interface SceneAgent extends AllotProcess {
  readonly workDir: string;
}

export interface AgentOptions {
  readonly resources?: string;
  readonly flags?: readonly string[];
  /** Of an agent that ran before. */
  readonly workDir?: string;
}

export interface Answer {
  readonly status: number;
  readonly text: string;
  /** The decoded `mesos.v1.master.Response`; an empty object when there is none. */
  readonly body: MasterAnswer;
}

/** The parts of operator answers that scenarios look at. */
export interface MasterAnswer {
  readonly get_master?: { readonly master_info: { readonly id: string } };
  readonly get_agents?: { readonly agents?: readonly AgentView[] };
  readonly get_frameworks?: { readonly frameworks?: readonly FrameworkView[] };
  readonly get_tasks?: {
    readonly tasks?: readonly TaskView[];
    readonly completed_tasks?: readonly TaskView[];
  };
}

interface AgentView {
  readonly agent_info: { readonly id: { readonly value: string }; readonly hostname: string };
  readonly active: boolean;
  readonly drain_info?: { readonly state: string };
}

interface FrameworkView {
  readonly framework_info: { readonly id: { readonly value: string }; readonly user: string };
  readonly connected: boolean;
}

interface TaskView {
  readonly task_id: { readonly value: string };
  readonly state: string;
}

/** A framework may have the roles of its slice and sees all resources. */
const CAPABILITIES = [
  { type: "MULTI_ROLE" },
  { type: "RESERVATION_REFINEMENT" },
  { type: "PARTITION_AWARE" },
];

export class Scene {
  readonly wire: Wire;
  readonly role: string;
  /** Of the shared master. */
  readonly url: string;
  readonly #endings: (() => Promise<void>)[] = [];

  constructor(run: Run, sharedUrl: string) {
    this.wire = run.wire;
    this.role = run.role;
    this.url = sharedUrl;
  }

  /** Newest first, before whatever was made earlier. */
  atEnd(ending: () => Promise<void>): void {
    this.#endings.push(ending);
  }

  async startMaster(...flags: string[]): Promise<AllotProcess> {
    const workDir = makeWorkDir();
    const master = await startAllot({ role: "master", workDir, flags });
    this.#endings.push(async () => {
      await master.end("SIGTERM");
      await removeWorkDir(workDir);
    });
    return master;
  }

  /** Has registered when it resolves, unless it ran before. */
  async startAgent(master: AllotProcess, options: AgentOptions = {}): Promise<SceneAgent> {
    const workDir = options.workDir ?? makeWorkDir();
    const before = await this.agentIds(master.url);
    const agent = await startAllot({
      role: "agent",
      workDir,
      flags: [
        `--master=${new URL(master.url).host}`,
        `--resources=${options.resources ?? "cpus:4;mem:1024;disk:1024;ports:[31000-31009]"}`,
        ...(options.flags ?? []),
      ],
    });
    this.#endings.push(async () => {
      if (agent.isRunning()) {
        process.kill(agent.pid, "SIGCONT");
        await agent.end("SIGKILL");
      }
      await removeWorkDir(workDir);
    });
    if (options.workDir === undefined) {
      await until("the agent to register", async () => {
        return (await this.agentIds(master.url)).length > before.length;
      });
    }
    return { ...agent, workDir };
  }

  /** Emulated agents, registered, with small resources unless told. */
  async emulate(
    master: AllotProcess,
    group: Partial<AgentGroup> & { readonly count: number },
  ): Promise<EmulatedAgents> {
    const workDir = makeWorkDir();
    const agents = await EmulatedAgents.start(workDir, {
      master: master.url,
      resources: "cpus:4;mem:1024",
      ...group,
    });
    this.#endings.push(async () => {
      await agents.end();
      await removeWorkDir(workDir);
    });
    return agents;
  }

  /** On the shared master, in the scenario's own role, unless told. */
  async subscribe(
    options: Partial<FrameworkOptions> & { readonly capabilities?: readonly string[] } = {},
  ): Promise<TestFramework> {
    const { capabilities, info, ...others } = options;
    const framework = await TestFramework.subscribe({
      master: this.url,
      wire: this.wire,
      ...others,
      info: {
        roles: [this.role],
        capabilities: capabilities?.map((type) => ({ type })) ?? CAPABILITIES,
        ...info,
      },
    });
    this.#endings.push(async () => {
      if (!framework.isOver) await framework.send("TEARDOWN");
      framework.disconnect();
    });
    return framework;
  }

  /** A SUBSCRIBE that must not succeed; the message of the ERROR event or the answer. */
  async refusal(options: Parameters<Scene["subscribe"]>[0]): Promise<string> {
    const outcome = await this.subscribe(options).then(
      () => "",
      (error: Error) => error.message,
    );
    expect(outcome).not.toBe("");
    return outcome;
  }

  /** A call of the scheduler API by hand. */
  async post(
    master: string,
    call: object,
    headers: Record<string, string> = {},
  ): Promise<{ status: number; text: string }> {
    const response = await fetch(`${master}/api/v1/scheduler`, {
      method: "POST",
      headers: { "Content-Type": this.wire.mediaType, Accept: this.wire.mediaType, ...headers },
      body: this.wire.encode("mesos.v1.scheduler.Call", call),
    });
    return { status: response.status, text: await response.text() };
  }

  /** A call of the operator API. */
  async operator(call: object, master: string = this.url): Promise<Answer> {
    const response = await fetch(`${master}/api/v1`, {
      method: "POST",
      headers: { "Content-Type": this.wire.mediaType, Accept: this.wire.mediaType },
      body: this.wire.encode("mesos.v1.master.Call", call),
    });
    const bytes = await response.bytes();
    const isMessage = response.status === 200 && bytes.length > 0;
    const body = isMessage ? this.wire.decode("mesos.v1.master.Response", bytes) : {};
    const text = isMessage ? "" : new TextDecoder().decode(bytes);
    return { status: response.status, text, body: body as MasterAnswer };
  }

  async agents(master: string): Promise<readonly AgentView[]> {
    return (await this.operator({ type: "GET_AGENTS" }, master)).body.get_agents?.agents ?? [];
  }

  async agentIds(master: string): Promise<string[]> {
    return (await this.agents(master)).map(({ agent_info }) => agent_info.id.value);
  }

  /** The framework as the operator API lists it. */
  async framework(id: string, master: string = this.url): Promise<FrameworkView | undefined> {
    const { body } = await this.operator({ type: "GET_FRAMEWORKS" }, master);
    const all = body.get_frameworks?.frameworks ?? [];
    return all.find(({ framework_info }) => framework_info.id.value === id);
  }

  /** Newest first, so that agents end before their masters. */
  async end(): Promise<void> {
    const outcomes: PromiseSettledResult<void>[] = [];
    for (const ending of this.#endings.reverse()) {
      outcomes.push(...(await Promise.allSettled([ending()])));
    }
    const failure = outcomes.find((outcome) => outcome.status === "rejected");
    if (failure !== undefined) throw failure.reason;
  }
}
