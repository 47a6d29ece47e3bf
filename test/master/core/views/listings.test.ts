/** Lists of our own: pages that stay put, filters, and what is new since a cursor. */
import { describe, expect, test } from "bun:test";
import { CHANGES_MAX } from "../../../../src/master/core/limits.ts";
import {
  agentListing,
  type Filters,
  frameworkListing,
  taskListing,
} from "../../../../src/master/core/views/listing-kinds.ts";
import {
  type Listing,
  type ListQuery,
  listDocument,
  numberOfCursor,
} from "../../../../src/master/core/views/listings.ts";
import { lastOffer, type TestAgent, type TestStream, taskFor, World } from "../harness.ts";
import { jsonOf } from "./documents.ts";

interface Answer {
  readonly cursor: string;
  readonly next?: string | null;
  readonly is_current?: boolean;
  readonly removed?: readonly string[];
  readonly tasks?: readonly { task_id: { value: string }; state: string }[];
  readonly agents?: readonly { agent_info: { hostname: string }; active: boolean }[];
  readonly frameworks?: readonly { framework_info: { name: string }; active: boolean }[];
}

const LISTINGS = { tasks: taskListing, agents: agentListing, frameworks: frameworkListing };

function list(
  world: World,
  name: keyof typeof LISTINGS,
  filters: Filters = {},
  { since, ...query }: Partial<Omit<ListQuery, "since">> & { readonly since?: string } = {},
): Answer {
  const listing = LISTINGS[name](world.state, filters) as Listing<unknown>;
  const number = since === undefined ? undefined : numberOfCursor(world.state, since);
  if (number?.ok === false) throw new Error(number.error.message);
  const asked = {
    limit: 1000,
    after: undefined,
    ...query,
    since: number?.value,
    tellsUnknown: true,
  };
  return jsonOf(listDocument(world.state, listing, asked)) as unknown as Answer;
}

interface Scene {
  readonly world: World;
  readonly agent: TestAgent;
  readonly stream: TestStream;
}

/** Tasks `a` to `e` are running. */
function scene(): Scene {
  const world = new World();
  const agent = world.addAgent("cpus:8;mem:4096");
  const stream = world.subscribe({ name: "first", role: "web" });
  const offer = lastOffer(stream);
  const ids = ["a", "b", "c", "d", "e"];
  world.launch(stream, offer, ...ids.map((id) => taskFor(offer, id)));
  agent.work();
  for (const id of ids) agent.update(stream, id, "TASK_RUNNING");
  return { world, agent, stream };
}

const idsOf = ({ tasks }: Answer): string[] => (tasks ?? []).map(({ task_id }) => task_id.value);

function finish({ world, agent, stream }: Scene, id: string): void {
  agent.update(stream, id, "TASK_FINISHED");
  const status = stream.events.findLast(({ update }) => update?.status.task_id.value === id);
  const { task_id = { value: "" }, uuid = "" } = status?.update?.status ?? {};
  const agent_id = { value: agent.id ?? "" };
  world.call(stream, { type: "ACKNOWLEDGE", acknowledge: { agent_id, task_id, uuid } });
}

describe("pages", () => {
  test("what is there all the time is met once, though others come and go", () => {
    const { world, agent, stream } = scene();
    const first = list(world, "tasks", {}, { limit: 2 });
    expect(idsOf(first)).toEqual(["a", "b"]);
    finish({ world, agent, stream }, "a");
    finish({ world, agent, stream }, "c");
    const second = list(world, "tasks", {}, { limit: 2, after: first.next ?? "" });
    expect(idsOf(second)).toEqual(["c", "d"]);
    const third = list(world, "tasks", {}, { limit: 2, after: second.next ?? "" });
    expect([idsOf(third), third.next]).toEqual([["e"], null]);
  });

  test("filters fit together", () => {
    const { world, agent, stream } = scene();
    finish({ world, agent, stream }, "b");
    const count = (filters: Filters): number => idsOf(list(world, "tasks", filters)).length;
    expect(count({ state: "TASK_RUNNING" })).toBe(4);
    expect(count({ state: "TASK_FINISHED", role: "web" })).toBe(1);
    expect(count({ role: "db" })).toBe(0);
    expect(count({ agent_id: agent.id, framework_id: stream.frameworkId })).toBe(5);
    expect(count({ framework_id: "none" })).toBe(0);
    expect(count({ name: "none" })).toBe(0);
  });

  test("agents and frameworks are told by what they are doing", () => {
    const { world, agent, stream } = scene();
    const other = world.addAgent("cpus:1;mem:64");
    other.disconnect();
    const gone = world.subscribe({ name: "second" });
    world.operatorTeardown(gone.frameworkId);
    const hosts = (filters: Filters): string[] =>
      (list(world, "agents", filters).agents ?? []).map(({ agent_info }) => agent_info.hostname);
    expect(hosts({ state: "active" })).toEqual([agent.hostname]);
    expect(hosts({ state: "inactive" })).toEqual([other.hostname]);
    expect(hosts({ framework_id: stream.frameworkId })).toEqual([agent.hostname]);
    const names = (filters: Filters): string[] =>
      (list(world, "frameworks", filters).frameworks ?? []).map(
        ({ framework_info }) => framework_info.name,
      );
    expect(names({})).toEqual(["first", "second"]);
    expect(names({ state: "completed" })).toEqual(["second"]);
    expect(names({ agent_id: agent.id, role: "web" })).toEqual(["first"]);
  });
});

describe("changes", () => {
  test("each is told once, as it is now, and the next cursor has none of them", () => {
    const { world, agent, stream } = scene();
    const { cursor } = list(world, "tasks");
    expect(idsOf(list(world, "tasks", {}, { since: cursor }))).toEqual([]);
    agent.update(stream, "d", "TASK_KILLING");
    finish({ world, agent, stream }, "d");
    finish({ world, agent, stream }, "b");
    const changed = list(world, "tasks", {}, { since: cursor });
    expect(changed.tasks).toMatchObject([
      { task_id: { value: "d" }, state: "TASK_FINISHED" },
      { task_id: { value: "b" }, state: "TASK_FINISHED" },
    ]);
    expect(changed).toMatchObject({ is_current: true, removed: [] });
    expect(idsOf(list(world, "tasks", {}, { since: changed.cursor }))).toEqual([]);
  });

  test("more than the limit are told in several answers", () => {
    const { world, agent, stream } = scene();
    const { cursor } = list(world, "tasks");
    for (const id of ["a", "b", "c"]) finish({ world, agent, stream }, id);
    const first = list(world, "tasks", {}, { since: cursor, limit: 2 });
    expect([idsOf(first), first.is_current]).toEqual([["a", "b"], false]);
    const second = list(world, "tasks", {}, { since: first.cursor, limit: 2 });
    expect(idsOf(second)).toContain("c");
    expect(second.is_current).toBe(true);
  });

  test("what leaves the state that is asked for is told as removed", () => {
    const { world, agent, stream } = scene();
    const filters = { state: "TASK_RUNNING" };
    const { cursor } = list(world, "tasks", filters);
    finish({ world, agent, stream }, "c");
    expect(list(world, "tasks", filters, { since: cursor })).toMatchObject({
      tasks: [],
      removed: [`${stream.frameworkId}/c`],
    });
  });

  test("agents that disconnect and go, frameworks that come and end", () => {
    const { world, agent } = scene();
    const { cursor } = list(world, "agents");
    agent.disconnect();
    const away = list(world, "agents", {}, { since: cursor });
    expect(away.agents).toMatchObject([{ active: false }]);
    world.advance(600_000);
    const lost = list(world, "agents", {}, { since: away.cursor });
    expect(lost).toMatchObject({ agents: [], removed: [agent.id] });
    const stream = world.subscribe({ name: "second" });
    world.operatorTeardown(stream.frameworkId);
    const { frameworks = [] } = list(world, "frameworks", {}, { since: lost.cursor });
    expect(frameworks.map(({ active }) => active)).toEqual([false]);
  });

  test("a cursor that is too old, or another master's, says to start anew", () => {
    const { world } = scene();
    const { cursor } = list(world, "tasks");
    const change = { kind: "agent", agentId: "S" as never } as const;
    for (let count = 0; count <= CHANGES_MAX; count += 1) world.state.changes.add(change);
    const gone = { ok: false, error: { code: "gone", field: "since" } };
    expect(numberOfCursor(world.state, cursor)).toMatchObject(gone);
    expect(numberOfCursor(world.state, "another:0")).toMatchObject(gone);
    expect(numberOfCursor(world.state, "x")).toMatchObject({ error: { code: "invalid" } });
  });
});
