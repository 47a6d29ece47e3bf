/** Sandboxes of the compiled program go when they are old, those in use do not; logs are rotated. */
import { expect, test } from "bun:test";
import { existsSync, statSync } from "node:fs";
import { AgentClient, type Message } from "../harness/agent-client.ts";
import { ownProcesses } from "../harness/own-processes.ts";
import { type Status, TestFramework } from "../harness/test-framework.ts";
import { until } from "../harness/wait.ts";
import { JSON_WIRE } from "../harness/wire.ts";

const TIMEOUT_MS = 120_000;

const own = ownProcesses();

test(
  "a finished task's sandbox goes after --gc_delay, a running one's stays [semantics 7.6]",
  async () => {
    const gc = ["--gc_delay=3secs", "--disk_watch_interval=1secs"];
    const logs = ["--max_stdout_size=64KB", "--max_rotated_logs=2"];
    const flags = ["--resources=cpus:4;mem:1024;disk:99", ...gc, ...logs];
    const workDir = own.folder();
    const both = await own.start({ role: "both", workDir, flags });
    const framework = await TestFramework.subscribe({ master: both.url });
    const offer = await framework.offer();
    await framework.launch(offer, [
      { id: "short", command: "true" },
      { id: "long", command: "head -c 300000 /dev/zero; sleep 1000" },
    ]);
    await framework.status("long", "TASK_RUNNING");
    await framework.status("short", "TASK_FINISHED");
    const sandbox = (id: string): string =>
      `${workDir}/slaves/${offer.agent_id.value}/frameworks/${framework.id}/executors/${id}/runs`;
    expect(existsSync(sandbox("short"))).toBe(true);
    await until("the sandbox to go", () => !existsSync(sandbox("short")));
    expect(existsSync(`${sandbox("long")}/latest/stdout`)).toBe(true);
    const stdout = `${sandbox("long")}/latest/stdout`;
    await until("what was too much to be rotated", () => existsSync(`${stdout}.1`));
    await until("the rest to be small", () => statSync(stdout).size < 64 * 1024);
    const metrics = (await (await fetch(`${both.agentUrl}/metrics/snapshot`)).json()) as object;
    expect(metrics).toMatchObject({ "gc/path_removals_succeeded": 1 });
    await framework.teardown();
  },
  TIMEOUT_MS,
);

test(
  "sandboxes of ended containers that calls launched go where that is asked for, beside what still runs [semantics 7.6]",
  async () => {
    const gc = ["--gc_delay=3secs", "--disk_watch_interval=1secs"];
    const resources = "--resources=cpus:4;mem:1024;disk:99";
    const flags = [resources, ...gc, "--gc_non_executor_container_sandboxes"];
    const workDir = own.folder();
    const info = { checkpoint: true, failover_timeout: 3600 };
    const both = await own.start({ role: "both", workDir, flags });
    const framework = await TestFramework.subscribe({ master: both.url, info });
    const offer = await framework.offer();
    await framework.launch(offer, [
      { id: "t", command: "mkdir -p containers/own; touch -d @0 containers/own; sleep 1000" },
    ]);
    const { container_status: status }: Status & Message = await framework.status(
      "t",
      "TASK_RUNNING",
    );
    const parent = status.container_id;
    const run = `${workDir}/slaves/${offer.agent_id.value}/frameworks/${framework.id}/executors/t/runs/${parent.value}`;
    const agent = new AgentClient(both.agentUrl ?? "", JSON_WIRE);
    const launch = async (container_id: object, value: string): Promise<void> => {
      const launch_container = { container_id, command: { value } };
      expect((await agent.call("LAUNCH_CONTAINER", { launch_container })).status).toBe(200);
    };
    const wait = async (container_id: object): Promise<number> => {
      const answer = await agent.call("WAIT_CONTAINER", { wait_container: { container_id } });
      return answer.body["wait_container"].exit_status;
    };
    const [early, late] = ["early", "late"].map((value) => ({ value, parent }));
    await launch({ value: "alone" }, "exit 3");
    await launch({ value: "lasting" }, "sleep 1000");
    await launch({ value: "deep", parent: { value: "lasting" } }, "exit 4");
    await launch(early ?? {}, "exit 5");
    expect(await wait(early ?? {})).toBe(5 * 256);
    await both.end("SIGKILL");
    const ports = [both.url, both.agentUrl ?? ""].map((url) => new URL(url).port);
    const places = [`--port=${ports[0]}`, `--agent_port=${ports[1]}`];
    await own.start({ role: "both", workDir, flags: [...flags, ...places] });
    await launch(late ?? {}, "exit 6");
    const sandboxes = [
      `${workDir}/containers/alone`,
      `${workDir}/containers/lasting/containers/deep`,
      `${run}/containers/early`,
      `${run}/containers/late`,
    ];
    expect(existsSync(`${run}/containers/late`)).toBe(true);
    await until("all of them to go", () => !sandboxes.some(existsSync));
    expect(existsSync(`${workDir}/containers/lasting/stdout`)).toBe(true);
    expect(existsSync(`${run}/containers/own`)).toBe(true);
    // How they ended is still known.
    expect(await wait({ value: "alone" })).toBe(3 * 256);
    expect(await wait(late ?? {})).toBe(6 * 256);
    const remove_container = { container_id: late };
    expect((await agent.call("REMOVE_CONTAINER", { remove_container })).status).toBe(200);
  },
  TIMEOUT_MS,
);
