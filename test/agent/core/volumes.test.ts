/** Volumes on the agent: books and folders agree again after it ended between the two. */
import { expect, test } from "bun:test";
import type { OfferOperation, Resource } from "../../../src/protocol/v1/types.ts";
import { AgentHarness, agentOptions } from "./agent-harness.ts";

const DISK: Resource = {
  name: "disk",
  type: "SCALAR",
  scalar: { value: 100 },
  reservations: [{ type: "DYNAMIC", role: "web" }],
};
const VOLUME: Resource = {
  ...DISK,
  disk: { persistence: { id: "v" }, volume: { mode: "RW", container_path: "data" } },
};

function apply(harness: AgentHarness, uuid: string, info: OfferOperation): void {
  const operation = { uuid, frameworkId: undefined, info };
  harness.command({ kind: "applyOperation", operation });
}

/** Effects on folders since the last look. */
function folders(harness: AgentHarness): string[] {
  return harness
    .takeEffects()
    .flatMap((effect) =>
      effect.kind === "createVolume" || effect.kind === "removeVolume"
        ? [`${effect.kind} ${effect.volume.disk?.persistence?.id}`]
        : [],
    );
}

test("a folder that should have been made or removed when the agent ended is so afterwards [semantics 5]", () => {
  const { info } = agentOptions();
  const resources = [{ name: "disk", type: "SCALAR", scalar: { value: 1000 } } as const];
  const harness = AgentHarness.registered(agentOptions({ info: { ...info, resources } }));
  apply(harness, "AAAAAAAAAAAAAAAAAAAAAQ==", { type: "RESERVE", reserve: { resources: [DISK] } });
  apply(harness, "AAAAAAAAAAAAAAAAAAAAAg==", { type: "CREATE", create: { volumes: [VOLUME] } });
  expect(folders(harness)).toEqual(["createVolume v"]);
  harness.crash();
  harness.recover();
  expect(folders(harness)).toEqual(["createVolume v"]);
  harness.connect();
  apply(harness, "AAAAAAAAAAAAAAAAAAAAAw==", { type: "DESTROY", destroy: { volumes: [VOLUME] } });
  expect(folders(harness)).toEqual(["removeVolume v"]);
  harness.crash();
  harness.recover();
  expect(folders(harness)).toEqual(["removeVolume v"]);
});
