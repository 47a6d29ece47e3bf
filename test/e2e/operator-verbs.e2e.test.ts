/** The verbs with which operators run the pool: roles, quota, weights, reservations, draining, maintenance. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import {
  type AllotProcess,
  BINARY,
  makeWorkDir,
  removeWorkDir,
  startAllot,
} from "../harness/allot-process.ts";
import { type RunResult, runProgram } from "../harness/run-program.ts";
import { TestFramework } from "../harness/test-framework.ts";
import { until } from "../harness/wait.ts";

const TIMEOUT_MS = 120_000;

const workDir = makeWorkDir();
let both: AllotProcess;

beforeAll(async () => {
  const flags = ["--resources=cpus:4;mem:1024;disk:2000", "--hostname=box"];
  both = await startAllot({ role: "both", workDir, flags });
  await until("the agent", async () => ((await json("agents")) as unknown[]).length === 1);
}, TIMEOUT_MS);

afterAll(async () => {
  await both?.end("SIGTERM");
  await removeWorkDir(workDir);
});

function allot(...args: string[]): Promise<RunResult> {
  return runProgram(BINARY, [...args, `--master=${new URL(both.url).host}`]);
}

/** Errors: any status but 0. */
async function done(...args: string[]): Promise<string> {
  const result = await allot(...args);
  if (result.code !== 0) throw new Error(`${args.join(" ")}: ${result.stderr}`);
  return result.stdout;
}

async function json(...args: string[]): Promise<unknown> {
  return JSON.parse(await done(...args, "--json"));
}

test(
  "weights are set, listed and shown with the roles",
  async () => {
    expect((await allot("weights")).stderr).toBe("No weight is set: every role weighs 1.\n");
    expect(await done("weights", "web=2.5", "db=3")).toBe("");
    expect(await json("weights")).toEqual([
      { role: "web", weight: 2.5 },
      { role: "db", weight: 3 },
    ]);
    expect(await done("weights")).toContain("WEIGHT");
    expect(await json("roles")).toMatchObject([
      { role: "db", weight: 3, frameworks: [] },
      { role: "web", weight: 2.5 },
    ]);
    for (const word of ["web", "web=0", "web=x", "=2"]) {
      const wrong = await allot("weights", word);
      expect([word, wrong.code]).toEqual([word, 2]);
      expect(wrong.stderr).toContain(`${word} is not ROLE=WEIGHT`);
    }
  },
  TIMEOUT_MS,
);

test(
  "quota is set part by part, listed and removed; what cannot be kept is refused",
  async () => {
    expect((await allot("quota")).stderr).toBe("No quota is set.\n");
    await done("quota", "web", "--limit=cpus:3;mem:512");
    await done("quota", "web", "--guarantee=cpus:1");
    const row = { role: "web", guarantees: { cpus: 1 }, limits: { cpus: 3, mem: 512 } };
    expect(await json("quota")).toEqual([row]);
    expect(await json("quota", "db")).toEqual([]);
    expect(await done("quota", "web")).toContain("cpus:3 mem:512 MB");
    expect(await done("roles")).toMatch(/web .* cpus:1 +cpus:3 mem:512 MB/);
    const tooMuch = await allot("quota", "db", "--guarantee=cpus:100");
    expect([tooMuch.code, tooMuch.stderr]).toEqual([1, expect.stringContaining("allot quota: ")]);
    await done("quota", "db", "--guarantee=cpus:100", "--limit=cpus:100", "--force");
    await done("quota", "db", "--remove");
    await done("quota", "web", "--remove");
    expect(await json("quota")).toEqual([]);
    for (const args of [
      ["--limit=cpus:1"],
      ["web", "--limit=cpus"],
      ["web", "--limit=ports:[1-2]"],
    ]) {
      expect([args, (await allot("quota", ...args)).code]).toEqual([args, 2]);
    }
  },
  TIMEOUT_MS,
);

test(
  "resources are reserved on the agent that a name or the end of an id names, and given back",
  async () => {
    const amounts = ["--role=web", "--resources=cpus:1;mem:64", "--principal=me"];
    await done("reserve", "box", ...amounts);
    expect(await json("roles")).toContainEqual(expect.objectContaining({ role: "web" }));
    const more = await allot("reserve", "box", "--role=web", "--resources=cpus:100");
    expect(more.code).toBe(1);
    await done("unreserve", "S0", ...amounts);
    const again = await allot("unreserve", "S0", ...amounts);
    expect(again.code).toBe(1);
    const named = await allot("reserve", "box", "--role=web", "--resources=cpus(db):1");
    expect([named.code, named.stderr]).toEqual([2, expect.stringContaining("--role names it")]);
    expect((await allot("reserve", "box", "--role=web")).code).toBe(2);
  },
  TIMEOUT_MS,
);

test(
  "an agent drains until it is empty, and is taken back; it can be deactivated too",
  async () => {
    const state = async (): Promise<unknown> => {
      const [agent] = (await json("agents")) as { state: string }[];
      return agent?.state;
    };
    const framework = await TestFramework.subscribe({ master: both.url });
    await framework.launch(await framework.offer(), [{ id: "t", command: "sleep 1000" }]);
    await framework.status("t", "TASK_RUNNING");
    await done("drain", "box", "--grace=1secs", "--wait");
    expect(await state()).toBe("drained");
    expect(framework.states("t").at(-1)).toBe("TASK_KILLED");
    await framework.teardown();
    await done("reactivate", "box");
    expect(await state()).toBe("active");
    await done("deactivate", "S0");
    expect(await state()).toBe("deactivated");
    await done("reactivate", "box");
    const unknown = await allot("drain", "nobody");
    expect([unknown.code, unknown.stderr]).toEqual([
      1,
      expect.stringContaining("Unknown agent nobody"),
    ]);
  },
  TIMEOUT_MS,
);

test(
  "events tell what happens, for people and for programs; a framework is torn down by its name",
  async () => {
    const texts = followEvents();
    const lines = followEvents("--json");
    await until("both to begin", () => texts.lines().length > 0 && lines.lines().length > 0);
    expect(texts.lines()[0]).toMatch(/Z 1 agents, 0 frameworks, 0 tasks$/);
    const info = { name: "shown", failover_timeout: 60 };
    const framework = await TestFramework.subscribe({ master: both.url, info });
    await framework.launch(await framework.offer(), [{ id: "seen", command: "exit 3" }]);
    await framework.status("seen", "TASK_FAILED");
    await done("teardown", "shown");
    await until("its end", () => texts.lines().some((line) => line.endsWith("(shown) removed")));
    const seen = texts.lines().map((line) => line.replace(/^\S+ /, ""));
    expect(seen).toContainEqual(expect.stringMatching(/^framework \S+ \(shown\) added$/));
    expect(seen).toContainEqual(
      expect.stringMatching(/^task seen \(seen\) added on \S+: TASK_STAGING$/),
    );
    expect(seen).toContainEqual(expect.stringMatching(/^task seen TASK_FAILED/));
    const types = lines.lines().map((line) => (JSON.parse(line) as { type: string }).type);
    expect(types).toEqual(expect.arrayContaining(["SUBSCRIBED", "HEARTBEAT", "TASK_UPDATED"]));
    for (const follower of [texts, lines]) follower.end();
    const unknown = await allot("teardown", "nobody");
    expect([unknown.code, unknown.stderr]).toEqual([
      1,
      expect.stringContaining("allot teardown: No framework found with specified ID; "),
    ]);
  },
  TIMEOUT_MS,
);

/** `allot events` in the background, and the lines it has printed. */
function followEvents(...args: string[]): { lines(): string[]; end(): void } {
  const command = ["events", ...args, `--master=${new URL(both.url).host}`];
  const child = spawn(BINARY, command, { stdio: ["ignore", "pipe", "ignore"] });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  return { lines: () => text.split("\n").slice(0, -1), end: () => child.kill() };
}

test(
  "an agent is written off only by --yes, and for good",
  async () => {
    const masterDir = makeWorkDir();
    const agentDir = makeWorkDir();
    const master = await startAllot({ role: "master", workDir: masterDir });
    const address = `--master=${new URL(master.url).host}`;
    const agent = await startAllot({
      role: "agent",
      workDir: agentDir,
      flags: [address, "--resources=cpus:1;mem:64;disk:64", "--hostname=lost"],
    });
    const gone = (...args: string[]): Promise<RunResult> =>
      runProgram(BINARY, ["gone", ...args, address]);
    const unsure = await gone("lost");
    expect([unsure.code, unsure.stderr]).toEqual([2, expect.stringContaining("add --yes")]);
    await until("the agent to be there and gone", async () => {
      return (await gone("lost", "--yes")).code === 0;
    });
    await until("the agent's own end", () => !agent.isRunning());
    const again = await gone("nobody", "--yes");
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining("'nobody' not found")]);
    await master.end("SIGTERM");
    for (const folder of [masterDir, agentDir]) await removeWorkDir(folder);
  },
  TIMEOUT_MS,
);

test(
  "maintenance is planned machine by machine, cancelled, started and stopped",
  async () => {
    await done("maintenance", "schedule", "one", "10.0.0.2", "--in=1hrs", "--for=2hrs");
    await done("maintenance", "schedule", "three/10.0.0.3");
    await done("maintenance", "schedule", "one", "--in=3hrs");
    const rows = (await json("maintenance")) as { starts_at: string }[];
    expect(rows).toMatchObject([
      { hostname: null, ip: "10.0.0.2", state: "scheduled", duration_secs: 7200, accepted: 0 },
      { hostname: "three", ip: "10.0.0.3", duration_secs: null },
      { hostname: "one", ip: null, duration_secs: null },
    ]);
    expect(Date.parse(rows[0]?.starts_at ?? "")).toBeGreaterThan(Date.now());
    await done("maintenance", "start", "one");
    expect(await done("maintenance")).toMatch(/^one +- +down/m);
    await done("maintenance", "cancel", "10.0.0.2", "three/10.0.0.3");
    const down = await allot("maintenance", "cancel", "one");
    expect([down.code, down.stderr]).toEqual([1, expect.stringContaining("stop its maintenance")]);
    await done("maintenance", "stop", "one");
    expect((await allot("maintenance")).stderr).toBe("No maintenance is planned.\n");
    for (const args of [["start"], ["begin", "one"]]) {
      expect([args, (await allot("maintenance", ...args)).code]).toEqual([args, 2]);
    }
  },
  TIMEOUT_MS,
);
