/**
 * Containers that calls launch under random schedules: launches at any depth, kills, ends, answers
 * and crashes in any order. The core's invariants hold after each step; every call is answered once,
 * unless the agent died; at the end, with everything over, nothing is left.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import type { ContainerCall } from "../../../src/agent/core/containers/container-calls.ts";
import { brand, type ContainerId } from "../../../src/base/ids.ts";
import type { ContainerID } from "../../../src/protocol/v1/types.ts";
import { AgentHarness, commandTask, framework } from "./agent-harness.ts";

const F = "f";
const RUNS = Number(process.env["RUNS"] ?? 300);

type Step =
  | { readonly kind: "launch" | "session"; readonly parent: number; readonly name: number }
  | { readonly kind: "kill" | "wait" | "remove" | "leave"; readonly target: number }
  | { readonly kind: "run" | "fail" | "end"; readonly target: number }
  | { readonly kind: "endTask" | "crash" };

const number = fc.nat(11);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom("launch" as const, "session" as const),
      parent: number,
      name: fc.nat(3),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constantFrom("kill" as const, "wait" as const, "remove" as const, "leave" as const),
      target: number,
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom("run" as const, "fail" as const, "end" as const),
      target: number,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom("endTask" as const, "crash" as const) }),
  },
);

/** The world outside: what runs, and who has been answered. */
class World {
  readonly agent: AgentHarness = AgentHarness.registered();
  /** Processes of containers, by the agent's id; they outlive it. */
  readonly processes: Set<string> = new Set();
  readonly open: Set<number> = new Set();
  #requests = 1000;
  #isTaskAlive = true;

  constructor() {
    this.agent.runToRunning(framework(F), commandTask("t"));
    this.processes.add(this.#task());
  }

  act(step: Step): void {
    switch (step.kind) {
      case "launch":
      case "session":
        this.#launch(this.#idAt(step.parent), `n${step.name}`, step.kind === "session");
        break;
      case "kill":
        this.#call({ kind: "kill", id: this.#idAt(step.target), signal: 9 });
        break;
      case "wait":
      case "remove":
        this.#call({ kind: step.kind, id: this.#idAt(step.target) });
        break;
      case "crash":
        this.#crash();
        break;
      case "endTask":
        this.#endTask();
        break;
      default:
        this.#happen(step.kind, this.#containerAt(step.target));
    }
    this.#carryOut();
  }

  /** Ends everything; then nothing may be left. */
  finish(): void {
    this.#endTask();
    for (let round = 0; round < 10; round += 1) {
      for (const containerId of this.#containers()) {
        this.#happen("run", containerId);
        this.#call({ kind: "kill", id: this.#idOf(containerId), signal: 9 });
        this.#carryOut();
      }
    }
    if (this.agent.core.state.streams.has(`${F}/t`)) this.agent.acknowledge(F, "t");
    this.#carryOut();
  }

  #task(): string {
    return this.agent.containerOf(F, "t");
  }

  #containers(): ContainerId[] {
    return [...this.agent.core.state.apiContainers.keys()];
  }

  #idOf(containerId: ContainerId): ContainerID {
    return this.agent.core.state.apiContainers.get(containerId)?.id ?? { value: "none" };
  }

  /** A container more often than not, else the task's, or the name of a standalone one. */
  #idAt(place: number): ContainerID {
    const containerId = this.#containerAt(place);
    if (place % 3 > 0 && containerId !== undefined) return this.#idOf(containerId);
    if (place % 2 === 0 || !this.#isTaskAlive) return { value: `alone${place % 3}` };
    return { value: this.#task() };
  }

  #containerAt(place: number): ContainerId | undefined {
    const all = this.#containers();
    return all[place % Math.max(1, all.length)];
  }

  #launch(parent: ContainerID, value: string, isSession: boolean): void {
    const isAlone = parent.value.startsWith("alone") && parent.parent === undefined;
    const id = isAlone ? parent : { value, parent };
    const command = { value: "sleep 1000" };
    const none = { container: undefined, resources: [], limits: undefined };
    this.#call({ kind: "launch", id, command, isSession: isSession && !isAlone, ...none });
  }

  #call(call: ContainerCall): void {
    this.#requests += 1;
    this.open.add(this.#requests);
    const caller = { principal: undefined };
    this.agent.input({ kind: "containerCall", requestId: this.#requests, call, caller });
    this.#carryOut();
  }

  #happen(kind: "run" | "fail" | "end" | "leave", containerId: ContainerId | undefined): void {
    const phase = this.agent.core.state.apiContainers.get(containerId ?? brand(""))?.phase;
    if (containerId === undefined || phase === undefined || phase === "over") return;
    const isRunning = this.processes.has(containerId);
    if (kind === "leave") this.agent.input({ kind: "sessionLeft", containerId });
    if (kind === "run" && !isRunning) {
      this.processes.add(containerId);
      this.agent.input({ kind: "containerLaunched", containerId, pid: 7 });
    }
    if (kind === "fail" && !isRunning) {
      this.agent.input({
        kind: "containerLaunchFailed",
        containerId,
        message: "no",
        isUnsupported: false,
      });
    }
    if (kind === "end" && isRunning) this.#terminate(containerId);
  }

  #terminate(containerId: ContainerId): void {
    this.processes.delete(containerId);
    const termination = { exit: { kind: "signaled", signal: 9 } } as const;
    this.agent.input({ kind: "containerTerminated", containerId, termination });
  }

  #endTask(): void {
    if (!this.#isTaskAlive) return;
    this.#isTaskAlive = false;
    this.processes.delete(this.#task());
    this.agent.terminated(F, "t", 0);
    this.#carryOut();
  }

  #crash(): void {
    this.open.clear();
    // Sessions hang on the agent.
    for (const container of this.agent.core.state.apiContainers.values()) {
      if (container.isSession) this.processes.delete(container.containerId);
    }
    this.agent.crash();
    this.agent.recover([...this.processes]);
    this.agent.connect();
  }

  #carryOut(): void {
    for (;;) {
      const effects = this.agent.takeEffects();
      if (effects.length === 0) return;
      for (const effect of effects) {
        if (effect.kind === "respondContainer") {
          expect(this.open.delete(effect.requestId)).toBe(true);
        } else if (effect.kind === "destroyContainer" && this.processes.has(effect.containerId)) {
          const isTask =
            effect.containerId ===
            this.agent.core.state.frameworks.get(F)?.executors.get("t")?.containerId;
          if (isTask) this.#endTask();
          else this.#terminate(effect.containerId);
        }
      }
    }
  }
}

test("holds together whatever happens, and leaves nothing behind [DESIGN promise 1]", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const world = new World();
      for (const one of steps) world.act(one);
      world.finish();
      expect(world.open).toEqual(new Set());
      expect(world.processes).toEqual(new Set());
      const left = [...world.agent.core.state.apiContainers.values()];
      expect(left.filter(({ owner, phase }) => owner !== undefined || phase !== "over")).toEqual(
        [],
      );
      expect(world.agent.disk.load().containers.length).toBe(left.length);
    }),
    { numRuns: RUNS },
  );
});
