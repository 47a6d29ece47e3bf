/** Long answers while the state moves on: written in two halves with changes between them. */
import { expect, test } from "bun:test";
import type { Document } from "../../../../src/master/core/views/document.ts";
import {
  frameworksDocument,
  stateDocument,
  stateSummaryDocument,
} from "../../../../src/master/core/views/endpoints.ts";
import { lastOffer, type TestAgent, type TestStream, taskFor, World } from "../harness.ts";

const FACTS = { version: { version: "0" }, cluster: undefined, flags: {} };
const IDS = ["a", "b", "c", "d"];

interface Scene {
  readonly world: World;
  readonly agent: TestAgent;
  readonly stream: TestStream;
}

function scene(): Scene {
  const world = new World();
  const agent = world.addAgent("cpus:8;mem:4096;ports:[31000-32000]");
  const stream = world.subscribe({ name: "one", checkpoint: true });
  const offer = lastOffer(stream);
  world.launch(stream, offer, ...IDS.map((id) => taskFor(offer, id)));
  agent.work();
  for (const id of IDS) agent.update(stream, id, "TASK_RUNNING");
  return { world, agent, stream };
}

/** Everything a document can lose: tasks end, the agent and the framework go, others come. */
function upheaval({ world, agent, stream }: Scene): void {
  agent.update(stream, "a", "TASK_FINISHED");
  world.addAgent("cpus:1;mem:32");
  world.operatorCall({
    type: "MARK_AGENT_GONE",
    mark_agent_gone: { agent_id: { value: agent.id ?? "" } },
  });
  world.operatorTeardown(stream.frameworkId);
  world.subscribe({ name: "two" });
}

/** Writes `before` things, then lets `change` happen, then the rest. */
function writtenWith(document: Document, before: number, change: () => void): string {
  let text = "";
  let count = 0;
  for (const section of document) {
    for (let index = 0; index < section.count(); index++) {
      if (count === before) change();
      count += 1;
      text += section.write(index, index + 1);
    }
  }
  return text;
}

const DOCUMENTS = {
  "/state": (world: World) => stateDocument(world.state, FACTS),
  "/frameworks": (world: World) => frameworksDocument(world.state, undefined),
  "/state-summary": (world: World) => stateSummaryDocument(world.state, FACTS),
} as const;

test.each(Object.keys(DOCUMENTS) as (keyof typeof DOCUMENTS)[])(
  "%s is valid JSON with every task once, wherever the change comes [DESIGN 8]",
  (path) => {
    for (let before = 0; before < 40; before += 1) {
      const parts = scene();
      const document = DOCUMENTS[path](parts.world);
      const body = JSON.parse(writtenWith(document, before, () => upheaval(parts))) as {
        readonly frameworks: readonly Readonly<Record<string, readonly { id: string }[]>>[];
      };
      expect(body.frameworks).toHaveLength(1);
      if (path === "/state-summary") continue;
      const [framework = {}] = body.frameworks;
      const lists = ["tasks", "unreachable_tasks", "completed_tasks"];
      const met = lists.flatMap((list) => (framework[list] ?? []).map(({ id }) => id));
      expect([...met].sort()).toEqual(IDS);
    }
  },
);
