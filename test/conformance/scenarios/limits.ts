/** Limits of containers: lines 60 to 62. */
import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { HIERARCHY } from "../../containerizer/native/native.ts";
import type { Status } from "../../harness/test-framework.ts";
import { until } from "../../harness/wait.ts";
import { accept, launchOf, statusOf, take, task } from "../requests.ts";
import type { Scenario } from "../scene.ts";
import { isOver, launch, type Own, own } from "./own-agent.ts";

const MIB = 1024 * 1024;

/** Content of a file of the task's cgroup. */
async function cgroupFile(scene: Own, id: string, file: string): Promise<string> {
  const status: Status & { container_status?: { container_id: { value: string } } } =
    await scene.framework.status(id, "TASK_RUNNING");
  const containerId = status.container_status?.container_id.value ?? "";
  const found = await until("the task's cgroup", () => {
    const paths = new Bun.Glob(`**/${containerId}/${file}`).scanSync({ cwd: HIERARCHY });
    return [...paths][0];
  });
  return readFileSync(`${HIERARCHY}/${found}`, "utf8").trim();
}

export const LIMIT_SCENARIOS: readonly Scenario[] = [
  {
    lines: [60],
    title: "a task that takes more memory than it has fails and says how much it had",
    run: async (scene) => {
      const { framework } = await own(scene);
      await launch(framework, "t", { command: { value: "head -c 200m /dev/zero | tail" } });
      expect(await statusOf(framework, "t", isOver)).toMatchObject({
        state: "TASK_FAILED",
        reason: "REASON_CONTAINER_LIMITATION_MEMORY",
        limitation: { resources: [{ name: "mem" }] },
      });
    },
  },
  {
    lines: [61],
    title: "half a cpu has half the weight, and half the time where that is asked for",
    run: async (scene) => {
      const at = await own(scene, "--cgroups_enable_cfs");
      const offer = await at.framework.offer();
      const resources = take(offer, { cpus: 0.5, mem: 32 });
      await accept(at.framework, [offer], [launchOf({ ...task(offer, "t"), resources })]);
      // A command task's container has a tenth of a cpu on top, as in Mesos, or none, as here.
      expect(await cgroupFile(at, "t", "cpu.weight")).toBe("50");
      expect(await cgroupFile(at, "t", "cpu.max")).toBe("50000 100000");
    },
  },
  {
    lines: [62],
    title: "a task with ten megabytes may use 32",
    run: async (scene) => {
      const at = await own(scene);
      const offer = await at.framework.offer();
      const resources = take(offer, { cpus: 0.1, mem: 10 });
      await accept(at.framework, [offer], [launchOf({ ...task(offer, "t"), resources })]);
      expect(await cgroupFile(at, "t", "memory.max")).toBe(String(32 * MIB));
    },
  },
];
