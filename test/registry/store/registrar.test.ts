/** The registrar on real files with both engines: durability, group commit, order, failure. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { SqlOpen } from "../../../src/base/ports.ts";
import { openDatabase } from "../../../src/database/database.ts";
import type {
  AgentInfo,
  MachineID,
  MachineInfoMode,
  MasterInfo,
} from "../../../src/protocol/v1/types.ts";
import { applyOperation } from "../../../src/registry/core/registry-operations.ts";
import type {
  RegistryOperation,
  RegistryState,
} from "../../../src/registry/core/registry-state.ts";
import { emptyRegistry, machineKey } from "../../../src/registry/core/registry-state.ts";
import { PENDING_OPERATIONS_MAX } from "../../../src/registry/store/limits.ts";
import { Registrar } from "../../../src/registry/store/registrar.ts";
import { REGISTRY_MIGRATIONS, type RegistrySchema } from "../../../src/registry/store/schema.ts";
import {
  databaseError,
  ENGINES,
  MemoryLog,
  realClock,
  TempFolder,
  withPagesMax,
} from "../../database/support.ts";
import { anyOperation } from "../core/registry-arbitrary.ts";

const agent = (number: number): AgentInfo => ({
  id: { value: `S${number}` },
  hostname: `host${number}`,
});
const admit = (number: number): RegistryOperation => ({ kind: "admitAgent", info: agent(number) });
const master = (number: number): MasterInfo => ({ id: `master-${number}`, ip: 1, port: 5050 });

const machine = (number: number): MachineID => ({ hostname: `m${number}` });
const planned = (count: number): Extract<RegistryOperation, { kind: "updateSchedule" }> => ({
  kind: "updateSchedule",
  schedule: {
    windows: [
      {
        machine_ids: Array.from({ length: count }, (_, number) => machine(number)),
        unavailability: { start: { nanoseconds: 5 } },
      },
    ],
  },
});

/** Insertion order included, which `toEqual` on maps would not see. */
const lists = ({ admitted, unreachable, gone, ...settings }: RegistryState): unknown[] => [
  [...admitted],
  [...unreachable],
  [...gone],
  settings,
];

describe.each([...ENGINES])("the registrar through %s", (_engine, load) => {
  let folder: TempFolder;
  let open: SqlOpen;
  let registrar: Registrar;

  beforeEach(async () => {
    folder = new TempFolder();
    open = await load();
    registrar = await openRegistrar();
  });

  afterEach(async () => {
    await registrar.close();
    folder.remove();
  });

  function openRegistrar(engine: SqlOpen = open, name: string = "registry.db"): Promise<Registrar> {
    const path = folder.file(name);
    return Registrar.open({ path, open: engine, clock: realClock, log: new MemoryLog() });
  }

  async function reopen(): Promise<void> {
    await registrar.close();
    registrar = await openRegistrar();
  }

  test("a new file holds an empty registry", () => {
    expect(registrar.load()).toEqual(emptyRegistry());
    expect(registrar.stats()).toMatchObject({
      transactions: 0,
      queuedOperations: 0,
      lastCommitMs: 0,
    });
  });

  test("what was committed is there after reopening, in its order [DESIGN §5]", async () => {
    await registrar.commit([admit(1), admit(2), admit(3), admit(4)]);
    await registrar.commit([
      { kind: "markAgentUnreachable", agentId: "S3", atMs: 1.5 },
      { kind: "markAgentUnreachable", agentId: "S1", atMs: 2 },
      { kind: "markAgentGone", agentId: "S4", atMs: 3 },
      { kind: "updateAgent", info: { ...agent(2), port: 5051 } },
    ]);
    const before = registrar.load();
    await reopen();
    expect(lists(registrar.load())).toEqual(lists(before));
    expect([...registrar.load().unreachable.keys()]).toEqual(["S3", "S1"]);
  });

  test("pruning that names an agent of another list leaves that agent in its place", async () => {
    await registrar.commit([admit(1), admit(2), admit(3)]);
    await registrar.commit([
      { kind: "markAgentGone", agentId: "S3", atMs: 1 },
      { kind: "prune", unreachable: [], gone: ["S1", "S3"] },
    ]);
    await reopen();
    expect([...registrar.load().admitted.keys()]).toEqual(["S1", "S2"]);
  });

  test("a hundred concurrent commits share few transactions [issue 2.5]", async () => {
    const commits = Array.from({ length: 100 }, (_, number) => registrar.commit([admit(number)]));
    expect(registrar.stats().queuedOperations).toBe(100);
    const results = await Promise.all(commits);
    expect(results.flat()).toEqual(Array(100).fill({ ok: true, value: true }));
    expect(registrar.stats().transactions).toBe(1);
    expect(registrar.stats()).toMatchObject({ completedOperations: 100, queuedOperations: 0 });
  });

  test("more than fits one transaction goes into several, in order", async () => {
    const commits = Array.from({ length: 2_500 }, (_, number) => registrar.commit([admit(number)]));
    await Promise.all(commits);
    expect(registrar.stats().transactions).toBe(5);
    expect([...registrar.load().admitted.keys()].slice(-1)).toEqual(["S2499"]);
  });

  test("a refused operation does not stop its batch [semantics 1.4]", async () => {
    await registrar.commit([admit(1)]);
    const [first, second] = await Promise.all([
      registrar.commit([admit(1), admit(2)]),
      registrar.commit([{ kind: "removeAgent", agentId: "none" }, admit(3)]),
    ]);
    expect([...first, ...second].map((result) => result.ok)).toEqual([false, true, false, true]);
    await reopen();
    expect([...registrar.load().admitted.keys()]).toEqual(["S1", "S2", "S3"]);
  });

  test("a batch that changes nothing costs no transaction", async () => {
    await registrar.commit([admit(1)]);
    await registrar.commit([{ kind: "updateAgent", info: agent(1) }]);
    await registrar.commit([]);
    expect(registrar.stats().transactions).toBe(1);
  });

  test("changing a loaded state changes no one else's", async () => {
    await registrar.commit([admit(1)]);
    registrar.load().admitted.clear();
    expect(registrar.load().admitted.size).toBe(1);
  });

  test("masters are recorded, each once, newest last, the oldest forgotten", async () => {
    for (let number = 0; number < 105; number++) await registrar.putMaster(master(number));
    await registrar.putMaster(master(50));
    await reopen();
    const ids = registrar.masters().map(({ id }) => id);
    expect(ids.slice(-2)).toEqual(["master-104", "master-50"]);
    expect(ids.length).toBeLessThanOrEqual(100);
  });

  test("commits that wait are written by close, later ones are refused", async () => {
    const waiting = registrar.commit([admit(1)]);
    await registrar.close();
    expect(await waiting).toEqual([{ ok: true, value: true }]);
    expect((await databaseError(registrar.commit([admit(2)]))).code).toBe("closed");
    registrar = await openRegistrar();
    expect([...registrar.load().admitted.keys()]).toEqual(["S1"]);
  });

  test("a full disk fails the batch and all after it; the file keeps what was told [semantics 1.4]", async () => {
    const small = await openRegistrar(withPagesMax(open, 24), "small.db");
    let acknowledged = 0;
    const fill = async (): Promise<void> => {
      for (let number = 0; number < 1_000; number++) {
        await small.commit([
          { kind: "admitAgent", info: { ...agent(number), hostname: "h".repeat(900) } },
        ]);
        acknowledged += 1;
      }
    };
    expect((await databaseError(fill())).code).toBe("full");
    expect((await databaseError(small.commit([admit(5_000)]))).code).toBe("full");
    await small.close();
    const again = await openRegistrar(open, "small.db");
    expect(acknowledged).toBeGreaterThan(10);
    expect(again.load().admitted.size).toBe(acknowledged);
    await again.close();
  });

  test("a queue that is full refuses and then recovers", async () => {
    const unknown: RegistryOperation = { kind: "removeAgent", agentId: "none" };
    const full = registrar.commit(Array(PENDING_OPERATIONS_MAX).fill(unknown));
    const error = await databaseError(registrar.commit([admit(1)]));
    expect([error.code, error.isRetriable]).toEqual(["overloaded", true]);
    expect(await full).toHaveLength(PENDING_OPERATIONS_MAX);
    expect(await registrar.commit([admit(1)])).toEqual([{ ok: true, value: true }]);
  });

  test("machines that drain are in the schedule alone, those that are down in rows too", async () => {
    await registrar.commit([planned(3), { kind: "startMaintenance", machines: [machine(1)] }]);
    await registrar.commit([planned(2)]);
    const before = registrar.load();
    await registrar.close();
    const connection = open(folder.file("registry.db"));
    const rows = connection.prepare("SELECT kind, value FROM setting ORDER BY kind").all([]);
    connection.close();
    expect(rows).toMatchObject([{ kind: "machine", value: '"DOWN"' }, { kind: "schedule" }]);
    registrar = await openRegistrar();
    expect(registrar.load()).toEqual(before);
    expect([...before.machines.values()].map(({ mode }) => mode)).toEqual(["DRAINING", "DOWN"]);
  });

  test("a file with a row for every machine is brought forward", async () => {
    const path = folder.file("old.db");
    const migrations = REGISTRY_MIGRATIONS.slice(0, 2);
    const log = new MemoryLog();
    const old = await openDatabase<RegistrySchema>({
      path,
      open,
      migrations,
      log,
      name: "registry",
    });
    const { schedule } = planned(2);
    const put = old.prepare("INSERT INTO setting (kind, key, value) VALUES (?, ?, ?)");
    put.run(["schedule", "", JSON.stringify(schedule)]);
    const modes: MachineInfoMode[] = ["DRAINING", "DOWN"];
    for (const [number, mode] of modes.entries()) {
      const id = machine(number);
      put.run(["machine", machineKey(id), JSON.stringify({ id, mode })]);
    }
    old.close();
    const again = await openRegistrar(open, "old.db");
    const { machines } = again.load();
    await again.close();
    expect([...machines.values()].map(({ mode }) => mode)).toEqual(modes);
  });

  test("a machine that is down and not in the schedule is reported as damage", async () => {
    await registrar.commit([planned(1), { kind: "startMaintenance", machines: [machine(0)] }]);
    await registrar.close();
    const connection = open(folder.file("registry.db"));
    connection.prepare("DELETE FROM setting WHERE kind = 'schedule'").run([]);
    connection.close();
    const error = await databaseError(openRegistrar());
    expect(error.code).toBe("damaged");
    expect(error.message).toContain("machine m0 is down and in no window of the schedule");
  });

  test("a row that is not readable is reported as damage", async () => {
    await registrar.commit([admit(1)]);
    await registrar.close();
    const connection = open(folder.file("registry.db"));
    connection.prepare("UPDATE agent SET info = substr(info, 2)").run([]);
    connection.close();
    const error = await databaseError(openRegistrar());
    expect(error.code).toBe("damaged");
    expect(error.message).toContain("the row of agent S1 is not JSON");
  });

  test("any operations in any grouping are found again exactly [DESIGN §5]", async () => {
    let round = 0;
    const groups = fc.array(fc.array(anyOperation, { maxLength: 8 }), { maxLength: 8 });
    const property = fc.asyncProperty(groups, fc.boolean(), async (commits, isConcurrent) => {
      round += 1;
      const store = await openRegistrar(open, `${round}.db`);
      const model = emptyRegistry();
      const expected = commits.map((group) =>
        group.map((operation) => applyOperation(model, operation)),
      );
      const results: unknown[] = [];
      if (isConcurrent)
        results.push(...(await Promise.all(commits.map((group) => store.commit(group)))));
      else for (const group of commits) results.push(await store.commit(group));
      await store.close();
      const again = await openRegistrar(open, `${round}.db`);
      const found = lists(again.load());
      await again.close();
      expect(results).toEqual(expected);
      expect(found).toEqual(lists(model));
    });
    await fc.assert(property, { numRuns: 60 });
  }, 20_000);
});
