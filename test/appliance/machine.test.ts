/**
 * Goal: the test machine is what the other tests in it take it for. Method: look at the kernel's
 * and systemd's own words, and have Docker run a container.
 */
import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { testNeeding } from "../harness/needs.ts";
import { runProgram } from "../harness/run-program.ts";

const TIMEOUT_MS = 180_000;

testNeeding("root", "systemd", "cgroups2")(
  "systemd is process 1, has started everything and holds this process in a cgroup v2 [issue 4]",
  async () => {
    expect(readFileSync("/proc/1/comm", "utf8")).toBe("systemd\n");
    const system = await runProgram("systemctl", ["is-system-running", "--wait"]);
    expect(system.stdout).toBe("running\n");
    expect(readFileSync("/proc/self/cgroup", "utf8")).toStartWith("0::/system.slice/");
  },
  TIMEOUT_MS,
);

testNeeding("root", "docker", "cgroups2")(
  "Docker Engine runs a container with a memory limit by cgroups v2 [issue 4]",
  async () => {
    const image = ["import", "/usr/share/appliance/busybox.tar", "appliance-busybox"];
    expect(await runProgram("docker", image)).toMatchObject({ code: 0 });
    const limit = ["run", "--rm", "--memory=32m", "appliance-busybox"];
    const run = await runProgram("docker", [...limit, "cat", "/sys/fs/cgroup/memory.max"]);
    expect(run).toMatchObject({ code: 0, stdout: `${32 * 1024 * 1024}\n` });
  },
  TIMEOUT_MS,
);
