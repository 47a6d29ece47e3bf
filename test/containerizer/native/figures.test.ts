/** What requests and limits become, and how the kernel's files are read. Pure, on every machine. */
import { describe, expect, test } from "bun:test";
import {
  cpuMax,
  cpuWeight,
  leastWish,
  memoryLowBytes,
  memoryMaxBytes,
  wishFor,
} from "../../../src/containerizer/native/figures.ts";
import { deviceLines, flatFile, numberFile } from "../../../src/containerizer/native/flat-file.ts";
import { needsLinuxLauncher, parseIsolation } from "../../../src/containerizer/native/isolation.ts";
import { pressureLines } from "../../../src/containerizer/native/pressure-isolator.ts";
import type { Resource } from "../../../src/protocol/v1/types.ts";

const cpus = (value: number, revocable?: object): Resource => ({
  name: "cpus",
  type: "SCALAR",
  scalar: { value },
  ...(revocable === undefined ? {} : { revocable }),
});
const MEGABYTE = 1024 * 1024;

describe("figures [semantics 7.12]", () => {
  test("a weight is a hundred per cpu, at least one, and at most what the kernel takes", () => {
    const weights = [0, 0.001, 0.5, 2, 250].map((value) => cpuWeight([cpus(value)], true));
    expect(weights).toEqual([1, 1, 50, 200, 10_000]);
  });

  test("revocable cpus weigh a hundredth where they are to give way", () => {
    const resources = [cpus(2, {}), cpus(1)];
    expect(cpuWeight(resources, true)).toBe(102);
    expect(cpuWeight(resources, false)).toBe(300);
  });

  test("a quota comes from the limit, or from the request where that is hard", () => {
    expect(cpuMax({ request: 0.5, limit: undefined }, false)).toBe("max 100000");
    expect(cpuMax({ request: 0.5, limit: undefined }, true)).toBe("50000 100000");
    expect(cpuMax({ request: 0.5, limit: 2 }, false)).toBe("200000 100000");
    expect(cpuMax({ request: 0.5, limit: 0.001 }, false)).toBe("1000 100000");
    expect(cpuMax({ request: 0.5, limit: Number.POSITIVE_INFINITY }, true)).toBe("max 100000");
  });

  test("memory is at least 32 MB, whatever is asked for", () => {
    expect(memoryMaxBytes({ request: 1, limit: undefined })).toBe(32 * MEGABYTE);
    expect(memoryMaxBytes({ request: 64, limit: 128 })).toBe(128 * MEGABYTE);
    expect(memoryLowBytes({ request: 64, limit: 128 })).toBe(64 * MEGABYTE);
    expect(memoryMaxBytes({ request: 64, limit: Number.POSITIVE_INFINITY })).toBe(
      Number.POSITIVE_INFINITY,
    );
  });

  test("what is neither requested nor limited has no wish, several requests are one", () => {
    expect(wishFor("mem", [cpus(1)], {})).toBeUndefined();
    expect(wishFor("cpus", [cpus(1), cpus(0.5)], {})).toEqual({ request: 1.5, limit: undefined });
    expect(wishFor("mem", [], { mem: { value: 5 } })).toEqual({ request: 0, limit: 5 });
  });
});

test("who asks for something gets the least of all else, who asks for nothing has no bound", () => {
  const least = leastWish([cpus(1)]);
  expect(least).toEqual({ request: 0, limit: undefined });
  expect(least === undefined ? 0 : memoryMaxBytes(least)).toBe(32 * MEGABYTE);
  expect(leastWish([])).toBeUndefined();
});

describe("files of the kernel", () => {
  test("lines of key and value, and nothing else, are read", () => {
    expect([...flatFile("oom 1\noom_kill 2\n\nbroken\nword x\n")]).toEqual([
      ["oom", 1],
      ["oom_kill", 2],
    ]);
    expect(flatFile(undefined).size).toBe(0);
  });

  test("lines of devices are read", () => {
    const [line] = deviceLines("8:16 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\nrubbish\n");
    expect([line?.major, line?.minor, line?.figures.get("wbytes")]).toEqual([8, 16, 20]);
  });

  test("pressure is percent and seconds; kernels that tell less of processors are read too", () => {
    const some = "some avg10=1.50 avg60=0.25 avg300=0.00 total=2500000\n";
    const waited = { avg10: 1.5, avg60: 0.25, avg300: 0, total_secs: 2.5 };
    expect(pressureLines(some)).toEqual({ some: waited });
    const full = "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";
    const nothing = { avg10: 0, avg60: 0, avg300: 0, total_secs: 0 };
    expect(pressureLines(some + full)).toEqual({ some: waited, full: nothing });
    expect([pressureLines(undefined), pressureLines("")]).toEqual([undefined, undefined]);
  });

  test("max is no number", () => {
    expect([numberFile("max\n"), numberFile("4096\n"), numberFile(undefined)]).toEqual([
      undefined,
      4096,
      undefined,
    ]);
  });
});

describe("--isolation [semantics 7.10]", () => {
  test("names of several stand for each of them", () => {
    const all = parseIsolation("cgroups/all, posix/disk");
    expect(all.ok ? [...all.value] : []).toEqual([
      "cgroups/cpu",
      "cgroups/mem",
      "cgroups/pids",
      "cgroups/blkio",
      "cgroups/devices",
      "disk/du",
    ]);
  });

  test("what measures or is asked of single processes needs no linux launcher", () => {
    const needs = (text: string): boolean => {
      const parsed = parseIsolation(text);
      return parsed.ok && needsLinuxLauncher(parsed.value);
    };
    expect(needs("posix/cpu,posix/mem,filesystem/posix,posix/disk")).toBe(false);
    expect(needs("posix/cpu,cgroups/mem")).toBe(true);
  });
});
