/**
 * An Engine that hangs (SIGSTOP), dies (SIGKILL) and comes back, by a daemon of its own for these
 * tests: launches say why they fail, kills are carried out later, nothing is lost.
 */
import { afterAll, afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readProcessStat } from "../../../src/containerizer/posix/process-stat.ts";
import { findPrivateEngine } from "../../harness/docker-engine.ts";
import { PATIENCE_MS, until } from "../../harness/wait.ts";
import { outputOf } from "../containers.ts";
import { DockerScene } from "./docker-scene.ts";

setDefaultTimeout(PATIENCE_MS * 2);
const engine = await findPrivateEngine("outages of Docker");
const QUICK = { pingPeriodMs: 200, pingDeadlineMs: 500, engineWaitMs: 1000 };

describe.skipIf(engine === undefined)("an Engine that", () => {
  const scene = new DockerScene(engine);
  const pid = (): number => engine?.pid() ?? 0;
  const isHealthy = (agent: ReturnType<DockerScene["open"]>): boolean =>
    agent.containerizer.health()[0]?.isHealthy ?? false;
  afterAll(() => engine?.stop());
  afterEach(() => scene.clear());

  test("hangs: launches fail with the reason, kills wait, and all goes on afterwards [DESIGN 9]", async () => {
    const agent = scene.open(QUICK);
    const spec = scene.spec(
      agent,
      "trap 'echo told; exit 3' TERM; echo up; while :; do sleep 0.1; done",
    );
    await agent.containerizer.launch(spec);
    await until("it is up", () => outputOf(spec) === "up\n");
    expect(isHealthy(agent)).toBe(true);
    process.kill(pid(), "SIGSTOP");
    try {
      await until("the hang is noticed", () => !isHealthy(agent));
      // At once, where the call itself would wait for ten seconds.
      const usage = agent.containerizer.usage(spec.containerId).then(String, String);
      expect(await Promise.race([usage, Bun.sleep(2000)])).toContain("dockerd");
      const [health] = agent.containerizer.health();
      expect(health?.message).toContain("did not answer /_ping within 0.5 s");
      const refused = scene.spec(agent, "true");
      await expect(agent.containerizer.launch(refused)).rejects.toThrow(
        /Docker Engine at \S+ did not answer \/_ping within 0\.5 s \(for \d+ s by now\); see whether dockerd runs/,
      );
      const kill = agent.containerizer.signal(spec.containerId, "SIGTERM");
      // A restarted agent takes the container for running, as it was when it was last seen.
      const other = scene.open(QUICK, agent.root);
      await agent.containerizer.close();
      await kill;
      const { alive, ended } = await other.containerizer.recover([spec]);
      expect(ended.size).toBe(0);
      expect(alive.get(spec.containerId)?.pid).toBeGreaterThan(1);
      const again = other.containerizer.signal(spec.containerId, "SIGTERM");
      process.kill(pid(), "SIGCONT");
      await until("the Engine is well again", () => isHealthy(other));
      await again;
      expect((await other.containerizer.wait(spec.containerId)).exit).toEqual({
        kind: "exited",
        code: 3,
      });
      expect(outputOf(spec)).toBe("up\ntold\n");
      const next = scene.spec(other, "echo well");
      await other.containerizer.launch(next);
      await other.containerizer.wait(next.containerId);
      expect(outputOf(next)).toBe("well\n");
    } finally {
      process.kill(pid(), "SIGCONT");
    }
  });

  test("hangs in the middle of a launch: nothing of it stays when it goes on [DESIGN 9]", async () => {
    const agent = scene.open(QUICK);
    const good = scene.spec(agent, "true");
    await agent.containerizer.launch(good);
    process.kill(pid(), "SIGSTOP");
    const spec = scene.spec(agent, "sleep 100");
    const launch = agent.containerizer.launch(spec).then(
      () => "launched",
      (error: Error) => error.message,
    );
    try {
      await until("the hang is noticed", () => !isHealthy(agent));
      const destroyed = agent.containerizer.destroy(spec.containerId);
      expect(await launch).toContain("destroyed during its launch");
      await destroyed;
    } finally {
      process.kill(pid(), "SIGCONT");
    }
    await until("the Engine is well again", () => isHealthy(agent));
    await until("nothing is left", async () => (await scene.containersOf(spec)) === "");
  });

  test("dies and is started again: containers run on, their ends and lines are all told [DESIGN 9]", async () => {
    const agent = scene.open(QUICK);
    const lines = 60;
    const loop = `i=0; while [ $i -lt ${lines} ]; do i=$((i+1)); echo $i; sleep 0.1; done`;
    // What a container writes and ends on while there is no Engine at all is lost in Docker itself, and
    // so is what the Engine has not read yet when it dies.
    const long = scene.spec(agent, `${loop}; exit 4`);
    const short = scene.spec(agent, "echo short; sleep 2; exit 6");
    for (const spec of [long, short]) await agent.containerizer.launch(spec);
    await until("output is there", () => outputOf(long).includes("5\n") && outputOf(short) !== "");
    process.kill(pid(), "SIGKILL");
    await until("the end is noticed", () => !isHealthy(agent));
    const refused = scene.spec(agent, "true");
    await expect(agent.containerizer.launch(refused)).rejects.toThrow("cannot be reached");
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await engine?.restart();
    expect((await agent.containerizer.wait(short.containerId)).exit).toEqual({
      kind: "exited",
      code: 6,
    });
    expect((await agent.containerizer.wait(long.containerId)).exit).toEqual({
      kind: "exited",
      code: 4,
    });
    expect(outputOf(short)).toBe("short\n");
    expect(outputOf(long)).toBe(
      Array.from({ length: lines }, (_, index) => `${index + 1}\n`).join(""),
    );
  });

  test("loses sight of an end: it is not told as the success that the Engine takes it for [issue 4]", async () => {
    const agent = scene.open(QUICK);
    const spec = scene.spec(agent, "exec sleep 1000");
    const launched = await agent.containerizer.launch(spec);
    const [{ Id: engineId = "" } = {}] = JSON.parse(launched.data ?? "[]") as { Id?: string }[];
    // An Engine that dies between an end and its own note of it, as in a hasty shutdown: it has
    // cleaned up by then.
    process.kill(pid(), "SIGSTOP");
    await engine?.ctr("tasks", "kill", "--signal=SIGKILL", engineId);
    await until("it is over", () => readProcessStat(launched.pid) === undefined);
    await engine?.ctr("tasks", "delete", engineId);
    await engine?.ctr("containers", "delete", engineId);
    process.kill(pid(), "SIGKILL");
    await until("the end is noticed", () => !isHealthy(agent));
    await engine?.restart();
    const { exit } = await agent.containerizer.wait(spec.containerId);
    expect(exit).toEqual({
      kind: "unknown",
      message: "The container ended while Docker was away, and Docker does not know how",
    });
  });
});
