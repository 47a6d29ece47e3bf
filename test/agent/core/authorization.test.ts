/** The agent's own ACLs: which tasks it runs, and what of its state is shown to whom. */
import { describe, expect, test } from "bun:test";
import { stateJson } from "../../../src/agent/core/views/v0-state.ts";
import { getState } from "../../../src/agent/core/views/v1-views.ts";
import { seesContainer, visibleAgentState } from "../../../src/agent/core/views/visible-state.ts";
import { must } from "../../../src/base/assert.ts";
import { type Acls, OPEN_ACLS, parseAcls } from "../../../src/security/acls.ts";
import { Viewer } from "../../../src/security/viewer.ts";
import {
  AgentHarness,
  agentOptions,
  commandTask,
  customExecutor,
  framework,
} from "./agent-harness.ts";

const ANY = { type: "ANY" };
const NONE = { type: "NONE" };

function aclsOf(json: object): Acls {
  const parsed = parseAcls(json);
  return must(parsed.ok ? parsed.value : undefined, JSON.stringify(parsed));
}

describe("tasks", () => {
  const acls = aclsOf({
    run_tasks: [
      { principals: ANY, users: { values: ["www"] } },
      { principals: ANY, users: NONE },
    ],
  });
  const as = (user: string): object => ({ command: { value: "sleep 1000", user } });

  test("of a forbidden user are TASK_ERROR, TASK_UNAUTHORIZED [semantics 7.1, 9.3]", () => {
    const agent = AgentHarness.registered(agentOptions({ acls }));
    agent.run(framework("fw"), commandTask("bad", as("intruder")));
    expect(agent.sent().filter(({ kind }) => kind === "statusUpdate")).toMatchObject([
      {
        status: {
          task_id: { value: "bad" },
          state: "TASK_ERROR",
          reason: "REASON_TASK_UNAUTHORIZED",
          message: expect.stringContaining("run_tasks for 'intruder'"),
        },
      },
    ]);
    agent.runToRunning(framework("fw"), commandTask("good", as("www")));
    expect([...agent.core.state.containers.values()].map(({ phase }) => phase)).toEqual([
      "running",
    ]);
  });

  const refusedUser = (agent: AgentHarness): unknown => {
    const [told] = agent.sent().filter(({ kind }) => kind === "statusUpdate");
    return told?.kind === "statusUpdate"
      ? /for '(\w+)'/.exec(told.status.message ?? "")?.[1]
      : told;
  };

  test("whose checks run as a forbidden user are refused", () => {
    const command = { value: "true", user: "intruder" };
    const checks = [
      { check: { type: "COMMAND" as const, command: { command } } },
      { health_check: { type: "COMMAND" as const, command } },
    ];
    for (const check of checks) {
      const agent = AgentHarness.registered(agentOptions({ acls }));
      agent.run(framework("fw"), commandTask("t", { ...as("www"), ...check }));
      expect(refusedUser(agent)).toBe("intruder");
      expect(agent.core.state.containers.size).toBe(0);
    }
  });

  test("are refused with a custom executor that is the framework's forbidden user", () => {
    const agent = AgentHarness.registered(agentOptions({ acls }));
    agent.command({
      kind: "runTaskGroup",
      framework: framework("fw", { user: "intruder" }),
      executor: customExecutor("e"),
      taskGroup: { tasks: [commandTask("t", as("www"))] },
      launchesExecutor: true,
    });
    expect(refusedUser(agent)).toBe("intruder");
    expect(agent.core.state.containers.size).toBe(0);
  });

  test("of a group are refused together [semantics 5]", () => {
    const agent = AgentHarness.registered(agentOptions({ acls }));
    const tasks = [commandTask("a", as("www")), commandTask("b", as("intruder"))];
    const executor = { ...customExecutor("e"), type: "DEFAULT" as const, command: undefined };
    const info = framework("fw");
    const taskGroup = { tasks };
    agent.command({
      kind: "runTaskGroup",
      framework: info,
      executor,
      taskGroup,
      launchesExecutor: true,
    });
    const statuses = agent
      .sent()
      .flatMap((message) => (message.kind === "statusUpdate" ? [message.status] : []));
    expect(statuses.map(({ task_id, reason }) => [task_id.value, reason])).toEqual([
      ["a", "REASON_TASK_GROUP_UNAUTHORIZED"],
      ["b", "REASON_TASK_GROUP_UNAUTHORIZED"],
    ]);
  });
});

describe("views", () => {
  /** For each of two users a running task, an ended and a completed one. */
  function busyAgent(): AgentHarness {
    const agent = AgentHarness.registered();
    for (const user of ["alice", "bob"]) {
      const info = framework(`${user}-fw`, { user });
      agent.runToRunning(info, commandTask(`${user}-live`));
      for (const id of [`${user}-ended`, `${user}-completed`]) {
        agent.runToRunning(info, commandTask(id));
        agent.update(`${user}-fw`, id, "TASK_FINISHED");
        agent.terminated(`${user}-fw`, id, 0);
      }
      agent.acknowledge(`${user}-fw`, `${user}-completed`);
    }
    return agent;
  }

  const textFor = (agent: AgentHarness, viewer: Viewer): string => {
    const state = visibleAgentState(agent.core.state, viewer);
    const frame = {
      pid: "",
      startTime: 0,
      masterHostname: undefined,
      build: {},
      flags: undefined,
      containerizers: [],
    };
    return JSON.stringify([getState(state), stateJson(state, agent.options, frame)]);
  };

  test("are the state itself for whoever may see everything [semantics 9.3]", () => {
    const { state } = busyAgent().core;
    expect(visibleAgentState(state, new Viewer(OPEN_ACLS, undefined))).toBe(state);
  });

  test("hide frameworks, executors and tasks of others [semantics 9.3]", () => {
    const agent = busyAgent();
    const rules = [
      { principals: ANY, users: { values: ["alice"] } },
      { principals: ANY, users: NONE },
    ];
    for (const action of ["view_frameworks", "view_executors"]) {
      const text = textFor(agent, new Viewer(aclsOf({ [action]: rules }), "dev"));
      for (const id of ["alice-live", "alice-ended", "alice-completed"]) {
        expect(text).toContain(`"${id}"`);
        expect(text).not.toContain(`"${id.replace("alice", "bob")}"`);
      }
    }
    const tasks = textFor(agent, new Viewer(aclsOf({ view_tasks: rules }), "dev"));
    expect(tasks).toContain("bob-fw");
    expect(tasks).not.toContain('"task_id":{"value":"bob');
    expect(tasks).toContain('"task_id":{"value":"alice-live"}');
    expect(textFor(agent, new Viewer(OPEN_ACLS, "dev"))).toContain("bob-completed");
  });

  test("show containers by the user of their executor [semantics 9.3]", () => {
    const agent = busyAgent();
    const rules = [
      { principals: ANY, users: { values: ["alice"] } },
      { principals: ANY, users: NONE },
    ];
    const viewer = new Viewer(aclsOf({ view_containers: rules }), "dev");
    const sees = (user: string): boolean =>
      seesContainer(agent.core.state, viewer, agent.containerOf(`${user}-fw`, `${user}-live`));
    expect([sees("alice"), sees("bob")]).toEqual([true, false]);
    expect(seesContainer(agent.core.state, viewer, "long-gone")).toBe(false);
  });
});
