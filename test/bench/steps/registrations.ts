/** What agents say when they come: of one make, each with its tasks. */
import type { RegisterMessage } from "../../../src/protocol/link-frames.ts";
import type { FrameworkInfo, Resource, Task } from "../../../src/protocol/v1/types.ts";
import { AGENT_CAPABILITIES } from "../../master/core/harness.ts";

export function frameworkInfo(number: number): FrameworkInfo {
  return {
    id: { value: `0a1b2c3d-1111-4222-8333-444455556666-${String(number).padStart(4, "0")}` },
    user: "nobody",
    name: `framework-${number}`,
    roles: [`role-${number}`],
    capabilities: [{ type: "MULTI_ROLE" }, { type: "PARTITION_AWARE" }],
    checkpoint: true,
    failover_timeout: 3600,
  };
}

export function agentId(number: number): string {
  return `0a1b2c3d-1111-4222-8333-444455556666-S${number}`;
}

export function hostname(number: number): string {
  return `node-${number}.example.net`;
}

/** An agent that comes back with `tasks` running tasks of the frameworks in turn. */
export function registration(
  number: number,
  { tasks, frameworks }: { readonly tasks: number; readonly frameworks: number },
): RegisterMessage {
  const numbers = Array.from({ length: tasks }, (_, index) => number * tasks + index);
  return {
    kind: "register",
    agentInfo: {
      id: { value: agentId(number) },
      hostname: hostname(number),
      port: 5051,
      resources: amounts(64, 262_144),
    },
    checkpointedResources: [],
    version: "1.12.0",
    capabilities: [...AGENT_CAPABILITIES, { type: "AGENT_DRAINING" }],
    lastCommand: 0,
    epoch: undefined,
    frameworks: [...new Set(numbers.map((task) => task % frameworks))].map(frameworkInfo),
    executors: [],
    tasks: numbers.map((task) => ({ task: taskOf(task, task % frameworks, agentId(number)) })),
    operations: [],
  };
}

export function amounts(cpus: number, mem: number): Resource[] {
  return [
    { name: "cpus", type: "SCALAR", scalar: { value: cpus } },
    { name: "mem", type: "SCALAR", scalar: { value: mem } },
  ];
}

function taskOf(number: number, framework: number, agent: string): Task {
  const allocation_info = { role: `role-${framework}` };
  const task_id = { value: `web.instance-${number}.5f7d1c2a-9b3e-11ee-8c90-0242ac120002` };
  const agent_id = { value: agent };
  return {
    name: "web.instance",
    task_id,
    framework_id: { value: frameworkInfo(framework).id?.value ?? "" },
    agent_id,
    state: "TASK_RUNNING",
    resources: amounts(0.01, 32).map((resource) => ({ ...resource, allocation_info })),
    statuses: [
      { task_id, agent_id, state: "TASK_RUNNING", timestamp: 1_790_000_000, uuid: "q83vEjRWeJA=" },
    ],
  };
}
