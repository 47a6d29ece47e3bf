/**
 * The native containerizer: the common suite, and what only it does: cgroups, namespaces, recovery.
 * Needs root and cgroups v2, with or without controllers.
 */
import { afterEach, describe, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { brand } from "../../../src/base/ids.ts";
import type { Containerizer } from "../../../src/containerizer/containerizer.ts";
import { agentMark } from "../../../src/containerizer/mesos-containerizer.ts";
import { containerizerSuite } from "../containerizer.suite.ts";
import {
  failureOf,
  isRunning,
  newRoot,
  outputOf,
  pidsIn,
  posixIn,
  removeRoots,
  specIn,
  until,
} from "../containers.ts";
import { HIERARCHY, nativeIn, newCgroupRoot, OBSTACLE, removeCgroupRoots } from "./native.ts";

const opened: Containerizer[] = [];
const children: ChildProcess[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  for (const containerizer of opened.splice(0)) await containerizer.close();
  await removeCgroupRoots();
  removeRoots();
});

/** Not there where the kernel counts no pressure, and not to be read where it was told not to. */
const PRESSURE = existsSync("/proc/pressure/cpu")
  ? textOf(join(HIERARCHY, "cpu.pressure"))
  : undefined;

const reason = OBSTACLE === undefined ? "" : ` (skipped: ${OBSTACLE})`;

describe.skipIf(OBSTACLE !== undefined)(`native containerizer${reason}`, () => {
  containerizerSuite((root) => nativeIn(root, { cgroups: { root: newCgroupRoot() } }));

  test("a container's processes are in its leaf, its keeper is beside, and both go [semantics 7.12]", async () => {
    const { containerizer, root, folder } = open();
    const spec = specIn(root, "one", "setsid sleep 100 & exec sleep 100");
    const { pid } = await containerizer.launch(spec);
    const keeper = Number(
      readFileSync(join(root, "run/containers/one/keeper"), "utf8").split(" ")[1],
    );
    expect(cgroupOf(pid)).toBe(join(folder, "one/leaf"));
    expect(cgroupOf(keeper)).toBe(join(folder, "-keepers"));
    expect(readFileSync(join(folder, "one/cgroup.events"), "utf8")).toContain("populated 1");
    await containerizer.destroy(spec.containerId);
    expect(readFileSync(join(folder, "one/cgroup.events"), "utf8")).toContain("populated 0");
    await containerizer.cleanup(spec.containerId);
    expect(readdirSync(folder).filter((name) => name === "one")).toEqual([]);
    await until("the keeper is gone", () => !isRunning(keeper));
    await containerizer.close();
    expect(existsSync(folder)).toBe(false);
  });

  test.skipIf(PRESSURE === undefined)(
    `what a container's processes waited for is told${PRESSURE === undefined ? " (skipped: the kernel measures no pressure)" : ""} [DESIGN §7]`,
    async () => {
      const { containerizer, root } = open();
      const spin = "while :; do :; done";
      const spec = specIn(root, "busy", `(${spin}) & (${spin}) & (${spin}) & (${spin}) & wait`);
      await containerizer.launch(spec);
      const waitedSecs = async (): Promise<number> => {
        const usage = await containerizer.usage(spec.containerId);
        return usage.pressure?.cpu?.some.total_secs ?? Number.NaN;
      };
      while (!((await waitedSecs()) > 0)) await new Promise((wake) => setTimeout(wake, 20));
      const { pressure } = await containerizer.usage(spec.containerId);
      expect(Object.keys(pressure ?? {})).toEqual(["cpu", "memory", "io"]);
      await containerizer.destroy(spec.containerId);
      await containerizer.cleanup(spec.containerId);
    },
  );

  test("a task sees its own processes alone, and nothing of its mounts is seen outside [semantics 7.16]", async () => {
    const { containerizer, root } = open();
    const spec = specIn(
      root,
      "alone",
      'ls /proc | grep -c "^[0-9]"; mkdir m; mount -t tmpfs none m; touch m/x; echo $$; exec sleep 100',
    );
    await containerizer.launch(spec);
    await until("it has spoken", () => outputOf(spec).split("\n").length > 2);
    // The init, the shell, ls and grep; the agent and the rest of the host are not among them.
    const [seen, own] = outputOf(spec).split("\n").map(Number);
    expect(seen).toBeLessThanOrEqual(5);
    expect(own).toBeLessThanOrEqual(40);
    expect(readdirSync(join(spec.directory, "m"))).toEqual([]);
    await containerizer.destroy(spec.containerId);
  });

  test("namespaces are shared where the task asks and the agent allows it [semantics 7.16]", async () => {
    const { containerizer, root } = open();
    const container = {
      type: "MESOS",
      linux_info: { share_pid_namespace: true, ipc_mode: "SHARE_PARENT" },
    } as const;
    const command = "readlink /proc/self/ns/pid /proc/self/ns/ipc";
    const spec = specIn(root, "shared", command, { container });
    await containerizer.launch(spec);
    await containerizer.wait(spec.containerId);
    expect(outputOf(spec).trim().split("\n")).toEqual(
      ["pid", "ipc"].map((name) => readlinkSync(`/proc/self/ns/${name}`)),
    );
    const strict = open({
      namespaces: {
        isPidSharingForbidden: true,
        isIpcSharingForbidden: true,
        shmBytes: undefined,
      },
    });
    const refused = strict.containerizer.launch(
      specIn(strict.root, "refused", "true", { container }),
    );
    expect(await failureOf(refused)).toContain("pid namespace may not be shared");
  });

  test("the reaper of a container takes in what loses its parent", async () => {
    const { containerizer, root } = open();
    const spec = specIn(
      root,
      "orphans",
      `for i in $(seq 30); do (setsid sh -c "exit 3" &); done; sleep 0.5
       zombies() { grep -l "^State:.Z" /proc/[0-9]*/status | wc -l; }
       for i in $(seq 100); do [ "$(zombies)" = 0 ] && break; sleep 0.1; done; zombies`,
    );
    await containerizer.launch(spec);
    await containerizer.wait(spec.containerId);
    expect(outputOf(spec)).toBe("0\n");
  });

  test("a unit that owns the root must have been started; nothing is made in its place [DESIGN 7]", async () => {
    const unit = `allot-test-${process.pid}.service`;
    const { containerizer, root } = open({}, `${unit}/inner`);
    const launch = containerizer.launch(specIn(root, "early", "true"));
    expect(await failureOf(launch)).toContain(`start the unit ${unit}`);
    expect(existsSync(join(HIERARCHY, unit))).toBe(false);
  });

  test("an id that the kernel takes for a file of its own is refused", async () => {
    const { containerizer, root } = open();
    const spec = specIn(root, "memory.max", "true", { containerId: brand("memory.max") });
    expect(await failureOf(containerizer.launch(spec))).toContain("cannot be the name of a cgroup");
    await containerizer.cleanup(spec.containerId);
  });
});

describe.skipIf(OBSTACLE !== undefined)(`nested native containers${reason}`, () => {
  test("a nested container lives in its parent's cgroup, ends with it and is found again [semantics 7.12]", async () => {
    const cgroupRoot = newCgroupRoot();
    const { containerizer, root, folder } = open({}, cgroupRoot);
    const parent = specIn(root, "parent", "exec sleep 100");
    const child = specIn(root, "child", "exec sleep 100", { parentId: parent.containerId });
    const brief = specIn(root, "brief", "exit 3", { parentId: parent.containerId });
    await containerizer.launch(parent);
    const { pid } = await containerizer.launch(child);
    expect(cgroupOf(pid)).toBe(join(folder, "parent/child/leaf"));
    await containerizer.launch(brief);
    expect((await containerizer.wait(brief.containerId)).exit).toEqual({ kind: "exited", code: 3 });
    await containerizer.cleanup(brief.containerId);
    await containerizer.close();
    const next = open({}, cgroupRoot, root).containerizer;
    const { alive } = await next.recover([parent, child]);
    expect([...alive.keys()].sort()).toEqual([child.containerId, parent.containerId].sort());
    await next.destroy(parent.containerId);
    expect(isRunning(pid)).toBe(false);
    expect((await next.wait(child.containerId)).exit.kind).toBe("signaled");
    for (const { containerId } of [parent, child]) await next.cleanup(containerId);
    expect(existsSync(join(folder, "parent"))).toBe(false);
  });

  test("what a nested container shares is its parent's [semantics 7.16]", async () => {
    const { containerizer, root } = open();
    const parent = specIn(
      root,
      "parent",
      "readlink /proc/self/ns/pid /proc/self/ns/ipc; sleep 100",
    );
    await containerizer.launch(parent);
    await until("the parent has spoken", () => outputOf(parent).split("\n").length > 2);
    const linux_info = { share_pid_namespace: true, ipc_mode: "SHARE_PARENT" } as const;
    const child = specIn(root, "child", "readlink /proc/self/ns/pid /proc/self/ns/ipc; ps ax", {
      parentId: parent.containerId,
      container: { type: "MESOS", linux_info },
    });
    await containerizer.launch(child);
    await containerizer.wait(child.containerId);
    expect(outputOf(child, "stderr")).toBe("");
    expect(outputOf(child)).toStartWith(outputOf(parent));
    expect(outputOf(child)).toContain("sleep 100");
    await containerizer.destroy(parent.containerId);
  });
});

describe.skipIf(OBSTACLE !== undefined)(`recovery of native containers${reason}`, () => {
  test("after SIGKILL of the agent all is found, orphans and stale cgroups go, strangers stay [semantics 7.7]", async () => {
    const root = newRoot();
    const cgroupRoot = newCgroupRoot();
    const folder = folderOf(root, cgroupRoot);
    const agent = await startAgent(root, cgroupRoot, {
      kept: "exec sleep 100",
      over: "(setsid sleep 100 &) ; sleep 0.3; kill -TERM $$",
      orphan: "(setsid sleep 100 &) ; echo $$; exec sleep 100",
    });
    const [orphanPid = -1] = await pidsIn(specIn(root, "orphan", ""), 1);
    agent.kill("SIGKILL");
    await until("the agent is gone", () => agent.signalCode !== null);
    const end = join(root, "run/exits/over");
    await until("one is over", () => existsSync(end) && readFileSync(end, "utf8").includes("\n"));
    mkdirSync(join(folder, "stale/leaf"), { recursive: true });
    const stranger = join(HIERARCHY, cgroupRoot, "stranger");
    mkdirSync(stranger);

    const { containerizer } = open({}, cgroupRoot, root);
    const [kept, over] = [specIn(root, "kept", ""), specIn(root, "over", "")];
    const { alive, ended, orphans } = await containerizer.recover([kept, over]);
    expect([...alive.keys()]).toEqual([kept.containerId]);
    expect(ended.get(over.containerId)?.exit).toEqual({ kind: "signaled", signal: 15 });
    expect([...orphans].sort()).toEqual([brand("orphan"), brand("stale")]);
    expect(isRunning(orphanPid)).toBe(false);
    expect(existsSync(stranger)).toBe(true);
    rmdirSync(stranger);
    await containerizer.destroy(kept.containerId);
    for (const { containerId } of [kept, over]) await containerizer.cleanup(containerId);
    expect(readdirSync(join(root, "run/containers"))).toEqual([]);
    expect(
      readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory()),
    ).toHaveLength(1);
  });

  test("a process that gives a path for its container takes nobody with it", async () => {
    const root = newRoot();
    const cgroupRoot = newCgroupRoot();
    const ids = ["..", "-keepers", "other/leaf", "../../../run/containers/other"];
    const marked = ids.map((id) => `setsid env ALLOT_CONTAINER_ID=${id} sleep 100 & `).join("");
    const agent = await startAgent(root, cgroupRoot, {
      other: "exec sleep 100",
      sly: `${marked}exec sleep 100`,
    });
    const specs = [specIn(root, "other", ""), specIn(root, "sly", "")];
    await until("its processes run", () => {
      const procs = join(folderOf(root, cgroupRoot), "sly/leaf/cgroup.procs");
      const pids = readFileSync(procs, "utf8").trim().split("\n");
      const names = pids.map((pid) => textOf(`/proc/${pid}/comm`));
      return names.filter((name) => name === "sleep\n").length === ids.length + 1;
    });
    agent.kill("SIGKILL");
    await until("the agent is gone", () => agent.signalCode !== null);

    const { containerizer } = open({}, cgroupRoot, root);
    const { alive, orphans } = await containerizer.recover(specs);
    expect([...alive.keys()]).toEqual(specs.map(({ containerId }) => containerId));
    expect(orphans).toEqual([]);
    for (const { containerId } of specs) {
      expect(isRunning(alive.get(containerId)?.pid ?? 0)).toBe(true);
      await containerizer.destroy(containerId);
      await containerizer.cleanup(containerId);
    }
  });

  test("what an agent without cgroups has started is taken back and ended like any other", async () => {
    const root = newRoot();
    const before = posixIn(root);
    const spec = specIn(root, "older", "(setsid sleep 100 &) ; exec sleep 100");
    const { pid } = await before.launch(spec);
    await before.close();
    const { containerizer } = open({}, newCgroupRoot(), root);
    const { alive } = await containerizer.recover([spec]);
    expect(alive.get(spec.containerId)?.pid).toBe(pid);
    await containerizer.destroy(spec.containerId);
    expect(isRunning(pid)).toBe(false);
    await containerizer.cleanup(spec.containerId);
  });
});

function open(
  options: Parameters<typeof nativeIn>[1] = {},
  cgroupRoot: string = newCgroupRoot(),
  root: string = newRoot(),
): { containerizer: Containerizer; root: string; folder: string } {
  const containerizer = nativeIn(root, { ...options, cgroups: { root: cgroupRoot } });
  opened.push(containerizer);
  return { containerizer, root, folder: folderOf(root, cgroupRoot) };
}

function folderOf(root: string, cgroupRoot: string): string {
  return join(HIERARCHY, cgroupRoot, agentMark(join(root, "work")));
}

function cgroupOf(pid: number): string {
  const line = readFileSync(`/proc/${pid}/cgroup`, "utf8").match(/^0::(.*)$/m);
  return join(HIERARCHY, line?.[1] ?? "");
}

async function startAgent(
  root: string,
  cgroupRoot: string,
  commands: Record<string, string>,
): Promise<ChildProcess> {
  const script = join(import.meta.dir, "agent-process.ts");
  const args = [script, root, cgroupRoot, JSON.stringify(commands)];
  const agent = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  children.push(agent);
  let output = "";
  agent.stdout?.on("data", (chunk: Uint8Array) => {
    output += String(chunk);
  });
  await until("the agent stands", () => output.includes("running\n"));
  return agent;
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
