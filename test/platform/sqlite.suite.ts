/**
 * What every SQLite engine behind the seam must do alike: the same calls, the same answers, the
 * same refusals. Run once per engine; each rule here is one the engines differ in by themselves, or
 * one that the code above relies on.
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SqlConnection, SqlOpen, SqlValue } from "../../src/base/ports.ts";

/** Declares the suite for one engine. */
export function describeSqlite(engine: string, load: () => Promise<SqlOpen>): void {
  describe(`SQLite through ${engine}`, () => {
    let folder: string;
    let connection: SqlConnection;

    beforeEach(async () => {
      folder = mkdtempSync(join(tmpdir(), "allot-sqlite-"));
      connection = (await load())(join(folder, "a.db"));
      run("CREATE TABLE thing (id INTEGER PRIMARY KEY, name TEXT UNIQUE, data BLOB) STRICT");
    });

    afterEach(() => {
      connection.close();
      rmSync(folder, { recursive: true });
    });

    function run(sql: string, ...parameters: SqlValue[]): { changes: number } {
      return connection.prepare(sql).run(parameters);
    }

    function all(sql: string, ...parameters: SqlValue[]): unknown[] {
      return connection.prepare(sql).all(parameters);
    }

    /** Passes what the types forbid, as a careless cast would. */
    function bindUntyped(value: unknown): unknown[] {
      return all("SELECT ? AS value", value as SqlValue);
    }

    test("values come back as they were bound", () => {
      const blob = new Uint8Array([0, 1, 255]);
      for (const value of ["", "ä€😀", 0, -1, 1.5, 2 ** 40, null, blob, new Uint8Array(0)]) {
        expect(all("SELECT ? AS value", value)).toEqual([{ value }]);
      }
    });

    test("integers are stored as integers and fractions as reals [stack §3]", () => {
      const kinds = [5, -5, 0, 2 ** 40, Number.MAX_SAFE_INTEGER, 1.5].map((value) =>
        all("SELECT typeof(?) AS kind", value),
      );
      const integer = [{ kind: "integer" }];
      expect(kinds).toEqual([integer, integer, integer, integer, integer, [{ kind: "real" }]]);
    });

    test("integers divide as integers whichever engine binds them", () => {
      expect(all("SELECT ? / 2 AS half", 5)).toEqual([{ half: 2 }]);
    });

    test("booleans, undefined, bigints, dates and objects are refused by name [stack §3]", () => {
      for (const value of [true, false, undefined, 1n, new Date(0), {}, [], Symbol("s")]) {
        expect(() => bindUntyped(value)).toThrow(/parameter 1 is a/);
      }
    });

    test("numbers that SQLite would store inexactly are refused [stack §3]", () => {
      for (const value of [2 ** 53, -(2 ** 53), 1e300, Number.NaN, Infinity, -Infinity]) {
        expect(() => bindUntyped(value)).toThrow(/parameter 1 is not a number below 2\^53/);
      }
    });

    test("integers beyond 2^53 in the file are refused instead of rounded [stack §3]", () => {
      expect(() => all("SELECT 9007199254740993 AS big")).toThrow(/column big/);
      expect(() => all("SELECT -9223372036854775808 AS low")).toThrow(/column low/);
      expect(all("SELECT 9007199254740991 AS edge")).toEqual([{ edge: Number.MAX_SAFE_INTEGER }]);
    });

    test("blobs are plain Uint8Arrays, also from a part of a buffer [stack §3]", () => {
      const whole = new Uint8Array([1, 2, 3, 4]);
      run("INSERT INTO thing (data) VALUES (?)", whole.subarray(1, 3));
      const [row] = all("SELECT data FROM thing") as { data: Uint8Array }[];
      expect(row?.data.constructor).toBe(Uint8Array);
      expect(row?.data).toEqual(new Uint8Array([2, 3]));
    });

    test("text keeps a zero character", () => {
      run("INSERT INTO thing (name) VALUES (?)", "a\0b");
      expect(all("SELECT name FROM thing WHERE name = ?", "a\0b")).toEqual([{ name: "a\0b" }]);
    });

    test("text with half of a surrogate pair is refused instead of changed", () => {
      for (const text of ["\ud800", "a\udc00b"]) {
        expect(() => all("SELECT ? AS value", text)).toThrow(/parameter 1 holds half/);
      }
    });

    test("a statement takes exactly as many values as it has places", () => {
      expect(() => all("SELECT ? AS a, ? AS b", 1)).toThrow();
      expect(() => all("SELECT ? AS a", 1, 2)).toThrow();
    });

    test("changed rows and the newest row id are counted", () => {
      const insert = connection.prepare("INSERT INTO thing (name) VALUES (?), (?)");
      const inserted = insert.run(["a", "b"]);
      expect([inserted.changes, Number(inserted.lastInsertRowid)]).toEqual([2, 2]);
      expect(run("UPDATE thing SET data = NULL").changes).toBe(2);
      expect(run("DELETE FROM thing WHERE id = ?", 99).changes).toBe(0);
    });

    test("RETURNING makes a write a reader", () => {
      const insert = connection.prepare("INSERT INTO thing (name) VALUES (?) RETURNING id");
      expect(insert.reader).toBe(true);
      expect(insert.all(["a"])).toEqual([{ id: 1 }]);
    });

    test("reading from a statement without rows is refused", () => {
      const deletion = connection.prepare("DELETE FROM thing");
      expect(deletion.reader).toBe(false);
      expect(() => deletion.all([])).toThrow(/returns no rows/);
      expect(() => deletion.iterate([])).toThrow(/returns no rows/);
    });

    test("only the first of several statements is never run in silence", () => {
      expect(() => connection.prepare("SELECT 1; DELETE FROM thing")).toThrow(/more than one/);
      expect(all("SELECT ';x' AS text; ")).toEqual([{ text: ";x" }]);
      expect(() => connection.prepare("")).toThrow();
    });

    test("numbered and named parameters are refused, texts that look so are not", () => {
      for (const sql of ["SELECT ?1", "SELECT :name", "SELECT @name", "SELECT $name"]) {
        expect(() => connection.prepare(sql)).toThrow(/plain \?/);
      }
      expect(all("SELECT ':name' AS text -- $x")).toEqual([{ text: ":name" }]);
    });

    test("a trigger may hold statements of its own", () => {
      run(`CREATE TRIGGER copy AFTER INSERT ON thing BEGIN
        UPDATE thing SET data = x'01' WHERE id = new.id; SELECT 1; END`);
      run("INSERT INTO thing (name) VALUES ('a')");
      expect(all("SELECT hex(data) AS hex FROM thing")).toEqual([{ hex: "01" }]);
    });

    test("errors carry SQLite's own code", () => {
      run("INSERT INTO thing (name) VALUES ('a')");
      const again = (): unknown => run("INSERT INTO thing (name) VALUES ('a')");
      expect(again).toThrow(expect.objectContaining({ code: "SQLITE_CONSTRAINT_UNIQUE" }));
      const broken = (): unknown => connection.prepare("SELEC");
      expect(broken).toThrow(expect.objectContaining({ code: "SQLITE_ERROR" }));
    });

    test("a transaction rolls back and commits", () => {
      run("BEGIN IMMEDIATE");
      run("INSERT INTO thing (name) VALUES ('lost')");
      run("ROLLBACK");
      run("BEGIN IMMEDIATE");
      run("INSERT INTO thing (name) VALUES ('kept')");
      run("COMMIT");
      expect(all("SELECT name FROM thing")).toEqual([{ name: "kept" }]);
    });

    test("a kept statement sees a changed schema", () => {
      const select = connection.prepare("SELECT * FROM thing");
      select.all([]);
      run("ALTER TABLE thing ADD COLUMN extra TEXT");
      run("INSERT INTO thing (extra) VALUES ('x')");
      expect(select.all([])).toEqual([{ id: 1, name: null, data: null, extra: "x" }]);
    });

    test("a kept statement works after thousands of others were prepared", () => {
      const insert = connection.prepare("INSERT INTO thing (name) VALUES (?)");
      for (let number = 0; number < 2_000; number++) all(`SELECT ${number} AS number`);
      expect(insert.run(["a"]).changes).toBe(1);
    });

    test("nothing else runs while an iterator is open, and all does after it", () => {
      run("INSERT INTO thing (name) VALUES ('a'), ('b'), ('c')");
      const names: unknown[] = [];
      for (const row of connection.prepare("SELECT name FROM thing").iterate([])) {
        names.push(row);
        expect(() => run("DELETE FROM thing")).toThrow(/iterator/);
        expect(() => all("SELECT 1 AS one")).toThrow(/iterator/);
        if (names.length === 2) break;
      }
      expect(names).toEqual([{ name: "a" }, { name: "b" }]);
      expect(run("DELETE FROM thing").changes).toBe(3);
    });

    test("an iterator refuses inexact integers too", () => {
      const rows = connection.prepare("SELECT 9007199254740993 AS big").iterate([]);
      expect(() => [...rows]).toThrow(/column big/);
      expect(all("SELECT 1 AS one")).toEqual([{ one: 1 }]);
    });

    test("a closed connection frees its file, ends its iterator and refuses all else", async () => {
      run("PRAGMA locking_mode = EXCLUSIVE");
      run("INSERT INTO thing (name) VALUES ('a'), ('b')");
      const kept = connection.prepare("SELECT name FROM thing");
      const rows = kept.iterate([]);
      rows.next();
      connection.close();
      connection.close();
      expect(() => kept.all([])).toThrow(/closed/);
      expect(() => connection.prepare("SELECT 1")).toThrow(/closed/);
      expect(rows.next().done).toBe(true);
      connection = (await load())(join(folder, "a.db"));
      expect(run("DELETE FROM thing").changes).toBe(2);
    });

    test("a file that is open elsewhere is refused at once with SQLITE_BUSY", async () => {
      run("BEGIN EXCLUSIVE");
      const other = (await load())(join(folder, "a.db"));
      const read = (): unknown => other.prepare("SELECT * FROM thing").all([]);
      expect(read).toThrow(expect.objectContaining({ code: "SQLITE_BUSY" }));
      other.close();
      run("COMMIT");
    });
  });
}
