/** `/allot/v1/tasks`, `agents` and `frameworks` as requests: what may be asked, and what is refused. */
import { describe, expect, test } from "bun:test";
import { createEndpointsApp } from "../../src/http/endpoints.ts";
import { listingEndpoints } from "../../src/http/master/listing-endpoints.ts";
import { PacedReads } from "../../src/http/paced-reads.ts";
import type { MasterRuntime } from "../../src/master/runtime/master-runtime.ts";
import { OPEN_ACLS } from "../../src/security/acls.ts";
import { FakeClock } from "../base/fake-clock.ts";
import { HEARS_EVERYBODY } from "../harness/open-http.ts";
import { World } from "../master/core/harness.ts";

interface Setup {
  readonly world: World;
  get(pathAndQuery: string): Promise<Response>;
  json(pathAndQuery: string): Promise<Readonly<Record<string, unknown>>>;
}

/** A master with two agents and a framework. */
function setup(): Setup {
  const world = new World();
  world.addAgent();
  world.addAgent();
  world.subscribe({ name: "test" });
  const runtime = { state: world.state } as unknown as MasterRuntime;
  const reads = new PacedReads({
    clock: new FakeClock(),
    defer: (next) => void setImmediate(next),
  });
  const app = createEndpointsApp({
    actor: "master",
    endpoints: listingEndpoints(runtime, { reads, acls: OPEN_ACLS }),
    authentication: HEARS_EVERYBODY,
    disabledPaths: [],
  });
  const get = async (path: string): Promise<Response> =>
    await app(new Request(`http://master/allot/v1/${path}`));
  return { world, get, json: async (path) => (await (await get(path)).json()) as never };
}

test("each list is there, in pages", async () => {
  const { json } = setup();
  expect(await json("tasks")).toMatchObject({ tasks: [], next: null });
  expect(await json("frameworks")).toMatchObject({ frameworks: [{ active: true }], next: null });
  const { agents, next } = await json("agents?limit=1");
  expect(agents).toHaveLength(1);
  const rest = await json(`agents?limit=1&after=${encodeURIComponent(String(next))}`);
  expect(rest["agents"]).toHaveLength(1);
  expect(rest).toMatchObject({ next: null });
});

test("changes of the same moment are not shared between requests", async () => {
  const { world, json } = setup();
  const { cursor } = await json("agents");
  const since = encodeURIComponent(String(cursor));
  const before = json(`agents?since=${since}`);
  world.addAgent();
  const after = json(`agents?since=${since}`);
  expect((await before)["agents"]).toHaveLength(0);
  expect((await after)["agents"]).toHaveLength(1);
});

describe("refusals", () => {
  test.each([
    ["tasks?limit=0", 400, "'limit'"],
    ["tasks?limit=10001", 400, "'limit'"],
    ["tasks?limit=many", 400, "'limit'"],
    ["tasks?color=red", 400, "There is no 'color' here"],
    ["agents?role=web", 400, "There is no 'role' here"],
    ["agents?since=yesterday", 400, "'since' is no cursor"],
    ["agents?since=another-master:0", 410, "read without 'since'"],
    ["agents/more", 404, "Not Found"],
  ])("%s is answered with %d", async (path, status, text) => {
    const response = await setup().get(path);
    expect(response.status).toBe(status);
    expect(await response.text()).toContain(text);
  });
});
