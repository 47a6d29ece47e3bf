/**
 * Devices and gpus of native containers. Needs root and cgroups v2; filters need perl and a kernel
 * that takes them, and gpus are stood in for by nodes of harmless devices.
 */
import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brand } from "../../../src/base/ids.ts";
import type { Containerizer, ContainerSpec } from "../../../src/containerizer/containerizer.ts";
import { deviceFilterObstacle } from "../../../src/containerizer/native/device-isolators.ts";
import { deviceAt } from "../../../src/containerizer/native/device-nodes.ts";
import { FULL_ACCESS, type GrantedDevice } from "../../../src/containerizer/native/device-rules.ts";
import { type Isolation, NATIVE_ISOLATION } from "../../../src/containerizer/native/isolation.ts";
import { loadTerminals } from "../../../src/platform/terminal.ts";
import { PATIENCE_MS } from "../../harness/wait.ts";
import { failureOf, newRoot, outputOf, removeRoots, specIn, until } from "../containers.ts";
import { nativeIn, newCgroupRoot, OBSTACLE, removeCgroupRoots } from "./native.ts";

setDefaultTimeout(PATIENCE_MS);

const opened: Containerizer[] = [];
const nodes: string[] = [];
const openTerminal = await loadTerminals();

afterEach(async () => {
  for (const containerizer of opened.splice(0)) await containerizer.close();
  for (const node of nodes.splice(0)) rmSync(node, { force: true });
  await removeCgroupRoots();
  removeRoots();
});

const scratch = mkdtempSync(join(tmpdir(), "allot-filter-"));
const FILTER_OBSTACLE = OBSTACLE ?? (await deviceFilterObstacle(scratch));
rmSync(scratch, { recursive: true });

const reason = OBSTACLE === undefined ? "" : ` (skipped: ${OBSTACLE})`;
const filterReason = FILTER_OBSTACLE === undefined ? "" : ` (skipped: ${FILTER_OBSTACLE})`;

describe.skipIf(OBSTACLE !== undefined)(`devices of native containers${reason}`, () => {
  test("a container sees the devices of every program, what is allowed, and no other [semantics 7.16]", async () => {
    const allowed = [standIn("/dev/allot-test/loaned", 1, 5)];
    const { run } = open({ allowed });
    const command = [
      "ls /dev | tr '\\n' ' '; echo",
      "head -c2 /dev/allot-test/loaned | od -An -tu1",
      "echo x >/dev/null && touch /dev/shm/allot-test-shm && echo written",
      "grep -c ' /dev ' /proc/self/mounts",
      "exec 3<>/dev/ptmx && ls /dev/pts | tr '\\n' ' '",
    ].join("\n");
    const spec = await run("own", command);
    expect(existsSync("/dev/shm/allot-test-shm")).toBe(true);
    rmSync("/dev/shm/allot-test-shm");
    const lines = outputOf(spec).split("\n");
    expect(lines[0]?.replace(" log ", " ")).toBe(
      "allot-test fd full null ptmx pts random shm stderr stdin stdout tty urandom zero ",
    );
    expect(lines[1]?.trim()).toBe("0   0");
    expect(lines[2]).toBe("written");
    expect(lines[4]).toBe("0 ptmx ");
  });

  test("nobody makes nodes who did not ask for that [semantics 7.16]", async () => {
    const { run } = open();
    const mknod =
      "mknod here c 1 5 2>/dev/null || echo refused; mount --version >/dev/null && echo ok";
    expect(outputOf(await run("plain", mknod))).toBe("refused\nok\n");
    const asked = await run("asked", mknod, {
      container: {
        type: "MESOS",
        linux_info: { bounding_capabilities: { capabilities: ["MKNOD", "DAC_OVERRIDE"] } },
      },
    });
    expect(outputOf(asked)).toBe("ok\n");
  });

  test("a session has its terminal although the container has terminals of its own [http-api 7.3]", async () => {
    const { containerizer, root } = open();
    const before = openTerminals();
    const spec = specIn(root, "session", "exec sleep 1000");
    await containerizer.launch(spec);
    let output = "";
    const session = await containerizer.runInteractive?.({
      ...spec,
      sessionId: brand("session-1"),
      command: { value: "test -t 0 && echo terminal; (exec </dev/tty) && echo leads; exit 5" },
      terminal: { columns: 80, rows: 25 },
      onOutput: (_stream, data) => {
        output += Buffer.from(data).toString();
      },
    });
    expect(await session?.end).toEqual({ kind: "exited", code: 5 });
    expect(output.replaceAll("\r", "")).toBe("terminal\nleads\n");
    for (const unfit of [
      { command: {} },
      { command: { value: "x".repeat(200_000) } },
      { command: { value: "true" }, environment: { X: "a\0b" } },
      { command: { value: "true" }, directory: join(root, "nowhere") },
    ]) {
      const failed = containerizer.runInteractive?.({
        ...spec,
        ...unfit,
        sessionId: brand("session-2"),
        terminal: { columns: 80, rows: 25 },
        onOutput: () => undefined,
      });
      expect(await failureOf(failed ?? Promise.resolve())).not.toBe("");
    }
    // The runtime closes a terminal's descriptors a little after it was told to.
    await until("every terminal is closed", () => openTerminals() === before);
    await containerizer.destroy(spec.containerId);
    await containerizer.cleanup(spec.containerId);
  });
});

describe.skipIf(FILTER_OBSTACLE !== undefined)(`filters of devices${filterReason}`, () => {
  test("root cannot open what it was not given, whatever nodes it makes [semantics 7.12]", async () => {
    const { run, containerizer, root } = open({ isolation: ["cgroups/devices"] });
    const open9 = "head -c1 node >/dev/null 2>&1 && echo opened || echo refused";
    const container = {
      type: "MESOS",
      linux_info: { bounding_capabilities: { capabilities: ["MKNOD"] } },
    } as const;
    const command = `mknod node c 1 8 && mknod other c 1 11 && ${open9}; head -c1 other 2>&1 | tail -1`;
    const spec = await run("root", command, { container });
    expect(outputOf(spec)).toContain("opened\n");
    expect(outputOf(spec)).toContain("Operation not permitted");
    // The same holds for what is run beside it.
    const beside = specIn(root, "beside", "mknod other c 1 11; exec sleep 1000", { container });
    await containerizer.launch(beside);
    await until("it has made its node", () => existsSync(join(beside.directory, "other")));
    const end = await containerizer.runInside({
      ...beside,
      command: { value: "test -c other || exit 3; exec 3<other" },
      timeoutMs: 20_000,
    });
    expect(end).toMatchObject({ kind: "exited" });
    expect(end).not.toMatchObject({ code: 0 });
    expect(end).not.toMatchObject({ code: 3 });
    await containerizer.destroy(beside.containerId);
    await containerizer.cleanup(beside.containerId);
  });
});

describe.skipIf(OBSTACLE !== undefined)(`gpus of native containers${reason}`, () => {
  const gpus = (value: number): ContainerSpec["resources"] => [
    { name: "gpus", type: "SCALAR", scalar: { value } },
  ];
  const look = "ls /dev | grep nvidia9 | tr '\\n' ' '";
  const lasting = `${look} >seen; touch ready; exec sleep 1000`;

  test("a container gets whole gpus, keeps them through a restart and gives them back [semantics 7.16]", async () => {
    const stands = [90, 91].map((id) => standInGpu(id));
    const first = open({ gpus: stands });
    const { containerizer, root, cgroupRoot } = first;
    const spec = specIn(root, "one", lasting, { resources: gpus(1) });
    await containerizer.launch(spec);
    const none = await first.run("none", look);
    expect(outputOf(none)).toBe("");
    await containerizer.close();
    const second = open({ gpus: stands, root, cgroupRoot });
    await second.containerizer.recover([spec]);
    const both = second.containerizer.launch(specIn(root, "both", look, { resources: gpus(2) }));
    expect(await failureOf(both)).toContain("of the agent's 2 there are 1 free");
    const other = await second.run("other", look, { resources: gpus(1) });
    expect(outputOf(other)).toBe("nvidia91 ");
    await second.containerizer.destroy(spec.containerId);
    await second.containerizer.cleanup(spec.containerId);
    const again = await second.run("again", look, { resources: gpus(2) });
    expect(outputOf(again)).toBe("nvidia90 nvidia91 ");
    const half = second.containerizer.launch(specIn(root, "half", "", { resources: gpus(0.5) }));
    expect(await failureOf(half)).toContain("give whole ones");
  });

  test("an executor gets and loses gpus while it runs [semantics 7.16]", async () => {
    const { containerizer, root } = open({ gpus: [90, 91].map((id) => standInGpu(id)) });
    const spec = specIn(root, "executor", "exec sleep 1000", { resources: gpus(1) });
    await containerizer.launch(spec);
    const opens = async (node: string): Promise<boolean> => {
      const command = { value: `exec 3<${node}` };
      const end = await containerizer.runInside({ ...spec, command, timeoutMs: 20_000 });
      return end.kind === "exited" && end.code === 0;
    };
    expect([await opens("/dev/nvidia90"), await opens("/dev/nvidia91")]).toEqual([true, false]);
    await containerizer.update(spec.containerId, gpus(2), {});
    expect(await opens("/dev/nvidia91")).toBe(true);
    await containerizer.update(spec.containerId, gpus(1), {});
    expect([await opens("/dev/nvidia90"), await opens("/dev/nvidia91")]).toEqual([
      true,
      FILTER_OBSTACLE !== undefined,
    ]);
    await containerizer.destroy(spec.containerId);
    await containerizer.cleanup(spec.containerId);
  });
});

/** A node that is gone after the test. */
function standIn(path: string, major: number, minor: number): GrantedDevice {
  execFileSync("mkdir", ["-p", join(path, "..")]);
  rmSync(path, { force: true });
  execFileSync("mknod", ["-m", "0666", path, "c", String(major), String(minor)]);
  nodes.push(path);
  const node = deviceAt(path);
  if (node === undefined) throw new Error(`${path} could not be made`);
  return { ...node, access: FULL_ACCESS, path };
}

function standInGpu(id: number): { id: number; device: GrantedDevice } {
  // The second one is the kernel's log, which every host has and no container by itself.
  return { id, device: standIn(`/dev/nvidia${id}`, 1, id === 90 ? 5 : 11) };
}

interface OpenOptions {
  readonly allowed?: readonly GrantedDevice[];
  readonly gpus?: readonly { readonly id: number; readonly device: GrantedDevice }[];
  /** In place of linux/devices and of cgroups/devices where that can be had. */
  readonly isolation?: readonly Isolation[];
  readonly root?: string;
  readonly cgroupRoot?: string;
}

function open({ allowed = [], gpus = [], isolation, ...where }: OpenOptions = {}): {
  containerizer: Containerizer;
  root: string;
  cgroupRoot: string;
  run: (name: string, command: string, more?: Partial<ContainerSpec>) => Promise<ContainerSpec>;
} {
  const root = where.root ?? newRoot();
  const cgroupRoot = where.cgroupRoot ?? newCgroupRoot();
  const others = [...NATIVE_ISOLATION].filter((name) => !/\/devices$/.test(name));
  const wanted: readonly Isolation[] = isolation ?? [
    "linux/devices",
    ...(FILTER_OBSTACLE === undefined ? (["cgroups/devices"] as const) : []),
  ];
  const containerizer = nativeIn(root, {
    openTerminal,
    isolation: new Set<Isolation>([
      ...others,
      ...wanted,
      ...(gpus.length > 0 ? (["gpu/nvidia"] as const) : []),
    ]),
    devices: { allowed, gpus },
    cgroups: { root: cgroupRoot },
  });
  opened.push(containerizer);
  const run = async (
    name: string,
    command: string,
    more: Partial<ContainerSpec> = {},
  ): Promise<ContainerSpec> => {
    const spec = specIn(root, name, command, more);
    await containerizer.launch(spec);
    await containerizer.wait(spec.containerId);
    await containerizer.cleanup(spec.containerId);
    return spec;
  };
  return { containerizer, root, cgroupRoot, run };
}

/** Ends of terminals that this process holds. */
function openTerminals(): number {
  return readdirSync("/proc/self/fd").filter((name) => {
    const link = `/proc/self/fd/${name}`;
    return existsSync(link) && /^\/dev\/(?:ptmx|pts\/)/.test(readlinkSync(link));
  }).length;
}
