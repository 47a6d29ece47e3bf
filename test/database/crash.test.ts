/**
 * What a killed process leaves behind: a child commits and prints what it was told is durable, is
 * killed with SIGKILL at a random moment, and everything it printed must be there. Each round goes
 * on with the files of the one before.
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { Checkpoint } from "../../src/agent/checkpoint/checkpoint.ts";
import type { SqlOpen } from "../../src/base/ports.ts";
import { Registrar } from "../../src/registry/store/registrar.ts";
import { databaseError, ENGINES, MemoryLog, realClock, TempFolder } from "./support.ts";

const ROUNDS = 6;
const CHILD = join(import.meta.dir, "commit-forever.ts");

describe.each([...ENGINES])("a process killed while it writes through %s", (engine, load) => {
  let folder: TempFolder;
  let open: SqlOpen;

  beforeEach(async () => {
    folder = new TempFolder();
    open = await load();
  });

  afterEach(() => folder.remove());

  const openRegistrar = (): Promise<Registrar> =>
    Registrar.open({
      path: folder.file("registry.db"),
      open,
      clock: realClock,
      log: new MemoryLog(),
    });

  const openCheckpoint = (): Promise<Checkpoint> =>
    Checkpoint.open({ path: folder.file("checkpoint.db"), open, log: new MemoryLog() });

  /** Calls back once with the first output, and resolves with all of it when the child is dead. */
  async function runChild(whenWriting: (kill: () => void, pid: number) => void): Promise<string[]> {
    const child = Bun.spawn([process.execPath, CHILD, folder.path, engine], {
      stdout: "pipe",
      stderr: "inherit",
    });
    let text = "";
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) {
      if (text === "") whenWriting(() => child.kill("SIGKILL"), child.pid);
      text += decoder.decode(chunk, { stream: true });
    }
    await child.exited;
    expect(child.signalCode).toBe("SIGKILL");
    // A line without its end was still being printed.
    return text.split("\n").slice(0, -1);
  }

  test("has kept everything it was told is durable [DESIGN promise 1]", async () => {
    let acknowledged = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const delayMs = 5 + Math.random() * 120;
      const lines = await runChild((kill) => setTimeout(kill, delayMs));
      acknowledged += lines.length;
      const registrar = await openRegistrar();
      const checkpoint = await openCheckpoint();
      const { admitted } = registrar.load();
      const tasks = new Set(checkpoint.load().tasks.map(({ taskId }) => taskId));
      const lost = lines.filter((line) => !admitted.has(`S${line}`) || !tasks.has(line));
      expect(lost, `killed after ${delayMs} ms`).toEqual([]);
      expect([...admitted.keys()]).toEqual(
        Array.from({ length: admitted.size }, (_, number) => `S${number}`),
      );
      await registrar.close();
      checkpoint.close();
    }
    expect(acknowledged).toBeGreaterThan(ROUNDS * 10);
  }, 60_000);

  test("holds its files for itself while it lives, and is named by its pid", async () => {
    let opening: Promise<void> | undefined;
    await runChild((kill, pid) => {
      opening = databaseError(openRegistrar()).then((error) => {
        kill();
        expect(error.code).toBe("locked");
        expect(error.message).toContain(
          `in use by another process (pid ${pid}); stop that process`,
        );
      });
    });
    await opening;
    await (await openRegistrar()).close();
  }, 20_000);
});
