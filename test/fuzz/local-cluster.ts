/**
 * A master and two agents in this process: the real HTTP apps, runtimes, cores and allocator, the
 * registry in SQLite, a clock that is moved by hand, containers that are timers, and a link without
 * a network between. Everything that can be refused is watched: a refused call must leave the state
 * as it was.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AgentRuntime } from "../../src/agent/runtime/agent-runtime.ts";
import type { LinkId } from "../../src/base/ids.ts";
import type { Clock, Log, Rng } from "../../src/base/ports.ts";
import { createAgentApp } from "../../src/http/agent/agent-app.ts";
import { type FileSource, withLogFile } from "../../src/http/file-source.ts";
import { LoggingLevel } from "../../src/http/logging-level.ts";
import { createMasterApp } from "../../src/http/master/master-app.ts";
import { LiveMetrics } from "../../src/http/metrics/live-metrics.ts";
import { PacedReads } from "../../src/http/paced-reads.ts";
import type { ProcessFacts } from "../../src/http/process-facts.ts";
import type { MasterInput } from "../../src/master/core/inputs.ts";
import type { MasterCore } from "../../src/master/core/master-core.ts";
import { MasterRuntime } from "../../src/master/runtime/master-runtime.ts";
import { loadSqlite } from "../../src/platform/sqlite.ts";
import { createCodec } from "../../src/protocol/codec.ts";
import { Registrar } from "../../src/registry/store/registrar.ts";
import { parseResources } from "../../src/resources/parse.ts";
import { type Acls, OPEN_ACLS } from "../../src/security/acls.ts";
import { MemoryCheckpoint } from "../agent/core/memory-checkpoint.ts";
import { FakeClock } from "../base/fake-clock.ts";
import { emulatedAgentOptions } from "../harness/emulated/agent-options.ts";
import { EmulatedContainers } from "../harness/emulated/emulated-containers.ts";
import { NO_FETCHER } from "../harness/no-fetcher.ts";
import { HEARS_EVERYBODY } from "../harness/open-http.ts";
import { masterOptions, newCore } from "../master/core/harness.ts";
import { below, type Dice } from "./dictionary.ts";
import { digestOf, firstDifference } from "./digest.ts";
import { randomAcls } from "./random-acls.ts";
import type { FuzzRequest } from "./requests.ts";

const AGENT_RESOURCES = [
  "cpus:4;mem:4096;disk:1000;ports:[31000-31009]",
  "cpus:2;mem:512;disk:100;cpus(kept):1;mem(kept):64;gpus:1",
];
/** Real time after which an answer counts as never given; the disk may be slow. */
const ANSWER_MS = 20_000;
const FIRST_PORT = 10_000;

const codec = createCodec();
const silent: Log = { write: () => undefined };

/** `files` are the process's own. */
function factsOf(clock: Clock, files: FileSource, acls: Acls): ProcessFacts {
  return {
    acls,
    version: { version: "1.12.0" },
    flags: { port: "5050" },
    loggingLevel: new LoggingLevel(clock),
    live: new LiveMetrics(clock),
    files,
    metrics: () => ({}),
  };
}

interface Parts {
  readonly dice: Dice;
  readonly folder: string;
  readonly registry: Registrar;
  readonly clock: FakeClock;
  readonly stallMs: number;
}

/** Refusals for which Mesos has status 500 (http-api 7.3, 7.4). */
const EXPECTED_500 =
  /^(?:Unknown container |Container .* has not ended yet|Container .* is an executor's|Could not mark resource provider |The container has no input )/s;

export class LocalCluster {
  readonly faults: string[] = [];
  /** Calls of frameworks and operators that were refused after the core had seen them. */
  refusedByCore = 0;
  slowest: { readonly ms: number; readonly what: string } = { ms: 0, what: "" };
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
  /** Of the core that sees a call first, before it does. */
  #before: { readonly of: () => object; readonly digest: string } | undefined;
  #isWatching = false;
  /** Time that watching took out of the present request. */
  #digestMs = 0;

  /** `stallMs` is what one request may take of this process before it is a fault. */
  static async start(dice: Dice, stallMs: number): Promise<LocalCluster> {
    const folder = mkdtempSync(join(tmpdir(), "allot-fuzz-"));
    const clock = new FakeClock();
    const registry = await Registrar.open({
      path: join(folder, "registry", "registry.db"),
      open: await loadSqlite(),
      clock,
      log: silent,
    });
    const cluster = new LocalCluster({ dice, folder, registry, clock, stallMs });
    for (const resources of AGENT_RESOURCES) await cluster.#addAgent(resources);
    await cluster.settle(2000);
    return cluster;
  }

  private constructor({ dice, folder, registry, clock, stallMs }: Parts) {
    this.#stallMs = stallMs;
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
    this.#watchMaster();
    const { info } = masterOptions();
    this.#master = new MasterRuntime({
      core: this.#core,
      info,
      version: "fuzz",
      heartbeatMs: 15_000,
      registry,
      clock: this.#clock,
      rng: this.#rng,
      log: silent,
      onFatal: (error) => this.#fault(`master ended: ${textOf(error)}`),
    });
    this.#masterApp = createMasterApp({
      runtime: this.#master,
      codec,
      facts: factsOf(this.#clock, withLogFile("/master/log", join(folder, "master.log")), acls),
      authentication: HEARS_EVERYBODY,
      disabledPaths: [],
      cluster: undefined,
      reads: PacedReads.on(this.#clock),
    });
    this.#master.start();
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
    this.#before = undefined;
    this.#isWatching = true;
    const startedUs = cpuMicroseconds();
    const startedMs = performance.now();
    this.#digestMs = 0;
    const response = await this.#answerOf(app, request, signal);
    // Processor time counts the collector's threads too; real time, what others were given.
    const cpuMs = (cpuMicroseconds() - startedUs) / 1000;
    const tookMs = Math.min(cpuMs, performance.now() - startedMs) - this.#digestMs;
    this.#isWatching = false;
    this.slowest = tookMs > this.slowest.ms ? { ms: tookMs, what: request.what } : this.slowest;
    if (tookMs > this.#stallMs) this.#fault(`stalled for ${Math.round(tookMs)} ms`);
    if (response !== undefined) await this.#judge(response);
    this.#checkInvariants();
    return response;
  }

  /** Lets time pass; agents that had to end come back as new ones. */
  async settle(ms: number): Promise<void> {
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
    if (over.length > 0) await this.settle(2500);
  }

  async end(): Promise<void> {
    for (const agent of this.#agents.values()) agent.end();
    this.#master.stop();
    await this.#registry.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #fault(text: string): void {
    this.faults.push(text);
  }

  async #answerOf(
    app: (request: Request) => Response | Promise<Response>,
    { path, method, headers, body }: FuzzRequest,
    signal: AbortSignal,
  ): Promise<Response | undefined> {
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
    for (let turns = 0; !isOver; turns++) {
      await turn();
      // Timers may be waited for as well, and after that only the disk.
      if (turns > 2 && turns < 300) this.#clock.advance(turns > 100 ? 100 : 0);
      if (performance.now() > deadlineMs) {
        this.#fault("was never answered");
        return undefined;
      }
    }
    return response;
  }

  async #judge(response: Response): Promise<void> {
    const { status } = response;
    const text = status < 400 ? "" : await response.clone().text();
    const isExpected = status === 501 || status === 503 || EXPECTED_500.test(text);
    if (status >= 500 && !isExpected) this.#fault(`status ${status}: ${text}`);
    if (status < 400 || this.#before === undefined) return;
    const { digest, of } = this.#before;
    this.#compare(digest, digestOf(of()), `${status} ${text.slice(0, 200)}`);
  }

  #compare(before: string, after: string, refusal: string): void {
    this.refusedByCore += 1;
    if (after === before) return;
    const difference = firstDifference(before, after);
    this.#fault(`was refused (${refusal}) and changed state:\n   ${difference}`);
  }

  #checkInvariants(): void {
    try {
      this.#core.assertInvariants();
      for (const agent of this.#agents.values()) agent.runtime.core.assertInvariants();
    } catch (error) {
      this.#fault(`broke an invariant: ${textOf(error)}`);
    }
  }

  /** Notes the state before the first call that the core is asked. */
  #watchMaster(): void {
    const core = this.#core;
    const step = core.step.bind(core);
    core.step = (input: MasterInput, nowMs: number) => {
      const isCall = /schedulerCall|operatorCall|operatorKill/.test(input.kind);
      if (isCall) this.#remember(() => core.state);
      if (input.kind !== "subscribe") return step(input, nowMs);
      const before = this.#digestOf(core.state);
      const effects = step(input, nowMs);
      const isRefused = effects.some(
        (effect) =>
          effect.kind === "sendEvent" &&
          effect.streamId === input.streamId &&
          effect.event.type === "ERROR",
      );
      if (isRefused) this.#compare(before, this.#digestOf(core.state), "by an ERROR event");
      return effects;
    };
  }

  #remember(of: () => object): void {
    if (this.#isWatching) this.#before ??= { of, digest: this.#digestOf(of()) };
  }

  #digestOf(state: object): string {
    const startedMs = performance.now();
    const digest = digestOf(state);
    this.#digestMs += performance.now() - startedMs;
    return digest;
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
      compare: (before, after) => this.#compare(before, after, "by the agent"),
    });
    this.#agents.set(number, agent);
    await agent.start();
  }
}

interface LocalAgentOptions {
  readonly master: MasterRuntime;
  readonly clock: FakeClock;
  readonly rng: Rng;
  readonly workDir: string;
  readonly info: ConstructorParameters<typeof AgentRuntime>[0]["options"]["info"];
  fault(text: string): void;
  compare(before: string, after: string): void;
}

class LocalAgent {
  readonly runtime: AgentRuntime;
  readonly app: (request: Request) => Response | Promise<Response>;
  /** It was told to end. */
  isOver = false;
  readonly #options: LocalAgentOptions;
  #linkId: LinkId | undefined;

  constructor(options: LocalAgentOptions) {
    const { clock, rng, workDir, info, master } = options;
    this.#options = options;
    this.runtime = new AgentRuntime({
      ...emulatedAgentOptions(info, workDir),
      bootId: rng.uuid(),
      containerizer: new EmulatedContainers(clock),
      fetcher: NO_FETCHER,
      checkpoint: new MemoryCheckpoint(),
      link: {
        send: (message) => {
          const linkId = this.#linkId;
          if (linkId !== undefined) master.linkMessage(linkId, structuredClone(message));
        },
        reconnect: () => this.#lose(),
      },
      clock,
      rng,
      log: silent,
      onExit: () => {
        this.end();
        this.isOver = true;
      },
      onFatal: (error) => options.fault(`agent ended: ${textOf(error)}`),
    });
    const { core } = this.runtime;
    const step = core.step.bind(core);
    core.step = (input, nowMs) => {
      if (input.kind !== "executorCall") return step(input, nowMs);
      // Around the step alone, since the agent takes timers and messages in the same batch.
      const before = digestOf(core.state);
      const effects = step(input, nowMs);
      const isRefused = effects.some((effect) => effect.kind === "respond" && !effect.outcome.ok);
      if (isRefused) options.compare(before, digestOf(core.state));
      return effects;
    };
    this.app = createAgentApp({
      runtime: this.runtime,
      codec,
      clock,
      heartbeatMs: 30_000,
      facts: factsOf(clock, this.runtime.files, OPEN_ACLS),
      authentication: HEARS_EVERYBODY,
      disabledPaths: [],
      pid: "slave(1)@127.0.0.1:5051",
      startTime: 0,
      masterHostname: () => "master",
    });
  }

  get id(): string {
    return this.runtime.state.info.id?.value ?? "";
  }

  async start(): Promise<void> {
    await this.runtime.start();
    this.#connect();
  }

  end(): void {
    const linkId = this.#linkId;
    this.#linkId = undefined;
    if (linkId !== undefined) this.#options.master.linkClosed(linkId);
  }

  #connect(): void {
    const { master } = this.#options;
    const lose = (): void => this.#lose();
    const linkId: LinkId = master.linkOpened(
      {
        send: (message) => {
          if (this.#linkId !== linkId) return;
          this.runtime.input({ kind: "masterMessage", message: structuredClone(message) });
        },
        close: lose,
        openStream: () => new ReadableStream(),
      },
      "127.0.0.1",
    );
    this.#linkId = linkId;
    this.runtime.input({ kind: "linkUp", epoch: master.info.id });
  }

  /** Comes back after a while. */
  #lose(): void {
    if (this.#linkId === undefined || this.isOver) return;
    this.end();
    this.runtime.input({ kind: "linkDown" });
    this.#options.clock.schedule(500, () => {
      if (!this.isOver) this.#connect();
    });
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

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function cpuMicroseconds(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
