/** Containers that calls launch: with their parents they live, are found again, and end. */
import { describe, expect, test } from "bun:test";
import type {
  ContainerAnswer,
  ContainerCall,
  ContainerCaller,
} from "../../../src/agent/core/containers/container-calls.ts";
import type { AgentEffect } from "../../../src/agent/core/effects.ts";
import { brand, type ContainerId } from "../../../src/base/ids.ts";
import type { Result } from "../../../src/base/result.ts";
import type { ContainerID } from "../../../src/protocol/v1/types.ts";
import { parseAcls } from "../../../src/security/acls.ts";
import { AgentHarness, agentOptions, commandTask, framework } from "./agent-harness.ts";

const F = "f";
const NOBODY: ContainerCaller = { principal: undefined };

/** An agent with a running task, and what its containers are called. */
class Scene {
  readonly agent: AgentHarness;
  readonly answers: Map<number, Result<ContainerAnswer>> = new Map();
  readonly effects: AgentEffect[] = [];
  #requests = 100;

  constructor(agent: AgentHarness = AgentHarness.registered()) {
    this.agent = agent;
    agent.runToRunning(framework(F), commandTask("t"));
  }

  get task(): ContainerID {
    return { value: this.agent.containerOf(F, "t") };
  }

  nested(value: string, parent: ContainerID = this.task): ContainerID {
    return { value, parent };
  }

  /** The number by which the answer is found. */
  call(call: ContainerCall, caller: ContainerCaller = NOBODY): number {
    this.#requests += 1;
    this.agent.input({ kind: "containerCall", requestId: this.#requests, call, caller });
    this.collect();
    return this.#requests;
  }

  launch(id: ContainerID, more: Partial<ContainerCall> = {}, caller?: ContainerCaller): number {
    const wish = {
      kind: "launch",
      id,
      command: { value: "sleep 1000" },
      container: undefined,
      resources: [],
      limits: undefined,
      isSession: false,
    } as const;
    return this.call({ ...wish, ...more } as ContainerCall, caller);
  }

  /** Launches it and has it run. */
  running(id: ContainerID, more: Partial<ContainerCall> = {}): ContainerId {
    this.launch(id, more);
    const containerId = this.containerId(id);
    this.agent.input({ kind: "containerLaunched", containerId, pid: 7 });
    this.collect();
    return containerId;
  }

  containerId(id: ContainerID): ContainerId {
    for (const container of this.agent.core.state.apiContainers.values()) {
      if (JSON.stringify(container.id) === JSON.stringify(id)) return container.containerId;
    }
    throw new Error(`no container ${JSON.stringify(id)}`);
  }

  terminated(containerId: ContainerId, code: number): void {
    const termination = { exit: { kind: "exited", code } } as const;
    this.agent.input({ kind: "containerTerminated", containerId, termination });
    this.collect();
  }

  collect(): void {
    for (const effect of this.agent.takeEffects()) {
      this.effects.push(effect);
      if (effect.kind === "respondContainer") this.answers.set(effect.requestId, effect.outcome);
    }
  }

  /** Containers that were to be destroyed since the last time. */
  destroyed(): string[] {
    this.collect();
    return this.effects
      .splice(0)
      .flatMap((effect) => (effect.kind === "destroyContainer" ? [effect.containerId] : []));
  }
}

describe("a nested container", () => {
  test("is refused while the disk is full, and a session is not [DESIGN 9]", () => {
    const scene = new Scene();
    scene.agent.input({ kind: "diskShortage", message: "the disk is full" });
    const refused = { ok: false, error: { code: "notReady" } };
    expect(scene.answers.get(scene.launch(scene.nested("n")))).toMatchObject(refused);
    const session = scene.launch(scene.nested("s"), { isSession: true } as never);
    expect(scene.answers.get(session)).toBeUndefined();
    scene.agent.input({ kind: "diskShortage", message: undefined });
    expect(scene.answers.get(scene.launch(scene.nested("n")))).toBeUndefined();
  });

  test("is answered when it runs, and lies in its parent's sandbox [http-api 7.3]", () => {
    const scene = new Scene();
    const id = scene.nested("n");
    const request = scene.launch(id);
    expect(scene.answers.has(request)).toBe(false);
    const effect = scene.effects.find(({ kind }) => kind === "launchApiContainer");
    const directory = expect.stringMatching(/\/executors\/t\/runs\/[\w-]+\/containers\/n$/);
    expect(effect).toMatchObject({ container: { directory, parentId: scene.task.value } });
    scene.agent.input({ kind: "containerLaunched", containerId: scene.containerId(id), pid: 7 });
    scene.collect();
    expect(scene.answers.get(request)).toMatchObject({ ok: true, value: { kind: "launched" } });
    expect(scene.answers.get(scene.launch(id))).toMatchObject({ value: { kind: "exists" } });
  });

  test("that cannot be launched is refused and forgotten [http-api 7.3]", () => {
    const scene = new Scene();
    const id = scene.nested("n");
    const request = scene.launch(id);
    const containerId = scene.containerId(id);
    scene.agent.input({
      kind: "containerLaunchFailed",
      containerId,
      message: "no such user",
      isUnsupported: false,
    });
    scene.collect();
    expect(scene.answers.get(request)).toMatchObject({
      ok: false,
      error: { code: "invalid", message: "no such user" },
    });
    expect(scene.agent.core.state.apiContainers.size).toBe(0);
    expect(scene.agent.disk.load().containers).toEqual([]);
  });

  test("ends before its parent, whatever is nested in it first [semantics 7.10]", () => {
    const scene = new Scene();
    const outer = scene.running(scene.nested("n"));
    const inner = scene.running(scene.nested("m", scene.nested("n")));
    scene.destroyed();
    scene.call({ kind: "kill", id: scene.task, signal: 9 });
    expect(scene.destroyed()).toEqual([scene.task.value]);
    scene.agent.terminated(F, "t", 1);
    expect(scene.destroyed()).toEqual([inner, outer]);
    const wait = scene.call({ kind: "wait", id: scene.nested("n") });
    scene.terminated(inner, 0);
    scene.terminated(outer, 0);
    expect(scene.answers.get(wait)).toMatchObject({ value: { kind: "ended" } });
    // The task is told, and with it goes all that is known of them.
    scene.agent.acknowledge(F, "t");
    expect(scene.agent.core.state.apiContainers.size).toBe(0);
    expect(scene.agent.disk.load().containers).toEqual([]);
  });

  test("outlives the agent with its parent, and is over without it [semantics 7.7]", () => {
    const scene = new Scene();
    const { agent } = scene;
    const id = scene.nested("n");
    const nested = scene.running(id);
    const alone = scene.running({ value: "alone" });
    scene.running(scene.nested("s"), { isSession: true });
    const task = agent.containerOf(F, "t");
    agent.crash();
    agent.recover([task, nested, alone]);
    const adopted = agent
      .takeEffects()
      .flatMap((effect) => (effect.kind === "adoptApiContainer" ? [effect.container.name] : []));
    expect(adopted).toEqual([`${task}.n`, "alone"]);
    scene.terminated(nested, 3);
    agent.crash();
    agent.recover([task, alone]);
    expect(scene.answers.get(scene.call({ kind: "wait", id }))).toMatchObject({
      value: { termination: { exit: { code: 3 } } },
    });
    agent.crash();
    agent.recover([alone]);
    agent.connect();
    agent.acknowledge(F, "t");
    expect([...agent.core.state.apiContainers.keys()]).toEqual([alone]);
  });

  test("of a framework that does not checkpoint is not written down [semantics 7.5]", () => {
    const agent = AgentHarness.registered();
    const scene = new Scene(agent);
    agent.run(framework("g", { checkpoint: false }), commandTask("u"));
    agent.launched("g", "u");
    scene.running({ value: "n", parent: { value: agent.containerOf("g", "u") } });
    expect(agent.disk.load().containers).toEqual([]);
  });
});

describe("a session", () => {
  test("ends when whoever listened has gone [http-api 7.3]", () => {
    const scene = new Scene();
    const containerId = scene.running(scene.nested("s"), { isSession: true });
    scene.destroyed();
    scene.agent.input({ kind: "sessionLeft", containerId });
    expect(scene.destroyed()).toEqual([containerId]);
    scene.agent.input({ kind: "sessionLeft", containerId });
    expect(scene.destroyed()).toEqual([]);
    expect(scene.agent.disk.load().containers).toEqual([]);
  });

  test("that is killed before its command runs is killed when it does", () => {
    const scene = new Scene();
    const id = scene.nested("s");
    scene.launch(id, { isSession: true });
    const containerId = scene.containerId(id);
    scene.agent.input({ kind: "sessionLeft", containerId });
    scene.destroyed();
    scene.agent.input({ kind: "containerLaunched", containerId, pid: 7 });
    expect(scene.destroyed()).toEqual([containerId]);
  });
});

describe("who may", () => {
  const acls = parseAcls({
    permissive: false,
    run_tasks: [{ principals: { type: "ANY" }, users: { type: "ANY" } }],
    launch_nested_containers_under_parent_with_user: [
      { principals: { values: ["ops"] }, users: { values: ["root"] } },
    ],
    launch_nested_containers_as_user: [
      { principals: { values: ["ops"] }, users: { values: ["root"] } },
    ],
    wait_nested_containers: [{ principals: { values: ["ops"] }, users: { values: ["root"] } }],
  });
  if (!acls.ok) throw new Error(acls.error.message);
  const scene = (): Scene => new Scene(AgentHarness.registered(agentOptions({ acls: acls.value })));

  const codeOf = (at: Scene, request: number): string | undefined => {
    const outcome = at.answers.get(request);
    return outcome?.ok === false ? outcome.error.code : undefined;
  };

  test("the ACLs say by the user of the parent and of the container [semantics 9.3]", () => {
    const at = scene();
    const ops = { principal: "ops" };
    const as = (user: string): Partial<ContainerCall> => ({ command: { value: "true", user } });
    expect(codeOf(at, at.launch(at.nested("a"), {}, NOBODY))).toBe("forbidden");
    expect(codeOf(at, at.launch(at.nested("a"), {}, ops))).toBeUndefined();
    expect(codeOf(at, at.launch(at.nested("b"), as("root"), ops))).toBeUndefined();
    expect(codeOf(at, at.launch(at.nested("c"), as("nobody"), ops))).toBe("forbidden");
    expect(codeOf(at, at.launch(at.nested("d"), { isSession: true }, ops))).toBe("forbidden");
    expect(codeOf(at, at.launch({ value: "alone" }, {}, ops))).toBe("forbidden");
    expect(codeOf(at, at.call({ kind: "wait", id: at.nested("a") }, ops))).toBeUndefined();
    expect(codeOf(at, at.call({ kind: "kill", id: at.nested("a"), signal: 9 }, ops))).toBe(
      "forbidden",
    );
  });

  test("what is launched below a standalone container needs the right to that one's user too", () => {
    const users = (...values: string[]): object => ({ users: { values } });
    const parsed = parseAcls({
      permissive: false,
      run_tasks: [{ principals: { type: "ANY" }, users: { type: "ANY" } }],
      launch_standalone_containers: [
        { principals: { values: ["ops"] }, ...users("alice", "bob") },
        { principals: { values: ["dev"] }, ...users("bob") },
      ],
    });
    if (!parsed.ok) throw new Error(parsed.error.message);
    const options = agentOptions({ acls: parsed.value, isUserSwitched: true });
    const at = new Scene(AgentHarness.registered(options));
    const as = (user: string): Partial<ContainerCall> => ({ command: { value: "true", user } });
    const below = (parent: string, value: string): ContainerID => ({
      value,
      parent: { value: parent },
    });
    for (const user of ["alice", "bob"]) {
      expect(
        codeOf(at, at.launch({ value: user }, as(user), { principal: "ops" })),
      ).toBeUndefined();
    }
    const dev = { principal: "dev" };
    expect(codeOf(at, at.launch(below("alice", "a"), as("bob"), dev))).toBe("forbidden");
    expect(codeOf(at, at.launch(below("alice", "b"), {}, dev))).toBe("forbidden");
    expect(codeOf(at, at.launch(below("bob", "c"), as("bob"), dev))).toBeUndefined();
    expect(codeOf(at, at.launch(below("bob", "d"), {}, dev))).toBeUndefined();
    expect(codeOf(at, at.launch(below("bob", "e"), as("alice"), dev))).toBe("forbidden");
  });

  test("an executor with its token may look after its own, and nobody else's [semantics 9.3]", () => {
    const at = scene();
    const claims = (cid: string): ContainerCaller => ({
      principal: undefined,
      claims: { fid: F, eid: "t", cid },
    });
    const own = claims(at.task.value);
    expect(codeOf(at, at.launch(at.nested("a"), {}, own))).toBeUndefined();
    expect(
      codeOf(at, at.call({ kind: "kill", id: at.nested("a"), signal: 9 }, own)),
    ).toBeUndefined();
    expect(codeOf(at, at.launch(at.nested("b"), {}, claims("other")))).toBe("forbidden");
    expect(codeOf(at, at.call({ kind: "attachInput", id: at.nested("a") }, own))).toBe("forbidden");
  });

  test("an executor with its token has no standalone containers, whatever the ACLs say [semantics 9.1]", () => {
    const at = new Scene();
    const own = { principal: undefined, claims: { fid: F, eid: "t", cid: at.task.value } };
    at.running({ value: "alone" });
    expect(codeOf(at, at.launch({ value: "root" }, {}, own))).toBe("forbidden");
    expect(codeOf(at, at.launch(at.nested("a", { value: "alone" }), {}, own))).toBe("forbidden");
    const kill = { kind: "kill", id: { value: "alone" }, signal: 9 } as const;
    expect(codeOf(at, at.call(kill, own))).toBe("forbidden");
  });
});

test("what is not there, or over, is answered with what the call needs [http-api 7.3]", () => {
  const scene = new Scene();
  const over = scene.running(scene.nested("over"));
  scene.terminated(over, 0);
  const outcome = (call: ContainerCall): unknown => scene.answers.get(scene.call(call));
  const id = scene.nested("never");
  expect(outcome({ kind: "wait", id })).toMatchObject({ error: { code: "notFound" } });
  expect(outcome({ kind: "kill", id, signal: 9 })).toMatchObject({ error: { code: "notFound" } });
  expect(outcome({ kind: "remove", id })).toMatchObject({ value: { kind: "done" } });
  expect(outcome({ kind: "attachOutput", id })).toMatchObject({ error: { code: "notFound" } });
  expect(outcome({ kind: "kill", id: scene.nested("over"), signal: 9 })).toMatchObject({
    error: { code: "notFound" },
  });
  expect(outcome({ kind: "remove", id: scene.nested("over") })).toMatchObject({ ok: true });
  expect(scene.effects.some(({ kind }) => kind === "removeSandbox")).toBe(true);
  scene.running({ value: "alone" });
  const child = { value: "never", parent: { value: "alone" } };
  expect(outcome({ kind: "remove", id: child })).toMatchObject({ value: { kind: "done" } });
  expect(outcome({ kind: "remove", id: { ...child, parent: child } })).toMatchObject({ ok: true });
  const stranger = { value: "x", parent: { value: brand<ContainerId>("stranger") } };
  expect(outcome({ kind: "remove", id: stranger })).toMatchObject({ error: { code: "failed" } });
});
