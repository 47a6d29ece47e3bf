/** Launching and refusing tasks, updates, reconciliation, killing: lines 36 to 42, 45, 47 to 53. */
import { expect } from "bun:test";
import type { Status } from "../../harness/test-framework.ts";
import { until } from "../../harness/wait.ts";
import {
  accept,
  launchOf,
  launchRunning,
  offersWithinQuiet,
  statusOf,
  take,
  task,
} from "../requests.ts";
import type { Scenario, Scene } from "../scene.ts";

const NOT_PARTITION_AWARE = ["MULTI_ROLE", "RESERVATION_REFINEMENT"];

/** Answers of the master itself carry no uuid, so that nobody acknowledges them. */
function expectFromMaster(status: Status, state: string, reason: string): void {
  expect(status).toMatchObject({ state, reason, source: "SOURCE_MASTER" });
  expect(status.uuid).toBeUndefined();
}

/** Launches what `change` makes of a good task and expects TASK_ERROR, with the reason's text. */
async function expectTaskError(
  scene: Scene,
  bad: readonly { readonly change: object; readonly text: string; readonly id?: string }[],
): Promise<void> {
  const framework = await scene.subscribe();
  for (const [number, { change, text, id }] of bad.entries()) {
    const name = id ?? `bad-${number}`;
    const offer = await framework.offer();
    await accept(framework, [offer], [launchOf({ ...task(offer, name), ...change })]);
    const status = await statusOf(framework, name);
    expectFromMaster(status, "TASK_ERROR", "REASON_TASK_INVALID");
    expect(status.message ?? "").toContain(text);
  }
}

const EXECUTOR = { executor_id: { value: "e" }, command: { value: "sleep 1" } };

export const TASK_SCENARIOS: readonly Scenario[] = [
  {
    lines: [36],
    title: "an offer that does not exist drops the tasks, others of the call come back",
    isSlice: true,
    run: async (scene) => {
      for (const [capabilities, state] of [
        [undefined, "TASK_DROPPED"],
        [NOT_PARTITION_AWARE, "TASK_LOST"],
      ] as const) {
        const framework = await scene.subscribe(capabilities === undefined ? {} : { capabilities });
        const offer = await framework.offer();
        const unknown = { ...offer, id: { value: "nothing-O1" } };
        await accept(framework, [offer, unknown], [launchOf(task(offer, "t"))]);
        expectFromMaster(await statusOf(framework, "t"), state, "REASON_INVALID_OFFERS");
        await framework.offer();
        await framework.teardown();
      }
    },
  },
  {
    lines: [37],
    title: "an id in use is refused, and free again once its task is completed",
    isSlice: true,
    run: async (scene) => {
      const framework = await scene.subscribe();
      await launchRunning(framework, "t");
      const offer = await framework.offer();
      await accept(framework, [offer], [launchOf(task(offer, "t"))]);
      const status = await statusOf(framework, "t", ({ state }) => state === "TASK_ERROR");
      expectFromMaster(status, "TASK_ERROR", "REASON_TASK_INVALID");
      expect(status.message).toContain("Task has duplicate ID: t");
      await framework.call("KILL", { kill: { task_id: { value: "t" } } });
      await framework.status("t", "TASK_KILLED");
      await until("the task to be completed", async () => {
        const { body } = await scene.operator({ type: "GET_TASKS" });
        return body.get_tasks?.completed_tasks?.some(
          (one) =>
            one.task_id.value === "t" &&
            "framework_id" in one &&
            JSON.stringify(one.framework_id).includes(framework.id),
        );
      });
      framework.updates.length = 0;
      await launchRunning(framework, "t");
    },
  },
  {
    lines: [38],
    title: "ids that cannot be folders are refused",
    isSlice: true,
    run: (scene) =>
      expectTaskError(scene, [
        { change: { task_id: { value: "x".repeat(256) } }, id: "x".repeat(256), text: "" },
        { change: { task_id: { value: "a/b" } }, id: "a/b", text: "" },
        { change: { task_id: { value: ".." } }, id: "..", text: "" },
      ]),
  },
  {
    lines: [39],
    title: "a task has exactly one of command and executor",
    isSlice: true,
    run: (scene) =>
      expectTaskError(scene, [
        { change: { command: undefined }, text: "" },
        { change: { executor: EXECUTOR }, text: "" },
      ]),
  },
  {
    lines: [40],
    title: "a task may not use more than was offered",
    isSlice: true,
    run: async (scene) => {
      const framework = await scene.subscribe();
      const offer = await framework.offer();
      const [cpus, mem] = take(offer, { cpus: 2.5, mem: 32 });
      const tasks = [
        task(offer, "greedy", { resources: [cpus, mem] }),
        task(offer, "first", { resources: take(offer, { cpus: 1.5, mem: 32 }) }),
        task(offer, "second", { resources: take(offer, { cpus: 1, mem: 32 }) }),
      ];
      await accept(framework, [offer], [launchOf(...tasks)]);
      for (const id of ["greedy", "second"]) {
        const status = await statusOf(framework, id);
        expectFromMaster(status, "TASK_ERROR", "REASON_TASK_INVALID");
      }
      await framework.status("first", "TASK_RUNNING");
    },
  },
  {
    lines: [41, 42],
    title: "a group is launched as a whole or not at all; its executor needs disk",
    isSlice: true,
    run: async (scene) => {
      const framework = await scene.subscribe();
      const launchGroup = async (
        amounts: Readonly<Record<string, number>>,
        cpusOf: Readonly<Record<string, number>>,
      ): Promise<void> => {
        const offer = await framework.offer();
        const tasks = Object.entries(cpusOf).map(([id, cpus]) =>
          task(offer, id, { resources: take(offer, { cpus }) }),
        );
        const executor = {
          type: "DEFAULT",
          executor_id: { value: "default" },
          framework_id: { value: framework.id },
          resources: take(offer, amounts),
        };
        const launch_group = { executor, task_group: { tasks } };
        await accept(framework, [offer], [{ type: "LAUNCH_GROUP", launch_group }]);
      };
      await launchGroup({ cpus: 0.1, mem: 32, disk: 8 }, { good: 0.1, greedy: 9 });
      await launchGroup({ cpus: 0.1, mem: 32 }, { diskless: 0.1 });
      for (const id of ["good", "greedy", "diskless"]) {
        const status = await statusOf(framework, id);
        expectFromMaster(status, "TASK_ERROR", "REASON_TASK_GROUP_INVALID");
      }
    },
  },
  {
    lines: [45],
    title: "LAUNCH has no id for feedback",
    isSlice: true,
    run: async (scene) => {
      const framework = await scene.subscribe();
      const offer = await framework.offer();
      await accept(framework, [offer], [{ ...launchOf(task(offer, "t")), id: { value: "op" } }]);
      const status = await statusOf(framework, "t");
      expectFromMaster(status, "TASK_ERROR", "REASON_TASK_INVALID");
      expect(status.message).toContain("`id` field cannot be set on LAUNCH operations");
    },
  },
  {
    lines: [47, 48],
    title: "updates come one at a time, again after 10 s and 20 s more, until acknowledged",
    isLong: true,
    isSlice: true,
    run: async (scene) => {
      const framework = await scene.subscribe({ acknowledges: false });
      const offer = await framework.offer();
      const short = task(offer, "t", { command: { value: "true" } });
      await accept(framework, [offer], [launchOf(short)]);
      const [first, second, third] = await until("the first update three times", () =>
        framework.updates.length >= 3 ? framework.updates : undefined,
      );
      expect(new Set(framework.updates.map(({ uuid }) => uuid)).size).toBe(1);
      const gap = (later = 0, earlier = 0): number => later - earlier;
      expect(gap(second?.atMs, first?.atMs)).toBeGreaterThan(7000);
      expect(gap(third?.atMs, second?.atMs)).toBeGreaterThan(15_000);
      // Each acknowledgement lets the next one through, up to the last.
      let acknowledged = 0;
      await until("the task's end", async () => {
        const fresh = framework.updates.slice(acknowledged);
        acknowledged += fresh.length;
        for (const status of fresh) await framework.acknowledge(status);
        return fresh.some(({ state }) => state === "TASK_FINISHED");
      });
      const states = framework.states("t");
      expect(states.slice(0, 2)).toEqual([first?.state ?? "", "TASK_RUNNING"]);
      expect(states.at(-1)).toBe("TASK_FINISHED");
    },
  },
  {
    lines: [49],
    title: "a task that ended stays among the tasks until its last update is acknowledged",
    isSlice: true,
    run: async (scene) => {
      const framework = await scene.subscribe({ acknowledges: false });
      const offer = await framework.offer();
      await accept(
        framework,
        [offer],
        [launchOf(task(offer, "t", { command: { value: "true" } }))],
      );
      const seen = new Set<string>();
      const last = await until("the task's end", async () => {
        for (const status of framework.updates) {
          if (status.uuid === undefined || seen.has(status.uuid)) continue;
          if (status.state === "TASK_FINISHED") return status;
          seen.add(status.uuid);
          await framework.acknowledge(status);
        }
        return undefined;
      });
      const listed = async (list: "tasks" | "completed_tasks"): Promise<unknown> => {
        const { body } = await scene.operator({ type: "GET_TASKS" });
        return body.get_tasks?.[list]?.find((one) => JSON.stringify(one).includes(framework.id));
      };
      expect(await listed("tasks")).toMatchObject({ state: "TASK_FINISHED" });
      expect(await listed("completed_tasks")).toBeUndefined();
      await framework.acknowledge(last);
      await until("the task to be completed", () => listed("completed_tasks"));
      expect(await listed("tasks")).toBeUndefined();
    },
  },
  {
    lines: [50],
    title: "explicit reconciliation tells tasks, agents and strangers apart",
    isSlice: true,
    run: async (scene) => {
      for (const [capabilities, gone, unknown] of [
        [undefined, "TASK_GONE", "TASK_UNKNOWN"],
        [NOT_PARTITION_AWARE, "TASK_LOST", "TASK_LOST"],
      ] as const) {
        const framework = await scene.subscribe(capabilities === undefined ? {} : { capabilities });
        const { agent_id } = await launchRunning(framework, "known");
        framework.updates.length = 0;
        await framework.call("RECONCILE", {
          reconcile: {
            tasks: [
              { task_id: { value: "known" }, agent_id },
              { task_id: { value: "stranger" }, agent_id },
              { task_id: { value: "elsewhere" }, agent_id: { value: "no-agent" } },
              { task_id: { value: "nowhere" } },
            ],
          },
        });
        for (const [id, state] of [
          ["known", "TASK_RUNNING"],
          ["stranger", gone],
          ["elsewhere", unknown],
          ["nowhere", unknown],
        ] as const) {
          expectFromMaster(await statusOf(framework, id), state, "REASON_RECONCILIATION");
        }
        await framework.teardown();
      }
    },
  },
  {
    lines: [51],
    title: "implicit reconciliation names every task that is not completed",
    isSlice: true,
    run: async (scene) => {
      const framework = await scene.subscribe();
      await launchRunning(framework, "one");
      await launchRunning(framework, "two");
      framework.updates.length = 0;
      await framework.call("RECONCILE", { reconcile: {} });
      for (const id of ["one", "two"]) {
        expectFromMaster(await statusOf(framework, id), "TASK_RUNNING", "REASON_RECONCILIATION");
      }
    },
  },
  {
    lines: [53],
    title: "TASK_KILLING is told only to frameworks with the capability",
    isSlice: true,
    run: async (scene) => {
      for (const more of [[], ["TASK_KILLING_STATE"]]) {
        const capabilities = [...NOT_PARTITION_AWARE, ...more];
        const framework = await scene.subscribe({ capabilities });
        await launchRunning(framework, "t");
        await framework.call("KILL", { kill: { task_id: { value: "t" } } });
        await framework.status("t", "TASK_KILLED");
        expect(framework.states("t").includes("TASK_KILLING")).toBe(more.length > 0);
        await framework.teardown();
      }
    },
  },
  {
    lines: ["4.8"],
    title: "an ACCEPT without operations is a decline with its filter",
    isSlice: true,
    run: async (scene) => {
      const framework = await scene.subscribe();
      await accept(framework, [await framework.offer()], [], 1000);
      expect(await offersWithinQuiet(framework)).toEqual([]);
    },
  },
  {
    lines: ["6.5"],
    title: "a KILL of an unknown task is answered as its reconciliation",
    isSlice: true,
    run: async (scene) => {
      const framework = await scene.subscribe();
      const { agent_id } = await framework.offer();
      await framework.call("KILL", { kill: { task_id: { value: "stranger" }, agent_id } });
      const status = await statusOf(framework, "stranger");
      expectFromMaster(status, "TASK_GONE", "REASON_RECONCILIATION");
    },
  },
];
