/** Operations on resources: what they make of offers, what is refused, and their feedback. */
import { describe, expect, test } from "bun:test";
import { must } from "../../../src/base/assert.ts";
import { offerMessage } from "../../../src/master/core/offer-message.ts";
import { rolesDocument } from "../../../src/master/core/views/endpoints.ts";
import type {
  MasterCall,
  OfferOperation,
  OperationStatus,
  Resource,
} from "../../../src/protocol/v1/types.ts";
import { CpuTime } from "../../fuzz/cpu-time.ts";
import {
  AGENT_CAPABILITIES,
  forget,
  lastOffer,
  lastStatus,
  offersOf,
  resourcesOf,
  SUCCESS,
  type TestAgent,
  type TestStream,
  taskFor,
  uuidOf,
  World,
} from "./harness.ts";
import { EVERYTHING, jsonOf } from "./views/documents.ts";

const CAPABILITIES = [
  ...AGENT_CAPABILITIES,
  { type: "RESOURCE_PROVIDER" },
  { type: "AGENT_OPERATION_FEEDBACK" },
  { type: "RESIZE_VOLUME" },
] as const;

const INFO = {
  roles: ["db", "db/a"],
  principal: "ops",
  failover_timeout: 60,
  capabilities: [{ type: "MULTI_ROLE" }, { type: "RESERVATION_REFINEMENT" }],
} as const;

interface Scene {
  readonly world: World;
  readonly agent: TestAgent;
  readonly stream: TestStream;
}

function scene(info: object = {}): Scene {
  const world = new World();
  const agent = world.addAgent("cpus:4;mem:4096;disk:1000", { capabilities: CAPABILITIES });
  const stream = world.subscribe({ ...INFO, roles: ["db"], ...info });
  return { world, agent, stream };
}

const RESERVED = [{ type: "DYNAMIC", role: "db", principal: "ops" }] as const;

function reserved(text: string): Resource[] {
  return resourcesOf(text).map((resource) => ({ ...resource, reservations: RESERVED }));
}

function volumeOf(size: number, id = "data"): Resource {
  const disk = {
    persistence: { id, principal: "ops" },
    volume: { container_path: "data", mode: "RW" },
  } as const;
  return { name: "disk", type: "SCALAR", scalar: { value: size }, reservations: RESERVED, disk };
}

const RESERVE: OfferOperation = { type: "RESERVE", reserve: { resources: reserved("disk:100") } };
const CREATE: OfferOperation = { type: "CREATE", create: { volumes: [volumeOf(100)] } };

function operationStatuses(stream: TestStream): OperationStatus[] {
  return stream.events.flatMap(({ update_operation_status: update }) =>
    update === undefined ? [] : [update.status],
  );
}

/** Performs operations on the newest offer; those with an id answer when they are refused. */
function perform({ world, stream }: Scene, ...operations: OfferOperation[]): OperationStatus[] {
  forget(stream);
  const { frameworks, agents, offers: outstanding } = world.state;
  const offers = [...outstanding.values()].map((offer) =>
    offerMessage(
      must(frameworks.get(offer.frameworkId), "framework of an offer"),
      must(agents.get(offer.agentId), "agent of an offer"),
      offer,
    ),
  );
  world.accept(stream, offers, operations, 60);
  return operationStatuses(stream);
}

const named = (operation: OfferOperation): OfferOperation => ({ ...operation, id: { value: "o" } });

describe("operations of a framework", () => {
  test("RESERVE, CREATE and LAUNCH in one ACCEPT work on each other's results [semantics 10.43]", () => {
    const at = scene();
    const task = taskFor(lastOffer(at.stream), "t", "cpus:1;mem:32");
    const task_infos = [{ ...task, resources: [...(task.resources ?? []), volumeOf(100)] }];
    expect(perform(at, RESERVE, CREATE, { type: "LAUNCH", launch: { task_infos } })).toEqual([]);
    expect(at.agent.commands().map(({ command }) => command.kind)).toEqual([
      "applyOperation",
      "applyOperation",
      "runTask",
    ]);
    const [order] = at.agent.orders("runTask");
    expect(order?.task.resources?.some(({ disk }) => disk?.persistence?.id === "data")).toBe(true);
  });

  test("what they made is offered at once, whatever the filter says [semantics 4.8 rule 4]", () => {
    const at = scene();
    perform(at, RESERVE);
    const made = { name: "disk", scalar: { value: 100 }, reservations: RESERVED };
    expect(offersOf(at.stream)).toHaveLength(1);
    expect(lastOffer(at.stream).resources).toContainEqual(expect.objectContaining(made));
  });

  test("what they left alone is filtered like a decline [semantics 4.8 rule 4]", () => {
    const at = scene();
    const task = taskFor(lastOffer(at.stream), "t", "cpus:1;mem:32");
    const task_infos = [
      { ...task, resources: [...(task.resources ?? []), ...reserved("disk:100")] },
    ];
    perform(at, RESERVE, { type: "LAUNCH", launch: { task_infos } });
    at.world.advance(59_000);
    expect(offersOf(at.stream)).toEqual([]);
    at.world.advance(2_000);
    expect(offersOf(at.stream)).toHaveLength(1);
  });

  test("work on several offers of one agent at once [semantics 4.8]", () => {
    const at = scene();
    at.world.launch(
      at.stream,
      lastOffer(at.stream),
      taskFor(lastOffer(at.stream), "t", "cpus:3;mem:32"),
    );
    at.agent.work();
    at.world.call(at.stream, { type: "REVIVE" });
    at.agent.update(at.stream, "t", "TASK_FINISHED");
    expect(at.world.state.offers.size).toBe(2);
    const reserve = { resources: reserved("cpus:4") };
    expect(perform(at, named({ type: "RESERVE", reserve }))).toEqual([]);
    expect(at.agent.orders("applyOperation")).toHaveLength(1);
  });

  test("a failing one does not stop the next [semantics 4.8 rule 3]", () => {
    const at = scene();
    expect(perform(at, named(CREATE), RESERVE, CREATE)).toMatchObject([
      { operation_id: { value: "o" }, state: "OPERATION_ERROR" },
    ]);
    expect(at.agent.orders("applyOperation")).toHaveLength(2);
  });

  test("what a volume was resized to is not for later operations of the call [semantics 5]", () => {
    const at = scene();
    perform(at, RESERVE, CREATE);
    at.world.advance(61_000);
    const shrink = {
      type: "SHRINK_VOLUME",
      shrink_volume: { volume: volumeOf(100), subtract: { value: 40 } },
    } as const;
    const statuses = perform(
      at,
      shrink,
      named({ type: "DESTROY", destroy: { volumes: [volumeOf(60)] } }),
    );
    expect(statuses).toMatchObject([{ state: "OPERATION_ERROR" }]);
    at.world.advance(1000);
    const sizes = (lastOffer(at.stream).resources ?? []).map(({ scalar }) => scalar?.value);
    expect(sizes).toEqual([4, 900, 40, 60, 4096]);
  });

  const other = [{ type: "DYNAMIC", role: "other", principal: "ops" }] as const;
  const refusals: readonly [string, OfferOperation, string][] = [
    [
      "RESERVE for a role the framework lacks [semantics 10.44]",
      {
        type: "RESERVE",
        reserve: {
          resources: [{ ...(resourcesOf("cpus:1")[0] as Resource), reservations: other }],
        },
      },
      "does not match",
    ],
    [
      "RESERVE with a source",
      { type: "RESERVE", reserve: { source: reserved("cpus:1"), resources: reserved("cpus:1") } },
      "operators only",
    ],
    [
      "RESERVE of another principal",
      {
        type: "RESERVE",
        reserve: {
          resources: [
            {
              ...(resourcesOf("cpus:1")[0] as Resource),
              reservations: [{ type: "DYNAMIC", role: "db", principal: "x" }],
            },
          ],
        },
      },
      "principal",
    ],
    [
      "RESERVE of what is not offered",
      { type: "RESERVE", reserve: { resources: reserved("cpus:5") } },
      "does not contain",
    ],
    [
      "RESERVE of what is not dynamic",
      { type: "RESERVE", reserve: { resources: resourcesOf("cpus:1") } },
      "not dynamically reserved",
    ],
    ["RESERVE of nothing", { type: "RESERVE", reserve: { resources: [] } }, "present"],
    ["CREATE without a reservation under it", CREATE, "Nothing contains"],
    [
      "CREATE of one volume twice",
      { type: "CREATE", create: { volumes: [volumeOf(10), volumeOf(10)] } },
      "created twice",
    ],
    [
      "CREATE without SHARED_RESOURCES of a shared volume",
      { type: "CREATE", create: { volumes: [{ ...volumeOf(10), shared: {} }] } },
      "SHARED_RESOURCES",
    ],
    ["an operation without its message", { type: "UNRESERVE" }, "'unreserve'"],
    ["an operation of no kind", { type: "UNKNOWN" }, "not an operation"],
    [
      "CREATE_DISK",
      { type: "CREATE_DISK", create_disk: { source: volumeOf(10), target_type: "MOUNT" } },
      "resource provider",
    ],
    [
      "DESTROY_DISK",
      { type: "DESTROY_DISK", destroy_disk: { source: volumeOf(10) } },
      "resource provider",
    ],
    [
      "GROW_VOLUME by something that is not the volume's disk",
      {
        type: "GROW_VOLUME",
        grow_volume: { volume: volumeOf(10), addition: reserved("cpus:1")[0] as Resource },
      },
      "not disk of the kind",
    ],
    [
      "GROW_VOLUME by disk that is not reserved",
      {
        type: "GROW_VOLUME",
        grow_volume: { volume: volumeOf(10), addition: resourcesOf("disk:1")[0] as Resource },
      },
      "not disk of the kind",
    ],
    [
      "SHRINK_VOLUME to nothing",
      { type: "SHRINK_VOLUME", shrink_volume: { volume: volumeOf(10), subtract: { value: 10 } } },
      "below its size",
    ],
  ];
  test.each(refusals)("%s is OPERATION_ERROR and changes nothing", (_what, operation, text) => {
    const at = scene();
    const [status, ...more] = perform(at, named(operation));
    expect(more).toEqual([]);
    expect(status).toMatchObject({ operation_id: { value: "o" }, state: "OPERATION_ERROR" });
    expect(status?.message).toContain(text);
    expect(status?.uuid).toBeUndefined();
    expect(at.agent.orders("applyOperation")).toEqual([]);
  });

  test("a volume in use is not destroyed, nor its disk unreserved [semantics 10.46]", () => {
    const at = scene({ capabilities: [...INFO.capabilities, { type: "SHARED_RESOURCES" }] });
    const shared = { ...volumeOf(100), shared: {} };
    const task = taskFor(lastOffer(at.stream), "t", "cpus:1;mem:32");
    const task_infos = [{ ...task, resources: [...(task.resources ?? []), shared] }];
    perform(
      at,
      RESERVE,
      { type: "CREATE", create: { volumes: [shared] } },
      { type: "LAUNCH", launch: { task_infos } },
    );
    at.agent.work();
    at.world.advance(61_000);
    const [destroyed, unreserved] = perform(
      at,
      named({ type: "DESTROY", destroy: { volumes: [shared] } }),
      named({ type: "UNRESERVE", unreserve: { resources: [volumeOf(100)] } }),
    );
    expect(destroyed?.message).toContain("is used by a task");
    expect(unreserved?.message).toContain("destroy it first");
  });

  test("one that is refused leaves nothing of what it names behind", () => {
    const at = scene();
    const { kinds } = must([...at.world.state.agents.values()][0], "agent").total;
    const before = kinds.size;
    const reservations = [{ ...RESERVED[0], labels: { labels: [{ key: "new" }] } }];
    const disk = { name: "disk", type: "SCALAR", scalar: { value: 1001 }, reservations } as const;
    const [status] = perform(at, named({ type: "RESERVE", reserve: { resources: [disk] } }));
    const agent_id = { value: at.agent.id ?? "" };
    const reserve_resources = { agent_id, resources: [disk] };
    const answer = at.world.operatorCall({ type: "RESERVE_RESOURCES", reserve_resources }, "ops");
    expect(status?.message).toContain("The offer does not contain");
    expect(answer).toMatchObject({ ok: false, error: { code: "conflict" } });
    expect(kinds.size).toBe(before);
  });

  test("an operation id needs an agent that gives feedback [semantics 5]", () => {
    const world = new World();
    world.addAgent("cpus:4;mem:4096;disk:1000");
    const stream = world.subscribe({ ...INFO, roles: ["db"] });
    const [status] = perform({ world, stream } as Scene, named(RESERVE));
    expect(status?.message).toContain("feedback");
  });

  test("several tasks of one call may share a volume that is offered once", () => {
    const at = sharingScene("a", "b", "c");
    expect(at.agent.orders("runTask")).toHaveLength(3);
  });
});

/** Tasks of one call that all use a shared volume, which the call makes. */
function sharingScene(...taskIds: readonly string[]): Scene {
  const at = scene({ capabilities: [...INFO.capabilities, { type: "SHARED_RESOURCES" }] });
  const shared = { ...volumeOf(100), shared: {} };
  const task_infos = taskIds.map((id) => {
    const task = taskFor(lastOffer(at.stream), id, "cpus:1;mem:32");
    return { ...task, resources: [...(task.resources ?? []), shared] };
  });
  perform(
    at,
    RESERVE,
    { type: "CREATE", create: { volumes: [shared] } },
    { type: "LAUNCH", launch: { task_infos } },
  );
  return at;
}

describe("many volumes", () => {
  test("cost by their number, not by its square", () => {
    const at = scene();
    const volumes = (name: string): Resource[] =>
      Array.from({ length: 5000 }, (_, number) => volumeOf(0.01, `${name}${number}`));
    perform(at, RESERVE);
    const workedMs = new CpuTime().start();
    for (const name of ["a", "b"]) {
      perform(at, { type: "CREATE", create: { volumes: volumes(name) } });
    }
    expect(workedMs()).toBeLessThan(4000);
    expect(at.agent.orders("applyOperation")).toHaveLength(3);
  });
});

describe("a shared volume that two tasks of a role use", () => {
  test("counts once for them [semantics 4.3]", () => {
    const at = sharingScene("a", "b");
    expect(jsonOf(rolesDocument(at.world.state, EVERYTHING))).toMatchObject({
      roles: [
        {
          name: "db",
          allocated: { cpus: 2, disk: 100, mem: 64 },
          reserved: { disk: 100 },
          quota: { consumed: { disk: 100 } },
        },
      ],
    });
  });
});

describe("a shared volume that two offers hold", () => {
  const shared = { ...volumeOf(100), shared: {} };
  const destroy = (...volumes: Resource[]): OfferOperation => ({
    type: "DESTROY",
    destroy: { volumes },
  });

  /** The second offer is of what a task left behind. */
  function twoOffers(): Scene {
    const at = scene({ capabilities: [...INFO.capabilities, { type: "SHARED_RESOURCES" }] });
    const { world, agent, stream } = at;
    perform(at, RESERVE, { type: "CREATE", create: { volumes: [shared] } });
    world.advance(61_000);
    const offer = lastOffer(stream);
    world.launch(stream, offer, taskFor(offer, "t", "cpus:2;mem:1024"));
    world.advance(61_000);
    agent.work();
    agent.update(stream, "t", "TASK_FINISHED");
    const { task_id, uuid = "" } = lastStatus(stream);
    const agent_id = { value: agent.id ?? "" };
    world.call(stream, { type: "ACKNOWLEDGE", acknowledge: { agent_id, task_id, uuid } });
    world.advance(61_000);
    expect(world.state.offers.size).toBe(2);
    return at;
  }

  test("is not destroyed twice by one operation", () => {
    const at = twoOffers();
    const statuses = perform(at, named(destroy(shared, shared)));
    expect(statuses).toMatchObject([{ state: "OPERATION_ERROR" }]);
    at.world.advance(61_000);
    const sizes = (lastOffer(at.stream).resources ?? []).map(({ scalar }) => scalar?.value);
    expect(sizes).toEqual([4, 900, 100, 4096]);
  });

  test("is destroyed by the first of two", () => {
    const at = twoOffers();
    const statuses = perform(at, destroy(shared), named(destroy(shared)));
    expect(statuses).toMatchObject([{ state: "OPERATION_ERROR" }]);
    at.world.advance(61_000);
    const { resources = [] } = lastOffer(at.stream);
    expect(resources.map(({ scalar }) => scalar?.value)).toEqual([4, 900, 100, 4096]);
    expect(resources.some(({ disk }) => disk !== undefined)).toBe(false);
  });
});

test("no port is reserved twice at once [semantics 5]", () => {
  const world = new World();
  world.addAgent("cpus:4;mem:4096;ports:[31000-31001]", { capabilities: CAPABILITIES });
  const stream = world.subscribe({ ...INFO, roles: ["db"] });
  const labelled = (value: string): Resource[] =>
    resourcesOf("ports:[31000-31001]").map((resource) => ({
      ...resource,
      reservations: [{ ...RESERVED[0], labels: { labels: [{ key: "k", value }] } }],
    }));
  const reserve = (...values: string[]): OfferOperation => ({
    type: "RESERVE",
    reserve: { resources: values.flatMap(labelled) },
  });
  world.accept(stream, [lastOffer(stream)], [named(reserve("a", "b")), reserve("a")]);
  expect(operationStatuses(stream)).toMatchObject([{ state: "OPERATION_ERROR" }]);
  expect(operationStatuses(stream)[0]?.message).toContain("twice");
  world.advance(61_000);
  const ports = (lastOffer(stream).resources ?? []).filter(({ name }) => name === "ports");
  expect(ports).toHaveLength(1);
});

describe("feedback", () => {
  function reservedScene(): Scene & { readonly uuid: string } {
    const at = scene();
    perform(at, named(RESERVE));
    const [order] = at.agent.orders("applyOperation");
    if (order === undefined) throw new Error("an operation is expected");
    at.world.tell(at.agent.link, {
      kind: "operationStatus",
      operation: order.operation,
      status: {
        operation_id: { value: "o" },
        state: "OPERATION_FINISHED",
        uuid: { value: uuidOf("status") },
      },
    });
    return { ...at, uuid: order.operation.uuid };
  }

  const acknowledgement = ({ agent }: Scene, uuid: string) =>
    ({
      type: "ACKNOWLEDGE_OPERATION_STATUS",
      acknowledge_operation_status: {
        agent_id: { value: agent.id ?? "" },
        operation_id: { value: "o" },
        uuid,
      },
    }) as const;

  test("reaches the framework, whose acknowledgement reaches the agent [semantics 5]", () => {
    const at = reservedScene();
    expect(operationStatuses(at.stream)).toMatchObject([
      { state: "OPERATION_FINISHED", uuid: { value: uuidOf("status") } },
    ]);
    at.world.call(at.stream, acknowledgement(at, uuidOf("other")));
    expect(at.agent.orders("acknowledgeOperation")).toEqual([]);
    at.world.call(at.stream, acknowledgement(at, uuidOf("status")));
    expect(at.agent.orders("acknowledgeOperation")).toMatchObject([{ operationUuid: at.uuid }]);
    expect(at.world.state.agents.values().next().value?.operations.size).toBe(0);
  });

  test("an agent that is lost takes its operations along, and says so [semantics 2.6]", () => {
    const at = reservedScene();
    forget(at.stream);
    at.agent.link.answersPings = false;
    at.world.advance(91_000);
    expect(operationStatuses(at.stream)).toMatchObject([{ state: "OPERATION_UNREACHABLE" }]);
  });

  test("an agent that goes in order leaves nothing behind [semantics 2.6]", () => {
    const at = reservedScene();
    forget(at.stream);
    at.world.tell(at.agent.link, { kind: "unregister" });
    expect(operationStatuses(at.stream)).toEqual([]);
    expect(at.world.core.metrics(at.world.nowMs)["master/operations/finished"]).toBe(1);
  });

  test("reconciliation tells what is known, without a uuid [semantics 5]", () => {
    const at = reservedScene();
    const ask = (operations: object[]): OperationStatus[] => {
      forget(at.stream);
      const reconcile_operations = { operations } as never;
      at.world.call(at.stream, { type: "RECONCILE_OPERATIONS", reconcile_operations });
      return operationStatuses(at.stream);
    };
    const known = ask([]);
    expect(known).toMatchObject([{ operation_id: { value: "o" }, state: "OPERATION_FINISHED" }]);
    expect(known[0]?.uuid).toBeUndefined();
    const unknown = { operation_id: { value: "x" } };
    expect(ask([unknown])).toMatchObject([{ state: "OPERATION_UNKNOWN" }]);
    const agent_id = { value: at.agent.id ?? "" };
    expect(ask([{ ...unknown, agent_id }])).toMatchObject([
      { state: "OPERATION_UNKNOWN", agent_id },
    ]);
    at.agent.link.answersPings = false;
    at.world.advance(91_000);
    expect(ask([{ ...unknown, agent_id }])).toMatchObject([{ state: "OPERATION_UNREACHABLE" }]);
    at.world.operatorCall({ type: "MARK_AGENT_GONE", mark_agent_gone: { agent_id } });
    expect(ask([{ ...unknown, agent_id }])).toMatchObject([
      { state: "OPERATION_GONE_BY_OPERATOR" },
    ]);
  });
});

describe("operations of an operator", () => {
  function operate(at: Scene, call: Omit<MasterCall, "type">, type: MasterCall["type"]): unknown {
    return at.world.operatorCall({ ...call, type });
  }

  test("take offers that are in the way and answer at once [semantics 5]", () => {
    const at = scene();
    const agent_id = { value: at.agent.id ?? "" };
    const resources = reserved("cpus:1");
    expect(
      operate(at, { reserve_resources: { agent_id, resources } }, "RESERVE_RESOURCES"),
    ).toEqual(SUCCESS);
    expect(at.stream.events.map(({ type }) => type)).toContain("RESCIND");
    expect(at.agent.orders("applyOperation")).toHaveLength(1);
  });

  test("count on beside what the agent tells before it hears of them", () => {
    const at = scene();
    const agent_id = { value: at.agent.id ?? "" };
    const resources = reserved("cpus:1");
    operate(at, { reserve_resources: { agent_id, resources } }, "RESERVE_RESOURCES");
    at.world.tell(at.agent.link, {
      kind: "resourcesChanged",
      resources: resourcesOf("cpus:4;mem:2048;disk:1000"),
      checkpointedResources: [],
    });
    const [agent] = at.world.state.agents.values();
    const total = agent?.total.toResources() ?? [];
    expect(total).toContainEqual(expect.objectContaining(resources[0] ?? {}));
    expect(agent?.total.scalarMilli("cpus")).toBe(4000);
    expect(agent?.total.scalarMilli("mem")).toBe(2_048_000);
  });

  test("are a conflict when tasks have the resources [http-api 2.3]", () => {
    const at = scene();
    at.world.launch(
      at.stream,
      lastOffer(at.stream),
      taskFor(lastOffer(at.stream), "t", "cpus:4;mem:32"),
    );
    const agent_id = { value: at.agent.id ?? "" };
    const resources = reserved("cpus:1");
    expect(
      operate(at, { reserve_resources: { agent_id, resources } }, "RESERVE_RESOURCES"),
    ).toMatchObject({ error: { code: "conflict" } });
  });

  test("may move a reservation, never change how much there is [semantics 5]", () => {
    const at = scene();
    const agent_id = { value: at.agent.id ?? "" };
    operate(
      at,
      { reserve_resources: { agent_id, resources: reserved("cpus:1") } },
      "RESERVE_RESOURCES",
    );
    const moved = (text: string): Resource[] =>
      resourcesOf(text).map((resource) => ({
        ...resource,
        reservations: [{ type: "DYNAMIC", role: "web" }],
      }));
    const move = (text: string): unknown =>
      operate(
        at,
        { reserve_resources: { agent_id, source: reserved("cpus:1"), resources: moved(text) } },
        "RESERVE_RESOURCES",
      );
    expect(move("cpus:2")).toMatchObject({ error: { code: "invalid" } });
    expect(move("mem:1")).toMatchObject({ error: { code: "invalid" } });
    expect(move("cpus:1")).toEqual(SUCCESS);
  });
});
