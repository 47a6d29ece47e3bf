/** `allot why`: the compiled program says why nothing is offered and how a task fared. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  type AllotProcess,
  BINARY,
  makeWorkDir,
  removeWorkDir,
  startAllot,
} from "../harness/allot-process.ts";
import { runProgram } from "../harness/run-program.ts";
import { TestFramework } from "../harness/test-framework.ts";

let workDir = "";
let both: AllotProcess;

beforeAll(async () => {
  workDir = makeWorkDir();
  both = await startAllot({ role: "both", workDir });
});

afterAll(async () => {
  await both.end("SIGTERM");
  await removeWorkDir(workDir);
});

async function why(...words: readonly string[]): Promise<{ code: number | null; text: string }> {
  const master = `--master=${new URL(both.url).host}`;
  const { code, stdout, stderr } = await runProgram(BINARY, ["why", ...words, master]);
  return { code, text: stdout + stderr };
}

test("a task is told with its end and the reason [issue 3]", async () => {
  const framework = await TestFramework.subscribe({ master: both.url });
  await framework.launch(await framework.offer(), [{ id: "sad", command: "exit 3" }]);
  await framework.status("sad", "TASK_FAILED");
  const task = await why("task", "sad");
  expect(task.code).toBe(0);
  expect(task.text).toContain("sad of framework");
  expect(task.text).toContain("Command exited with status 3");
  await framework.teardown();
}, 60_000);

test("a framework that declined everything is told of its filter [issue 3]", async () => {
  const framework = await TestFramework.subscribe({ master: both.url });
  const offer = await framework.offer();
  await framework.call("DECLINE", {
    decline: { offer_ids: [offer.id], filters: { refuse_seconds: 600 } },
  });
  const own = await why("framework", framework.id);
  expect(own.code).toBe(0);
  expect(own.text).toContain("in role *:");
  expect(own.text).toMatch(/1 {2}declined by the framework; the next filter ends in \d+ s/);
  const role = await why("role", "*", "--json");
  const { clients } = JSON.parse(role.text) as { clients: { reasons: { kind: string }[] }[] };
  expect(clients.map(({ reasons }) => reasons.map(({ kind }) => kind))).toEqual([["filtered"]]);
  await framework.teardown();
}, 60_000);

test("what is not known says where to look [style 5]", async () => {
  const framework = await why("framework", "nobody");
  expect(framework).toEqual({
    code: 1,
    text: "allot why: Framework nobody is not known here; `allot frameworks` lists the live ones\n",
  });
  expect((await why("task", "none")).text).toContain("No task none was ever launched here");
  const bad = await why("planet", "x");
  expect(bad).toEqual({ code: 2, text: "allot why: planet is none of framework, role, task\n" });
});
