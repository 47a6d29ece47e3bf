/** Detection on this host and on made-up cgroup trees. */
import { expect, test } from "bun:test";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import {
  cgroupLimits,
  completeResources,
  detectResources,
} from "../../../src/agent/runtime/detect-resources.ts";

test("this host has processors, memory and disk, never more than there is [semantics 2.11]", async () => {
  const detected = await detectResources(tmpdir());
  expect(detected.cpus).toBeGreaterThan(0);
  expect(detected.cpus).toBeLessThanOrEqual(availableParallelism());
  expect(detected.mem).toBeGreaterThan(0);
  expect(Number.isInteger(detected.mem)).toBe(true);
  expect(detected.disk).toBeGreaterThan(0);
});

test("a folder that is not there gives the fallback disk [semantics 2.11]", async () => {
  expect((await detectResources("/nonexistent/folder")).disk).toBe(10_240);
});

test("the tightest limit of the agent's cgroup and its ancestors counts", async () => {
  const folder = await mkdtemp(join(tmpdir(), "allot-cgroup-"));
  try {
    await writeFile(join(folder, "cgroup"), "1:name=systemd:/x\n0::/system.slice/allot.service\n");
    const unit = join(folder, "mount/system.slice/allot.service");
    await mkdir(unit, { recursive: true });
    await writeFile(join(unit, "cpu.max"), "max 100000\n");
    await writeFile(join(unit, "memory.max"), "2147483648\n");
    await writeFile(join(folder, "mount/system.slice/cpu.max"), "150000 100000\n");
    await writeFile(join(folder, "mount/system.slice/memory.max"), "max\n");
    const limits = await cgroupLimits(join(folder, "cgroup"), join(folder, "mount"));
    expect(limits).toEqual({ cpus: 1.5, memBytes: 2_147_483_648 });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("only names that the flag does not mention are added [semantics 2.11]", () => {
  const cpus = { name: "cpus", type: "SCALAR", scalar: { value: 3 }, role: "web" } as const;
  const detected = { cpus: 8, mem: 7000, disk: 90_000 };
  const resources = completeResources([cpus], new Set(["cpus", "disk"]), detected, "*");
  expect(resources).toEqual([
    cpus,
    { name: "mem", type: "SCALAR", scalar: { value: 7000 }, role: "*" },
    {
      name: "ports",
      type: "RANGES",
      ranges: { range: [{ begin: 31_000, end: 32_000 }] },
      role: "*",
    },
  ]);
});
