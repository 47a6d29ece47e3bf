/**
 * Every metric of Mesos is told here, or ARCHITECTURE.md says why it means nothing. Scenes in which
 * everything that is counted happens once are compared with the list of names.
 */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { agentMetrics } from "../../src/agent/core/views/metrics.ts";
import { GarbageCollector } from "../../src/agent/runtime/garbage.ts";
import { ok } from "../../src/base/result.ts";
import { Fetcher } from "../../src/fetcher/fetcher.ts";
import { toFamilies } from "../../src/http/metrics/prometheus-names.ts";
import { systemMetrics } from "../../src/http/process-facts.ts";
import { MasterRuntime } from "../../src/master/runtime/master-runtime.ts";
import { loadSqlite } from "../../src/platform/sqlite.ts";
import { emptyRegistry } from "../../src/registry/core/registry-state.ts";
import { Registrar } from "../../src/registry/store/registrar.ts";
import { AgentHarness } from "../agent/core/agent-harness.ts";
import { FakeClock } from "../base/fake-clock.ts";
import { MemoryLog, realClock, TempFolder } from "../database/support.ts";
import mesosMetrics from "../fixtures/mesos-metrics.json";
import { lastOffer, masterOptions, newCore, taskFor, World } from "../master/core/harness.ts";

const ARCHITECTURE = new URL("../../ARCHITECTURE.md", import.meta.url);
/** Told by the role itself, which needs a whole process to start. */
const OF_THE_ROLE = ["master/http_cache_hits"];

/** A framework with a principal, quota, offers that went every way, and tasks that ended. */
function coreNames(): string[] {
  const world = new World();
  const agent = world.addAgent("cpus:4;mem:4096");
  const scalar = { value: 1 };
  const quota_configs = [{ role: "web", guarantees: { cpus: scalar }, limits: { cpus: scalar } }];
  world.operatorCall({ type: "UPDATE_QUOTA", update_quota: { force: true, quota_configs } });
  const info = {
    roles: ["web"],
    capabilities: [{ type: "MULTI_ROLE" as const }],
    principal: "ops",
  };
  const stream = world.subscribe(info, {}, "ops");
  const offer = lastOffer(stream);
  world.launch(stream, offer, taskFor(offer, "a"));
  agent.work();
  agent.update(stream, "a", "TASK_FAILED", { reason: "REASON_COMMAND_EXECUTOR_FAILED" });
  return Object.keys(world.core.metrics(world.nowMs));
}

async function runtimeNames(): Promise<string[]> {
  const clock = new FakeClock();
  const { info } = masterOptions();
  const runtime = new MasterRuntime({
    core: newCore(),
    info,
    version: "0",
    heartbeatMs: 15_000,
    registry: {
      load: emptyRegistry,
      commit: (operations) => Promise.resolve(operations.map(() => ok(true))),
      metrics: () => ({}),
    },
    clock,
    rng: { next: () => 0, uuid: () => "11111111-2222-4333-8444-555555555556" },
    log: { write: () => undefined },
    onFatal: (error) => {
      throw error;
    },
  });
  runtime.start();
  const sink = { send: () => true, close: () => undefined };
  const openStream = (): never => {
    throw new Error("there are no files");
  };
  const link = { send: () => undefined, close: () => undefined, openStream };
  const registration = {
    kind: "register",
    agentInfo: {
      hostname: "host",
      resources: [{ name: "cpus", type: "SCALAR", scalar: { value: 1 } }],
    },
    checkpointedResources: [],
    version: "1",
    capabilities: [],
    lastCommand: 0,
    epoch: undefined,
    frameworks: [],
    executors: [],
    tasks: [],
    operations: [],
  } as const;
  runtime.linkMessage(runtime.linkOpened(link, "10.0.0.1"), registration);
  runtime.subscribe(() => sink, { framework_info: { user: "u", name: "n" } }, undefined);
  for (let turn = 0; turn < 5; turn += 1) {
    clock.advance(1000);
    await Promise.resolve();
  }
  return Object.keys(runtime.metrics());
}

async function registrarNames(): Promise<string[]> {
  const folder = new TempFolder();
  const open = await loadSqlite();
  const path = folder.file("registry.db");
  const registrar = await Registrar.open({ path, open, clock: realClock, log: new MemoryLog() });
  const agent = { id: { value: "S0" }, hostname: "host" };
  await registrar.commit([{ kind: "admitAgent", info: agent }]);
  const names = Object.keys(registrar.metrics());
  await registrar.close();
  folder.remove();
  return names;
}

function garbageNames(): string[] {
  const garbage = new GarbageCollector({
    options: {
      delayMs: 1000,
      headroom: 0,
      intervalMs: 1000,
      areOthersCollected: false,
      trashBytes: 0,
    },
    workDir: "/nowhere",
    clock: new FakeClock(),
    log: new MemoryLog(),
    liveFolders: () => new Set(),
  });
  return Object.keys(garbage.figures());
}

function fetcherNames(): string[] {
  const folder = new TempFolder();
  const fetcher = new Fetcher({
    helper: { command: ["none"], environment: {} },
    cacheDir: folder.file("cache"),
    cacheBytes: 0,
    stallTimeoutMs: 1000,
    frameworksHome: undefined,
    log: new MemoryLog(),
  });
  const names = Object.keys(fetcher.metrics());
  folder.remove();
  return names;
}

/** Names in the first column of the table in ARCHITECTURE.md, as patterns. */
function excused(): readonly RegExp[] {
  const rows = readFileSync(ARCHITECTURE, "utf8").matchAll(/^\| (`[^|]+`) \| [^|]{10,} \|$/gm);
  const names = [...rows].flatMap(([, cell = ""]) => [...cell.matchAll(/`([^`]+)`/g)]);
  return names.map(([, name = ""]) => patternOf(name));
}

/** `{role}` stands for anything, `*` for the rest of a name. */
function patternOf(name: string): RegExp {
  const escaped = name.replace(/[.^$()|[\]\\+?]/g, "\\$&");
  return new RegExp(`^${escaped.replaceAll("*", ".*").replace(/\{[^}]*\}/g, "[^/]+")}$`);
}

async function toldNames(): Promise<readonly string[]> {
  return [
    ...coreNames(),
    ...(await runtimeNames()),
    ...(await registrarNames()),
    ...Object.keys(systemMetrics()),
    ...Object.keys(agentMetrics(AgentHarness.registered().core.state, 1)),
    ...garbageNames(),
    ...fetcherNames(),
    ...OF_THE_ROLE,
  ];
}

test("each of them is told, or it is said why not [reference/metrics.json]", async () => {
  const told = await toldNames();
  const why = excused();
  const missing = mesosMetrics
    .filter(({ name }) => !told.some((one) => patternOf(name).test(one)))
    .filter(({ name }) => !why.some((pattern) => pattern.test(name)));
  expect(missing).toEqual([]);
  const needless = mesosMetrics
    .filter(({ name }) => told.includes(name) && why.some((pattern) => pattern.test(name)))
    .map(({ name }) => name);
  expect(needless).toEqual([]);
});

test("what only rises is a counter for Prometheus, and nothing else [reference/metrics.json]", async () => {
  for (const name of await toldNames()) {
    const known = mesosMetrics.find((metric) => patternOf(metric.name).test(name));
    for (const { type } of toFamilies({ [name]: 1 })) {
      expect([name, type]).toEqual([name, known?.kind === "counter" ? "counter" : "gauge"]);
    }
  }
});
