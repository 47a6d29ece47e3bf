/** Each registry operation: what it changes, and what it refuses (semantics 1.5). */
import { describe, expect, test } from "bun:test";
import type { AgentInfo } from "../../../src/protocol/v1/types.ts";
import { applyOperation, registryFaults } from "../../../src/registry/core/registry-operations.ts";
import {
  emptyRegistry,
  type RegistryOperation,
  type RegistryState,
} from "../../../src/registry/core/registry-state.ts";

const agent = (id: string, hostname: string = "host"): AgentInfo => ({
  id: { value: id },
  hostname,
});

/** A registry with A and B admitted, C deactivated and admitted, D unreachable, E gone. */
function registry(): RegistryState {
  const state = emptyRegistry();
  state.admitted.set("A", { info: agent("A"), isDeactivated: false });
  state.admitted.set("B", { info: agent("B"), isDeactivated: false });
  state.admitted.set("C", { info: agent("C"), isDeactivated: true });
  state.unreachable.set("D", { info: agent("D"), sinceMs: 1, isDeactivated: true });
  state.gone.set("E", { sinceMs: 2 });
  return state;
}

const ids = (state: RegistryState): string =>
  [state.admitted, state.unreachable, state.gone]
    .map((list) => [...list.keys()].join(""))
    .join("|");

describe("registry operations that change something", () => {
  const cases: readonly (readonly [string, RegistryOperation, string])[] = [
    ["a new agent is admitted at the end", { kind: "admitAgent", info: agent("F") }, "ABCF|D|E"],
    ["an update keeps the place", { kind: "updateAgent", info: agent("A", "new") }, "ABC|D|E"],
    [
      "an unreachable agent moves to the end of its list",
      { kind: "markAgentUnreachable", agentId: "A", atMs: 9 },
      "BC|DA|E",
    ],
    [
      "a returning agent is admitted again",
      { kind: "markAgentReachable", info: agent("D") },
      "ABCD||E",
    ],
    [
      "an agent that was pruned is admitted when it returns",
      { kind: "markAgentReachable", info: agent("Z") },
      "ABCZ|D|E",
    ],
    ["a removed agent leaves no trace", { kind: "removeAgent", agentId: "B" }, "AC|D|E"],
    ["an admitted agent can go", { kind: "markAgentGone", agentId: "A", atMs: 9 }, "BC|D|EA"],
    ["an unreachable agent can go", { kind: "markAgentGone", agentId: "D", atMs: 9 }, "ABC||ED"],
    ["pruning forgets", { kind: "prune", unreachable: ["D"], gone: ["E"] }, "ABC||"],
  ];

  test.each([...cases])("%s [semantics 1.5]", (_name, operation, after) => {
    const state = registry();
    expect(applyOperation(state, operation)).toEqual({ ok: true, value: true });
    expect(ids(state)).toBe(after);
    expect(registryFaults(state)).toEqual([]);
  });

  test("time and deactivation go with an agent to unreachable and back [semantics 1.5]", () => {
    const state = registry();
    applyOperation(state, { kind: "markAgentUnreachable", agentId: "C", atMs: 77 });
    expect(state.unreachable.get("C")).toEqual({
      info: agent("C"),
      sinceMs: 77,
      isDeactivated: true,
    });
    applyOperation(state, { kind: "markAgentReachable", info: agent("C", "renamed") });
    expect(state.admitted.get("C")).toEqual({ info: agent("C", "renamed"), isDeactivated: true });
  });

  test("an update keeps the deactivation [semantics 1.5]", () => {
    const state = registry();
    applyOperation(state, { kind: "updateAgent", info: agent("C", "renamed") });
    expect(state.admitted.get("C")).toEqual({ info: agent("C", "renamed"), isDeactivated: true });
  });

  test("pruning takes exactly the listed ids, also from the middle [semantics 1.5]", () => {
    const state = emptyRegistry();
    for (const id of ["1", "2", "3", "4", "5"]) state.gone.set(id, { sinceMs: 0 });
    applyOperation(state, { kind: "prune", unreachable: [], gone: ["3", "missing"] });
    expect(ids(state)).toBe("||1245");
  });
});

describe("registry operations that change nothing", () => {
  const cases: readonly (readonly [string, RegistryOperation])[] = [
    ["an equal update", { kind: "updateAgent", info: { hostname: "host", id: { value: "A" } } }],
    [
      "an update that differs by an undefined field",
      { kind: "updateAgent", info: { ...agent("A"), port: undefined } },
    ],
    ["the return of an admitted agent", { kind: "markAgentReachable", info: agent("A", "new") }],
    ["pruning of unknown ids", { kind: "prune", unreachable: ["A", "E"], gone: ["D", "Z"] }],
  ];

  test.each([...cases])("%s is no mutation [semantics 1.5]", (_name, operation) => {
    const state = registry();
    expect(applyOperation(state, operation)).toEqual({ ok: true, value: false });
    expect(state).toEqual(registry());
  });
});

describe("registry operations that are refused", () => {
  const cases: readonly (readonly [string, RegistryOperation, string, string])[] = [
    [
      "admitting twice",
      { kind: "admitAgent", info: agent("A") },
      "conflict",
      "A is already admitted",
    ],
    ["admitting an unreachable agent", { kind: "admitAgent", info: agent("D") }, "conflict", "D"],
    [
      "admitting a gone agent",
      { kind: "admitAgent", info: agent("E") },
      "conflict",
      "gone for good",
    ],
    [
      "admitting without an id",
      { kind: "admitAgent", info: { hostname: "h" } },
      "invalid",
      "no id",
    ],
    ["updating an unknown agent", { kind: "updateAgent", info: agent("Z") }, "notFound", "Z"],
    ["updating an unreachable agent", { kind: "updateAgent", info: agent("D") }, "notFound", "D"],
    [
      "losing an unknown agent",
      { kind: "markAgentUnreachable", agentId: "Z", atMs: 1 },
      "notFound",
      "Z is not admitted",
    ],
    [
      "losing an agent twice",
      { kind: "markAgentUnreachable", agentId: "D", atMs: 1 },
      "notFound",
      "D is not admitted",
    ],
    ["return of a gone agent", { kind: "markAgentReachable", info: agent("E") }, "conflict", "E"],
    ["removing an unknown agent", { kind: "removeAgent", agentId: "Z" }, "notFound", "Z"],
    ["going twice", { kind: "markAgentGone", agentId: "E", atMs: 1 }, "conflict", "already gone"],
    ["going unknown", { kind: "markAgentGone", agentId: "Z", atMs: 1 }, "notFound", "Z"],
  ];

  test.each([...cases])("%s is refused [semantics 1.5]", (_name, operation, code, message) => {
    const state = registry();
    const result = applyOperation(state, operation);
    expect(result).toMatchObject({ ok: false, error: { code } });
    expect(result.ok ? "" : result.error.message).toContain(message);
    expect(state).toEqual(registry());
  });
});

describe("registry invariants", () => {
  const broken: readonly (readonly [string, (state: RegistryState) => void])[] = [
    ["admitted and gone", (state) => state.gone.set("A", { sinceMs: 0 })],
    ["unreachable and gone", (state) => state.gone.set("D", { sinceMs: 0 })],
    [
      "admitted and unreachable",
      (state) => state.unreachable.set("A", { info: agent("A"), sinceMs: 0, isDeactivated: false }),
    ],
    [
      "filed under another id",
      (state) => state.admitted.set("X", { info: agent("Y"), isDeactivated: false }),
    ],
  ];

  test.each([...broken])("an agent that is %s is noticed", (_name, breakIt) => {
    const state = registry();
    breakIt(state);
    expect(registryFaults(state)).toHaveLength(1);
  });
});
