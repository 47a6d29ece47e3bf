/** URIs of command tasks through the compiled program: fetched, refused, killed and cut short. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { tarOf } from "../fetcher/tar-builder.ts";
import {
  type AllotProcess,
  makeWorkDir,
  processesBelow,
  removeWorkDir,
  startAllot,
} from "../harness/allot-process.ts";
import { TestFramework } from "../harness/test-framework.ts";
import { until } from "../harness/wait.ts";

const TIMEOUT_MS = 120_000;
const workDir = makeWorkDir();
const FLAGS = ["--resources=cpus:4;mem:1024;disk:1000"];

let master: AllotProcess;
let agent: AllotProcess;
let server: Server;
let base = "";

const startAgent = (): Promise<AllotProcess> =>
  startAllot({
    role: "agent",
    workDir: `${workDir}/agent`,
    flags: [...FLAGS, `--master=${new URL(master.url).host}`],
  });

beforeAll(async () => {
  const packed = gzipSync(
    tarOf([{ path: "bin/hello", content: "#!/bin/sh\necho hi\n", mode: 0o755 }]),
  );
  server = createServer((request, response) => {
    if (request.url === "/tool.tar.gz") response.end(packed);
    else if (request.url === "/evil.tar") response.end(tarOf([{ path: "../up", content: "x" }]));
    else if (request.url?.startsWith("/stuck") === true) {
      response.writeHead(200, { "Content-Length": 1000 }).write("some");
    } else response.writeHead(404).end();
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  master = await startAllot({ role: "master", workDir: `${workDir}/master` });
  agent = await startAgent();
});

afterAll(async () => {
  await agent.end("SIGTERM");
  await master.end("SIGTERM");
  server.closeAllConnections();
  server.close();
  await removeWorkDir(workDir);
});

/** A task whose command has these URIs. */
const taskWith = (id: string, value: string, uris: readonly object[]) => ({
  id,
  command: value,
  extra: { command: { value, uris } },
});

/** Counted by the agent so far; the tests come in any order. */
async function fetches(): Promise<{ succeeded: number; failed: number }> {
  const response = await fetch(`${agent.url}/metrics/snapshot`);
  const metrics = (await response.json()) as Record<string, number>;
  const of = (end: string): number => metrics[`containerizer/fetcher/task_fetches_${end}`] ?? -1;
  return { succeeded: of("succeeded"), failed: of("failed") };
}

test(
  "a command starts with all it asked for in its sandbox [item 63]",
  async () => {
    const framework = await TestFramework.subscribe({ master: master.url });
    const before = await fetches();
    const uris = [
      { value: `${base}/tool.tar.gz`, cache: true },
      { value: "/etc/passwd", output_file: "in/users" },
    ];
    const command = 'test "$(bin/hello)" = hi && cmp in/users /etc/passwd && test ! -e tool.tar.gz';
    await framework.launch(await framework.offer(), [taskWith("fetched", command, uris)]);
    await framework.status("fetched", "TASK_FINISHED");
    const after = await fetches();
    expect(after.succeeded - before.succeeded).toBe(1);
    expect(after.failed - before.failed).toBe(0);
    await framework.teardown();
  },
  TIMEOUT_MS,
);

test(
  "a launch whose URIs cannot be had fails with the reason [semantics 6.3]",
  async () => {
    const framework = await TestFramework.subscribe({ master: master.url });
    const cases: readonly (readonly [string, string, string])[] = [
      ["absent", `${base}/absent`, "the server answered 404"],
      ["evil", `${base}/evil.tar`, "contains '..' and would leave the sandbox"],
      ["scheme", "hdfs://host/file", "has the scheme hdfs"],
    ];
    for (const [id, value, reason] of cases) {
      await framework.launch(await framework.offer(), [taskWith(id, "true", [{ value }])]);
      const status = await framework.status(id, "TASK_FAILED");
      expect(status).toMatchObject({
        reason: "REASON_CONTAINER_LAUNCH_FAILED",
        source: "SOURCE_AGENT",
        message: expect.stringContaining(reason),
      });
    }
    await framework.teardown();
  },
  TIMEOUT_MS,
);

test(
  "a kill ends fetching at once; an agent that dies meanwhile has launched nothing [semantics 7.7]",
  async () => {
    const framework = await TestFramework.subscribe({
      master: master.url,
      info: {
        checkpoint: true,
        failover_timeout: 60,
        capabilities: [{ type: "MULTI_ROLE" }, { type: "PARTITION_AWARE" }],
      },
    });
    const helpers = (): number => processesBelow(`${workDir}/agent/slaves`).length;
    const uris = [{ value: `${base}/stuck` }];
    const offer = await framework.offer();
    await framework.launch(offer, [taskWith("killed", "true", uris)]);
    await until("it is being fetched", () => helpers() === 1);
    await framework.call("KILL", { kill: { task_id: { value: "killed" } } });
    const status = await framework.status("killed", "TASK_KILLED");
    expect(status).toMatchObject({ reason: "REASON_TASK_KILLED_DURING_LAUNCH" });
    await until("nobody fetches any more", () => helpers() === 0);

    await framework.launch(await framework.offer(), [taskWith("cut", "touch ran", uris)]);
    await until("it is being fetched", () => helpers() === 1);
    await agent.end("SIGKILL");
    await until("the helper goes with its agent", () => helpers() === 0);
    agent = await startAgent();
    expect(await framework.status("cut", "TASK_DROPPED")).toMatchObject({
      reason: "REASON_AGENT_RESTARTED",
    });
    await framework.teardown();
  },
  TIMEOUT_MS,
);
