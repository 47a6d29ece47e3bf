/** The way to unreachable: its pace, who turns back on it, and when a master gives up instead. */
import { describe, expect, test } from "bun:test";
import { LOSSES_TOLD_PER_STEP_MAX } from "../../../src/master/core/limits.ts";
import { emptyRegistry, type RegistryState } from "../../../src/registry/core/registry-state.ts";
import { resourcesOf, World } from "./harness.ts";

function registryWith(count: number): RegistryState {
  const registry = emptyRegistry();
  for (let index = 0; index < count; index++) {
    const id = { value: `old-S${index}` };
    registry.admitted.set(id.value, { info: { id, hostname: `h${index}` }, isDeactivated: false });
  }
  return registry;
}

const counter = (world: World, name: string): number => world.state.counters.get(name)?.value ?? 0;

describe("--agent_removal_rate_limit", () => {
  test("lets silent agents go one by one [semantics 1.7]", () => {
    const world = new World({ agentRemovalIntervalMs: 60_000 });
    for (const agent of [world.addAgent(), world.addAgent(), world.addAgent()]) {
      agent.link.answersPings = false;
    }
    world.advance(90_000);
    expect(world.state.unreachableAgents.size).toBe(1);
    expect(counter(world, "master/slave_unreachable_scheduled")).toBe(3);
    world.advance(59_000);
    expect(world.state.unreachableAgents.size).toBe(1);
    world.advance(2_000);
    expect(world.state.unreachableAgents.size).toBe(2);
    world.advance(60_000);
    expect(world.state.unreachableAgents.size).toBe(3);
    expect(counter(world, "master/slave_unreachable_completed")).toBe(3);
  });

  test("spares an agent that answers before its turn [semantics 2.5]", () => {
    const world = new World({ agentRemovalIntervalMs: 60_000 });
    const agents = [world.addAgent(), world.addAgent()];
    for (const agent of agents) agent.link.answersPings = false;
    world.advance(76_000);
    for (const agent of agents) agent.link.answersPings = true;
    world.advance(120_000);
    expect(world.state.unreachableAgents.size).toBe(1);
    expect(counter(world, "master/slave_unreachable_canceled")).toBe(1);
  });

  test("holds for agents that stay away after a failover too [semantics 1.6 rule 3]", () => {
    const world = new World({ agentRemovalIntervalMs: 60_000 }, registryWith(3));
    world.advance(600_000);
    expect(world.state.unreachableAgents.size).toBe(1);
    world.advance(120_000);
    expect(world.state.unreachableAgents.size).toBe(3);
    expect(world.state.recoveredAgents.size).toBe(0);
  });

  test("spares an agent that registers before its turn", () => {
    const world = new World({ agentRemovalIntervalMs: 60_000 }, registryWith(2));
    world.advance(600_000);
    const [waiting] = world.state.recoveredAgents.keys();
    world.addAgent("cpus:1", { agentInfo: { hostname: "h1", id: { value: waiting ?? "" } } });
    world.advance(120_000);
    expect(world.state.unreachableAgents.size).toBe(1);
    expect(world.state.agents.size).toBe(1);
  });
});

describe("agents that stay away after a failover", () => {
  const COUNT = LOSSES_TOLD_PER_STEP_MAX + 1;

  test("are given up too if they were refused while they waited for their turn", () => {
    const world = new World({ agentRemovalIntervalMs: 60_000 }, registryWith(2));
    world.advance(600_000);
    const [waiting = ""] = world.state.recoveredAgents.keys();
    const agent_id = { value: waiting };
    const framework_id = { value: "f" };
    const agentInfo = { hostname: `h${waiting.slice(-1)}`, id: agent_id };
    const resources = resourcesOf("cpus:8");
    const task = { name: "t", task_id: { value: "t" }, framework_id, agent_id, resources };
    const { link } = world.addAgent("cpus:1", {
      agentInfo,
      frameworks: [{ id: framework_id, user: "nobody", name: "f" }],
      tasks: [{ task: { ...task, state: "TASK_RUNNING" } }],
    });
    expect(link.messages).toMatchObject([{ kind: "refused" }]);
    world.advance(120_000);
    expect(world.state.unreachableAgents.size).toBe(2);
  });

  test("are given up too if their link breaks while their return is written", () => {
    const world = new World({}, registryWith(1));
    world.advance(599_000);
    world.holdsCommits = true;
    const agentInfo = { hostname: "h0", id: { value: "old-S0" }, port: 1 };
    const { link } = world.addAgent("cpus:1", { agentInfo });
    world.advance(2_000);
    world.closeLink(link);
    world.releaseCommits();
    expect(world.state.recoveredAgents.size).toBe(0);
    expect(world.state.unreachableAgents.size).toBe(1);
  });

  test("are all given up", () => {
    const world = new World({}, registryWith(COUNT));
    world.advance(601_000);
    expect(world.state.unreachableAgents.size).toBe(COUNT);
    expect(world.exitReason).toBeUndefined();
  });

  test("are told to frameworks a part in each step", () => {
    const world = new World({}, registryWith(COUNT));
    world.subscribe();
    const timer = { kind: "recoveredAgents" } as const;
    const effects = world.core.step({ kind: "timer", timer }, world.nowMs);
    expect(world.state.transitions.size).toBe(LOSSES_TOLD_PER_STEP_MAX / 2);
    expect(effects).toContainEqual({ kind: "setTimer", timer, atMs: world.nowMs });
  });
});

describe("--recovery_agent_removal_limit", () => {
  test("ends the master when more agents stay away [semantics 1.6 rule 3]", () => {
    const world = new World({ recoveryAgentRemovalLimit: 0.5 }, registryWith(4));
    world.addAgent("cpus:1", { agentInfo: { hostname: "h0", id: { value: "old-S0" } } });
    world.advance(599_000);
    expect(world.exitReason).toBeUndefined();
    world.advance(2_000);
    expect(world.exitReason).toContain("3 (75%) agents of the registry did not reregister");
    expect(world.state.unreachableAgents.size).toBe(0);
  });

  test("lets as many go as it says", () => {
    const world = new World({ recoveryAgentRemovalLimit: 0.5 }, registryWith(4));
    for (const index of [0, 1]) {
      const id = { value: `old-S${index}` };
      world.addAgent("cpus:1", { agentInfo: { hostname: `h${index}`, id } });
    }
    world.advance(601_000);
    expect(world.exitReason).toBeUndefined();
    expect(world.state.unreachableAgents.size).toBe(2);
  });
});

describe("fault domains", () => {
  const domain = { fault_domain: { region: { name: "r" }, zone: { name: "z" } } };
  const info = { id: "11111111-2222-4333-8444-555555555555", ip: 0, port: 5050 };
  const refusal = (world: World, changes: object): string | undefined => {
    const agent = world.addAgent("cpus:1", { agentInfo: { hostname: "h", ...changes } });
    const [first] = agent.link.messages;
    return first?.kind === "refused" ? first.message : undefined;
  };

  test("an agent with a domain needs a master with one [semantics 2.3 rule 4]", () => {
    expect(refusal(new World(), { domain })).toContain("give the master its --domain");
    const options = { info: { ...info, hostname: "master", domain } };
    expect(refusal(new World(options), { domain })).toBeUndefined();
    expect(refusal(new World(options), {})).toBeUndefined();
  });

  test("--require_agent_domain refuses agents without [semantics 2.3 rule 4]", () => {
    const options = { isAgentDomainRequired: true, info: { ...info, hostname: "master", domain } };
    expect(refusal(new World(options), {})).toContain("give the agent its --domain");
    expect(refusal(new World(options), { domain })).toBeUndefined();
  });
});
