/**
 * Random lives of an agent: launches, kills, exits, lost links, and crashes before, in and after any
 * transaction. Afterwards the world is left to calm down, and what the master saw must be the truth.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import type { TaskStatus } from "../../../src/protocol/v1/types.ts";
import { AgentWorld, isTerminal } from "./agent-world.ts";

const ACTIONS = [
  "connect",
  "disconnect",
  "launch",
  "launch",
  "kill",
  "startProcess",
  "startProcess",
  "failLaunch",
  "exit",
  "exit",
  "handle",
  "handle",
  "handle",
  "handle",
  "handle",
  "crashBefore",
  "crashWithin",
  "crash",
  "restart",
  "restart",
  "advance",
] as const;

const decision = fc.record({
  action: fc.constantFrom(...ACTIONS),
  number: fc.nat({ max: 60 }),
});

type Decision = { readonly action: (typeof ACTIONS)[number]; readonly number: number };

function act(world: AgentWorld, { action, number }: Decision): void {
  if (!world.isRunning && action !== "restart" && action !== "launch" && action !== "exit") return;
  switch (action) {
    case "connect":
      world.connect();
      break;
    case "disconnect":
      world.disconnect();
      break;
    case "launch":
      world.launchTask();
      break;
    case "kill":
      if (world.tasks > 0) world.killTask((number % world.tasks) + 1);
      break;
    case "startProcess":
      world.startProcess(number);
      break;
    case "failLaunch":
      if (number % 4 === 0) world.failLaunch(number);
      break;
    case "exit":
      world.exitProcess(number, number % 3);
      break;
    case "handle":
      world.handle(1 + (number % 7), Number.POSITIVE_INFINITY);
      break;
    case "crashBefore":
      world.handle(1 + (number % 3), -1);
      break;
    case "crashWithin":
      world.handle(1 + (number % 5), number % 11);
      break;
    case "crash":
      world.crash();
      break;
    case "restart":
      world.start();
      break;
    case "advance":
      world.advance(number * 500);
      break;
  }
}

/** Nothing fails any more, every process ends by itself. Returns false if it never gets quiet. */
function calmDown(world: AgentWorld): boolean {
  for (let round = 0; round < 500; round++) {
    world.start();
    world.connect();
    world.handle(100, Number.POSITIVE_INFINITY);
    world.startProcess(0);
    world.exitProcess(0, 0);
    world.advance(700);
    if (world.isQuiet) return true;
  }
  return false;
}

/** Tells no new state. */
function isOfCheck({ reason }: TaskStatus): boolean {
  return /^REASON_TASK_(HEALTH_)?CHECK_STATUS_UPDATED$/.test(reason ?? "");
}

const RANKS = ["TASK_STARTING", "TASK_RUNNING", "TASK_KILLING"];

test("whatever happens, each task has one true end, in order, and nothing is left behind [DESIGN 10]", () => {
  fc.assert(
    fc.property(fc.array(decision, { minLength: 20, maxLength: 160 }), (decisions) => {
      const world = new AgentWorld();
      world.connect();
      for (const each of decisions) act(world, each);
      expect(calmDown(world)).toBe(true);
      for (let number = 1; number <= world.tasks; number++) {
        const taskId = `t${number}`;
        const seen = world.seen.get(taskId) ?? [];
        const states = seen.map(({ state }) => state);
        const ends = seen.filter(isTerminal);
        expect([taskId, states, ends.length]).toEqual([taskId, states, 1]);
        expect(isTerminal(seen.at(-1))).toBe(true);
        const ranks = states.slice(0, -1).map((state) => RANKS.indexOf(state));
        expect(ranks).toEqual(ranks.toSorted());
        const moves = seen.slice(0, -1).filter((status) => !isOfCheck(status));
        expect(new Set(moves.map(({ state }) => state)).size).toBe(moves.length);
        const [end] = ends;
        const count = world.started.get(taskId) ?? 0;
        expect(count <= 1).toBe(true);
        if (end?.state === "TASK_FINISHED") expect(count).toBe(1);
        if (end?.state === "TASK_KILLED") expect(world.killed.has(taskId)).toBe(true);
        if (end?.state === "TASK_DROPPED") expect(end.reason).toBe("REASON_AGENT_RESTARTED");
      }
      const { disk } = world;
      const left = [disk.frameworks, disk.executors, disk.tasks, disk.updates];
      expect(left.map((map) => map.size)).toEqual([0, 0, 0, 0]);
      expect([...world.processes.values()].filter(({ isAlive }) => isAlive)).toEqual([]);
    }),
    { numRuns: 400 },
  );
});
