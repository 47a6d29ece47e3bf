/**
 * A master full of made-up agents and tasks, served over HTTP by the real app. Agents come as they
 * come after a failover, with what they run, and have no links of their own behind it.
 */
import { DrfAllocator } from "../../src/allocator/drf-allocator.ts";
import { ok } from "../../src/base/result.ts";
import { withLogFile } from "../../src/http/file-source.ts";
import { LoggingLevel } from "../../src/http/logging-level.ts";
import { createMasterApp } from "../../src/http/master/master-app.ts";
import { LiveMetrics } from "../../src/http/metrics/live-metrics.ts";
import { PacedReads } from "../../src/http/paced-reads.ts";
import { MasterCore } from "../../src/master/core/master-core.ts";
import { MasterRuntime } from "../../src/master/runtime/master-runtime.ts";
import { loadServe } from "../../src/platform/server.ts";
import type { Server } from "../../src/platform/server-types.ts";
import { systemClock, systemRng } from "../../src/platform/system.ts";
import { createCodec } from "../../src/protocol/codec.ts";
import type { RegisterMessage } from "../../src/protocol/link-frames.ts";
import type { FrameworkInfo, Resource, Task, TaskStatus } from "../../src/protocol/v1/types.ts";
import { emptyRegistry } from "../../src/registry/core/registry-state.ts";
import { ResourceKinds } from "../../src/resources/kinds.ts";
import { aloneLeading } from "../../src/roles/leadership.ts";
import { OPEN_ACLS } from "../../src/security/acls.ts";
import { encodeMessage } from "../harness/link-messages.ts";
import { HEARS_EVERYBODY } from "../harness/open-http.ts";
import { until } from "../harness/wait.ts";
import { masterOptions } from "../master/core/harness.ts";

const BODY_BYTES = 16 * 1024 * 1024;
const FRAMEWORKS = 20;
/** Longer than any measurement: nobody answers the pings. */
const PING_TIMEOUT_MS = 3_600_000;
const FILL_TIMEOUT_MS = 300_000;
/** Registrations handed over at once, so that messages do not pile up. */
const FILL_BATCH = 500;

export interface FullMaster {
  readonly port: number;
  stop(): Promise<void>;
}

/** `tasks` are spread evenly over `agents`. Rejects when it takes longer than five minutes. */
export async function startFullMaster(agents: number, tasks: number): Promise<FullMaster> {
  const runtime = makeRuntime();
  runtime.start();
  for (let first = 0; first < agents; first += FILL_BATCH) {
    const end = Math.min(agents, first + FILL_BATCH);
    for (let number = first; number < end; number += 1) {
      addAgent(runtime, number, Math.round(tasks / agents));
    }
    const isThere = (): boolean => runtime.state.agents.size >= end;
    await until(`${end} agents to be registered`, isThere, FILL_TIMEOUT_MS);
  }
  const handle = createMasterApp({
    runtime,
    codec: createCodec(),
    facts: {
      version: { version: "1.12.0" },
      flags: {},
      acls: OPEN_ACLS,
      live: new LiveMetrics(systemClock),
      loggingLevel: new LoggingLevel(systemClock),
      files: withLogFile("/master/log", undefined),
      metrics: () => runtime.metrics(),
    },
    authentication: HEARS_EVERYBODY,
    disabledPaths: [],
    cluster: undefined,
    reads: PacedReads.on(systemClock),
    leadership: aloneLeading({ clock: systemClock, allotVersion: "0" }, runtime.info),
    registryCopy: async () => new ReadableStream(),
  });
  const serve = await loadServe();
  const server: Server = await serve({
    ip: "127.0.0.1",
    port: 0,
    maxBodyBytes: BODY_BYTES,
    maxSocketMessageBytes: BODY_BYTES,
    fetch: (request) => handle(request),
  });
  return {
    port: server.port,
    stop: async () => {
      runtime.stop();
      await server.stop();
    },
  };
}

function makeRuntime(): MasterRuntime {
  const options = masterOptions({ agentPingTimeoutMs: PING_TIMEOUT_MS });
  const kinds = new ResourceKinds();
  const allocator = new DrfAllocator(kinds, { ...options, masterRegion: undefined });
  return new MasterRuntime({
    core: new MasterCore({ options, allocator, kinds, encode: encodeMessage }),
    info: options.info,
    version: "0",
    heartbeatMs: PING_TIMEOUT_MS,
    registry: {
      load: emptyRegistry,
      commit: (operations) => Promise.resolve(operations.map(() => ok(true))),
      metrics: () => ({}),
    },
    clock: systemClock,
    rng: systemRng,
    log: { write: () => undefined },
    onFatal: (error) => {
      throw error;
    },
  });
}

function addAgent(runtime: MasterRuntime, number: number, taskCount: number): void {
  const ip = `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`;
  const link = { send: () => undefined, close: () => undefined, openStream: noStream };
  const linkId = runtime.linkOpened(link, ip);
  runtime.linkMessage(linkId, registration(number, taskCount));
}

function noStream(): never {
  throw new Error("these agents have no files");
}

function registration(number: number, taskCount: number): RegisterMessage {
  const agentId = `0a1b2c3d-1111-4222-8333-444455556666-S${number}`;
  const first = number * taskCount;
  const numbers = Array.from({ length: taskCount }, (_, index) => first + index);
  return {
    kind: "register",
    agentInfo: {
      id: { value: agentId },
      hostname: `node-${number}.example.net`,
      port: 5051,
      resources: [
        ...amounts(64, 262_144),
        { name: "disk", type: "SCALAR", scalar: { value: 1_000_000 } },
        { name: "ports", type: "RANGES", ranges: { range: [{ begin: 31_000, end: 32_000 }] } },
      ],
      attributes: [{ name: "rack", type: "TEXT", text: { value: `r${number % 200}` } }],
    },
    checkpointedResources: [],
    version: "1.12.0",
    capabilities: [
      { type: "MULTI_ROLE" },
      { type: "HIERARCHICAL_ROLE" },
      { type: "RESERVATION_REFINEMENT" },
    ],
    lastCommand: 0,
    epoch: undefined,
    frameworks: [...new Set(numbers.map((task) => task % FRAMEWORKS))].map(frameworkOf),
    executors: [],
    tasks: numbers.map((task) => ({ task: taskOf(task, agentId) })),
    operations: [],
  };
}

function frameworkOf(number: number): FrameworkInfo {
  return {
    id: { value: `0a1b2c3d-1111-4222-8333-444455556666-${String(number).padStart(4, "0")}` },
    user: "nobody",
    name: `framework-${number}`,
    roles: [`role-${number}`],
    capabilities: [{ type: "MULTI_ROLE" }, { type: "RESERVATION_REFINEMENT" }],
    checkpoint: true,
  };
}

function taskOf(number: number, agentId: string): Task {
  const framework = number % FRAMEWORKS;
  const allocation_info = { role: `role-${framework}` };
  const id = `web.instance-${number}.5f7d1c2a-9b3e-11ee-8c90-0242ac120002`;
  return {
    name: `web.instance-${number}`,
    task_id: { value: id },
    framework_id: frameworkOf(framework).id ?? { value: "" },
    agent_id: { value: agentId },
    state: "TASK_RUNNING",
    resources: amounts(0.1, 32).map((resource) => ({ ...resource, allocation_info })),
    statuses: statuses(id, agentId, number),
  };
}

function amounts(cpus: number, mem: number): Resource[] {
  return [
    { name: "cpus", type: "SCALAR", scalar: { value: cpus } },
    { name: "mem", type: "SCALAR", scalar: { value: mem } },
  ];
}

/** As the master keeps the statuses of a task: both say where it runs by one object. */
function statuses(id: string, agentId: string, number: number): TaskStatus[] {
  const hex = number.toString(16).padStart(12, "0");
  const common = {
    task_id: { value: id },
    agent_id: { value: agentId },
    source: "SOURCE_EXECUTOR",
    uuid: "q83vEjRWeJCrze8SNFZ4kA==",
    container_status: {
      container_id: { value: `8f14e45f-ceea-467f-a0e6-${hex}` },
      network_infos: [{ ip_addresses: [{ protocol: "IPv4", ip_address: "10.0.0.7" }] }],
    },
  } as const;
  return [
    { ...common, state: "TASK_STARTING", timestamp: 1_790_000_000.25 },
    { ...common, state: "TASK_RUNNING", timestamp: 1_790_000_001.5 },
  ];
}
