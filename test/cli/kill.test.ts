/** `allot kill` as a program, against a master that fails over while the task ends. */
import { expect, test } from "bun:test";
import { runVerb } from "../harness/played-master.ts";

const TASK = {
  name: "t",
  task_id: { value: "t" },
  framework_id: { value: "f" },
  agent_id: { value: "m-S0" },
  state: "TASK_RUNNING",
  resources: [],
};
const INFO = { hostname: "web1", id: TASK.agent_id };

test("a task that a new master does not know yet is not over", async () => {
  let looks = 0;
  const { code, stderr } = await runVerb(["kill", "t"], (one) => {
    if (typeof one === "string") {
      looks += 1;
      const state = looks < 4 ? "TASK_RUNNING" : "TASK_KILLED";
      const isUnknown = looks === 2 || looks === 3;
      return { tasks: isUnknown ? [] : [{ id: "t", framework_id: "f", state }] };
    }
    if (one.type === "GET_TASKS") return { type: one.type, get_tasks: { tasks: [TASK] } };
    if (one.type !== "GET_AGENTS") return undefined;
    return { type: one.type, get_agents: { recovered_agents: [INFO] } };
  });
  expect([code, stderr]).toEqual([0, ""]);
  expect(looks).toBe(4);
}, 60_000);

test("one that nobody knows any more is", async () => {
  let looks = 0;
  const { code } = await runVerb(["kill", "t"], (one) => {
    if (typeof one === "string") {
      looks += 1;
      return { tasks: [] };
    }
    if (one.type === "GET_TASKS") return { type: one.type, get_tasks: { tasks: [TASK] } };
    return one.type === "GET_AGENTS" ? { type: one.type, get_agents: {} } : undefined;
  });
  expect([code, looks]).toEqual([0, 2]);
}, 60_000);
