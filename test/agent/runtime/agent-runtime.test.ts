/** The agent with real processes and a real disk, from a command to an acknowledged end. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, statSync } from "node:fs";
import { chmod, mkdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { WAITERS_PER_CONTAINER } from "../../../src/agent/core/limits.ts";
import { CONFIRMATION_MS } from "../../../src/agent/runtime/limits.ts";
import type { Resource } from "../../../src/protocol/v1/types.ts";
import { commandTask, framework } from "../core/agent-harness.ts";
import { AgentFixture } from "./agent-fixture.ts";

let agent: AgentFixture;

beforeEach(async () => {
  agent = await AgentFixture.make();
  await mkdir(join(agent.folder, "work", "meta"), { recursive: true });
});

afterEach(() => agent.dispose());

const FRAMEWORK = framework("fw", { capabilities: [{ type: "TASK_KILLING_STATE" }] });

function shell(id: string, value: string): ReturnType<typeof commandTask> {
  return commandTask(id, { command: { value } });
}

function sandboxOf(taskId: string): string {
  const directory = agent.runtime.state.frameworks.get("fw")?.executors.get(taskId)?.directory;
  if (directory === undefined) throw new Error(`no sandbox of ${taskId}`);
  return directory;
}

/** A zombie that its new parent has not reaped yet is not alive. */
function isAlive(pid: number): boolean {
  if (!existsSync(`/proc/${pid}`)) return false;
  return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
}

describe("one task", () => {
  test("runs in its sandbox with the promised environment and reports its end [semantics 7.4, 7.5]", async () => {
    await agent.start();
    agent.master.run(FRAMEWORK, shell("t", "pwd; env; echo oops >&2; sleep 0.2"));
    await agent.master.untilState("t", "TASK_RUNNING");
    const sandbox = sandboxOf("t");
    await agent.master.untilState("t", "TASK_FINISHED");
    expect(agent.master.statesOf("t")).toEqual(["TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"]);
    const stdout = await readFile(join(sandbox, "stdout"), "utf8");
    expect(stdout.split("\n")[0]).toBe(sandbox);
    expect(stdout).toContain(`MESOS_SANDBOX=${sandbox}\n`);
    expect(stdout).toContain("MESOS_EXECUTOR_ID=t\n");
    expect(await readFile(join(sandbox, "stderr"), "utf8")).toBe("oops\n");
    expect(join(sandbox, "..", await readlink(join(sandbox, "..", "latest")))).toBe(sandbox);
    await agent.master.until("removal", () => agent.runtime.state.frameworks.size === 0);
  });

  test("commands that come together are confirmed by one word for the last of them", async () => {
    await agent.start();
    await agent.master.until("registration", () => agent.master.registrations.length > 0);
    for (const taskId of ["a", "b", "c"]) {
      agent.master.command({ kind: "killTask", frameworkId: "fw", taskId });
    }
    await agent.master.until("the last command", () => agent.master.confirmations.includes(3));
    expect(agent.master.confirmations).toEqual([3]);
  });

  test("callers that wait for its end and leave make room for others, however many [http-api 7.3]", async () => {
    await agent.start();
    agent.master.run(FRAMEWORK, shell("t", "exec sleep 1000"));
    await agent.master.untilState("t", "TASK_RUNNING");
    const value = agent.runtime.state.frameworks.get("fw")?.executors.get("t")?.containerId ?? "";
    const wait = { kind: "wait", id: { value } } as const;
    const caller = { principal: undefined };
    for (let count = 0; count <= WAITERS_PER_CONTAINER; count += 1) {
      const leaving = new AbortController();
      void agent.runtime.containerCall(wait, caller, leaving.signal);
      await Promise.resolve();
      leaving.abort();
      const left = await agent.runtime.containerCall(wait, caller, leaving.signal);
      expect(left).toMatchObject({ error: { code: "notReady" } });
    }
    const stays = agent.runtime.containerCall(wait, caller, new AbortController().signal);
    agent.master.command({ kind: "killTask", frameworkId: "fw", taskId: "t" });
    expect(await stays).toMatchObject({ value: { kind: "ended" } });
    expect(agent.runtime.state.waiters.size).toBe(0);
  });

  test("what was done for a link that broke is not confirmed to the next one", async () => {
    await agent.start();
    await agent.master.until("registration", () => agent.master.registrations.length === 1);
    agent.master.command({ kind: "killTask", frameworkId: "fw", taskId: "a" });
    agent.runtime.input({ kind: "linkDown" });
    agent.master.attach(agent.runtime);
    await agent.master.until("registration", () => agent.master.registrations.length === 2);
    expect(agent.master.registrations[1]?.lastCommand).toBe(1);
    await Bun.sleep(3 * CONFIRMATION_MS);
    expect(agent.master.confirmations).toEqual([]);
  });

  test("a failing command tells its exit status [semantics 6.6]", async () => {
    await agent.start();
    agent.master.run(FRAMEWORK, shell("t", "exit 42"));
    await agent.master.untilState("t", "TASK_FAILED");
    expect(agent.master.statusesOf("t").at(-1)).toMatchObject({
      source: "SOURCE_EXECUTOR",
      message: "Command exited with status 42",
    });
  });

  test("a kill ends the whole process tree and is TASK_KILLED [item 52, 53]", async () => {
    await agent.start();
    agent.master.run(FRAMEWORK, shell("t", "sleep 1000 & echo $!; wait"));
    await agent.master.untilState("t", "TASK_RUNNING");
    const stdout = join(sandboxOf("t"), "stdout");
    let child = 0;
    while (child === 0) child = Number(await readFile(stdout, "utf8"));
    agent.master.command({ kind: "killTask", frameworkId: "fw", taskId: "t" });
    await agent.master.untilState("t", "TASK_KILLED");
    expect(agent.master.statesOf("t").slice(-2)).toEqual(["TASK_KILLING", "TASK_KILLED"]);
    expect(isAlive(child)).toBe(false);
  });

  test("a kill at any moment of a launch is TASK_KILLED [semantics 6.3]", async () => {
    await agent.start();
    const ids = Array.from({ length: 40 }, (_, number) => `t${number}`);
    for (const [number, id] of ids.entries()) {
      agent.master.run(FRAMEWORK, shell(id, "exec sleep 1000"));
      await Bun.sleep(number / 2);
      agent.master.command({ kind: "killTask", frameworkId: "fw", taskId: id });
    }
    await agent.master.until("all of them to be over", () =>
      ids.every((id) => /KILLED|FAILED|LOST/.test(agent.master.statesOf(id).at(-1) ?? "")),
    );
    const ends = new Set(ids.map((id) => agent.master.statesOf(id).at(-1)));
    expect([...ends]).toEqual(["TASK_KILLED"]);
  });

  test("a task that ignores SIGTERM is ended by force after its grace [item 52]", async () => {
    await agent.start();
    agent.master.run(FRAMEWORK, shell("t", "trap '' TERM; echo up; while :; do sleep 0.05; done"));
    await agent.master.untilState("t", "TASK_RUNNING");
    const stdout = join(sandboxOf("t"), "stdout");
    while ((await readFile(stdout, "utf8")) === "") await Bun.sleep(5);
    const killPolicy = { grace_period: { nanoseconds: 300_000_000 } };
    const start = Date.now();
    agent.master.command({ kind: "killTask", frameworkId: "fw", taskId: "t", killPolicy });
    await agent.master.untilState("t", "TASK_KILLED");
    expect(Date.now() - start).toBeGreaterThanOrEqual(295);
    expect(agent.master.statusesOf("t").at(-1)?.message).toBe(
      "Command terminated with signal Killed",
    );
  });

  test("what this agent cannot give fails the launch with its reason [semantics 6.3]", async () => {
    await agent.start();
    const secret = { type: "REFERENCE" as const, reference: { name: "vault" } };
    const variables = [{ name: "KEY", type: "SECRET" as const, secret }];
    agent.master.run(
      FRAMEWORK,
      commandTask("t", { command: { value: "true", environment: { variables } } }),
    );
    await agent.master.untilState("t", "TASK_FAILED");
    expect(agent.master.statusesOf("t").at(-1)).toMatchObject({
      reason: "REASON_CONTAINER_LAUNCH_FAILED",
      message:
        "Failed to launch container: environment variable KEY: this agent resolves no references to secrets",
    });
  });

  test("its output can be followed to the end while it runs", async () => {
    await agent.start();
    agent.master.run(FRAMEWORK, shell("t", "for i in 1 2 3; do echo $i; sleep 0.1; done"));
    await agent.master.untilState("t", "TASK_RUNNING");
    const path = "/frameworks/fw/executors/t/runs/latest/stdout";
    let text = "";
    for await (const chunk of agent.runtime.files.tail(
      path,
      0,
      true,
      new AbortController().signal,
    )) {
      text += new TextDecoder().decode(chunk);
    }
    expect(text).toBe("1\n2\n3\n");
  });

  test("usage and status are shown while it runs [http-api 7.1]", async () => {
    await agent.start();
    agent.master.run(FRAMEWORK, shell("t", "sleep 1000"));
    await agent.master.untilState("t", "TASK_RUNNING");
    const [report] = await agent.runtime.containers({
      isNestedShown: false,
      isStandaloneShown: false,
    });
    expect(report?.container.container_status?.executor_pid).toBeGreaterThan(0);
    expect(report?.container.resource_statistics?.mem_rss_bytes).toBeGreaterThan(0);
    expect(agent.runtime.metrics()["slave/tasks_running"]).toBe(1);
  });
});

describe("users", () => {
  const isRoot = process.getuid?.() === 0;

  test.if(isRoot)("an unknown user fails the launch by name [semantics 7.5]", async () => {
    await agent.dispose();
    agent = await AgentFixture.make({ isUserSwitched: true });
    await mkdir(join(agent.folder, "work", "meta"), { recursive: true });
    await agent.start();
    const command = { value: "true", user: "nobody-of-this-name" };
    agent.master.run(FRAMEWORK, commandTask("t", { command }));
    await agent.master.untilState("t", "TASK_FAILED");
    expect(agent.master.statusesOf("t").at(-1)?.message).toContain("nobody-of-this-name");
  });
});

describe.skipIf(process.getuid?.() !== 0)("shared volumes", () => {
  const NOBODY = 65_534;
  const DAEMON = 1;
  const volume: Resource = {
    name: "disk",
    type: "SCALAR",
    scalar: { value: 1 },
    reservations: [{ type: "STATIC", role: "web" }],
    disk: { persistence: { id: "data" }, volume: { container_path: "data", mode: "RW" } },
    shared: {},
  };

  test("stay with whoever has them while others come, over a restart too, and go on when nobody has [semantics 7.14]", async () => {
    await agent.dispose();
    agent = await AgentFixture.make({ isUserSwitched: true });
    const folder = join(agent.folder, "work/volumes/roles/web/data");
    for (const made of ["work/meta", "work/volumes/roles/web/data"]) {
      await mkdir(join(agent.folder, made), { recursive: true });
    }
    await chmod(agent.folder, 0o755);
    await agent.start();
    const run = async (id: string, user: string, value = "exec sleep 1000"): Promise<void> => {
      const task = commandTask(id, { command: { value, user } });
      agent.master.run(FRAMEWORK, { ...task, resources: [...(task.resources ?? []), volume] });
      await agent.master.untilState(id, "TASK_RUNNING");
    };
    const end = async (id: string): Promise<void> => {
      agent.master.command({ kind: "killTask", frameworkId: "fw", taskId: id });
      await agent.master.untilState(id, "TASK_KILLED");
    };
    const owner = (): number => statSync(folder).uid;
    await run("first", "nobody");
    expect(owner()).toBe(NOBODY);
    await run("second", "daemon");
    expect(owner()).toBe(NOBODY);
    await agent.stop();
    await agent.start();
    await agent.master.until("registration", () => agent.master.registrations.length === 2);
    await end("second");
    await run("third", "daemon");
    expect(owner()).toBe(NOBODY);
    await end("first");
    await end("third");
    await run("root", "root");
    expect(owner()).toBe(NOBODY);
    await end("root");
    await run("fourth", "daemon");
    expect(owner()).toBe(DAEMON);
  });
});

describe("restart", () => {
  test("tasks run on, ends meanwhile are told exactly, nothing is restarted or lost [semantics 7.7, item 58]", async () => {
    const count = 20;
    await agent.start();
    for (let number = 0; number < count; number++) {
      const script = `echo started; while [ ! -e "${agent.folder}/go-${number % 4}" ]; do sleep 0.05; done; exit ${number % 4}`;
      agent.master.run(FRAMEWORK, shell(`t${number}`, script));
    }
    for (let number = 0; number < count; number++) {
      await agent.master.untilState(`t${number}`, "TASK_RUNNING");
    }
    const sandboxes = Array.from({ length: count }, (_, number) => sandboxOf(`t${number}`));
    await agent.master.until("acknowledgements", () =>
      [...agent.runtime.state.streams.values()].every(({ pending }) => pending.length === 0),
    );
    await agent.stop();
    const before = agent.master.updates.length;
    await Bun.write(join(agent.folder, "go-0"), "");
    await Bun.write(join(agent.folder, "go-3"), "");
    await Bun.sleep(300);
    await agent.start();
    for (let number = 0; number < count; number++) {
      if (number % 4 === 0) await agent.master.untilState(`t${number}`, "TASK_FINISHED");
      if (number % 4 === 3) await agent.master.untilState(`t${number}`, "TASK_FAILED");
    }
    expect(agent.master.updates.length).toBe(before + count / 2);
    expect(agent.master.registrations.at(-1)?.tasks.length).toBe(count);
    await Bun.write(join(agent.folder, "go-1"), "");
    await Bun.write(join(agent.folder, "go-2"), "");
    for (let number = 0; number < count; number++) {
      await agent.master.untilState(
        `t${number}`,
        number % 4 === 0 ? "TASK_FINISHED" : "TASK_FAILED",
      );
      const last = agent.master.statusesOf(`t${number}`).at(-1);
      expect(last?.message).toBe(`Command exited with status ${number % 4}`);
      expect(agent.master.statesOf(`t${number}`).length).toBe(3);
      const stdout = await readFile(join(sandboxes[number] ?? "", "stdout"), "utf8");
      expect(stdout).toBe("started\n");
    }
  });

  test("kill -9 of the agent with 50 tasks: each is reported exactly as it was [DESIGN 9]", async () => {
    const count = 50;
    const script = join(import.meta.dir, "agent-process.ts");
    const victim = Bun.spawn([process.execPath, script, agent.folder, String(count)], {
      stdout: "pipe",
      stderr: "inherit",
    });
    for await (const chunk of victim.stdout) {
      if (new TextDecoder().decode(chunk).includes("ready")) break;
    }
    victim.kill("SIGKILL");
    await victim.exited;
    await Bun.write(join(agent.folder, "go-early"), "");
    await Bun.sleep(400);
    await agent.start();
    const ends = (): number => agent.master.updates.length;
    await agent.master.until("the ends meanwhile", () => ends() === count / 2);
    const [registration] = agent.master.registrations;
    expect(registration?.agentInfo.id?.value).toBe("master-1-S0");
    expect(registration?.tasks.length).toBe(count);
    await Bun.write(join(agent.folder, "go-late"), "");
    await agent.master.until("the other ends", () => ends() === count);
    for (let number = 0; number < count; number++) {
      const code = number % 4;
      expect(agent.master.statusesOf(`t${number}`)).toMatchObject([
        {
          state: code === 0 ? "TASK_FINISHED" : "TASK_FAILED",
          message: `Command exited with status ${code}`,
        },
      ]);
    }
  }, 30_000);

  test("a kill that was under way goes on after it [semantics 6.6]", async () => {
    await agent.start();
    agent.master.run(FRAMEWORK, shell("t", "trap '' TERM; while :; do sleep 0.05; done"));
    await agent.master.untilState("t", "TASK_RUNNING");
    const killPolicy = { grace_period: { nanoseconds: 700_000_000 } };
    agent.master.command({ kind: "killTask", frameworkId: "fw", taskId: "t", killPolicy });
    await agent.master.untilState("t", "TASK_KILLING");
    await agent.stop();
    await agent.start();
    await agent.master.untilState("t", "TASK_KILLED");
  });

  test("tasks of a framework that does not checkpoint end with the agent [semantics 2.8]", async () => {
    await agent.start();
    agent.master.run({ ...FRAMEWORK, checkpoint: false }, shell("t", "sleep 1000"));
    await agent.master.untilState("t", "TASK_RUNNING");
    const pid = agent.master.statusesOf("t").at(-1)?.container_status?.executor_pid ?? 0;
    expect(isAlive(pid)).toBe(true);
    await agent.stop();
    expect(isAlive(pid)).toBe(false);
    await agent.start();
    expect(agent.runtime.state.frameworks.size).toBe(0);
  });

  test("an update nobody acknowledged is sent again with its uuid [semantics 6.4]", async () => {
    agent.master.isAcknowledging = false;
    await agent.start();
    agent.master.run(FRAMEWORK, shell("t", "exit 0"));
    await agent.master.untilState("t", "TASK_STARTING");
    await agent.stop();
    agent.master.isAcknowledging = true;
    await agent.start();
    await agent.master.untilState("t", "TASK_FINISHED");
    expect(agent.master.statesOf("t").filter((state) => state === "TASK_STARTING").length).toBe(1);
    expect(new Set(agent.master.statusesOf("t").map(({ uuid }) => uuid)).size).toBe(
      agent.master.statusesOf("t").length,
    );
  });
});

test("a disk that fails stops the agent before anyone sees an effect [DESIGN 7]", async () => {
  let isBroken = false;
  await agent.start((store) => ({
    load: () => store.load(),
    close: () => store.close(),
    apply: (operations) => {
      if (isBroken) throw new Error("no space left on device");
      store.apply(operations);
    },
  }));
  await agent.master.until("registration", () => agent.runtime.state.phase === "running");
  isBroken = true;
  agent.master.run(FRAMEWORK, shell("t", "true"));
  await agent.master.until("the fatal end", () => agent.fatal !== undefined);
  expect(String(agent.fatal)).toContain("no space left on device");
  expect(agent.master.updates).toEqual([]);
});
