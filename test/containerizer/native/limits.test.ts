/**
 * Limits of native containers against tasks that mean harm. Needs root and cgroups v2 with
 * controllers; the test machine has them.
 */
import { afterEach, describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brand } from "../../../src/base/ids.ts";
import type { Containerizer, ContainerSpec } from "../../../src/containerizer/containerizer.ts";
import { agentMark } from "../../../src/containerizer/mesos-containerizer.ts";
import { isRunning, newRoot, outputOf, removeRoots, specIn, until } from "../containers.ts";
import {
  HIERARCHY,
  LIMITS_OBSTACLE,
  nativeIn,
  newCgroupRoot,
  removeCgroupRoots,
} from "./native.ts";

const opened: Containerizer[] = [];

afterEach(async () => {
  for (const containerizer of opened.splice(0)) await containerizer.close();
  await removeCgroupRoots();
  removeRoots();
});

const reason = LIMITS_OBSTACLE === undefined ? "" : ` (skipped: ${LIMITS_OBSTACLE})`;
const MEGABYTE = 1024 * 1024;
/** Takes memory without end, since it looks for the last lines of a file that has no lines. */
const HOG = "tail /dev/zero";
/** Holds so many megabytes in a shell. */
const hold = (megabytes: number): string =>
  `x=$(head -c ${megabytes * MEGABYTE} /dev/zero | tr '\\0' x); echo held; sleep 100; : $x`;

describe.skipIf(LIMITS_OBSTACLE !== undefined)(`limits of native containers${reason}`, () => {
  test("requests become weights and protection, limits quotas and bounds [semantics 7.12]", async () => {
    const { containerizer, file, spec } = open("figures", "exec sleep 100", {
      resources: scalars({ cpus: 0.5, mem: 64 }),
      limits: { cpus: { value: 1.5 }, mem: { value: 128 } },
    });
    await containerizer.launch(spec);
    expect(file("cpu.weight")).toBe("50");
    expect(file("cpu.max")).toBe("150000 100000");
    expect(file("memory.low")).toBe(String(64 * MEGABYTE));
    // Without as much in every cgroup above, the kernel would protect nothing.
    expect([file("../memory.low"), file("../../memory.low")]).toEqual(
      Array<string>(2).fill(String(64 * MEGABYTE)),
    );
    expect(file("memory.max")).toBe(String(128 * MEGABYTE));
    expect(file("pids.max")).toBe("200");
    // Also where the host has fewer.
    expect(await containerizer.usage(spec.containerId)).toMatchObject({ cpus_limit: 1.5 });
    await containerizer.update(spec.containerId, scalars({ cpus: 2, mem: 32 }), {});
    expect([file("cpu.weight"), file("cpu.max")]).toEqual(["200", "max 100000"]);
    expect(file("memory.low")).toBe(String(32 * MEGABYTE));
    expect(file("../memory.low")).toBe(String(32 * MEGABYTE));
    // What is in use cannot be taken back: the limit stays until a higher one comes.
    expect(file("memory.max")).toBe(String(128 * MEGABYTE));
    const infinite = { mem: { value: Number.POSITIVE_INFINITY } };
    await containerizer.update(spec.containerId, scalars({ cpus: 2, mem: 32 }), infinite);
    expect(file("memory.max")).toBe("max");
    await end(containerizer, spec);
  });

  test("a task that asks for no memory, or no cpus, gets the least there is of it [issue 4]", async () => {
    const frugal = open("frugal", "exec sleep 100", { resources: scalars({ cpus: 0.5 }) });
    await frugal.containerizer.launch(frugal.spec);
    expect(frugal.file("memory.max")).toBe(String(32 * MEGABYTE));
    await end(frugal.containerizer, frugal.spec);
    const idle = open("idle", "exec sleep 100", { resources: scalars({ mem: 64 }) });
    await idle.containerizer.launch(idle.spec);
    expect(idle.file("cpu.weight")).toBe("1");
    await end(idle.containerizer, idle.spec);
    // An operator's container that asks for nothing has no bounds.
    const free = open("free", "exec sleep 100", { resources: [] });
    await free.containerizer.launch(free.spec);
    expect([free.file("memory.max"), free.file("cpu.weight")]).toEqual(["max", "100"]);
    await end(free.containerizer, free.spec);
  }, 60_000);

  test("a memory hog is killed alone, with its reason and its limit told [semantics 7.12]", async () => {
    const root = newRoot();
    const cgroupRoot = newCgroupRoot();
    const { containerizer, spec } = open(
      "hog",
      `(setsid sleep 100 &); ${HOG}`,
      { resources: scalars({ cpus: 0.1, mem: 48 }) },
      { root, cgroupRoot },
    );
    const neighbour = specIn(root, "neighbour", hold(6), {
      resources: scalars({ cpus: 0.1, mem: 64 }),
    });
    const { pid } = await containerizer.launch(neighbour);
    await until("the neighbour holds its memory", () => outputOf(neighbour) === "held\n");
    await containerizer.launch(spec);
    const result = await containerizer.wait(spec.containerId);
    expect(result.exit).toEqual({ kind: "signaled", signal: 9 });
    expect(result.limitation).toMatchObject({
      reason: "REASON_CONTAINER_LIMITATION_MEMORY",
      resources: [{ name: "mem", type: "SCALAR", scalar: { value: 48 } }],
    });
    expect(result.limitation?.message).toStartWith(
      "Memory limit exceeded: Requested: 48MB Limit: 48MB",
    );
    expect(isRunning(pid)).toBe(true);
    const usage = await containerizer.usage(neighbour.containerId);
    expect(usage.mem_anon_bytes).toBeGreaterThan(6 * MEGABYTE);
    expect(usage.mem_limit_bytes).toBe(64 * MEGABYTE);
    await end(containerizer, neighbour);
    await containerizer.cleanup(spec.containerId);
  }, 60_000);

  test("a fork bomb hits its bound, and everything of it ends at once [issue 4]", async () => {
    const { containerizer, file, spec } = open(
      "bomb",
      "bomb() { (setsid sleep 1000 &) ; bomb & bomb; }; bomb",
      { resources: scalars({ cpus: 0.1, mem: 256 }) },
    );
    await containerizer.launch(spec);
    await until("the bound is hit", () => / [1-9]/.test(file("pids.events")));
    expect(Number(file("pids.current"))).toBeLessThanOrEqual(200);
    await containerizer.destroy(spec.containerId);
    expect(file("cgroup.events")).toContain("populated 0");
    await containerizer.cleanup(spec.containerId);
  }, 60_000);

  test("a quota holds a task that spins, and what it used and waited is told [semantics 7.13]", async () => {
    const { containerizer, spec } = open("spin", "while :; do :; done", {
      resources: scalars({ cpus: 0.1, mem: 32 }),
      limits: { cpus: { value: 0.2 } },
    });
    await containerizer.launch(spec);
    let usage = await containerizer.usage(spec.containerId);
    for (let looks = 0; looks < 400 && (usage.cpus_nr_throttled ?? 0) < 3; looks++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      usage = await containerizer.usage(spec.containerId);
    }
    expect(usage.cpus_nr_throttled ?? 0).toBeGreaterThanOrEqual(3);
    expect(usage.cpus_throttled_time_secs ?? 0).toBeGreaterThan(0);
    expect(usage).toMatchObject({ cpus_soft_limit: 0.1, cpus_limit: 0.2 });
    await end(containerizer, spec);
  }, 60_000);

  test("a nested container has limits of its own only where it asks for cgroups of its own [semantics 7.12]", async () => {
    const { containerizer, file, spec } = open("outer", "exec sleep 100", {
      resources: scalars({ cpus: 0.1, mem: 128 }),
    });
    await containerizer.launch(spec);
    const nested = (name: string, share_cgroups: boolean): ContainerSpec => ({
      ...spec,
      containerId: brand(name),
      directory: `${spec.directory}-${name}`,
      command: { value: "exec sleep 100" },
      resources: share_cgroups ? [] : scalars({ cpus: 0.1, mem: 40 }),
      parentId: spec.containerId,
      container: { type: "MESOS", linux_info: { share_cgroups } },
    });
    await containerizer.launch(nested("sharing", true));
    expect(() => file("sharing/memory.max")).toThrow();
    await containerizer.launch(nested("own", false));
    expect(file("own/memory.max")).toBe(String(40 * MEGABYTE));
    expect(file("memory.max")).toBe(String(128 * MEGABYTE));
    await containerizer.destroy(spec.containerId);
    for (const name of ["own", "sharing"]) await containerizer.wait(brand(name));
    await containerizer.cleanup(spec.containerId);
    for (const name of ["own", "sharing"]) await containerizer.cleanup(brand(name));
  }, 60_000);

  test("an agent that was away learns that a container passed its memory [semantics 7.7]", async () => {
    const root = newRoot();
    const cgroupRoot = newCgroupRoot();
    const first = open(
      "away",
      `while [ ! -e go ]; do sleep 0.05; done; ${HOG}`,
      { resources: scalars({ cpus: 0.1, mem: 32 }) },
      { root, cgroupRoot },
    );
    await first.containerizer.launch(first.spec);
    await first.containerizer.close();
    writeFileSync(join(first.spec.directory, "go"), "");
    await until("it has ended", () => first.file("cgroup.events").includes("populated 0"));
    const second = open("unused", "true", {}, { root, cgroupRoot });
    const { ended } = await second.containerizer.recover([first.spec]);
    expect(ended.get(first.spec.containerId)?.limitation?.reason).toBe(
      "REASON_CONTAINER_LIMITATION_MEMORY",
    );
    await second.containerizer.cleanup(first.spec.containerId);
  }, 60_000);
});

function open(
  name: string,
  command: string,
  more: Partial<ContainerSpec>,
  where: { root: string; cgroupRoot: string } = { root: newRoot(), cgroupRoot: newCgroupRoot() },
): { containerizer: Containerizer; file: (name: string) => string; spec: ContainerSpec } {
  const { root, cgroupRoot } = where;
  const containerizer = nativeIn(root, { cgroups: { root: cgroupRoot, pidsMax: 200 } });
  opened.push(containerizer);
  const folder = join(HIERARCHY, cgroupRoot, agentMark(join(root, "work")), name);
  return {
    containerizer,
    file: (file) => readFileSync(join(folder, file), "utf8").trim(),
    spec: specIn(root, name, command, more),
  };
}

async function end(containerizer: Containerizer, spec: ContainerSpec): Promise<void> {
  await containerizer.destroy(spec.containerId);
  await containerizer.cleanup(spec.containerId);
}

function scalars(values: Readonly<Record<string, number>>): ContainerSpec["resources"] {
  return Object.entries(values).map(([name, value]) => ({
    name,
    type: "SCALAR",
    scalar: { value },
  }));
}
