/**
 * Chooses the SQLite engine at hand: Bun's own on Bun, better-sqlite3 on Deno and Node >= 22. Each
 * engine is imported only when it is chosen, so the compiled binary needs no native addon.
 */
import type { SqlOpen } from "../base/ports.ts";
import { loadBetterSqlite } from "./sqlite-better.ts";
import { loadBunSqlite } from "./sqlite-bun.ts";

/**
 * The engine of this runtime. Both engines keep the rules of sqlite-connection.ts, held equal by
 * the suite in test/platform. Rejects when the engine cannot be loaded.
 */
export async function loadSqlite(): Promise<SqlOpen> {
  return "Bun" in globalThis ? await loadBunSqlite() : await loadBetterSqlite();
}
