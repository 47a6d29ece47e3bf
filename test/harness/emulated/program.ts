/**
 * The process of emulated agents: does what it is ordered over the channel to its parent, and ends
 * with it. Run with Bun as a child that has an IPC channel.
 */
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { assert } from "../../../src/base/assert.ts";
import { isZooKeeperUrl, parseZooKeeperUrl } from "../../../src/election/core/zookeeper-url.ts";
import { stderrLog, systemClock, systemRng } from "../../../src/platform/system.ts";
import { createCodec } from "../../../src/protocol/codec.ts";
import { createLinkCodec } from "../../../src/protocol/link-codec.ts";
import type { AgentInfo } from "../../../src/protocol/v1/types.ts";
import { parseAttributes } from "../../../src/resources/attributes.ts";
import { parseResources } from "../../../src/resources/parse.ts";
import { toPostRefinement } from "../../../src/resources/refinement.ts";
import {
  fixedSource,
  type MasterSource,
  zooKeeperSource,
} from "../../../src/roles/master-source.ts";
import { EmulatedAgent } from "./emulated-agent.ts";
import type { AgentAction, AgentGroup, Order, Reply, Report } from "./protocol.ts";

const DEFAULT_RESOURCES = "cpus:4;mem:4096;disk:10000;ports:[31000-32000]";
const FIRST_PORT = 10_000;
const STARTS_PER_SECOND = 5000;
/** Agents are started in parts of this many milliseconds' worth. */
const SLICE_MS = 20;
const EXITS_KEPT = 100;
const SESSION_TIMEOUT_MS = 10_000;

const codec = createCodec();
const linkCodec = createLinkCodec();
const log = stderrLog("error");
const agents = new Map<number, EmulatedAgent>();
const exits: string[] = [];

async function obey(order: Order): Promise<unknown> {
  switch (order.kind) {
    case "add":
      return await add(order.group, order.workDir);
    case "act":
      return await act(order.action, order.indexes);
    case "endTask":
      return [...agents.values()].some((agent) => agent.endTask(order.taskId, order.result));
    case "report":
      return report();
    case "ids":
      return [...agents].map(([index, agent]) => [index, agent.id]);
  }
}

async function add(group: AgentGroup, workDir: string): Promise<void> {
  const first = group.firstIndex ?? 0;
  const perSlice = Math.max(1, ((group.startsPerSecond ?? STARTS_PER_SECOND) * SLICE_MS) / 1000);
  const shared = sharedInfo(group);
  const findMaster = masterFinder(group);
  let left = perSlice;
  for (let index = first; index < first + group.count; index += 1) {
    assert(!agents.has(index), "agents have numbers of their own");
    const name = `agent-${index}`;
    const agent = new EmulatedAgent({
      findMaster,
      info: {
        ...shared,
        hostname: `${name}.emulated`,
        port: FIRST_PORT + index,
      },
      capabilities: group.capabilities,
      workDir: `${workDir}/${name}`,
      codec,
      linkCodec,
      log,
      onExit: (reason) => {
        exits.push(`${name}: ${reason}`);
        exits.splice(0, exits.length - EXITS_KEPT);
      },
    });
    agents.set(index, agent);
    await agent.start();
    left -= 1;
    if (left > 0) continue;
    left += perSlice;
    await sleep(SLICE_MS);
  }
}

function masterFinder({ master, sessionTimeoutMs }: AgentGroup): () => MasterSource {
  if (!isZooKeeperUrl(master)) return () => fixedSource(master);
  const url = parseZooKeeperUrl(master);
  if (!url.ok) throw new Error(url.error.message);
  return () =>
    zooKeeperSource({
      url: url.value,
      sessionTimeoutMs: sessionTimeoutMs ?? SESSION_TIMEOUT_MS,
      clock: systemClock,
      rng: systemRng,
      log,
      codec,
    });
}

function sharedInfo(group: AgentGroup): Omit<AgentInfo, "hostname"> {
  const resources = parseResources(group.resources ?? DEFAULT_RESOURCES, "*", codec);
  if (!resources.ok) throw new Error(resources.error.message);
  const attributes = parseAttributes(group.attributes ?? "");
  if (!attributes.ok) throw new Error(attributes.error.message);
  return {
    resources: resources.value.map(toPostRefinement),
    attributes: attributes.value,
    ...(group.domain === undefined ? {} : { domain: group.domain }),
  };
}

async function act(action: AgentAction, indexes: number[] | "all"): Promise<void> {
  for (const index of indexes === "all" ? agents.keys() : indexes) {
    const agent = agents.get(index);
    if (agent === undefined) throw new Error(`there is no agent ${index}`);
    await agent[action]();
  }
}

function report(): Report {
  const all = [...agents.values()];
  const usage = process.cpuUsage();
  return {
    agents: all.length,
    up: all.filter(({ isUp }) => isUp).length,
    registered: all.filter(({ isRegistered }) => isRegistered).length,
    containers: all.reduce((sum, { containerCount }) => sum + containerCount, 0),
    cpuMs: (usage.user + usage.system) / 1000,
    exits,
  };
}

process.on("message", ({ number, ...order }: Order & { readonly number: number }) => {
  void obey(order as Order)
    .then((value): Reply => ({ number, value }))
    .catch((error: unknown): Reply => ({ number, error: String(error) }))
    .then((reply) => process.send?.(reply));
});
process.once("disconnect", () => process.exit());
