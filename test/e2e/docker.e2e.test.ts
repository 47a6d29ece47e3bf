/**
 * Docker tasks through the compiled program: `allot execute`, addresses in the status, kills of the
 * agent, and an Engine that hangs while native tasks go on.
 */
import {
  afterAll,
  afterEach,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import {
  type AllotProcess,
  BINARY,
  makeWorkDir,
  removeWorkDir,
  startAllot,
} from "../harness/allot-process.ts";
import { BUSYBOX, docker, findPrivateEngine } from "../harness/docker-engine.ts";
import { type RunResult, runProgram } from "../harness/run-program.ts";
import { PATIENCE_MS, until } from "../harness/wait.ts";

setDefaultTimeout(PATIENCE_MS * 2);
const engine = await findPrivateEngine("Docker tasks of the compiled program");

describe.skipIf(engine === undefined)("Docker tasks", () => {
  let workDir = "";
  let both: AllotProcess;
  let flags: readonly string[] = [];
  const masterPort = (): string => new URL(both.url).port;
  const socketPath = (): string => engine?.socketPath ?? "";

  beforeEach(async () => {
    workDir = makeWorkDir();
    flags = [
      "--containerizers=mesos,docker",
      `--docker_socket=${socketPath()}`,
      "--docker_remove_delay=0ns",
    ];
    both = await startAllot({ role: "both", workDir, flags });
  });
  afterEach(async () => {
    if (both.isRunning()) await both.end("SIGTERM");
    // The agent's own removals may still be under way.
    await until("no container is left", async () => {
      const ids = await docker(socketPath(), "ps", "-aq");
      for (const id of ids.split("\n").filter((line) => line !== "")) {
        await docker(socketPath(), "rm", "-fv", id).catch(() => "");
      }
      return ids === "";
    });
    await removeWorkDir(workDir);
  });
  afterAll(() => engine?.stop());

  const execute = (...args: readonly string[]): Promise<RunResult> =>
    runProgram(BINARY, [
      "execute",
      `--master=127.0.0.1:${masterPort()}`,
      "--resources=cpus:0.1;mem:32",
      ...args,
    ]);
  const inDocker = ["--containerizer=docker", `--docker_image=${BUSYBOX}`];
  const agentState = async (): Promise<Record<string, unknown>> => {
    const response = await fetch(`${both.agentUrl}/state`);
    return (await response.json()) as Record<string, unknown>;
  };

  test("end with their own status and show their output [issue 4.3]", async () => {
    const shell = await execute(
      "--name=t",
      ...inDocker,
      "--command=echo out; echo err >&2; exit 7",
    );
    expect(shell).toMatchObject({ code: 7, stdout: "out\n" });
    expect(shell.stderr).toStartWith("err\n");
    const words = await execute(...inDocker, "--", "echo", "a b", "$HOME");
    expect(words).toMatchObject({ code: 0, stdout: "a b $HOME\n" });
    const oom = await execute(
      ...inDocker,
      "--command=x=$(head -c 100000000 /dev/zero | tr '\\0' x)",
    );
    expect(oom.code).toBe(137);
    expect(oom.stderr).toContain("REASON_CONTAINER_LIMITATION_MEMORY");
    const missing = await execute(
      "--containerizer=docker",
      "--docker_image=127.0.0.1:1/x:1",
      "--command=true",
    );
    expect(missing.code).toBe(125);
    expect(missing.stderr).toContain("Failed to pull Docker image 127.0.0.1:1/x:1");
  });

  test("outlive kill -9 of the agent, with every line and their exact end [issue 4.3]", async () => {
    const count = 300;
    const line = `i=0; while [ $i -lt ${count} ]; do i=$((i+1)); echo $i; sleep 0.02; done; exit 9`;
    const run = execute("--name=long", "--checkpoint", ...inDocker, `--command=${line}`);
    const master = `--port=${masterPort()}`;
    for (const restart of [1, 2, 3]) {
      await until(`output is there before restart ${restart}`, async () => {
        const ids = await docker(socketPath(), "ps", "-q");
        return ids !== "";
      });
      await new Promise((resolve) => setTimeout(resolve, 700));
      await both.end("SIGKILL");
      both = await startAllot({ role: "both", workDir, flags: [...flags, master] });
    }
    const result = await run;
    expect(result.stdout).toBe(
      Array.from({ length: count }, (_, index) => `${index + 1}\n`).join(""),
    );
    expect(result.code).toBe(9);
    await until(
      "no container is left",
      async () => (await docker(socketPath(), "ps", "-aq")) === "",
    );
  });

  test("alone suffer from an Engine that hangs, which is shown and heals [issue 4.3, DESIGN 9]", async () => {
    const sleeping = execute(
      "--name=sleeping",
      ...inDocker,
      "--kill_after=3secs",
      "--command=echo up; exec sleep 100",
    );
    await until("it runs", async () => (await docker(socketPath(), "ps", "-q")) !== "");
    process.kill(engine?.pid() ?? 0, "SIGSTOP");
    try {
      await until("the hang is shown", async () => {
        const { containerizers } = await agentState();
        return JSON.stringify(containerizers).includes('"healthy":false');
      });
      const metrics = await (await fetch(`${both.agentUrl}/metrics/snapshot`)).json();
      expect(metrics).toMatchObject({ "containerizer/docker/engine_healthy": 0 });
      const native = await execute("--name=native", "--command=echo native");
      expect(native).toMatchObject({ code: 0, stdout: "native\n" });
      const refused = await execute("--name=refused", ...inDocker, "--command=true");
      expect(refused.code).toBe(125);
      expect(refused.stderr).toMatch(/Docker Engine at \S+ did not answer/);
    } finally {
      process.kill(engine?.pid() ?? 0, "SIGCONT");
    }
    expect((await sleeping).code).toBe(137);
    await until("it is shown as well again", async () => {
      const { containerizers } = await agentState();
      return JSON.stringify(containerizers).includes('"healthy":true');
    });
    const after = await execute(...inDocker, "--command=echo back");
    expect(after).toMatchObject({ code: 0, stdout: "back\n" });
  });
});
