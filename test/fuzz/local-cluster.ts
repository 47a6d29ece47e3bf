/**
 * A master and two agents in this process: the real HTTP apps, runtimes, cores and allocator, the
 * registry in SQLite, a clock that is moved by hand, containers that are timers, and a link without
 * a network between. Each step of the cores is watched (`core-watch.ts`).
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Rng } from "../../src/base/ports.ts";
import { withLogFile } from "../../src/http/file-source.ts";
import { createMasterApp } from "../../src/http/master/master-app.ts";
import { prometheusText } from "../../src/http/metrics/prometheus.ts";
import { PacedReads } from "../../src/http/paced-reads.ts";
import type { MasterCore } from "../../src/master/core/master-core.ts";
import { MasterRuntime } from "../../src/master/runtime/master-runtime.ts";
import { loadSqlite } from "../../src/platform/sqlite.ts";
import { createCodec } from "../../src/protocol/codec.ts";
import { Registrar } from "../../src/registry/store/registrar.ts";
import { parseResources } from "../../src/resources/parse.ts";
import { aloneLeading } from "../../src/roles/leadership.ts";
import { FakeClock } from "../base/fake-clock.ts";
import { HEARS_EVERYBODY } from "../harness/open-http.ts";
import { masterOptions, newCore } from "../master/core/harness.ts";
import { CoreWatch } from "./core-watch.ts";
import { CountedReads } from "./counted-reads.ts";
import { CpuTime } from "./cpu-time.ts";
import { below, type Dice } from "./dictionary.ts";
import { LocalAgent } from "./local-agent.ts";
import { factsOf, SILENT_LOG, textOf } from "./process-parts.ts";
import { randomAcls } from "./random-acls.ts";
import type { FuzzRequest } from "./requests.ts";
import type { Slowest } from "./slowest.ts";

const AGENT_RESOURCES = [
  "cpus:4;mem:4096;disk:1000;ports:[31000-31009]",
  "cpus:2;mem:512;disk:100;cpus(kept):1;mem(kept):64;gpus:1",
];
/** Work after which an answer counts as never given; the disk may be slow. */
const ANSWER_MS = 20_000;
/** An answer that has not come after so many turns waits for a timer; each turn from then on moves time. */
const QUIET_TURNS = 50;
const WAITING_TURNS = 200;
const WAITING_STEP_MS = 100;
/** All that may follow one request: thousands of tasks that end, each with several steps. */
const SETTLING_STALLS = 10;
const FIRST_PORT = 10_000;

const codec = createCodec();

interface LocalClusterOptions {
  readonly dice: Dice;
  /** What one request or one step may take of this process before it is a fault. */
  readonly stallMs: number;
  readonly slowest: Slowest;
}

interface Parts extends LocalClusterOptions {
  readonly folder: string;
  readonly registry: Registrar;
  readonly clock: FakeClock;
}

interface Answer {
  readonly response: Response | undefined;
  /** Of the time it took, what passed while virtual time was moved for it. */
  readonly waitingMs: number;
}

/** Refusals for which Mesos has status 500 (http-api 7.3, 7.4). */
const EXPECTED_500 =
  /^(?:Unknown container |Container .* has not ended yet|Container .* is an executor's|Could not mark resource provider |The container has no input )/s;

export class LocalCluster {
  readonly faults: string[] = [];
  readonly #slowest: Slowest;
  readonly #watch: CoreWatch;
  readonly #cpu = new CpuTime();
  readonly #reads = new CountedReads();
  readonly #clock: FakeClock;
  readonly #stallMs: number;
  readonly #folder: string;
  readonly #rng: Rng;
  readonly #registry: Registrar;
  readonly #core: MasterCore;
  readonly #master: MasterRuntime;
  readonly #masterApp: (request: Request) => Response | Promise<Response>;
  readonly #agents = new Map<number, LocalAgent>();
  #nextAgent = 0;

  static async start(options: LocalClusterOptions): Promise<LocalCluster> {
    // What is loaded when it is first asked for would answer the first time in another turn.
    await prometheusText([], () => Promise.resolve());
    const folder = mkdtempSync(join(tmpdir(), "allot-fuzz-"));
    const clock = new FakeClock();
    const registry = await Registrar.open({
      path: join(folder, "registry", "registry.db"),
      open: await loadSqlite(),
      clock,
      log: SILENT_LOG,
    });
    const cluster = new LocalCluster({ ...options, folder, registry, clock });
    for (const resources of AGENT_RESOURCES) await cluster.#addAgent(resources);
    await cluster.settle(2000);
    return cluster;
  }

  private constructor({ dice, folder, registry, clock, stallMs, slowest }: Parts) {
    this.#stallMs = stallMs;
    this.#slowest = slowest;
    this.#watch = new CoreWatch({ stallMs, slowest, fault: (text) => this.#fault(text) });
    this.#clock = clock;
    this.#folder = folder;
    writeFileSync(join(folder, "master.log"), "a line of the log\n".repeat(1000));
    this.#registry = registry;
    this.#rng = seededRng(dice);
    const acls = randomAcls(dice);
    this.#core = newCore({
      acls,
      maxCompletedFrameworks: 5,
      maxCompletedTasksPerFramework: 5,
      // What a bad call left outstanding comes back.
      offerTimeoutMs: 5000,
    });
    this.#core.step = this.#watch.master(this.#core);
    const { info } = masterOptions();
    this.#master = new MasterRuntime({
      core: this.#core,
      info,
      version: "fuzz",
      heartbeatMs: 15_000,
      registry,
      clock: this.#clock,
      rng: this.#rng,
      log: SILENT_LOG,
      onFatal: (error) => this.#fault(`master ended: ${textOf(error)}`),
    });
    const files = withLogFile("/master/log", join(folder, "master.log"));
    this.#masterApp = createMasterApp({
      runtime: this.#master,
      codec,
      facts: factsOf(this.#clock, this.#reads.of(files), acls),
      authentication: HEARS_EVERYBODY,
      disabledPaths: [],
      cluster: undefined,
      reads: PacedReads.on(this.#clock),
      leadership: aloneLeading({ clock: this.#clock, allotVersion: "0" }, info),
      registryCopy: async () => new ReadableStream(),
    });
    this.#master.start();
  }

  /** Calls that were refused after a core had seen them, with the state compared. */
  get refusedByCore(): number {
    return this.#watch.refusedCount;
  }

  /** Ids of the agents, for the first calls. */
  agentIds(): string[] {
    return [...this.#agents.values()].map(({ id }) => id).filter((id) => id !== "");
  }

  /** Carries out one request to its end; faults are noted. */
  async send(request: FuzzRequest, signal: AbortSignal): Promise<Response | undefined> {
    const agents = [...this.#agents.values()];
    const agent = agents[request.agent % Math.max(agents.length, 1)];
    const app = request.to === "master" ? this.#masterApp : agent?.app;
    if (app === undefined) return undefined;
    this.#watch.begin(request);
    const elapsedMs = this.#cpu.start();
    const { response, waitingMs } = await this.#answerOf(app, request, signal);
    this.#watch.end();
    const tookMs = elapsedMs() - this.#watch.digestMs - waitingMs;
    this.#slowest.add("request", tookMs, request.what);
    if (tookMs > this.#stallMs) this.#fault(`stalled for ${Math.round(tookMs)} ms`);
    this.#judgeSettling(waitingMs, "an answer that waits");
    if (response !== undefined) await this.#judge(response);
    this.#checkInvariants();
    return response;
  }

  /** Lets time pass; agents that had to end come back as new ones. */
  async settle(ms: number): Promise<void> {
    const elapsedMs = this.#cpu.start();
    await this.#pass(ms);
    this.#judgeSettling(elapsedMs(), `${ms} ms pass`);
  }

  async end(): Promise<void> {
    for (const agent of this.#agents.values()) agent.end();
    this.#master.stop();
    await this.#registry.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Time has passed with all that was due in it. */
  #judgeSettling(tookMs: number, what: string): void {
    this.#slowest.add("settling", tookMs, what);
    if (tookMs <= this.#stallMs * SETTLING_STALLS) return;
    this.#fault(`settling took ${Math.round(tookMs)} ms: ${what}`);
  }

  async #pass(ms: number): Promise<void> {
    this.#clock.advance(ms);
    await turn();
    this.#clock.advance(1);
    await turn();
    const over = [...this.#agents].filter(([, agent]) => agent.isOver);
    for (const [number] of over) {
      this.#agents.delete(number);
      await this.#addAgent(AGENT_RESOURCES[number % AGENT_RESOURCES.length] ?? "");
    }
    // Time for the new ones to register, so that no call falls into it.
    if (over.length > 0) await this.#pass(2500);
  }

  #fault(text: string): void {
    this.faults.push(text);
  }

  async #answerOf(
    app: (request: Request) => Response | Promise<Response>,
    { path, method, headers, body }: FuzzRequest,
    signal: AbortSignal,
  ): Promise<Answer> {
    let response: Response | undefined;
    let isOver = false;
    const init = { method, headers, signal, ...(body === undefined ? {} : { body }) };
    Promise.resolve(app(new Request(`http://127.0.0.1${path}`, init)))
      .then(
        (answer) => {
          response = answer;
        },
        (error: unknown) => this.#fault(`threw: ${textOf(error)}`),
      )
      .finally(() => {
        isOver = true;
      });
    const deadlineMs = performance.now() + ANSWER_MS;
    const elapsedMs = this.#cpu.start();
    let turns = 0;
    let quietAtMs: number | undefined;
    const waitingMs = (): number => (quietAtMs === undefined ? 0 : elapsedMs() - quietAtMs);
    while (!isOver) {
      await turn();
      if (turns === QUIET_TURNS) quietAtMs ??= elapsedMs();
      // A file is waited for in real time, so that a busy machine gives the same answers.
      if (!this.#reads.areUnderWay) this.#moveOn(turns++);
      if (performance.now() > deadlineMs && elapsedMs() > ANSWER_MS) {
        this.#fault("was never answered");
        return { response: undefined, waitingMs: waitingMs() };
      }
    }
    return { response, waitingMs: waitingMs() };
  }

  #moveOn(turns: number): void {
    if (turns <= 2 || turns >= QUIET_TURNS + WAITING_TURNS) return;
    this.#clock.advance(turns > QUIET_TURNS ? WAITING_STEP_MS : 0);
  }

  async #judge(response: Response): Promise<void> {
    const { status } = response;
    const text = status < 400 ? "" : await response.clone().text();
    const isExpected = status === 501 || status === 503 || EXPECTED_500.test(text);
    if (status >= 500 && !isExpected) this.#fault(`status ${status}: ${text}`);
    if (status >= 400) this.#watch.refused(`${status} ${text.slice(0, 200)}`);
  }

  #checkInvariants(): void {
    try {
      this.#core.assertInvariants();
      for (const agent of this.#agents.values()) agent.runtime.core.assertInvariants();
    } catch (error) {
      this.#fault(`broke an invariant: ${textOf(error)}`);
    }
  }

  async #addAgent(resources: string): Promise<void> {
    const number = this.#nextAgent;
    this.#nextAgent += 1;
    const parsed = parseResources(resources, "*", codec);
    if (!parsed.ok) throw new Error(parsed.error.message);
    const workDir = join(this.#folder, `agent-${number}`);
    mkdirSync(workDir);
    const agent = new LocalAgent({
      master: this.#master,
      clock: this.#clock,
      rng: this.#rng,
      workDir,
      info: {
        hostname: `agent-${number}`,
        port: FIRST_PORT + number,
        resources: parsed.value,
      },
      fault: (text) => this.#fault(text),
      reads: this.#reads,
      watched: (core) => this.#watch.agent(core),
    });
    this.#agents.set(number, agent);
    await agent.start();
  }
}

/** Ids that depend on the dice alone, so that a seed replays exactly. */
function seededRng(dice: Dice): Rng {
  const hex = (length: number): string =>
    Array.from({ length }, () => below(dice, 16).toString(16)).join("");
  return {
    next: dice,
    uuid: () => `${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(12)}`,
  };
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
