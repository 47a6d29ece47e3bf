/**
 * Opening, refusing, migrating and bounding a database file, on real files with both engines. The
 * files are made by the code under test and then changed as a crash, a mistake or a newer program
 * would change them.
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import type { SqlOpen } from "../../src/base/ports.ts";
import { type Database, openDatabase } from "../../src/database/database.ts";
import type { DatabaseName } from "../../src/database/identity.ts";
import { WAL_BYTES_MAX } from "../../src/database/limits.ts";
import type { Migration } from "../../src/database/migrate.ts";
import { databaseError, ENGINES, MemoryLog, TempFolder, withPagesMax } from "./support.ts";

interface NoteSchema {
  note: { id: number; text: string };
}

const FIRST: Migration = {
  name: "table of notes",
  up: async (database) => {
    await database.schema
      .createTable("note")
      .addColumn("id", "integer", (column) => column.primaryKey())
      .addColumn("text", "text", (column) => column.notNull())
      .execute();
  },
};

const SECOND: Migration = {
  name: "notes get a colour",
  up: async (database) => {
    await database.schema.alterTable("note").addColumn("colour", "text").execute();
  },
};

const FAILING: Migration = {
  name: "half a change",
  up: async (database) => {
    await database.schema.createTable("half").addColumn("id", "integer").execute();
    await database.schema.createTable("note").addColumn("id", "integer").execute();
  },
};

describe.each([...ENGINES])("a database file through %s", (_engine, load) => {
  let folder: TempFolder;
  let open: SqlOpen;
  let log: MemoryLog;
  const opened: Database<NoteSchema>[] = [];

  beforeEach(async () => {
    folder = new TempFolder();
    open = await load();
    log = new MemoryLog();
  });

  afterEach(() => {
    for (const database of opened.splice(0)) database.close();
    folder.remove();
  });

  async function openNotes(
    options: { migrations?: Migration[]; name?: DatabaseName; path?: string; open?: SqlOpen } = {},
  ): Promise<Database<NoteSchema>> {
    const database = await openDatabase<NoteSchema>({
      path: folder.file("notes.db"),
      open,
      migrations: [FIRST],
      log,
      name: "registry",
      ...options,
    });
    opened.push(database);
    return database;
  }

  function addNote(database: Database<NoteSchema>, text: string): void {
    database.transaction(() => {
      database.prepare("INSERT INTO note (text) VALUES (?)").run([text]);
    });
  }

  function texts(database: Database<NoteSchema>): string[] {
    const query = database.query.selectFrom("note").select("text").orderBy("id");
    return database.all(query).map(({ text }) => text);
  }

  describe("opening", () => {
    test("runs with a write-ahead log and a flush for each commit [DESIGN §5]", async () => {
      const database = await openNotes();
      const setting = (name: string): unknown => database.prepare(`PRAGMA ${name}`).all([]);
      expect(setting("journal_mode")).toEqual([{ journal_mode: "wal" }]);
      expect(setting("synchronous")).toEqual([{ synchronous: 2 }]);
      expect(setting("foreign_keys")).toEqual([{ foreign_keys: 1 }]);
      expect(setting("locking_mode")).toEqual([{ locking_mode: "exclusive" }]);
      expect(setting("journal_size_limit")).toEqual([{ journal_size_limit: WAL_BYTES_MAX }]);
    });

    test("keeps folder, file and log from other users", async () => {
      const path = folder.file("deep/private/notes.db");
      addNote(await openNotes({ path }), "secret");
      const mode = (of: string): number => statSync(of).mode & 0o777;
      expect(mode(folder.file("deep/private"))).toBe(0o700);
      expect([path, `${path}-wal`].map(mode)).toEqual([0o600, 0o600]);
    });

    test("takes the rights of others from a file that was restored with them", async () => {
      (await openNotes()).close();
      writeFileSync(folder.file("b.db"), readFileSync(folder.file("notes.db")), { mode: 0o644 });
      await openNotes({ path: folder.file("b.db") });
      expect(statSync(folder.file("b.db")).mode & 0o777).toBe(0o600);
    });

    test("finds again what was written, and leaves one file after a clean stop", async () => {
      const database = await openNotes();
      addNote(database, "kept");
      database.close();
      expect(readdirSync(folder.path)).toEqual(["notes.db"]);
      expect(texts(await openNotes())).toEqual(["kept"]);
    });

    test("refuses a file that this process has open already", async () => {
      await openNotes();
      const error = await databaseError(openNotes());
      expect(error.code).toBe("locked");
      expect(error.isRetriable).toBe(true);
      expect(error.message).toContain(`${folder.file("notes.db")} is in use by another process`);
      expect(error.message).toContain("--work_dir");
    });

    test("refuses a database of another program and leaves it as it was", async () => {
      const path = folder.file("foreign.db");
      const foreign = open(path);
      foreign.prepare("CREATE TABLE bookmark (url TEXT)").run([]);
      foreign.close();
      const before = readFileSync(path);
      const error = await databaseError(openNotes({ path }));
      expect(error.code).toBe("foreign");
      expect(error.message).toContain(`${path} is a database of another program`);
      expect(readFileSync(path)).toEqual(before);
    });

    test("refuses a file of its own program but of another kind", async () => {
      (await openNotes({ name: "checkpoint" })).close();
      const error = await databaseError(openNotes({ name: "registry" }));
      expect(error.code).toBe("foreign");
      expect(error.message).toContain("is the checkpoint of allot, not the registry");
    });

    test("refuses a file that is no database and leaves it as it was", async () => {
      const path = folder.file("letter.txt");
      writeFileSync(path, "Dear Sir or Madam, ".repeat(100));
      const error = await databaseError(openNotes({ path }));
      expect(error.code).toBe("foreign");
      expect(error.message).toContain("choose another --work_dir");
      expect(readFileSync(path, "utf8")).toStartWith("Dear Sir");
    });

    test("refuses a folder in the place of the file, and a file in the place of its folder", async () => {
      mkdirSync(folder.file("notes.db"));
      expect((await databaseError(openNotes())).code).toBe("unwritable");
      writeFileSync(folder.file("plain"), "");
      const inside = openNotes({ path: folder.file("plain/notes.db") });
      expect((await databaseError(inside)).code).toBe("unwritable");
    });
  });

  describe("a damaged file", () => {
    const PAGE_BYTES = 4096;

    async function fill(): Promise<Uint8Array> {
      const database = await openNotes();
      for (let number = 0; number < 20; number++) addNote(database, "note ".repeat(500));
      database.close();
      return readFileSync(folder.file("notes.db"));
    }

    test("is refused whichever of its tree pages is overwritten", async () => {
      const whole = await fill();
      expect(whole.length / PAGE_BYTES).toBeGreaterThan(5);
      for (const page of [0, 1, 2]) {
        const bytes = new Uint8Array(whole);
        bytes.fill(0xa5, page * PAGE_BYTES + (page === 0 ? 100 : 0), (page + 1) * PAGE_BYTES);
        writeFileSync(folder.file("notes.db"), bytes);
        const error = await databaseError(openNotes());
        expect(error.code, `page ${page}`).toBe("damaged");
        expect(error.message).toContain(`${folder.file("notes.db")} is damaged`);
        expect(error.message).toContain("restore a copy of it");
      }
    });

    test("is refused when its end is missing", async () => {
      const whole = await fill();
      writeFileSync(folder.file("notes.db"), whole.subarray(0, 3 * PAGE_BYTES));
      expect((await databaseError(openNotes())).code).toBe("damaged");
    });

    test("is refused when flipped bits break its structure, with the backup to restore", async () => {
      const whole = new Uint8Array(await fill());
      const place = 1 * PAGE_BYTES + 3;
      whole[place] = (whole[place] ?? 0) ^ 0x7f;
      writeFileSync(folder.file("notes.db"), whole);
      for (const version of [2, 10]) writeFileSync(folder.file(`notes.db.v${version}.backup`), "");
      const error = await databaseError(openNotes());
      expect(error.code).toBe("damaged");
      expect(error.message).toContain(`restore ${folder.file("notes.db.v10.backup")} in its place`);
    });
  });

  describe("migration", () => {
    test("runs forward and keeps a copy of the file as it was", async () => {
      const old = await openNotes();
      addNote(old, "from version 1");
      old.close();
      const database = await openNotes({ migrations: [FIRST, SECOND] });
      expect(database.prepare("SELECT text, colour FROM note").all([])).toEqual([
        { text: "from version 1", colour: null },
      ]);
      const copy = folder.file("notes.db.v1.backup");
      expect(statSync(copy).mode & 0o777).toBe(0o600);
      expect(existsSync(`${copy}.partial`)).toBe(false);
      copyFileSync(copy, folder.file("restored.db"));
      expect(texts(await openNotes({ path: folder.file("restored.db") }))).toEqual([
        "from version 1",
      ]);
    });

    test("of a new file makes no copy", async () => {
      await openNotes({ migrations: [FIRST, SECOND] });
      expect(readdirSync(folder.path).filter((name) => name.includes("backup"))).toEqual([]);
    });

    test("is undone as a whole when it fails, and can be tried again", async () => {
      const old = await openNotes();
      addNote(old, "still here");
      old.close();
      const error = await databaseError(openNotes({ migrations: [FIRST, FAILING] }));
      expect(error.message).toContain("migration 2 (half a change) failed and was undone");
      const database = await openNotes({ migrations: [FIRST, SECOND] });
      expect(texts(database)).toEqual(["still here"]);
      expect(database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'half'").all([])).toEqual(
        [],
      );
    });

    test("refuses a file of a newer version, and tells of the copy that fits", async () => {
      (await openNotes()).close();
      (await openNotes({ migrations: [FIRST, SECOND] })).close();
      const before = readFileSync(folder.file("notes.db"));
      const error = await databaseError(openNotes());
      expect(error.code).toBe("newer");
      expect(error.message).toContain("schema version 2, this one knows up to 1");
      expect(error.message).toContain(`restore ${folder.file("notes.db.v1.backup")}`);
      expect(readFileSync(folder.file("notes.db"))).toEqual(before);
    });
  });

  describe("a transaction", () => {
    test("leaves nothing behind when its work throws", async () => {
      const database = await openNotes();
      const work = (): void => {
        database.prepare("INSERT INTO note (text) VALUES ('lost')").run([]);
        throw new RangeError("changed my mind");
      };
      expect(() => database.transaction(work)).toThrow("changed my mind");
      addNote(database, "kept");
      expect(texts(database)).toEqual(["kept"]);
    });

    test("inside another, or one that waits, is a broken invariant", async () => {
      const database = await openNotes();
      const nested = (): void => database.transaction(() => database.transaction(() => {}));
      expect(nested).toThrow(/inside another/);
      const waiting = (): unknown => database.transaction(async () => {});
      expect(waiting).toThrow(/waits for a promise/);
      addNote(database, "both were undone");
      expect(texts(database)).toEqual(["both were undone"]);
    });

    test("on a full disk fails as such, and works again when there is space", async () => {
      const database = await openNotes({ open: withPagesMax(open, 20) });
      const fill = (): void => {
        for (let number = 0; number < 100; number++) addNote(database, "x".repeat(2_000));
      };
      expect(fill).toThrow(expect.objectContaining({ code: "full", isRetriable: true }));
      const count = texts(database).length;
      database.prepare("PRAGMA max_page_count = 1000").all([]);
      addNote(database, "fits");
      expect(texts(database)).toHaveLength(count + 1);
    });

    test("that breaks a rule of the schema is a fault of its own kind", async () => {
      const database = await openNotes();
      const work = (): unknown =>
        database.transaction(() =>
          database.prepare("INSERT INTO note (text) VALUES (NULL)").run([]),
        );
      expect(work).toThrow(expect.objectContaining({ code: "constraint" }));
    });
  });

  describe("a query", () => {
    test("through Kysely reads, writes and counts", async () => {
      const { query } = await openNotes();
      const inserted = await query
        .insertInto("note")
        .values({ id: 7, text: "a" })
        .executeTakeFirst();
      expect([inserted.numInsertedOrUpdatedRows, inserted.insertId]).toEqual([1n, 7n]);
      const changed = await query.updateTable("note").set({ text: "b" }).executeTakeFirst();
      expect(changed.numUpdatedRows).toBe(1n);
      expect(await query.selectFrom("note").selectAll().execute()).toEqual([{ id: 7, text: "b" }]);
    });

    test("neither waits in a transaction nor streams, as both would block the writers", async () => {
      const { query } = await openNotes();
      const waiting = query.transaction().execute(async () => {});
      expect((await databaseError(waiting)).message).toContain("Database.transaction");
      const streaming = query.selectFrom("note").selectAll().stream().next();
      expect((await databaseError(streaming)).message).toContain("pages by key");
    });

    test("on a closed file is refused", async () => {
      const database = await openNotes();
      database.close();
      expect(() => texts(database)).toThrow(expect.objectContaining({ code: "closed" }));
      expect(() => addNote(database, "x")).toThrow(expect.objectContaining({ code: "closed" }));
    });
  });

  describe("the write-ahead log", () => {
    const walBytes = (): number => statSync(folder.file("notes.db-wal")).size;

    test("stays below its bound under a writer that never pauses [issue 2.5]", async () => {
      const database = await openNotes();
      let longest = 0;
      for (let number = 0; number < 800; number++) {
        addNote(database, "x".repeat(60_000));
        longest = Math.max(longest, walBytes());
      }
      expect(database.fileBytes()).toBeGreaterThan(2 * WAL_BYTES_MAX);
      expect(longest).toBeLessThanOrEqual(WAL_BYTES_MAX);
    }, 60_000);

    test("is cut after a transaction that is larger than its bound", async () => {
      const database = await openNotes();
      database.transaction(() => {
        const insert = database.prepare("INSERT INTO note (text) VALUES (?)");
        for (let number = 0; number < 400; number++) insert.run(["x".repeat(60_000)]);
      });
      expect(walBytes()).toBe(0);
      expect(texts(database)).toHaveLength(400);
    }, 60_000);
  });
});
