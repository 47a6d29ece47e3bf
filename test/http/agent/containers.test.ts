/** Which containers are shown to whom. */
import { expect, test } from "bun:test";
import type { AgentRuntime } from "../../../src/agent/runtime/agent-runtime.ts";
import { reportContainers } from "../../../src/agent/runtime/container-reports.ts";
import { brand, type ContainerId } from "../../../src/base/ids.ts";
import type { Containerizer } from "../../../src/containerizer/containerizer.ts";
import { visibleContainers } from "../../../src/http/agent/containers.ts";
import { parseAcls } from "../../../src/security/acls.ts";
import { Viewer } from "../../../src/security/viewer.ts";
import { AgentHarness, commandTask, framework } from "../../agent/core/agent-harness.ts";

/** Has no figures of anything. */
const CONTAINERIZER = {
  status: () => Promise.reject(new Error("no status")),
  usage: () => Promise.reject(new Error("no usage")),
} as unknown as Containerizer;

function launchNested(agent: AgentHarness, parent: string, value: string): void {
  agent.input({
    kind: "containerCall",
    requestId: 1,
    call: {
      kind: "launch",
      id: { value, parent: { value: parent } },
      command: { value: "sleep 1000" },
      container: undefined,
      resources: [],
      limits: undefined,
      isSession: false,
    },
    caller: { principal: undefined },
  });
  for (const { containerId, phase } of [...agent.core.state.apiContainers.values()]) {
    if (phase === "launching") agent.input({ kind: "containerLaunched", containerId, pid: 7 });
  }
}

test("a nested container is its executor's, whatever it is called [semantics 9.3]", async () => {
  const agent = AgentHarness.registered();
  const roots = ["alice", "bob"].map((user): ContainerId => {
    agent.runToRunning(framework(`${user}-fw`, { user }), commandTask(user));
    return brand(agent.containerOf(`${user}-fw`, user));
  });
  const [alice = "", bob = ""] = roots;
  for (const parent of roots) launchNested(agent, parent, "debug");
  launchNested(agent, alice, bob);
  const acls = parseAcls({
    view_containers: [
      { principals: { type: "ANY" }, users: { values: ["alice"] } },
      { principals: { type: "ANY" }, users: { type: "NONE" } },
    ],
  });
  if (!acls.ok) throw new Error(acls.error.message);
  const { state } = agent.core;
  const runtime: Pick<AgentRuntime, "state" | "containers"> = {
    state,
    containers: (scope) => reportContainers(state, CONTAINERIZER, scope),
  };
  const scope = { isNestedShown: true, isStandaloneShown: true };
  const viewer = new Viewer(acls.value, "dev");
  const shown = await visibleContainers(runtime as AgentRuntime, viewer, scope);
  const names = shown.map(({ container }) => [
    container.executor_id?.value,
    container.container_id.value,
  ]);
  expect(names).toEqual([
    ["alice", alice],
    ["alice", "debug"],
    ["alice", bob],
  ]);
});
