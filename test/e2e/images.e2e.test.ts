/**
 * Images of native containers through the compiled program: `allot execute`, task groups, a kill of
 * the agent in the middle of a pull, and PRUNE_IMAGES. Needs root, cgroups v2, overlayfs, a static
 * busybox and docker-registry.
 */
import { afterAll, afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  HIERARCHY,
  newCgroupRoot,
  OBSTACLE,
  removeCgroupRoots,
} from "../containerizer/native/native.ts";
import {
  type AllotProcess,
  BINARY,
  makeWorkDir,
  processesBelow,
  removeWorkDir,
  startAllot,
} from "../harness/allot-process.ts";
import { findRegistry } from "../harness/docker-registry.ts";
import { type RunResult, runProgram } from "../harness/run-program.ts";
import { SlowProxy } from "../harness/slow-proxy.ts";
import { BUSYBOX_OBSTACLE } from "../harness/static-busybox.ts";
import { PATIENCE_MS, until } from "../harness/wait.ts";
import { buildImage, busyboxLayer, pushImage } from "../images/image-builder.ts";

setDefaultTimeout(PATIENCE_MS * 2);

const obstacle = OBSTACLE ?? BUSYBOX_OBSTACLE;
const reason = obstacle === undefined ? "" : ` (skipped: ${obstacle})`;
const registry =
  obstacle === undefined ? await findRegistry("native tasks with images") : undefined;
const folders: string[] = [];
const processes: AllotProcess[] = [];
const proxies: SlowProxy[] = [];

afterEach(async () => {
  for (const running of processes.splice(0)) {
    if (running.isRunning()) await running.end("SIGKILL");
  }
  for (const proxy of proxies.splice(0)) proxy.stop();
  for (const folder of folders.splice(0)) {
    await until("every process of it to be gone", () => processesBelow(folder).length === 0);
    expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(`${folder}/`);
    await removeWorkDir(folder);
  }
  await removeCgroupRoots();
});

afterAll(() => registry?.stop());

describe.skipIf(registry === undefined)(`native tasks with images${reason}`, () => {
  const host = registry?.host ?? "";

  test("execute runs a command in the image, or what the image is made for [flag docker_image]", async () => {
    const config = {
      Entrypoint: ["/bin/sh", "-c"],
      Cmd: ["echo made for $FOR; exit 3"],
      Env: ["FOR=this"],
    };
    await pushImage(host, "made", "1", buildImage({ layers: [busyboxLayer()], config }));
    const { execute, agent } = await machine();
    const given = await execute(
      `--docker_image=${host}/made:1`,
      "--command=ls -d /bin /root; echo $FOR; pwd",
    );
    expect(given.stdout).toContain("/bin\nthis\n/mnt/mesos/sandbox");
    const own = await execute("--docker_image=made:1");
    expect(own.stdout).toContain("made for this");
    expect(own.code).toBe(3);
    const missing = await execute("--docker_image=made:2", "--command=true");
    expect(missing.code).not.toBe(0);
    expect(`${missing.stdout}${missing.stderr}`).toContain("has no such image");
    const excluded_images = [{ type: "DOCKER", docker: { name: "no such: name" } }];
    const refused = await pruneCall(agent(), { prune_images: { excluded_images } });
    expect(refused.status).toBe(400);
    expect(await refused.text()).toContain("prune_images.excluded_images[0].docker.name: ");
    await prune(agent());
    expect(readdirSync(join(folders[0] ?? "", "store/docker/layers"))).toEqual([]);
  });

  test("an agent killed in the middle of a pull uses nothing of it, and pulls anew [issue 4]", async () => {
    const random = Buffer.from(crypto.getRandomValues(new Uint8Array(65_536)));
    const content = Buffer.concat(Array.from({ length: 128 }, () => random));
    const pack = (bytes: Uint8Array): Uint8Array => bytes;
    const image = buildImage({ layers: [busyboxLayer(), [{ path: "big", content }]], pack });
    await pushImage(host, "big", "1", image);
    const proxy = await SlowProxy.start(registry?.port ?? 0);
    proxies.push(proxy);
    proxy.bytesPerSecond = 200_000;
    const { execute, restart, agent, workDir } = await machine(`http://127.0.0.1:${proxy.port}`);
    const command = "--command=stat -c %s /big";
    const first = execute("--docker_image=big:1", command);
    const staging = join(workDir, "store/docker/staging");
    await until("a layer is on its way", () =>
      readdirSync(staging).some((name) => existsSync(join(staging, name, "blob"))),
    );
    await agent().end("SIGKILL");
    proxy.bytesPerSecond = Number.POSITIVE_INFINITY;
    await restart();
    expect(readdirSync(staging)).toEqual([]);
    expect((await first).code).not.toBe(0);
    const second = await execute("--docker_image=big:1", command);
    expect(second.stdout).toContain(String(content.length));
    const containers = join(workDir, "provisioner/containers");
    await until("its root to be gone", () => readdirSync(containers).length === 0);
  });

  test("a task with an image outlives its agent, and is ended without a trace [issue 4]", async () => {
    await pushImage(host, "lasting", "1", buildImage({ layers: [busyboxLayer()] }));
    const { execute, restart, agent, workDir, master } = await machine();
    const running = execute(
      "--docker_image=lasting:1",
      "--checkpoint",
      "--name=lasting",
      "--command=touch /made; echo begun; until test -e /mnt/mesos/sandbox/go; do sleep 0.1; done; ls /made",
    );
    const containers = join(workDir, "provisioner/containers");
    await until("it has written to its root", () =>
      readdirSync(containers).some((name) => existsSync(join(containers, name, "upper/made"))),
    );
    await agent().end("SIGKILL");
    await restart();
    await prune(agent());
    const inside = await runProgram(BINARY, [
      "exec",
      `--master=${new URL(master.url).host}`,
      "lasting",
      "--",
      "/bin/touch",
      "/mnt/mesos/sandbox/go",
    ]);
    expect(inside.stderr).toBe("");
    const { code, stdout } = await running;
    expect(stdout).toContain("/made");
    expect(code).toBe(0);
    await until("its root to be gone", () => readdirSync(containers).length === 0);
  });
});

async function prune(agent: AllotProcess): Promise<void> {
  expect((await pruneCall(agent, {})).status).toBe(200);
}

function pruneCall(agent: AllotProcess, call: object): Promise<Response> {
  return fetch(`${agent.url}/api/v1`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ type: "PRUNE_IMAGES", ...call }),
  });
}

interface Machine {
  readonly master: AllotProcess;
  readonly workDir: string;
  agent(): AllotProcess;
  restart(): Promise<void>;
  execute(...args: readonly string[]): Promise<RunResult>;
}

async function machine(url: string = `http://${registry?.host ?? ""}`): Promise<Machine> {
  const [workDir, masterDir] = [makeWorkDir(), makeWorkDir()];
  folders.push(workDir, masterDir);
  const master = await startAllot({ role: "master", workDir: masterDir });
  processes.push(master);
  const flags = [
    `--master=${new URL(master.url).host}`,
    "--launcher=linux",
    `--cgroups_hierarchy=${HIERARCHY}`,
    `--cgroups_root=${newCgroupRoot()}`,
    `--docker_registry=${url}`,
  ];
  let agent = await startAllot({ role: "agent", workDir, flags });
  processes.push(agent);
  return {
    master,
    workDir,
    agent: () => agent,
    restart: async () => {
      agent = await startAllot({
        role: "agent",
        workDir,
        flags: [...flags, `--port=${new URL(agent.url).port}`],
      });
      processes.push(agent);
    },
    execute: (...args) =>
      runProgram(BINARY, [
        "execute",
        `--master=${new URL(master.url).host}`,
        "--resources=cpus:0.1;mem:32",
        ...(args.some((arg) => arg.startsWith("--name")) ? [] : ["--name=t"]),
        ...args,
      ]),
  };
}
