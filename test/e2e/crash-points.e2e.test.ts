/**
 * The agent's death at every system call by which it changes the world: strace counts those of one
 * life (files, SQLite's pages, processes, signals, what is sent), then kills the agent in place of
 * the Nth, for each N. Started again, it has to report each task once, as what it was, and each
 * operation as what became of it, and leave nothing. A page that is not written is a transaction that
 * is torn there. Three lives: from nothing to nothing, natively and in Docker, and the recovery of
 * running tasks with other settings. `CRASH_POINTS` says how many N of each are tried ("all" for all of them), `CRASH_SEED`
 * which. Source: issue 4.
 */
import { afterAll, afterEach, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Checkpoint } from "../../src/agent/checkpoint/checkpoint.ts";
import { agentMark } from "../../src/containerizer/mesos-containerizer.ts";
import { loadSqlite } from "../../src/platform/sqlite.ts";
import { silentLog } from "../containerizer/containers.ts";
import {
  HIERARCHY,
  newCgroupRoot,
  OBSTACLE,
  removeCgroupRoots,
} from "../containerizer/native/native.ts";
import {
  type AllotProcess,
  BINARY,
  makeWorkDir,
  processesBelow,
  removeWorkDir,
  startAllot,
} from "../harness/allot-process.ts";
import { BUSYBOX, docker, findPrivateEngine } from "../harness/docker-engine.ts";
import { freePort } from "../harness/free-port.ts";
import { type Message, OperatorClient } from "../harness/operator-client.ts";
import { type Offer, TestFramework } from "../harness/test-framework.ts";
import { until } from "../harness/wait.ts";
import { JSON_WIRE } from "../harness/wire.ts";
import { cgroupsIn } from "./native-scene.ts";

const STRACE = ["/usr/bin/strace", "/usr/local/bin/strace"].find((path) => existsSync(path));
const WISH = process.env["CRASH_POINTS"] ?? "10";
const SEED = Number(process.env["CRASH_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const SECONDS_PER_LIFE_MAX = 60;
const LIVES_MAX = 2000;
const LOOK_EVERY_MS = 20;
const NUDGE_EVERY_MS = 500;

/** All by which the agent's main thread changes anything that is still there when it is not. */
const CALLS = [
  ...["write", "writev", "pwrite64", "pwritev", "ftruncate", "fallocate", "copy_file_range"],
  ...["mkdir", "mkdirat", "rename", "renameat", "renameat2", "link", "linkat"],
  ...["unlink", "unlinkat", "rmdir", "symlink", "symlinkat", "chmod", "fchmod", "fchmodat"],
  ...["chown", "fchown", "lchown", "fchownat", "vfork", "fork", "kill", "pidfd_send_signal"],
  ...["sendto", "sendmsg", "mount", "umount2"],
].join(",");

const ROLE = "crash";
const INFO = {
  roles: [ROLE],
  principal: "ops",
  checkpoint: true,
  failover_timeout: 3600,
  capabilities: [
    { type: "MULTI_ROLE" },
    { type: "PARTITION_AWARE" },
    { type: "RESERVATION_REFINEMENT" },
  ],
};
const reservations = [{ type: "DYNAMIC", role: ROLE, principal: "ops" }];
const DISK = { name: "disk", type: "SCALAR", scalar: { value: 100 }, reservations };
const VOLUME = {
  ...DISK,
  disk: {
    persistence: { id: "data", principal: "ops" },
    volume: { container_path: "data", mode: "RW" },
  },
};

/** How each task ends that has begun. */
const ENDS = {
  ends: {
    state: "TASK_FAILED",
    message: expect.stringMatching(/^(?:Command|Container) exited with status 3$/),
  },
  lasts: { state: "TASK_KILLED", message: expect.any(String) },
  drained: { state: "TASK_KILLED", message: expect.any(String) },
} as const;
type TaskName = keyof typeof ENDS;
const COMMANDS: Readonly<Record<TaskName, string>> = {
  ends: "sleep 0.1; exit 3",
  lasts: "(setsid sleep 1000 &); exec sleep 1000",
  drained: "exec sleep 1000",
};

/** Of an ACCEPT; with an id its outcome is told. */
type Operation = Readonly<Record<string, unknown>> & { readonly id?: { readonly value: string } };

interface Scene {
  /** Which of the agent's processes dies. */
  readonly victim: "first" | "second";
  readonly where: "native" | "docker";
}
const SCENES: readonly Scene[] = [
  { victim: "first", where: "native" },
  { victim: "second", where: "native" },
  { victim: "first", where: "docker" },
];

const lives = new Set<Life>();
afterEach(async () => {
  for (const life of lives) await life.dispose();
  lives.clear();
  await removeCgroupRoots();
});

const engine = await findPrivateEngine("crashes of an agent of Docker");
afterAll(() => engine?.stop());

const lack = STRACE === undefined ? "strace is missing: install strace" : OBSTACLE;
const obstacleOf = ({ where }: Scene): string | undefined =>
  lack ?? (where === "docker" && engine === undefined ? "there is no Docker Engine" : undefined);

for (const scene of SCENES) {
  const obstacle = obstacleOf(scene);
  const reason = obstacle === undefined ? "" : ` (skipped: ${obstacle})`;
  test.skipIf(obstacle !== undefined)(
    `death of the ${scene.where} agent's ${scene.victim} process at ${WISH} of its write points (seed ${SEED}) [issue 4]${reason}`,
    async () => {
      const total = await liveOnce(scene, undefined);
      expect(total).toBeGreaterThan(100);
      const faults: string[] = [];
      for (const point of pointsOf(total)) {
        try {
          await liveOnce(scene, point);
        } catch (error) {
          faults.push(`write point ${point} of ${total}: ${String(error)}`);
        }
      }
      expect(faults).toEqual([]);
    },
    LIVES_MAX * SECONDS_PER_LIFE_MAX * 1000,
  );
}

/** Which are tried: all, those of a range FROM-TO, or as many as wished, spread evenly from a random one on. */
function pointsOf(total: number): number[] {
  const all = Array.from({ length: total }, (_, index) => index + 1);
  if (WISH === "all") return all;
  const [, from, to] = /^(\d+)-(\d+)$/.exec(WISH) ?? [];
  if (from !== undefined) return all.slice(Number(from) - 1, Number(to));
  const step = Math.max(1, Math.floor(total / Number(WISH)));
  return all.filter((point) => point % step === SEED % step);
}

/** A whole life; the calls that were counted. Errors: what a judge has to say. */
async function liveOnce(scene: Scene, point: number | undefined): Promise<number> {
  const life = new Life(scene, point);
  lives.add(life);
  try {
    await life.begin();
    await life.launchAndReserve();
    if (scene.victim === "second") await life.restart();
    await life.kill();
    await life.drain();
    await life.giveBack();
    await life.end();
    return life.countCalls();
  } finally {
    await life.dispose();
    lives.delete(life);
  }
}

/** A cluster with one agent, which dies once and is started again whenever it is found dead. */
class Life {
  readonly #scene: Scene;
  readonly #point: number | undefined;
  readonly #workDir = makeWorkDir();
  readonly #masterDir = makeWorkDir();
  readonly #notes = makeWorkDir();
  readonly #cgroupRoot = newCgroupRoot();
  #flags: readonly string[] = [];
  #master: AllotProcess | undefined;
  #agent: AllotProcess | undefined;
  #framework: TestFramework | undefined;
  #operator: OperatorClient | undefined;
  /** Of the framework's events. */
  #acknowledgedCount = 0;
  readonly #operations: string[] = [];
  /** To which the first offer belonged. */
  #agentId: string | undefined;
  #isReplaced = false;

  constructor(scene: Scene, point: number | undefined) {
    this.#scene = scene;
    this.#point = point;
  }

  get framework(): TestFramework {
    if (this.#framework === undefined) throw new Error("the life has not begun");
    return this.#framework;
  }

  async begin(): Promise<void> {
    this.#master = await startAllot({ role: "master", workDir: this.#masterDir });
    this.#operator = new OperatorClient(this.#master.url, JSON_WIRE);
    this.#flags = [
      `--master=${new URL(this.#master.url).host}`,
      `--port=${await freePort()}`,
      "--resources=cpus:8;mem:4096;disk:1000",
      "--launcher=linux",
      `--cgroups_hierarchy=${HIERARCHY}`,
      `--cgroups_root=${this.#cgroupRoot}`,
      "--reconfiguration_policy=fitting",
      "--executor_shutdown_grace_period=100ms",
      ...(this.#scene.where === "docker"
        ? [
            "--containerizers=mesos,docker",
            `--docker_socket=${engine?.socketPath}`,
            "--docker_remove_delay=0ns",
          ]
        : []),
    ];
    await this.#start(this.#scene.victim === "first");
    this.#framework = await TestFramework.subscribe({ master: this.#master.url, info: INFO });
  }

  /** Two tasks, a reservation and a volume in one ACCEPT. */
  async launchAndReserve(): Promise<void> {
    await this.#launch(
      ["ends", "lasts"],
      [
        { type: "RESERVE", id: { value: "reserve" }, reserve: { resources: [DISK] } },
        { type: "CREATE", id: { value: "create" }, create: { volumes: [VOLUME] } },
      ],
    );
    await this.#until("the end of one task and the life of the other", () => {
      return this.#isOver("ends") && (this.#isOver("lasts") || this.#hasBegun("lasts"));
    });
    await this.#until("the operations", () =>
      ["reserve", "create"].every((id) => this.#outcome(id) !== undefined),
    );
  }

  /** The agent's first process dies, the next one has other settings and recovers. */
  async restart(): Promise<void> {
    await this.#agent?.end("SIGKILL");
    this.#flags = [...this.#flags, "--attributes=rack:7"];
    await this.#start(true);
  }

  async kill(): Promise<void> {
    await this.#until(
      "the killed task to be over",
      () => this.#isOver("lasts"),
      async () => {
        await this.framework.send("KILL", { kill: { task_id: { value: "lasts" } } });
      },
    );
  }

  async drain(): Promise<void> {
    await this.#launch(["drained"], []);
    // Its command's first line is later than RUNNING, and the only trace of having begun.
    await this.#until("the last task to run", () => {
      return this.#isOver("drained") || this.#hasBegun("drained");
    });
    await this.#until("the agent to drain", async () => {
      const agent = await this.#registered();
      const config = { max_grace_period: { nanoseconds: 0 } };
      const drain_agent = { agent_id: agent?.["agent_info"].id, drain_config: config };
      return (await this.#operator?.call("DRAIN_AGENT", { drain_agent }))?.status === 200;
    });
    await this.#until("the drained task to be over", () => this.#isOver("drained"));
    await this.#until("the agent to be drained", async () => {
      return (await this.#registered())?.["drain_info"]?.state === "DRAINED";
    });
    await this.#until("the agent to be back in service", async () => {
      const reactivate_agent = { agent_id: (await this.#registered())?.["agent_info"].id };
      const answer = await this.#operator?.call("REACTIVATE_AGENT", { reactivate_agent });
      return answer?.status === 200;
    });
  }

  /** Destroys the volume and unreserves, as far as there is something. */
  async giveBack(): Promise<void> {
    const isReserved = this.#outcome("reserve") === "OPERATION_FINISHED";
    const isCreated = this.#outcome("create") === "OPERATION_FINISHED";
    if (!isReserved) return;
    const operations = [
      ...(isCreated
        ? [{ type: "DESTROY", id: { value: "destroy" }, destroy: { volumes: [VOLUME] } }]
        : []),
      { type: "UNRESERVE", id: { value: "unreserve" }, unreserve: { resources: [DISK] } },
    ];
    const offer = await this.#offer((one) =>
      one.resources.some((part) => "reservations" in part && part.name === "disk"),
    );
    await this.#accept(offer, operations);
    await this.#until("the operations", () =>
      operations.every(({ id }) => this.#outcome(id.value) !== undefined),
    );
  }

  /** Ends everything and judges. */
  async end(): Promise<void> {
    for (const name of Object.keys(ENDS) as TaskName[]) this.#judge(name);
    await this.#until("all to be acknowledged", async () => {
      const state = await this.#stateOfAgent();
      if (state === undefined || (state["frameworks"] as unknown[]).length > 0) return false;
      return (await this.#operationsOfAgent())?.length === 0;
    });
    await this.#judgeResources();
    await this.#until("no cgroup to be left", () => cgroupsIn(this.#cgroupRoot).length === 0);
    await this.framework.teardown();
    await this.#until("no keeper to be left", () => this.#keepers().length === 0);
    await this.#until("no record of a container to be left", () =>
      ["containers", "exits", join("docker", agentMark(this.#workDir))].every((name) => {
        const folder = join(this.#workDir, "runtime", name);
        return !existsSync(folder) || readdirSync(folder).length === 0;
      }),
    );
    if (this.#scene.where === "docker") {
      await this.#until("no container of Docker to be left", async () => {
        return (await docker(engine?.socketPath ?? "", "ps", "-aq")) === "";
      });
    }
    await this.#signalAgent("SIGTERM");
    // Death may have been waiting for the very end.
    if (this.#isTraced()) {
      await this.#start(false);
      await this.#signalAgent("SIGTERM");
    }
    expect(processesBelow(this.#workDir)).toEqual([]);
    expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(this.#workDir);
    const checkpoint = await Checkpoint.open({
      path: join(this.#workDir, "agent", "checkpoint.db"),
      open: await loadSqlite(),
      log: silentLog,
    });
    const { frameworks, executors, tasks, updates, operations, containers } = checkpoint.load();
    checkpoint.close();
    expect([frameworks, executors, tasks, updates, operations, containers]).toEqual(
      Array.from({ length: 6 }, () => []),
    );
  }

  /** Of the traced process. */
  countCalls(): number {
    const lines = readFileSync(this.#trace(), "utf8").split("\n");
    return lines.filter((line) => /^\w+\(/.test(line)).length;
  }

  async dispose(): Promise<void> {
    this.#framework?.disconnect();
    if (this.#master?.isRunning()) await this.#master.end("SIGKILL");
    for (const folder of [this.#workDir, this.#masterDir, this.#notes]) await removeWorkDir(folder);
  }

  /** Told once, as what it was; one that never began may have been told as just that. */
  #judge(name: TaskName): void {
    const told = this.framework.updates
      .filter(({ task_id, state }) => task_id.value === name && isTerminal(state))
      .map(({ state, message, uuid }) => ({ state, message, uuid }));
    const updates = told.filter(({ uuid }) => uuid !== undefined);
    expect([name, new Set(told.map(({ state }) => state)).size]).toEqual([name, 1]);
    expect([name, new Set(updates.map(({ uuid }) => uuid)).size > 1]).toEqual([name, false]);
    const note = this.#note(name);
    if (existsSync(note)) {
      expect([name, readFileSync(note, "utf8")]).toEqual([name, "x\n"]);
      expect([name, updates[0]]).toMatchObject([name, ENDS[name]]);
    } else {
      const state = expect.stringMatching(/DROPPED|LOST|FAILED|KILLED/);
      expect([name, told[0]]).toMatchObject([name, { state }]);
      expect([name, this.framework.states(name)]).toEqual([
        name,
        expect.not.arrayContaining(["TASK_RUNNING"]),
      ]);
    }
  }

  /** What is reserved, and whether there is a volume, is as the framework was told. */
  async #judgeResources(): Promise<void> {
    const isDone = (id: string): boolean => this.#outcome(id) === "OPERATION_FINISHED";
    const isReserved = isDone("reserve") && !isDone("unreserve");
    const hasVolume = isDone("create") && !isDone("destroy");
    let reserved: object = {};
    await this.#until("the agent's resources", async () => {
      const state = await this.#stateOfAgent();
      reserved = state?.["reserved_resources"] as object;
      return state !== undefined;
    });
    expect(Object.keys(reserved)).toEqual(isReserved ? [ROLE] : []);
    expect(existsSync(join(this.#workDir, "volumes", "roles", ROLE, "data"))).toBe(hasVolume);
  }

  async #launch(names: readonly TaskName[], before: readonly Operation[]): Promise<void> {
    const offer = await this.#offer((one) =>
      one.resources.some(({ name, scalar }) => name === "mem" && (scalar?.value ?? 0) > 1000),
    );
    const { allocation_info } = offer.resources[0] ?? {};
    const scalar = (name: string, value: number) => {
      return { name, type: "SCALAR", scalar: { value }, allocation_info };
    };
    const task_infos = names.map((name) => ({
      name,
      task_id: { value: name },
      agent_id: offer.agent_id,
      resources: [scalar("cpus", 0.1), scalar("mem", 32)],
      command: { value: `echo x >>${this.#notePathIn(name)}; ${COMMANDS[name]}` },
      ...(this.#scene.where === "docker" && { container: this.#containerOfDocker() }),
      kill_policy: { grace_period: { nanoseconds: 0.1e9 } },
    }));
    await this.#accept(offer, [...before, { type: "LAUNCH", launch: { task_infos } }]);
  }

  async #accept(offer: Offer, operations: readonly Operation[]): Promise<void> {
    this.#agentId ??= offer.agent_id.value;
    this.#operations.push(...operations.flatMap(({ id }) => id?.value ?? []));
    const filters = { refuse_seconds: 0 };
    const accept = { offer_ids: [offer.id], operations, filters };
    await this.framework.send("ACCEPT", { accept });
  }

  /** One that holds, and that has not been withdrawn. */
  async #offer(isFit: (offer: Offer) => boolean): Promise<Offer> {
    let found: Offer | undefined;
    await this.#until("an offer", async () => {
      const offer = this.framework.offers.shift();
      if (offer === undefined) return false;
      const isWithdrawn = this.framework.events.some((event) => {
        const { rescind } = event as { rescind?: { offer_id: { value: string } } };
        return rescind?.offer_id.value === offer.id.value;
      });
      if (isWithdrawn) return false;
      if (!isFit(offer)) {
        const filters = { refuse_seconds: 0 };
        await this.framework.send("DECLINE", { decline: { offer_ids: [offer.id], filters } });
        return false;
      }
      found = offer;
      return true;
    });
    if (found === undefined) throw new Error("no offer");
    return found;
  }

  /** Waits, and meanwhile starts the agent again, acknowledges, and asks. */
  async #until(
    what: string,
    look: () => boolean | Promise<boolean>,
    nudge: () => Promise<void> = () => Promise.resolve(),
  ): Promise<void> {
    let nudgedMs = Number.NEGATIVE_INFINITY;
    await until(what, async () => {
      await this.#revive();
      await this.#acknowledgeOperations();
      if (await look()) return true;
      if (performance.now() - nudgedMs > NUDGE_EVERY_MS) {
        nudgedMs = performance.now();
        await nudge();
        const tasks = (Object.keys(ENDS) as TaskName[])
          .filter((name) => this.framework.states(name).length > 0 && !this.#isOver(name))
          .map((name) => ({ task_id: { value: name } }));
        if (tasks.length > 0) await this.framework.send("RECONCILE", { reconcile: { tasks } });
        await this.#askForOperations();
      }
      await sleep(LOOK_EVERY_MS);
      return false;
    });
  }

  /**
   * An agent that died before it had written down who it is comes back as another one; of what the
   * first was to do nobody knows but who asks (semantics, RECONCILE_OPERATIONS).
   */
  async #askForOperations(): Promise<void> {
    if (this.#agentId === undefined) return;
    const now = (await this.#registered())?.["agent_info"].id.value;
    this.#isReplaced ||= now !== undefined && now !== this.#agentId;
    if (!this.#isReplaced) return;
    const operations = this.#operations
      .filter((id) => this.#outcome(id) === undefined)
      .map((id) => ({ operation_id: { value: id }, agent_id: { value: this.#agentId } }));
    if (operations.length === 0) return;
    await this.framework.send("RECONCILE_OPERATIONS", { reconcile_operations: { operations } });
  }

  /** As often as they are told: what is told again was not acknowledged. */
  async #acknowledgeOperations(): Promise<void> {
    const events = this.#framework?.events ?? [];
    while (this.#acknowledgedCount < events.length) {
      const { update_operation_status } = events[this.#acknowledgedCount] ?? {};
      this.#acknowledgedCount += 1;
      const { agent_id, operation_id, uuid } = (update_operation_status?.status ?? {}) as {
        agent_id?: unknown;
        operation_id?: unknown;
        uuid?: { value: string };
      };
      if (uuid === undefined) continue;
      await this.framework.send("ACKNOWLEDGE_OPERATION_STATUS", {
        acknowledge_operation_status: { agent_id, operation_id, uuid: uuid.value },
      });
    }
  }

  #outcome(id: string): string | undefined {
    const states = this.framework.events.flatMap(({ update_operation_status }) => {
      const status = update_operation_status?.status;
      return status?.operation_id?.value === id ? [String(status["state"])] : [];
    });
    const isOpen = this.#isReplaced
      ? /PENDING|RECOVERING|UNREACHABLE/
      : /PENDING|RECOVERING|UNREACHABLE|UNKNOWN/;
    return states.findLast((state) => !isOpen.test(state));
  }

  #notePathIn(name: TaskName): string {
    return this.#scene.where === "docker" ? `/notes/${name}` : this.#note(name);
  }

  #containerOfDocker(): object {
    const docker = { image: BUSYBOX, network: "HOST" };
    const volume = { container_path: "/notes", host_path: this.#notes, mode: "RW" };
    return { type: "DOCKER", docker, volumes: [volume] };
  }

  /** What a task has to say for itself. */
  #note(name: TaskName): string {
    return join(this.#notes, name);
  }

  #hasBegun(name: TaskName): boolean {
    return existsSync(this.#note(name)) && readFileSync(this.#note(name), "utf8") === "x\n";
  }

  #isOver(name: TaskName): boolean {
    return this.framework.states(name).some(isTerminal);
  }

  async #registered(): Promise<Message | undefined> {
    const answer = await this.#operator?.call("GET_AGENTS");
    return answer?.body["get_agents"]?.agents?.[0];
  }

  async #stateOfAgent(): Promise<Record<string, unknown> | undefined> {
    try {
      return (await (await fetch(`${this.#agent?.url}/state`)).json()) as Record<string, unknown>;
    } catch {
      // It has just died.
      return undefined;
    }
  }

  async #operationsOfAgent(): Promise<readonly unknown[] | undefined> {
    try {
      const agent = new OperatorClient(this.#agent?.url ?? "", JSON_WIRE);
      return (await agent.call("GET_OPERATIONS")).body["get_operations"]?.operations;
    } catch {
      // It has just died.
      return undefined;
    }
  }

  #keepers(): number[] {
    return processesBelow(this.#workDir).filter((pid) => {
      try {
        return !readFileSync(`/proc/${pid}/cmdline`, "latin1").includes("--role=agent");
      } catch {
        // It has ended.
        return false;
      }
    });
  }

  async #revive(): Promise<void> {
    if (this.#agent?.isRunning() === false) await this.#start(false);
  }

  async #start(isVictim: boolean): Promise<void> {
    const options = { role: "agent", workDir: this.#workDir, flags: this.#flags } as const;
    const kill = `inject=${CALLS}:error=EIO:signal=SIGKILL:when=${this.#point}`;
    const injection = this.#point === undefined ? [] : ["-e", kill];
    const traced = [STRACE, "-o", this.#trace(), "-e", `trace=${CALLS}`, ...injection, BINARY];
    let isDue = isVictim;
    let lastFailure = "";
    const start = async (): Promise<boolean> => {
      try {
        const command = isDue ? { command: traced as [string, ...string[]] } : {};
        isDue = false;
        this.#agent = await startAllot({ ...options, ...command });
        return true;
      } catch (error) {
        // A port that was just in use may be taken by somebody's connection for a moment.
        lastFailure = String(error);
        if (this.#hasDied() || lastFailure.includes("cannot listen")) return false;
        throw error;
      }
    };
    await until("the agent to start", start).catch((error: unknown) => {
      throw new Error(`${error}: ${lastFailure}`);
    });
  }

  #trace(): string {
    return join(this.#notes, "trace");
  }

  #hasDied(): boolean {
    if (!existsSync(this.#trace())) return false;
    return /\+\+\+ killed by SIGKILL/.test(readFileSync(this.#trace(), "utf8"));
  }

  #isTraced(): boolean {
    return this.#point !== undefined && this.#agent !== undefined && this.#hasDied();
  }

  /** To the agent, behind whatever traces it; waits for its end. */
  async #signalAgent(signal: NodeJS.Signals): Promise<void> {
    const agent = this.#agent;
    if (agent === undefined) return;
    let isSignalled = false;
    const isOver = (): boolean => {
      if (!isSignalled) isSignalled = signalTraced(agent.pid, signal);
      return !agent.isRunning();
    };
    await until("the agent to end", isOver);
  }
}

/** False when there is nobody to signal: not yet, or not any more. */
function signalTraced(pid: number, signal: NodeJS.Signals): boolean {
  try {
    const isTracer = /strace/.test(readFileSync(`/proc/${pid}/comm`, "latin1"));
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").trim();
    const target = isTracer ? Number(children.split(" ")[0]) : pid;
    // Zero would be this test's own group.
    return target > 1 && process.kill(target, signal);
  } catch {
    return false;
  }
}

function isTerminal(state: string): boolean {
  return /FINISHED|FAILED|KILLED|ERROR|LOST|DROPPED|GONE/.test(state);
}
