/**
 * Checks and sessions inside Docker's containers whose processes hide, come late or do not let go,
 * and whose Engine goes away meanwhile.
 */
import { afterAll, afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type ContainerSpec,
  type InsideEnd,
  UnavailableError,
} from "../../../src/containerizer/containerizer.ts";
import { findPrivateEngine } from "../../harness/docker-engine.ts";
import { PATIENCE_MS, until } from "../../harness/wait.ts";
import { isProgramRunning } from "../containers.ts";
import { type Agent, DockerScene } from "./docker-scene.ts";

setDefaultTimeout(PATIENCE_MS * 2);
const folder = mkdtempSync(join(tmpdir(), "allot-runtime-"));
const SLOW_RUNTIME = join(folder, "slow-runc");
/** How long its commands inside take to start. */
const SLOW_SECONDS = 3;
writeFileSync(
  SLOW_RUNTIME,
  `#!/bin/sh\ncase " $* " in *" exec "*) sleep ${SLOW_SECONDS};; esac\nexec runc "$@"\n`,
);
chmodSync(SLOW_RUNTIME, 0o755);
const engine = await findPrivateEngine("commands inside Docker's containers", [
  `--add-runtime=slow=${SLOW_RUNTIME}`,
]);
const QUICK = { pingPeriodMs: 200, pingDeadlineMs: 500, engineWaitMs: 1000 };

describe.skipIf(engine === undefined)("a command inside a container", () => {
  const scene = new DockerScene(engine);
  const pid = (): number => engine?.pid() ?? 0;
  afterAll(async () => {
    await engine?.stop();
    rmSync(folder, { recursive: true });
  });
  afterEach(() => scene.clear());

  const start = async (runtime?: string) => {
    const agent = scene.open(QUICK);
    const parameters = runtime === undefined ? [] : [{ key: "runtime", value: runtime }];
    const spec = scene.spec(agent, "exec sleep 1000", {}, { docker: { parameters } });
    await agent.containerizer.launch(spec);
    return { agent, spec };
  };
  const check = (
    { containerizer }: Agent,
    spec: ContainerSpec,
    value: string,
    timeoutMs?: number,
  ): Promise<InsideEnd> =>
    containerizer.runInside({ ...spec, environment: {}, command: { value }, timeoutMs });
  const openSession = async ({ containerizer }: Agent, spec: ContainerSpec, value: string) => {
    const texts = { stdout: "", stderr: "" };
    const session = await containerizer.runInteractive({
      ...spec,
      sessionId: value,
      environment: {},
      command: { value },
      terminal: undefined,
      onOutput: (stream, data) => {
        texts[stream] += new TextDecoder().decode(data);
      },
    });
    return { session, texts };
  };

  test("takes with it a child that has forgotten its environment", async () => {
    const { agent, spec } = await start();
    const command = "env -i sleep 7781 & env -i setsid sleep 7782 & sleep 7783; true";
    expect(await check(agent, spec, command, 300)).toEqual({ kind: "timedOut" });
    const all = ["sleep 7781", "sleep 7782", "sleep 7783"];
    await until("nothing of it is left", () => !all.some(isProgramRunning));
  });

  test("whose Engine hangs while it is being started leaves nothing, and is no failure", async () => {
    const { agent, spec } = await start("slow");
    const outcome = check(agent, spec, "exec sleep 7784", 200).catch((error: unknown) => error);
    await until("it is being started", () => isProgramRunning(`sleep ${SLOW_SECONDS}`));
    process.kill(pid(), "SIGSTOP");
    try {
      await until("it has come", () => isProgramRunning("sleep 7784"));
      expect(await outcome).toBeInstanceOf(UnavailableError);
      await until("it is gone", () => !isProgramRunning("sleep 7784"));
      const next = check(agent, spec, "true", 200);
      await expect(next).rejects.toBeInstanceOf(UnavailableError);
    } finally {
      process.kill(pid(), "SIGCONT");
    }
    await until("the Engine is well again", () => agent.containerizer.health()[0]?.isHealthy);
    expect(await check(agent, spec, "exit 4", 10_000)).toEqual({ kind: "exited", code: 4 });
  });

  test("that ends while its Engine hangs has an end that is not known, and one that runs on is late", async () => {
    const { agent, spec } = await start();
    const short = check(agent, spec, "sleep 4; exit 1", 20_000).catch((error: unknown) => error);
    const long = check(agent, spec, "sleep 7788", 6000);
    await until("they run", () => isProgramRunning("sleep 4") && isProgramRunning("sleep 7788"));
    // The agent has to have heard of their processes, too.
    await Bun.sleep(1500);
    process.kill(pid(), "SIGSTOP");
    try {
      expect(await long).toEqual({ kind: "timedOut" });
      expect(isProgramRunning("sleep 7788")).toBe(false);
      expect(await short).toBeInstanceOf(UnavailableError);
    } finally {
      process.kill(pid(), "SIGCONT");
    }
  });

  test("that takes long to be started is not late for it, and ends when its own time is over", async () => {
    const { agent, spec } = await start("slow");
    expect(await check(agent, spec, "exit 3", 1000)).toEqual({ kind: "exited", code: 3 });
    expect(await check(agent, spec, "sleep 7785", 200)).toEqual({ kind: "timedOut" });
    await until("it is gone", () => !isProgramRunning("sleep 7785"));
  });

  test("ends with its command, though a child holds its output", async () => {
    const { agent, spec } = await start();
    for (const hiding of ["", "env -i "]) {
      const command = `echo up; ${hiding}sh -c 'sleep 1.5; echo late; sleep 7786' & exit 5`;
      const { session, texts } = await openSession(agent, spec, command);
      expect(session.pid).toBeGreaterThan(1);
      expect(await session.end).toEqual({ kind: "exited", code: 5 });
      expect(texts.stdout).toBe("up\n");
      expect(isProgramRunning("sleep 7786")).toBe(false);
    }
  });

  test("whose output is held by one that cannot be told from the container's own ends all the same", async () => {
    const { agent, spec } = await start();
    const command = "echo up; (env -i setsid sleep 7787 &); sleep 0.2; exit 6";
    const { session, texts } = await openSession(agent, spec, command);
    expect(await session.end).toEqual({ kind: "exited", code: 6 });
    expect(texts.stdout).toBe("up\n");
  });
});
