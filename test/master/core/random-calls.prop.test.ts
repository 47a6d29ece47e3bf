/**
 * Random frameworks, agents, operators and faults against one master. After every step the harness
 * checks all invariants of the core; here it is also checked what frameworks may rely on.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { brand } from "../../../src/base/ids.ts";
import type { ExecutorInfo, MasterCall, Offer } from "../../../src/protocol/v1/types.ts";
import { Follower } from "./follower.ts";
import {
  AGENT_CAPABILITIES,
  offersOf,
  resourcesOf,
  statusesOf,
  type TestAgent,
  type TestStream,
  taskFor,
  World,
} from "./harness.ts";

/** One random act; numbers pick among what exists at that moment. */
type Act = readonly [kind: (typeof KINDS)[number], first: number, second: number, third: number];

const KINDS = [
  "subscribe",
  "resubscribe",
  "hangUp",
  "teardown",
  "addAgent",
  "disconnect",
  "connect",
  "reconnect",
  "silence",
  "unregister",
  "launch",
  "launch",
  "launch",
  "launchGroup",
  "executorExits",
  "updateFramework",
  "quota",
  "weights",
  "decline",
  "work",
  "work",
  "update",
  "update",
  "acknowledge",
  "acknowledge",
  "kill",
  "reconcile",
  "suppress",
  "revive",
  "advance",
  "holdCommits",
  "releaseCommits",
  "forgetTask",
  "masterEpoch",
  "gone",
  "deactivate",
  "drain",
  "drain",
  "schedule",
  "machineDown",
  "machineUp",
] as const;

const STATES = ["TASK_RUNNING", "TASK_FINISHED", "TASK_FAILED", "TASK_STARTING"] as const;

const DRAINABLE = [...AGENT_CAPABILITIES, { type: "AGENT_DRAINING" }] as const;

const ENDS: ReadonlySet<string> = new Set(["TASK_FINISHED", "TASK_FAILED"]);

const acts: fc.Arbitrary<Act[]> = fc.array(
  fc.tuple(fc.constantFrom(...KINDS), fc.nat(50), fc.nat(50), fc.nat(50)),
  { minLength: 20, maxLength: 120, size: "max" },
);

function pick<Item>(items: readonly Item[], number: number): Item | undefined {
  return items[number % Math.max(items.length, 1)];
}

class Play {
  readonly world = new World({ maxCompletedFrameworks: 3, maxUnreachableTasksPerFramework: 5 });
  readonly streams: TestStream[] = [];
  readonly agents: TestAgent[] = [];
  nextTask = 0;

  constructor() {
    // A world in which something can happen from the first act on.
    for (const second of [0, 1]) this.perform(["subscribe", 0, second, 0]);
    for (const _ of [0, 1]) this.perform(["addAgent", 0, 0, 0]);
    for (const first of [0, 1]) this.perform(["launch", first, first, 3]);
    for (const second of [0, 1]) this.perform(["work", 0, second, 0]);
  }

  perform([kind, first, second, third]: Act): void {
    const { world } = this;
    const stream = pick(this.streams, first);
    const agent = pick(this.agents, second);
    const offer = stream === undefined ? undefined : this.#offerFor(stream, second);
    switch (kind) {
      case "subscribe":
        if (this.streams.length < 6) this.streams.push(world.subscribe(this.#info(first, second)));
        return;
      case "resubscribe":
        if (stream === undefined) return;
        this.streams.push(
          world.subscribe({ ...this.#info(second, third), id: { value: stream.frameworkId } }),
        );
        return;
      case "hangUp":
        if (stream !== undefined) world.hangUp(stream);
        return;
      case "teardown":
        if (stream !== undefined && third % 4 === 0) world.operatorTeardown(stream.frameworkId);
        return;
      case "addAgent":
        if (this.agents.length < 4)
          this.agents.push(
            world.addAgent("cpus:4;mem:512;disk:100;ports:[1-9]", { capabilities: DRAINABLE }),
          );
        return;
      case "disconnect":
        agent?.disconnect();
        return;
      case "connect":
        if (agent !== undefined && !world.links.has(agent.link.id)) agent.connect();
        return;
      case "reconnect":
        if (third % 2 === 0) agent?.connect();
        else if (agent !== undefined && world.links.has(agent.link.id)) agent.register();
        return;
      case "silence":
        if (agent !== undefined) agent.link.answersPings = !agent.link.answersPings;
        return;
      case "unregister":
        if (agent !== undefined && third % 5 === 0) world.tell(agent.link, { kind: "unregister" });
        return;
      case "launch": {
        if (stream === undefined || offer === undefined) return;
        const id = third % 5 === 0 ? "same" : `t${this.nextTask++}`;
        const resources = ["cpus:1;mem:100", "cpus:0.5;ports:[2-3]", "cpus:9"][third % 3] ?? "";
        world.accept(
          stream,
          [offer],
          [{ type: "LAUNCH", launch: { task_infos: [taskFor(offer, id, resources)] } }],
          third % 2,
        );
        return;
      }
      case "launchGroup": {
        if (stream === undefined || offer === undefined) return;
        const executor: ExecutorInfo = {
          type: "DEFAULT",
          executor_id: { value: `e${third % 2}` },
          resources: resourcesOf("cpus:0.1;mem:32;disk:1"),
        };
        const amount = ["cpus:0.5;mem:50", "cpus:3", "ports:[2-2]"][third % 3] ?? "";
        const tasks = [1, 2].map(() => taskFor(offer, `t${this.nextTask++}`, amount));
        const launch_group = { executor, task_group: { tasks } };
        world.accept(stream, [offer], [{ type: "LAUNCH_GROUP", launch_group }], third % 2);
        return;
      }
      case "executorExits":
        if (agent === undefined || stream === undefined) return;
        world.tell(agent.link, {
          kind: "executorExited",
          frameworkId: stream.frameworkId,
          executorId: `e${third % 2}`,
          status: 0,
        });
        return;
      case "updateFramework": {
        if (stream === undefined) return;
        const known = world.state.frameworks.get(brand(stream.frameworkId))?.info;
        const roles = [["a"], ["b"], ["a", "b"], []][third % 4] ?? [];
        const isMulti = (known?.capabilities?.length ?? 0) > 0;
        const framework_info = {
          ...this.#info(0, 0),
          ...known,
          user: "nobody",
          name: `n${second}`,
          ...(isMulti && { roles }),
        };
        const update_framework = { framework_info, suppressed_roles: roles.slice(0, second % 2) };
        world.call(stream, { type: "UPDATE_FRAMEWORK", update_framework });
        return;
      }
      case "quota": {
        const amounts = { cpus: { value: third % 6 } };
        const limits = second % 2 === 0 ? amounts : {};
        const quota_configs = [{ role: "a", guarantees: first % 2 === 0 ? amounts : {}, limits }];
        const update_quota = { force: second % 3 === 0, quota_configs };
        this.#operate({ type: "UPDATE_QUOTA", update_quota });
        return;
      }
      case "weights": {
        const weight_infos = [{ role: pick(["a", "b", "c"], first) ?? "a", weight: 1 + third }];
        this.#operate({ type: "UPDATE_WEIGHTS", update_weights: { weight_infos } });
        return;
      }
      case "decline":
        if (stream !== undefined && offer !== undefined) world.decline(stream, [offer], third % 3);
        return;
      case "work":
        if (agent !== undefined && world.links.has(agent.link.id)) agent.work();
        return;
      case "update": {
        const key = agent === undefined ? undefined : pick([...agent.tasks.keys()], first);
        if (agent === undefined || key === undefined || !world.links.has(agent.link.id)) return;
        const [frameworkId = "", taskId = ""] = key.split("/");
        // An agent tells a task's end again, but never that it runs after its end.
        const newest = agent.tasks.get(key)?.state ?? "TASK_STAGING";
        const state = ENDS.has(newest) ? newest : (pick(STATES, third) ?? "TASK_RUNNING");
        agent.update({ frameworkId }, taskId, state);
        return;
      }
      case "acknowledge": {
        const status = stream === undefined ? undefined : statusesOf(stream).at(-1 - (third % 3));
        if (stream === undefined || status?.uuid === undefined) return;
        const { task_id, uuid, agent_id = { value: "" } } = status;
        world.call(stream, { type: "ACKNOWLEDGE", acknowledge: { agent_id, task_id, uuid } });
        return;
      }
      case "kill":
        if (stream === undefined) return;
        world.call(stream, { type: "KILL", kill: { task_id: { value: `t${third}` } } });
        return;
      case "reconcile":
        if (stream !== undefined) world.call(stream, { type: "RECONCILE", reconcile: {} });
        return;
      case "suppress":
        if (stream !== undefined) world.call(stream, { type: "SUPPRESS" });
        return;
      case "revive":
        if (stream !== undefined) world.call(stream, { type: "REVIVE" });
        return;
      case "advance":
        world.advance([1, 1000, 6000, 40_000, 100_000][third % 5] ?? 1);
        return;
      case "holdCommits":
        world.holdsCommits = true;
        return;
      case "releaseCommits":
        world.releaseCommits();
        return;
      case "forgetTask":
        if (agent !== undefined) agent.tasks.delete(pick([...agent.tasks.keys()], first) ?? "");
        return;
      case "gone":
        if (third % 4 === 0) this.#order(agent, "MARK_AGENT_GONE");
        return;
      case "deactivate":
        this.#order(agent, third % 2 === 0 ? "DEACTIVATE_AGENT" : "REACTIVATE_AGENT");
        return;
      case "drain":
        if (agent?.id === undefined) return;
        this.#operate({
          type: "DRAIN_AGENT",
          drain_agent: { agent_id: { value: agent.id }, mark_gone: third % 4 === 0 },
        });
        return;
      case "schedule": {
        const chosen = this.agents.filter((_, index) => ((third >> index) & 1) === 1);
        const windows = chosen.map(({ hostname }) => ({
          machine_ids: [{ hostname }],
          unavailability: { start: { nanoseconds: third * 1e9 } },
        }));
        const update_maintenance_schedule = { schedule: { windows } };
        this.#operate({ type: "UPDATE_MAINTENANCE_SCHEDULE", update_maintenance_schedule });
        return;
      }
      case "machineDown":
      case "machineUp": {
        const machines = agent === undefined ? [] : [{ hostname: agent.hostname }];
        if (kind === "machineUp") {
          this.#operate({ type: "STOP_MAINTENANCE", stop_maintenance: { machines } });
        } else if (third % 3 === 0) {
          this.#operate({ type: "START_MAINTENANCE", start_maintenance: { machines } });
        }
        return;
      }
      case "masterEpoch":
        if (agent !== undefined && third % 6 === 0) agent.epoch = "another-master";
        return;
    }
  }

  /** The answer may have to wait for the registry. */
  #operate(call: MasterCall): void {
    this.world.post((requestId) => ({
      kind: "operatorCall",
      requestId,
      call,
      principal: undefined,
    }));
  }

  #order(
    agent: TestAgent | undefined,
    type: "MARK_AGENT_GONE" | "DEACTIVATE_AGENT" | "REACTIVATE_AGENT",
  ): void {
    if (agent?.id === undefined) return;
    this.#operate({ type, [type.toLowerCase()]: { agent_id: { value: agent.id } } });
  }

  /** Mostly one that is outstanding, now and then one that is not any more. */
  #offerFor(stream: TestStream, number: number): Offer | undefined {
    const offers = offersOf(stream);
    const outstanding = offers.filter(({ id }) => this.world.state.offers.has(brand(id.value)));
    return pick(number % 10 === 9 ? offers : outstanding, number);
  }

  #info(first: number, second: number): Parameters<World["subscribe"]>[0] {
    return {
      checkpoint: first % 2 === 0,
      failover_timeout: second % 3 === 0 ? 0 : 50,
      ...(second % 2 === 0
        ? { roles: ["a", "b"], capabilities: [{ type: "MULTI_ROLE" }, { type: "PARTITION_AWARE" }] }
        : { role: "a" }),
    };
  }
}

describe("any sequence of calls, faults and returns", () => {
  test("keeps every invariant of the master [DESIGN §10]", () => {
    fc.assert(
      fc.property(acts, (sequence) => {
        const play = new Play();
        for (const act of sequence) play.perform(act);
        play.world.releaseCommits();
        play.world.core.assertInvariants();
        const { admitted, unreachable } = play.world.registry;
        const known = [...play.world.state.agents.keys()].map(String);
        // Promise 1: whatever the master lets run is in the registry.
        for (const id of known) expect(admitted.has(id)).toBe(true);
        for (const id of known) expect(unreachable.has(id)).toBe(false);
      }),
      { numRuns: 150 },
    );
  }, 180_000);

  test("is known to whoever follows the event stream, from its start or from later on [http-api 6.3]", () => {
    fc.assert(
      fc.property(acts, fc.nat(40), (sequence, late) => {
        const play = new Play();
        const { world } = play;
        const followers = [{ operator: world.operatorSubscribe(), follower: new Follower() }];
        for (const [index, act] of sequence.entries()) {
          if (index === late) {
            followers.push({ operator: world.operatorSubscribe(), follower: new Follower() });
          }
          play.perform(act);
          for (const { operator, follower } of followers) {
            for (const event of operator.events.splice(0)) follower.apply(event);
            expect(follower.differences(world.state)).toEqual([]);
          }
        }
      }),
      { numRuns: 100 },
    );
  }, 180_000);

  test("in quiet times every agent that returns shows what it runs, and nothing else", () => {
    fc.assert(
      fc.property(acts, (sequence) => {
        const play = new Play();
        const { world } = play;
        for (const act of sequence) play.perform(act);
        world.releaseCommits();
        for (const agent of play.agents) {
          agent.epoch = world.state.info.id;
          if (world.links.has(agent.link.id)) agent.disconnect();
          agent.connect();
          // An agent that the master was just removing asks once more.
          if (agent.link.messages.some(({ kind }) => kind === "refused")) agent.register();
          agent.work();
        }
        for (const framework of world.state.frameworks.values()) {
          for (const task of framework.tasks.values()) {
            const agent = play.agents.find(({ id }) => id === task.agentId);
            const isAsked = agent
              ?.orders("reconcileTasks")
              .some(({ tasks }) =>
                tasks.some(
                  ({ taskId, frameworkId }) => taskId === task.id && frameworkId === framework.id,
                ),
              );
            const isReported = agent?.tasks.has(`${framework.id}/${task.id}`);
            expect(isAsked === true || isReported === true).toBe(true);
          }
        }
      }),
      { numRuns: 100 },
    );
  }, 180_000);
});
