/** Real files in a real folder: what may be read, what may not, and how following ends. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { execFileSync, spawn } from "node:child_process";
import { appendFile, mkdir, mkdtemp, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { FileError, SandboxFiles } from "../../../src/agent/runtime/files.ts";
import { systemClock } from "../../../src/platform/system.ts";
import type { ExecutorInfo } from "../../../src/protocol/v1/types.ts";
import { AgentHarness, agentOptions, commandTask, framework } from "../core/agent-harness.ts";

let folder = "";
let agent: AgentHarness;
let files: SandboxFiles;
let sandbox = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "allot-files-"));
  agent = AgentHarness.registered(agentOptions({ workDir: folder }));
  agent.runToRunning(framework("fw"), commandTask("t"));
  sandbox = agent.core.state.frameworks.get("fw")?.executors.get("t")?.directory ?? "";
  await mkdir(join(sandbox, "sub"), { recursive: true });
  await writeFile(join(sandbox, "stdout"), "0123456789");
  await writeFile(join(folder, "secret"), "secret");
  files = new SandboxFiles(() => agent.core.state, systemClock);
});

afterEach(() => rm(folder, { recursive: true, force: true }));

const VIRTUAL = "/frameworks/fw/executors/t/runs/latest";

async function text(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  let all = "";
  for await (const chunk of chunks) all += new TextDecoder().decode(chunk);
  return all;
}

async function codeOf(path: string): Promise<string> {
  const piece = await files.read(path, 0, undefined);
  return piece.ok ? "ok" : piece.error.code;
}

const never = (): AbortSignal => new AbortController().signal;

describe("read", () => {
  test("a piece, its offset and the size [http-api 11]", async () => {
    const piece = await files.read(`${VIRTUAL}/stdout`, 2, 3);
    if (!piece.ok) throw new Error(piece.error.message);
    expect([piece.value.offset, piece.value.size]).toEqual([2, 10]);
    expect(new TextDecoder().decode(piece.value.data)).toBe("234");
  });

  test("the same file by its real path, by runs/latest and by the virtual path", async () => {
    const paths = [sandbox, join(sandbox, "..", "latest"), VIRTUAL];
    for (const path of paths) expect(await codeOf(`${path}/stdout`)).toBe("ok");
    expect(Object.keys(files.debug()).sort()).toEqual(paths.sort());
  });

  test("a task of a group by its own path, while it runs and when it is over [semantics 7.5]", async () => {
    const executor: ExecutorInfo = { type: "DEFAULT", executor_id: { value: "e" } };
    const tasks = ["a", "b"].map((id) => commandTask(id, { executor }));
    const group = { executor, taskGroup: { tasks }, launchesExecutor: true };
    agent.command({ kind: "runTaskGroup", framework: framework("fw"), ...group });
    const executors = agent.core.state.frameworks.get("fw")?.executors;
    for (const id of ["a", "b"]) {
      const own = executors?.get(`e/${id}`)?.directory ?? "";
      await mkdir(own, { recursive: true });
      await writeFile(join(own, "stdout"), id);
    }
    const written = async (id: string): Promise<string> => {
      const path = `/frameworks/fw/executors/e/runs/latest/tasks/${id}/stdout`;
      const piece = await files.read(path, 0, undefined);
      return piece.ok ? new TextDecoder().decode(piece.value.data) : piece.error.code;
    };
    expect([await written("a"), await written("b")]).toEqual(["a", "b"]);
    agent.update("fw", "a", "TASK_FINISHED", { executorId: "e/a" });
    agent.terminated("fw", "e/a", 0);
    agent.acknowledge("fw", "a");
    expect([await written("a"), await written("b")]).toEqual(["a", "b"]);
  });

  test("without an offset only the size; beyond the end nothing [http-api 11]", async () => {
    for (const offset of [undefined, 50]) {
      const piece = await files.read(`${VIRTUAL}/stdout`, offset, undefined);
      expect(piece).toMatchObject({ ok: true, value: { offset: offset ?? 10, size: 10 } });
      expect(piece.ok && piece.value.data.length).toBe(0);
    }
  });

  test("at most 64 KiB at once [http-api 11]", async () => {
    await writeFile(join(sandbox, "big"), new Uint8Array(200_000));
    const piece = await files.read(`${VIRTUAL}/big`, 0, 150_000);
    expect(piece.ok && piece.value.data.length).toBe(65_536);
  });

  test("bad numbers are refused by name", async () => {
    for (const offset of [-1, 0.5, Number.NaN, 2 ** 60]) {
      const piece = await files.read(`${VIRTUAL}/stdout`, offset, 1);
      expect(piece).toMatchObject({ ok: false, error: { code: "invalid", field: "offset" } });
    }
  });

  test("folders, pipes and what is not there are refused", async () => {
    execFileSync("mkfifo", [join(sandbox, "pipe")]);
    expect(await codeOf(`${VIRTUAL}/sub`)).toBe("invalid");
    expect(await codeOf(`${VIRTUAL}/pipe`)).toBe("invalid");
    expect(await codeOf(`${VIRTUAL}/nothing`)).toBe("notFound");
    expect(await codeOf("/frameworks/other/executors/t/runs/latest/stdout")).toBe("notFound");
  });

  test("nothing outside a sandbox is ever read", async () => {
    await symlink("/etc/passwd", join(sandbox, "link"));
    await symlink("/", join(sandbox, "root"));
    await symlink("../../../../../../../secret", join(sandbox, "up"));
    const outside = [
      `${VIRTUAL}/link`,
      `${VIRTUAL}/root/etc/passwd`,
      `${VIRTUAL}/up`,
      `${VIRTUAL}/../../../../../secret`,
      `${sandbox}/../../../../../../../../secret`,
      join(folder, "secret"),
      "/etc/passwd",
      "//etc/passwd",
      "etc/passwd",
      "",
      `${VIRTUAL}/stdout\0`,
    ];
    for (const path of outside) {
      const piece = await files.read(path, 0, undefined);
      expect([path, piece.ok]).toEqual([path, false]);
    }
  });

  test("a link that stays inside the sandbox is followed", async () => {
    await symlink("stdout", join(sandbox, "inside"));
    expect(await codeOf(`${VIRTUAL}/inside`)).toBe("ok");
  });
});

describe("browse", () => {
  test("entries with their properties, sorted, under the path that was asked for", async () => {
    const entries = await files.browse(VIRTUAL);
    if (!entries.ok) throw new Error(entries.error.message);
    expect(entries.value.map(({ path }) => path)).toEqual([`${VIRTUAL}/stdout`, `${VIRTUAL}/sub`]);
    const [file] = entries.value;
    expect(file).toMatchObject({ size: 10, nlink: 1 });
    expect((file?.mode ?? 0) & 0o170000).toBe(0o100000);
    expect(file?.uid).toBe(execFileSync("id", ["-un"], { encoding: "utf8" }).trim());
  });

  test("a file has no entries, an unknown path is refused", async () => {
    expect(await files.browse(`${VIRTUAL}/stdout`)).toEqual({ ok: true, value: [] });
    expect((await files.browse("/etc")).ok).toBe(false);
  });

  test("a folder that a task swaps for a link lists nothing outside the sandbox", async () => {
    await mkdir(join(folder, "outside"));
    await writeFile(join(folder, "outside", "secret"), "");
    await symlink(join(folder, "outside"), join(sandbox, "link"));
    const swap = `
      const { renameSync } = require("node:fs");
      for (;;) {
        for (const [from, to] of [["sub", "kept"], ["link", "sub"], ["sub", "link"], ["kept", "sub"]])
          renameSync(from, to);
      }`;
    const task = spawn(process.execPath, ["-e", swap], { cwd: sandbox });
    try {
      const seen = new Set<string>();
      const endMs = performance.now() + 1000;
      while (performance.now() < endMs) {
        const entries = await files.browse(`${VIRTUAL}/sub`);
        if (entries.ok) for (const { path } of entries.value) seen.add(path);
      }
      expect([...seen]).toEqual([]);
    } finally {
      task.kill("SIGKILL");
    }
  });
});

describe("tail", () => {
  test("without follow the file from the offset to its end", async () => {
    expect(await text(files.tail(`${VIRTUAL}/stdout`, 4, false, never()))).toBe("456789");
    expect(await text(files.tail(`${VIRTUAL}/stdout`, -3, false, never()))).toBe("789");
  });

  test("with follow all that is written until the executor is over", async () => {
    const whole = text(files.tail(`${VIRTUAL}/stdout`, 0, true, never()));
    await appendFile(join(sandbox, "stdout"), "abc");
    agent.update("fw", "t", "TASK_FINISHED");
    agent.terminated("fw", "t", 0);
    agent.acknowledge("fw", "t");
    expect(await whole).toBe("0123456789abc");
  });

  test("follow waits for a file that is not there yet", async () => {
    const whole = text(files.tail(`${VIRTUAL}/stderr`, 0, true, never()));
    await writeFile(join(sandbox, "stderr"), "late");
    agent.terminated("fw", "t", 0);
    expect(await whole).toBe("late");
  });

  test("a file that became shorter is read from its start", async () => {
    const chunks = files.tail(`${VIRTUAL}/stdout`, 0, true, never());
    await chunks.next();
    await truncate(join(sandbox, "stdout"), 0);
    await appendFile(join(sandbox, "stdout"), "new");
    agent.terminated("fw", "t", 0);
    expect(await text(chunks)).toBe("new");
  });

  test("follow ends when its reader goes away", async () => {
    const abort = new AbortController();
    const whole = text(files.tail(`${VIRTUAL}/stdout`, 0, true, abort.signal));
    abort.abort();
    await whole;
  });

  test("what cannot be read fails with its reason", async () => {
    const failure = text(files.tail(`${VIRTUAL}/sub`, 0, true, never())).catch((error) => error);
    expect(await failure).toBeInstanceOf(FileError);
  });
});
