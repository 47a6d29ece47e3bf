/** Runs the shared suite for both engines; better-sqlite3 13 loads in Bun as well (stack §3). */
import { expect, test } from "bun:test";
import { loadSqlite } from "../../src/platform/sqlite.ts";
import { loadBetterSqlite } from "../../src/platform/sqlite-better.ts";
import { loadBunSqlite } from "../../src/platform/sqlite-bun.ts";
import { describeSqlite } from "./sqlite.suite.ts";

describeSqlite("bun:sqlite", loadBunSqlite);
describeSqlite("better-sqlite3", loadBetterSqlite);

test("the engine at hand opens a database in memory", async () => {
  const connection = (await loadSqlite())(":memory:");
  expect(connection.prepare("SELECT 1 AS one").all([])).toEqual([{ one: 1 }]);
  connection.close();
});
