/** Copies of registry files: what is in them stays, what is broken is told, what is there is not lost. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import type { SqlOpen } from "../../../src/base/ports.ts";
import { openDatabase } from "../../../src/database/database.ts";
import type { RegistryOperation } from "../../../src/registry/core/registry-state.ts";
import { emptyRegistry } from "../../../src/registry/core/registry-state.ts";
import { encodeEntry, encodeSnapshot } from "../../../src/registry/store/log-entries.ts";
import { Registrar } from "../../../src/registry/store/registrar.ts";
import {
  copyRegistryFile,
  readRegistryFile,
  restoreRegistryFile,
  writeRegistryFileInTurns,
} from "../../../src/registry/store/registry-copies.ts";
import { RegistryFile } from "../../../src/registry/store/registry-file.ts";
import { differenceOf, faultsOf, replayLog } from "../../../src/registry/store/registry-image.ts";
import { REGISTRY_MIGRATIONS } from "../../../src/registry/store/schema.ts";
import type { LogContent } from "../../../src/registry/store/shared-log.ts";
import {
  databaseError,
  ENGINES,
  MemoryLog,
  realClock,
  TempFolder,
} from "../../database/support.ts";

const admit = (number: number): RegistryOperation => ({
  kind: "admitAgent",
  info: { id: { value: `S${number}` }, hostname: `host${number}` },
});
const NO_WISH = { isForced: false, isAlone: false } as const;

describe.each([...ENGINES])("copies of registry files through %s", (_engine, load) => {
  let folder: TempFolder;
  let open: SqlOpen;

  beforeEach(async () => {
    folder = new TempFolder();
    open = await load();
  });
  afterEach(() => folder.remove());

  const parts = () => ({ open, log: new MemoryLog() });
  const registrarAt = (path: string): Promise<Registrar> =>
    Registrar.open({ path, ...parts(), clock: realClock });

  async function registryOf(name: string, ...numbers: number[]): Promise<string> {
    const path = folder.file(name);
    const registrar = await registrarAt(path);
    await registrar.commit(numbers.map(admit));
    await registrar.close();
    return path;
  }

  test("a copy made while a master writes is consistent, and of that moment", async () => {
    const path = folder.file("live/registry.db");
    const registrar = await registrarAt(path);
    await registrar.commit([admit(1), admit(2)]);
    const copy = folder.file("copies/copy.db");
    const later = registrar.commit([admit(3)]);
    const made = await registrar.image();
    await later;
    let turns = 0;
    await writeRegistryFileInTurns(parts(), copy, made, async () => {
      turns += 1;
      await registrar.commit([admit(3 + turns)]);
    });
    expect(turns).toBe(1);
    // The master's own file is in use, and says by whom.
    const busy = await databaseError(readRegistryFile(parts(), path));
    expect(busy.code).toBe("locked");
    const image = await readRegistryFile(parts(), copy);
    expect([...image.state.admitted.keys()]).toEqual(["S1", "S2"]);
    expect(image.cluster).toMatch(/^[0-9a-f]{32}$/);
    expect(faultsOf(image)).toEqual([]);
    await registrar.close();
  });

  test("reading changes nothing, not even an old schema", async () => {
    const path = folder.file("old/registry.db");
    const old = await openDatabase({
      path,
      ...parts(),
      migrations: REGISTRY_MIGRATIONS.slice(0, 2),
      name: "registry",
    });
    old.close();
    const before = readFileSync(path);
    expect((await readRegistryFile(parts(), path)).state.admitted.size).toBe(0);
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  test("what is no registry, is not there or is broken is told by name", async () => {
    const missing = await databaseError(readRegistryFile(parts(), folder.file("nothing.db")));
    expect([missing.code, existsSync(folder.file("nothing.db"))]).toEqual(["missing", false]);
    writeFileSync(folder.file("text.db"), "hello ".repeat(1000));
    expect((await databaseError(readRegistryFile(parts(), folder.file("text.db")))).code).toBe(
      "foreign",
    );
    const path = await registryOf(
      "broken/registry.db",
      ...Array.from({ length: 300 }, (_, n) => n),
    );
    const bytes = readFileSync(path);
    bytes.fill(0x5a, 3 * 4096, 4 * 4096);
    writeFileSync(path, bytes);
    const broken = await databaseError(readRegistryFile(parts(), path));
    expect([broken.code, broken.message]).toEqual(["damaged", expect.stringContaining(path)]);
  });

  test("a row that contradicts the others is damage", async () => {
    const path = await registryOf("odd/registry.db", 1);
    const connection = open(path);
    connection.prepare("UPDATE agent SET drain = '{}'").run([]);
    connection.close();
    const odd = await databaseError(readRegistryFile(parts(), path));
    expect(odd.message).toContain("agent S1 drains and is not deactivated");
  });

  test("restored, a master starts with what it had; what is there is only replaced when told to", async () => {
    const source = await registryOf("source/registry.db", 1, 2);
    copyRegistryFile(parts(), source, folder.file("backup.db"));
    const image = await readRegistryFile(parts(), folder.file("backup.db"));
    const target = folder.file("target/registry.db");
    const aside = folder.file("target/aside.db");
    const restore = (wish: { isForced: boolean; isAlone: boolean }) =>
      restoreRegistryFile(parts(), target, image, { ...wish, aside });
    expect(await restore(NO_WISH)).toEqual({ ok: true, value: false });
    const restored = await registrarAt(target);
    expect([...restored.load().admitted.keys()]).toEqual(["S1", "S2"]);
    await restored.commit([admit(3)]);
    expect((await databaseError(restore(NO_WISH))).code).toBe("locked");
    await restored.close();
    expect(await restore(NO_WISH)).toMatchObject({ ok: false, error: { code: "conflict" } });
    expect(await restore({ ...NO_WISH, isForced: true })).toEqual({ ok: true, value: true });
    expect((await readRegistryFile(parts(), target)).state.admitted.size).toBe(2);
    expect((await readRegistryFile(parts(), aside)).state.admitted.size).toBe(3);
  });

  test("one of several masters is restored through the log, unless it leaves the others", async () => {
    const image = await readRegistryFile(parts(), await registryOf("source/registry.db", 1));
    const target = folder.file("target/registry.db");
    const file = await RegistryFile.open({ path: target, ...parts() });
    file.ensureCluster();
    file.write([], { mark: { position: 7, hash: "x" } });
    file.close();
    const restore = (isAlone: boolean) =>
      restoreRegistryFile(parts(), target, image, {
        isForced: true,
        isAlone,
        aside: `${target}.a`,
      });
    const refused = await restore(false);
    expect(refused.ok === false && refused.error.message).toContain("--zk");
    expect(await restore(true)).toEqual({ ok: true, value: false });
    await (await registrarAt(target)).close();
  });

  test("what cannot be read is kept aside as it is", async () => {
    const image = await readRegistryFile(parts(), await registryOf("source/registry.db", 1));
    const target = folder.file("damaged.db");
    writeFileSync(target, "no database ".repeat(1000));
    const aside = folder.file("aside.db");
    const refused = await restoreRegistryFile(parts(), target, image, { ...NO_WISH, aside });
    expect(refused.ok === false && refused.error.message).toContain("--force");
    const wish = { isForced: true, isAlone: false, aside };
    expect(await restoreRegistryFile(parts(), target, image, wish)).toEqual({
      ok: true,
      value: true,
    });
    expect(readFileSync(aside, "utf8")).toStartWith("no database");
    expect((await readRegistryFile(parts(), target)).state.admitted.size).toBe(1);
  });
});

describe("a log", () => {
  const seed = { position: 1, hash: "seed" };
  const snapshot = encodeSnapshot({ state: emptyRegistry(), mark: seed, cluster: "c" });
  const first = encodeEntry(seed, { operations: [admit(1)], masters: [] });
  const second = encodeEntry(first.mark, {
    operations: [admit(2)],
    masters: [{ id: "M", ip: 1, port: 1 }],
  });
  const content: LogContent = {
    snapshot,
    entries: [
      { position: 2, bytes: first.bytes },
      { position: 3, bytes: second.bytes },
    ],
  };
  const entries = content.entries;

  test("is read from its snapshot to its last entry", () => {
    const image = replayLog(content);
    expect(image).toMatchObject({ ok: true, value: { cluster: "c", mark: second.mark } });
    expect(image.ok && [...image.value.state.admitted.keys()]).toEqual(["S1", "S2"]);
    expect(replayLog({ entries: [] })).toMatchObject({ ok: false, error: { code: "notFound" } });
  });

  test("with a gap, a broken hash or an entry that does not apply is told by its entry", () => {
    const faultOf = (broken: LogContent["entries"]): string => {
      const image = replayLog({ snapshot, entries: broken });
      return image.ok ? "" : image.error.message;
    };
    expect(faultOf(entries.slice(1))).toContain("entry 2 of the registry's log is missing");
    const twice = encodeEntry(first.mark, { operations: [admit(1)], masters: [] });
    expect(faultOf([...entries.slice(0, 1), { position: 3, bytes: twice.bytes }])).toContain(
      "entry 3 of the registry's log does not apply",
    );
    const other = encodeEntry({ position: 2, hash: "another" }, { operations: [], masters: [] });
    expect(faultOf([...entries.slice(0, 1), { position: 3, bytes: other.bytes }])).toContain(
      "entry 3 of the registry's log does not follow",
    );
  });

  test("and a copy: behind it is sound, beside it is not", () => {
    const log = replayLog(content);
    const behind = replayLog({ snapshot, entries: entries.slice(0, 1) });
    if (!log.ok || !behind.ok) throw new Error("the log cannot be read");
    const difference = (copy: typeof log.value): string | undefined =>
      differenceOf(copy, log.value, content);
    expect([difference(log.value), difference(behind.value)]).toEqual([undefined, undefined]);
    const mark = { position: 2, hash: "another" };
    expect(difference({ ...behind.value, mark })).toContain("entry 2 of the log is another");
    expect(difference({ ...log.value, cluster: "d" })).toContain("cluster d");
    expect(difference({ ...log.value, state: behind.value.state })).toContain("something else");
    const ahead = { ...log.value, mark: { position: 9, hash: "x" } };
    expect(difference(ahead)).toContain("the log ends with entry 3");
    expect(faultsOf({ ...log.value, cluster: undefined })).toHaveLength(1);
  });
});
