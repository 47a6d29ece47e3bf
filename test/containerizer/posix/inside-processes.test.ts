/** Processes of commands beside a container's own, among the real ones of this host. */
import { afterEach, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { brand, type ContainerId } from "../../../src/base/ids.ts";
import {
  INSIDE_VARIABLE,
  InsideProcesses,
} from "../../../src/containerizer/posix/inside-processes.ts";
import { readProcessStat } from "../../../src/containerizer/posix/process-stat.ts";
import { systemClock } from "../../../src/platform/system.ts";
import { until } from "../../harness/wait.ts";

let count = 0;
const children: ChildProcess[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

function newId(): ContainerId {
  count += 1;
  return brand<ContainerId>(`inside-${process.pid}-${count}`);
}

/** Leads a session, without the variable. */
function start(command: string): ChildProcess {
  const child = spawn("/bin/sh", ["-c", command], { detached: true, stdio: "ignore" });
  children.push(child);
  return child;
}

test("a process is found though it got its mark only with its own program, after a first look", async () => {
  const processes = new InsideProcesses(systemClock);
  const id = newId();
  start(`sleep 0.5; ${INSIDE_VARIABLE}=${id} exec sleep 7791`);
  expect(await processes.of(id)).toEqual([]);
  const [found] = await until("it is found", async () => {
    const all = await processes.of(id);
    return all.length === 1 && all;
  });
  expect(found?.name).toBe("sleep");
  expect(await processes.end(id)).toBe(true);
  expect(await processes.end(id)).toBe(false);
});

test("what has no mark belongs by descent, by the session of the first process, and once seen for good", async () => {
  const processes = new InsideProcesses(systemClock);
  const id = newId();
  const child = start("env -i sleep 7792 & env -i setsid sleep 7793 & sleep 0.7; exit 3");
  const first = readProcessStat(child.pid ?? 0);
  if (first === undefined) throw new Error("it has ended");
  processes.begin(id, first);
  expect(processes.firstOf(id)).toBe("runs");
  const names = async (): Promise<string> =>
    (await processes.of(id)).map(({ name }) => name).join(" ");
  await until("its children are seen", async () => (await names()) === "sh sleep sleep sleep");
  await until("the first one has ended", () => processes.firstOf(id) === "ended");
  expect(await names()).toBe("sleep sleep");
  expect(await processes.end(id)).toBe(true);
  expect(await names()).toBe("");
  processes.forget(id);
  expect(processes.firstOf(id)).toBeUndefined();
});

test("the number of a session that a stranger has by now leads to nobody", async () => {
  const processes = new InsideProcesses(systemClock);
  const id = newId();
  const child = start("sleep 7794 & exec sleep 7795");
  processes.begin(id, { pid: child.pid ?? 0, startTicks: -1 });
  expect(processes.firstOf(id)).toBe("ended");
  expect(await processes.of(id)).toEqual([]);
  process.kill(-(child.pid ?? 0), "SIGKILL");
});
