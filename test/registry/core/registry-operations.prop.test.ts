/**
 * Random operations against a slow model of semantics 1.5: one plain list of records per agent
 * list, searched from the start each time.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import type { AgentInfo } from "../../../src/protocol/v1/types.ts";
import {
  agentsTouchedBy,
  applyOperation,
  registryFaults,
} from "../../../src/registry/core/registry-operations.ts";
import {
  emptyRegistry,
  type RegistryOperation,
  type RegistryState,
} from "../../../src/registry/core/registry-state.ts";
import { registryOperation } from "./registry-arbitrary.ts";

interface ModelEntry {
  readonly id: string;
  readonly list: "admitted" | "unreachable" | "gone";
  readonly info?: AgentInfo;
  readonly sinceMs?: number;
}

/** The registry as one list; an entry that enters a list goes to the end. */
type Model = readonly ModelEntry[];
type ModelAnswer = "changed" | "same" | "refused";

const plain = (info: AgentInfo): string =>
  JSON.stringify([info.hostname, info.port ?? null, info.id?.value]);

function modelStep(model: Model, operation: RegistryOperation): [Model, ModelAnswer] {
  const id = "info" in operation ? (operation.info.id?.value ?? "") : "";
  const listOf = (agentId: string): string =>
    model.find((entry) => entry.id === agentId)?.list ?? "none";
  const without = (agentId: string): Model => model.filter((entry) => entry.id !== agentId);
  switch (operation.kind) {
    case "admitAgent":
      if (listOf(id) !== "none") return [model, "refused"];
      return [[...model, { id, list: "admitted", info: operation.info }], "changed"];
    case "updateAgent": {
      const old = model.find((entry) => entry.id === id && entry.list === "admitted");
      if (old?.info === undefined) return [model, "refused"];
      if (plain(old.info) === plain(operation.info)) return [model, "same"];
      const { info } = operation;
      return [model.map((entry) => (entry === old ? { ...entry, info } : entry)), "changed"];
    }
    case "markAgentReachable":
      if (listOf(id) === "admitted") return [model, "same"];
      if (listOf(id) === "gone") return [model, "refused"];
      return [[...without(id), { id, list: "admitted", info: operation.info }], "changed"];
    case "markAgentUnreachable": {
      const old = model.find((entry) => entry.id === operation.agentId);
      if (old?.list !== "admitted") return [model, "refused"];
      const moved: ModelEntry = { ...old, list: "unreachable", sinceMs: operation.atMs };
      return [[...without(old.id), moved], "changed"];
    }
    case "removeAgent":
      if (listOf(operation.agentId) !== "admitted") return [model, "refused"];
      return [without(operation.agentId), "changed"];
    case "markAgentGone": {
      const { agentId, atMs } = operation;
      if (!["admitted", "unreachable"].includes(listOf(agentId))) return [model, "refused"];
      return [[...without(agentId), { id: agentId, list: "gone", sinceMs: atMs }], "changed"];
    }
    case "prune": {
      const kept = model.filter(
        ({ id: agentId, list }) =>
          !(list === "unreachable" && operation.unreachable.includes(agentId)) &&
          !(list === "gone" && operation.gone.includes(agentId)),
      );
      return [kept, kept.length < model.length ? "changed" : "same"];
    }
    default:
      throw new Error(`the model of the lists does not know ${operation.kind}`);
  }
}

function fromModel(model: Model): unknown[][] {
  const of = (list: string): Model => model.filter((entry) => entry.list === list);
  return [
    of("admitted").map(({ id, info }) => [id, { info, isDeactivated: false }]),
    of("unreachable").map(({ id, info, sinceMs }) => [id, { info, sinceMs, isDeactivated: false }]),
    of("gone").map(({ id, sinceMs }) => [id, { sinceMs }]),
  ];
}

const toLists = ({ admitted, unreachable, gone }: RegistryState): unknown[][] => [
  [...admitted],
  [...unreachable],
  [...gone],
];

test("any operations leave what the slow model says, in the same order [semantics 1.5]", () => {
  fc.assert(
    fc.property(fc.array(registryOperation, { maxLength: 60 }), (operations) => {
      const state = emptyRegistry();
      let model: Model = [];
      for (const operation of operations) {
        const [next, answer] = modelStep(model, operation);
        model = next;
        const result = applyOperation(state, operation);
        expect(result.ok ? (result.value ? "changed" : "same") : "refused").toBe(answer);
        expect(registryFaults(state)).toEqual([]);
        expect(toLists(state)).toEqual(fromModel(model));
      }
    }),
    { numRuns: 300 },
  );
});

test("an operation changes no agent but those it names", () => {
  fc.assert(
    fc.property(
      fc.array(registryOperation, { maxLength: 40 }),
      registryOperation,
      (before, last) => {
        const state = emptyRegistry();
        for (const operation of before) applyOperation(state, operation);
        const untouched = (): unknown[][] =>
          toLists(state).map((list) =>
            list.filter((entry) => !agentsTouchedBy(last).includes((entry as [string])[0])),
          );
        const expected = untouched();
        applyOperation(state, last);
        expect(untouched()).toEqual(expected);
      },
    ),
    { numRuns: 300 },
  );
});
