/**
 * Frameworks come and go: every rule of subscribing, failing over, disconnecting and removal, told
 * by what arrives on the streams.
 */
import { describe, expect, test } from "bun:test";
import {
  eventTypes,
  forget,
  lastOffer,
  lastStatus,
  MASTER_ID,
  offersOf,
  SUCCESS,
  statusesOf,
  taskFor,
  World,
} from "./harness.ts";

describe("subscribe", () => {
  test("frameworks are numbered from 0000 [semantics 10.1]", () => {
    const world = new World();
    expect(world.subscribe().frameworkId).toBe(`${MASTER_ID}-0000`);
    expect(world.subscribe().frameworkId).toBe(`${MASTER_ID}-0001`);
  });

  test("SUBSCRIBED names 15 s, then a HEARTBEAT at once and every 15 s [semantics 10.2]", () => {
    const world = new World();
    const stream = world.subscribe();
    expect(stream.events[0]?.subscribed?.heartbeat_interval_seconds).toBe(15);
    expect(stream.events[0]?.subscribed?.master_info?.id).toBe(MASTER_ID);
    expect(eventTypes(stream)).toEqual(["SUBSCRIBED", "HEARTBEAT"]);
    world.advance(14_999);
    expect(eventTypes(stream)).toHaveLength(2);
    world.advance(1);
    expect(eventTypes(stream)).toEqual(["SUBSCRIBED", "HEARTBEAT", "HEARTBEAT"]);
    world.advance(45_000);
    expect(eventTypes(stream)).toHaveLength(6);
  });

  test("an id the master never saw is accepted as it is [semantics 3.1]", () => {
    const world = new World();
    const stream = world.subscribe({ id: { value: "from-before" } });
    expect(stream.frameworkId).toBe("from-before");
    expect(eventTypes(stream)).toEqual(["SUBSCRIBED", "HEARTBEAT"]);
  });

  test("an id of ours that a scheduler brought along is not given out again", () => {
    const world = new World();
    world.subscribe({ id: { value: `${MASTER_ID}-0000` } });
    expect(world.subscribe().frameworkId).toBe(`${MASTER_ID}-0001`);
  });

  const faults: readonly [string, object, object, string][] = [
    [
      "role beside roles",
      { role: "a", roles: ["a"], capabilities: [{ type: "MULTI_ROLE" }] },
      {},
      "'FrameworkInfo.role' must not be set",
    ],
    ["roles without MULTI_ROLE", { roles: ["a"] }, {}, "'FrameworkInfo.roles' must not be set"],
    [
      "a duplicate role",
      { roles: ["a", "a"], capabilities: [{ type: "MULTI_ROLE" }] },
      {},
      "duplicate",
    ],
    [
      "too many roles",
      {
        roles: Array.from({ length: 10_001 }, (_, index) => `r${index}`),
        capabilities: [{ type: "MULTI_ROLE" }],
      },
      {},
      "at most 10000",
    ],
    ["an invalid role", { role: "/a" }, {}, "/a"],
    [
      "more roles than allowed",
      {
        roles: Array.from({ length: 10_001 }, (_, number) => `r${number}`),
        capabilities: [{ type: "MULTI_ROLE" }],
      },
      {},
      "at most 10000",
    ],
    ["an invalid id", { id: { value: "a/b" } }, {}, "must not contain"],
    [
      "an infinite failover_timeout",
      { failover_timeout: Number.POSITIVE_INFINITY },
      {},
      "failover_timeout",
    ],
    [
      "an empty quantity",
      { offer_filters: { "*": { min_allocatable_resources: { quantities: [{}] } } } },
      {},
      "offer_filters",
    ],
    ["a role that is not known", { role: "other" }, {}, "--roles"],
    ["the user root", { user: "root" }, {}, "root"],
    ["a foreign suppressed role", {}, { suppressed_roles: ["b"] }, "Suppressed role 'b'"],
    [
      "a foreign constraint",
      {},
      { offer_constraints: { role_constraints: { b: {} } } },
      "role 'b'",
    ],
  ];
  for (const [what, info, more, text] of faults) {
    test(`${what} ends the stream with ERROR [semantics 3.2 rule 3]`, () => {
      const world = new World({ roles: new Set(["*", "a", "/a"]), isRootSubmissionAllowed: false });
      const stream = world.subscribe(info, more);
      expect(eventTypes(stream)).toEqual(["ERROR"]);
      expect(stream.events[0]?.error?.message).toContain(text);
      expect(stream.isClosed).toBe(true);
      expect(world.state.frameworks.size).toBe(0);
    });
  }

  test("roles are judged before the id [semantics 3.2 rule 3]", () => {
    const stream = new World().subscribe({ role: "/", id: { value: "a/b" } });
    expect(stream.events[0]?.error?.message).toContain("Role");
  });
});

describe("failover", () => {
  test("a second subscribe ends the first stream with ERROR [semantics 10.20]", () => {
    const world = new World();
    world.addAgent();
    const old = world.subscribe({ failover_timeout: 60 });
    const offer = lastOffer(old);
    const stream = world.subscribe({ id: { value: old.frameworkId }, failover_timeout: 60 });
    expect(old.isClosed).toBe(true);
    expect(old.events.at(-1)?.error?.message).toBe("Framework failed over");
    expect(eventTypes(old)).not.toContain("RESCIND");
    expect(eventTypes(stream)).toEqual(["SUBSCRIBED", "HEARTBEAT", "OFFERS"]);
    expect(world.state.offers.has(offer.id.value as never)).toBe(false);
    world.hangUp(old);
    expect(world.state.frameworks.get(old.frameworkId as never)?.streamId).toBe(stream.id);
  });

  test("another principal is refused and the old stream stays [semantics 10.21]", () => {
    const world = new World();
    const old = world.subscribe({ principal: "alice" });
    const stream = world.subscribe({ id: { value: old.frameworkId }, principal: "bob" });
    const message = "Changing framework's principal is not allowed.";
    expect(stream.events[0]?.error?.message).toBe(message);
    expect(old.isClosed).toBe(false);
  });

  test("user and checkpoint silently stay as they were [semantics 10.21]", () => {
    const world = new World();
    const old = world.subscribe({ user: "alice", checkpoint: true });
    world.subscribe({ id: { value: old.frameworkId }, user: "bob", name: "new" });
    const info = world.state.frameworks.get(old.frameworkId as never)?.info;
    expect(info).toMatchObject({ user: "alice", checkpoint: true, name: "new" });
  });

  test("within the failover timeout tasks are kept, later the id is over [semantics 10.19]", () => {
    const world = new World();
    const agent = world.addAgent();
    const first = world.subscribe({ failover_timeout: 60, checkpoint: true });
    world.launch(first, lastOffer(first), taskFor(lastOffer(first), "t"));
    agent.work();
    world.hangUp(first);
    world.advance(59_999);
    const second = world.subscribe({ id: { value: first.frameworkId }, failover_timeout: 60 });
    expect(eventTypes(second)[0]).toBe("SUBSCRIBED");
    expect(world.state.frameworks.get(first.frameworkId as never)?.tasks.size).toBe(1);
    world.advance(120_000);
    expect(world.state.frameworks.size).toBe(1);
    world.hangUp(second);
    world.advance(60_000);
    const third = world.subscribe({ id: { value: first.frameworkId } });
    expect(third.events[0]?.error?.message).toBe("Framework has been removed");
    expect(agent.orders("shutdownFramework")).toHaveLength(1);
  });

  test("a timeout of 0 removes at once and ends the tasks [semantics 10.18]", () => {
    const world = new World();
    const agent = world.addAgent();
    const stream = world.subscribe();
    world.launch(stream, lastOffer(stream), taskFor(lastOffer(stream), "t"));
    agent.work();
    world.hangUp(stream);
    expect(world.state.frameworks.size).toBe(0);
    expect(agent.orders("shutdownFramework")).toEqual([
      { kind: "shutdownFramework", frameworkId: stream.frameworkId },
    ]);
    const completed = world.state.completedFrameworks.get(stream.frameworkId as never);
    const [task] = completed?.completedTasks.items() ?? [];
    expect(task?.state).toBe("TASK_KILLED");
    expect(task?.statuses.at(-1)?.reason).toBe("REASON_FRAMEWORK_REMOVED");
    expect(statusesOf(stream)).toEqual([]);
    const next = world.subscribe();
    expect(offersOf(next)).toHaveLength(1);
  });

  test("only so many completed frameworks and tasks are kept [semantics 10.70]", () => {
    const world = new World({ maxCompletedFrameworks: 3, maxCompletedTasksPerFramework: 2 });
    const agent = world.addAgent();
    for (let index = 0; index < 5; index++) {
      const stream = world.subscribe();
      const offer = lastOffer(stream);
      world.launch(stream, offer, ...["a", "b", "c"].map((id) => taskFor(offer, id)));
      agent.work();
      world.hangUp(stream);
    }
    const kept = [...world.state.completedFrameworks.keys()].map((id) => id.slice(-1));
    expect(kept).toEqual(["2", "3", "4"]);
    const [oldest] = world.state.completedFrameworks.values();
    expect(oldest?.completedTasks.items().map(({ id }) => String(id))).toEqual(["b", "c"]);
  });
});

describe("calls", () => {
  test("stream ids are checked after framework and subscription [semantics 10.3]", () => {
    const world = new World();
    const stream = world.subscribe({ failover_timeout: 60 });
    const revive = { type: "REVIVE" } as const;
    expect(world.call({ id: stream.id, frameworkId: "x" }, revive)).toMatchObject({
      error: { code: "invalid", message: "Framework cannot be found" },
    });
    const request = {
      kind: "schedulerCall",
      requestId: 9999,
      call: { framework_id: { value: stream.frameworkId }, ...revive },
      streamId: undefined,
      principal: undefined,
    } as const;
    expect(world.core.step(request, world.nowMs)[0]).toMatchObject({
      outcome: {
        error: { message: "All non-subscribe calls should include the 'Mesos-Stream-Id' header" },
      },
    });
    const wrong = world.call(stream, revive, "no-such-stream");
    expect(wrong.ok ? "" : wrong.error.message).toBe(
      `The stream ID 'no-such-stream' included in this request didn't match the stream ID currently associated with framework ID ${stream.frameworkId}`,
    );
    world.hangUp(stream);
    expect(world.call(stream, revive)).toMatchObject({
      error: { code: "forbidden", message: "Framework is not subscribed" },
    });
  });

  test("a caller with another principal is refused [semantics 3.2 rule 2]", () => {
    const world = new World();
    const stream = world.subscribe({}, {}, "alice");
    const answer = world.call(stream, { type: "REVIVE" }, stream.id, "bob");
    expect(answer).toMatchObject({ ok: false, error: { code: "invalid" } });
    expect(world.call(stream, { type: "REVIVE" }, stream.id, "alice")).toEqual(SUCCESS);
  });

  test("what needs no action is accepted [semantics 10.4, http-api 4.2]", () => {
    const world = new World();
    const stream = world.subscribe();
    forget(stream);
    const value = { value: "x" };
    expect(world.call(stream, { type: "REQUEST", request: {} })).toEqual(SUCCESS);
    const uuid = "AAAAAAAAAAAAAAAAAAAAAA==";
    const acknowledgement = { agent_id: value, uuid, operation_id: value };
    expect(
      world.call(stream, {
        type: "ACKNOWLEDGE_OPERATION_STATUS",
        acknowledge_operation_status: acknowledgement,
      }),
    ).toEqual(SUCCESS);
    const inverse_offer_ids = [value];
    expect(
      world.call(stream, {
        type: "ACCEPT_INVERSE_OFFERS",
        accept_inverse_offers: { inverse_offer_ids },
      }),
    ).toEqual(SUCCESS);
    expect(
      world.call(stream, {
        type: "DECLINE_INVERSE_OFFERS",
        decline_inverse_offers: { inverse_offer_ids },
      }),
    ).toEqual(SUCCESS);
    expect(stream.events).toEqual([]);
  });

  test("TEARDOWN closes the stream and completes the framework [semantics 3.3]", () => {
    const world = new World();
    const stream = world.subscribe({ failover_timeout: 60 });
    expect(world.call(stream, { type: "TEARDOWN" })).toEqual(SUCCESS);
    expect(stream.isClosed).toBe(true);
    expect(world.state.completedFrameworks.size).toBe(1);
  });

  test("an operator may tear down what exists [http-api 6.2]", () => {
    const world = new World();
    const stream = world.subscribe();
    expect(world.operatorTeardown("x")).toMatchObject({
      error: {
        code: "invalid",
        message: expect.stringContaining("No framework found with specified ID"),
      },
    });
    expect(world.operatorTeardown(stream.frameworkId)).toEqual(SUCCESS);
    expect(stream.isClosed).toBe(true);
  });
});

describe("update of a framework", () => {
  const multiRole = { roles: ["a", "b"], capabilities: [{ type: "MULTI_ROLE" }] } as const;

  test("what may not change is refused, the rest is taken over [semantics 3.4]", () => {
    const world = new World();
    const stream = world.subscribe({ ...multiRole, user: "alice" });
    const id = { value: stream.frameworkId };
    const refused = world.call(stream, {
      type: "UPDATE_FRAMEWORK",
      update_framework: { framework_info: { ...multiRole, id, user: "bob", name: "new" } },
    });
    expect(refused.ok ? "" : refused.error.message).toStartWith(
      "FrameworkInfo update is not valid: ",
    );
    const invalid = world.call(stream, {
      type: "UPDATE_FRAMEWORK",
      update_framework: {
        framework_info: { ...multiRole, id, user: "alice", name: "n", roles: [""] },
      },
    });
    expect(invalid.ok ? "" : invalid.error.message).toStartWith(
      "Supplied FrameworkInfo is not valid: ",
    );
    const taken = world.call(stream, {
      type: "UPDATE_FRAMEWORK",
      update_framework: { framework_info: { ...multiRole, id, user: "alice", name: "new" } },
    });
    expect(taken).toEqual(SUCCESS);
    expect(world.state.frameworks.get(stream.frameworkId as never)?.info.name).toBe("new");
  });

  test("offers of a role that is left are rescinded, agents hear of it [semantics 3.4]", () => {
    const world = new World();
    const agent = world.addAgent();
    const stream = world.subscribe(multiRole);
    const offer = lastOffer(stream);
    const left = offer.allocation_info?.role;
    const kept = left === "a" ? "b" : "a";
    world.call(stream, {
      type: "UPDATE_FRAMEWORK",
      update_framework: {
        framework_info: {
          ...multiRole,
          id: { value: stream.frameworkId },
          user: "nobody",
          name: "test",
          roles: [kept],
        },
      },
    });
    expect(stream.events.at(-2)?.rescind?.offer_id).toEqual(offer.id);
    expect(lastOffer(stream).allocation_info?.role).toBe(kept);
    expect(agent.orders("updateFramework")).toEqual([]);
    world.launch(stream, lastOffer(stream), taskFor(lastOffer(stream), "t"));
    expect(agent.orders("runTask")).toHaveLength(1);
    expect(() => lastStatus(stream)).toThrow();
  });
});
