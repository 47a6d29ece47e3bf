/** Subscribing, streams, failover, removal: lines 1 to 4, 18 to 21, 70, and sections 3.2, 3.4. */
import { expect } from "bun:test";
import { TestFramework } from "../../harness/test-framework.ts";
import { until } from "../../harness/wait.ts";
import { accept, decline, eventOf, launchOf, launchRunning, statusOf, task } from "../requests.ts";
import type { Scenario } from "../scene.ts";

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const FOREIGN_STREAM = "3ad1ebdb-0ba8-4e43-8f5b-f1c8ac0a6c6a";

export const FRAMEWORK_SCENARIOS: readonly Scenario[] = [
  {
    lines: [1],
    title: "the first two frameworks of a master are 0000 and 0001 of its id",
    run: async (scene) => {
      const master = await scene.startMaster();
      const first = await scene.subscribe({ master: master.url });
      const second = await scene.subscribe({ master: master.url });
      const { body } = await scene.operator({ type: "GET_MASTER" }, master.url);
      const masterId = body.get_master?.master_info.id ?? "";
      expect(masterId).toMatch(UUID);
      expect([first.id, second.id]).toEqual([`${masterId}-0000`, `${masterId}-0001`]);
    },
  },
  {
    lines: [2],
    title: "the interval is 15 s, a heartbeat comes at once and then after it",
    isLong: true,
    run: async (scene) => {
      const framework = await scene.subscribe({ info: { roles: [`${scene.role}-idle`] } });
      const [first] = framework.events;
      expect(first).toMatchObject({
        type: "SUBSCRIBED",
        subscribed: { heartbeat_interval_seconds: 15 },
      });
      const heartbeats = (): number =>
        framework.events.filter(({ type }) => type === "HEARTBEAT").length;
      await until("the first heartbeat", () => heartbeats() >= 1);
      expect(framework.events[1]?.type).toBe("HEARTBEAT");
      const startedMs = performance.now();
      await until("the second heartbeat", () => heartbeats() >= 2);
      expect(performance.now() - startedMs).toBeGreaterThan(12_000);
    },
  },
  {
    lines: [3],
    title: "stream ids are asked for, compared, and void once the stream is closed",
    run: async (scene) => {
      const framework = await scene.subscribe({ info: { failover_timeout: 60 } });
      const call = { framework_id: { value: framework.id }, type: "REVIVE", revive: {} };
      const none = await scene.post(scene.url, call);
      expect(none.status).toBe(400);
      expect(none.text).toContain("Mesos-Stream-Id");
      const wrong = await scene.post(scene.url, call, { "Mesos-Stream-Id": FOREIGN_STREAM });
      expect(wrong.status).toBe(400);
      expect(wrong.text).toContain(FOREIGN_STREAM);
      const stranger = { ...call, framework_id: { value: "nobody" } };
      const unknown = await scene.post(scene.url, stranger, { "Mesos-Stream-Id": FOREIGN_STREAM });
      expect(unknown.status).toBe(400);
      expect(unknown.text).toContain("Framework cannot be found");
      const headers = { "Mesos-Stream-Id": framework.streamId };
      expect((await scene.post(scene.url, call, headers)).status).toBe(202);
      framework.disconnect();
      await until("a call after the stream's end to be refused", async () => {
        const { status } = await scene.post(scene.url, call, headers);
        return status === 403;
      });
      await scene.operator({ type: "TEARDOWN", teardown: { framework_id: call.framework_id } });
    },
  },
  {
    lines: [4],
    title: "ACCEPT, DECLINE and KILL are 202 with an empty body",
    isSlice: true,
    run: async (scene) => {
      const framework = await scene.subscribe();
      const offer = await framework.offer();
      const operations = [launchOf(task(offer, "t"))];
      const filters = { refuse_seconds: 0 };
      const empty = { status: 202, text: "" };
      expect(
        await framework.send("ACCEPT", { accept: { offer_ids: [offer.id], operations, filters } }),
      ).toEqual(empty);
      const rest = await framework.offer();
      expect(await framework.send("DECLINE", { decline: { offer_ids: [rest.id] } })).toEqual(empty);
      expect(await framework.send("KILL", { kill: { task_id: { value: "t" } } })).toEqual(empty);
    },
  },
  {
    lines: [18],
    title: "without a failover timeout a closed stream removes framework and tasks at once",
    isSlice: true,
    run: async (scene) => {
      const framework = await scene.subscribe();
      await launchRunning(framework, "t");
      framework.disconnect();
      await until("the framework to be completed", async () => {
        return (await scene.framework(framework.id)) === undefined;
      });
      const { body } = await scene.operator({ type: "GET_TASKS" });
      expect(body.get_tasks?.completed_tasks).toContainEqual(
        expect.objectContaining({
          framework_id: { value: framework.id },
          state: "TASK_KILLED",
        }),
      );
    },
  },
  {
    lines: [19],
    title: "within the failover timeout a return finds its tasks",
    isSlice: true,
    run: async (scene) => {
      const info = { failover_timeout: 60 };
      const framework = await scene.subscribe({ info });
      await launchRunning(framework, "t");
      framework.disconnect();
      await until("the framework to be disconnected", async () => {
        return (await scene.framework(framework.id))?.connected !== true;
      });
      const back = await scene.subscribe({ info: { ...info, id: { value: framework.id } } });
      expect(back.id).toBe(framework.id);
      await back.call("RECONCILE", { reconcile: { tasks: [] } });
      expect((await statusOf(back, "t")).state).toBe("TASK_RUNNING");
    },
  },
  {
    lines: [19],
    title: "after the failover timeout the id is refused",
    run: async (scene) => {
      const info = { failover_timeout: 0.5 };
      const framework = await scene.subscribe({ info });
      framework.disconnect();
      await until("the framework to be removed", async () => {
        return (await scene.framework(framework.id)) === undefined;
      });
      const refusal = await scene.refusal({ info: { ...info, id: { value: framework.id } } });
      expect(refusal).toContain("Framework has been removed");
    },
  },
  {
    lines: [20],
    title: "a second SUBSCRIBE takes over; the first stream ends with ERROR",
    isSlice: true,
    run: async (scene) => {
      const first = await scene.subscribe();
      const offer = await first.offer();
      const second = await scene.subscribe({ info: { id: { value: first.id } } });
      expect((await eventOf(first, "ERROR")).error?.message).toBe("Framework failed over");
      await until("the first stream to end", () => first.isOver);
      expect(first.events.some(({ type }) => type === "RESCIND")).toBe(false);
      // What was offered before the change is void, and offered anew.
      expect((await second.offer()).id).not.toEqual(offer.id);
    },
  },
  {
    lines: [21],
    title: "another principal is refused, another user has no effect",
    run: async (scene) => {
      const info = { user: "first", principal: "p", failover_timeout: 60 };
      const framework = await scene.subscribe({ info });
      const id = { value: framework.id };
      const refusal = await scene.refusal({ info: { ...info, principal: "q", id } });
      expect(refusal).toContain("Changing framework's principal is not allowed");
      expect(framework.isOver).toBe(false);
      await scene.subscribe({ info: { ...info, user: "second", id } });
      expect((await scene.framework(framework.id))?.framework_info.user).toBe("first");
    },
  },
  {
    lines: [70],
    title: "50 completed frameworks are listed; completed tasks are bounded per framework",
    run: async (scene) => {
      const master = await scene.startMaster("--max_completed_tasks_per_framework=3");
      await scene.startAgent(master);
      for (let count = 0; count < 52; count++) {
        const framework = await TestFramework.subscribe({ master: master.url, wire: scene.wire });
        await framework.teardown();
      }
      const framework = await scene.subscribe({ master: master.url, info: { roles: ["*"] } });
      for (const id of ["a", "b", "c", "d", "e"]) {
        const offer = await framework.offer();
        await accept(
          framework,
          [offer],
          [launchOf(task(offer, id, { command: { value: "true" } }))],
        );
        await framework.status(id, "TASK_FINISHED");
      }
      const state = await until("the last task to be completed", async () => {
        const answer = await fetch(`${master.url}/state`);
        const found = (await answer.json()) as {
          frameworks: { completed_tasks: { id: string }[] }[];
          completed_frameworks: unknown[];
        };
        const completed = found.frameworks[0]?.completed_tasks.map(({ id }) => id) ?? [];
        return completed.includes("e") && found;
      });
      expect(state.completed_frameworks).toHaveLength(50);
      const completed = state.frameworks[0]?.completed_tasks.map(({ id }) => id) ?? [];
      expect(completed.toSorted()).toEqual(["c", "d", "e"]);
    },
  },
  {
    lines: ["3.2"],
    title: "method, content type, content, Accept and stream id are judged in this order",
    run: async (scene) => {
      const url = `${scene.url}/api/v1/scheduler`;
      const { mediaType } = scene.wire;
      const subscribe = scene.wire.encode("mesos.v1.scheduler.Call", {
        type: "SUBSCRIBE",
        subscribe: { framework_info: { user: "root", name: "x" } },
      });
      const statusOfPost = async (
        headers: Record<string, string>,
        body: Uint8Array<ArrayBuffer> = subscribe,
      ): Promise<number> => {
        const answer = await fetch(url, { method: "POST", headers, body });
        await answer.body?.cancel();
        return answer.status;
      };
      const get = await fetch(url);
      expect([get.status, get.headers.get("Allow")]).toEqual([405, "POST"]);
      expect(await statusOfPost({ "Content-Type": `${mediaType}; charset=utf-8` })).toBe(415);
      expect(await statusOfPost({ "Content-Type": "text/plain" })).toBe(415);
      const type = { "Content-Type": mediaType };
      expect(await statusOfPost(type, new Uint8Array([0x07]))).toBe(400);
      expect(await statusOfPost({ ...type, Accept: "text/html" })).toBe(406);
      expect(
        await statusOfPost({ ...type, Accept: mediaType, "Mesos-Stream-Id": FOREIGN_STREAM }),
      ).toBe(400);
    },
  },
  {
    lines: ["3.2"],
    title: "a SUBSCRIBE that may not be is 200 with one ERROR event on a stream that ends",
    run: async (scene) => {
      const refused: [Record<string, unknown>, string][] = [
        [{ roles: ["a", "a"] }, "role"],
        [{ roles: ["/a"] }, "role"],
        [{ role: "a" }, "role"],
        [{ failover_timeout: 1e300 }, "failover_timeout"],
        [{ id: { value: "a/b" } }, "id"],
      ];
      for (const [info, word] of refused) {
        expect((await scene.refusal({ info })).toLowerCase()).toContain(word);
      }
      const suppressed = { suppressed_roles: ["other"] };
      expect((await scene.refusal({ subscribe: suppressed })).toLowerCase()).toContain("suppress");
    },
  },
  {
    lines: ["3.3"],
    title: "TEARDOWN ends the framework for good",
    isSlice: true,
    run: async (scene) => {
      const framework = await scene.subscribe({ info: { failover_timeout: 60 } });
      await launchRunning(framework, "t");
      expect(await framework.send("TEARDOWN")).toEqual({ status: 202, text: "" });
      await until("the framework to be completed", async () => {
        return (await scene.framework(framework.id)) === undefined;
      });
      const refusal = await scene.refusal({ info: { id: { value: framework.id } } });
      expect(refusal).toContain("Framework has been removed");
    },
  },
  {
    lines: ["3.4"],
    title:
      "UPDATE_FRAMEWORK is 200, refuses what may not change, and rescinds offers of roles left",
    isSlice: true,
    run: async (scene) => {
      const info = {
        user: "root",
        name: "before",
        principal: "p",
        roles: [scene.role],
        capabilities: [{ type: "MULTI_ROLE" }, { type: "RESERVATION_REFINEMENT" }],
      };
      const framework = await scene.subscribe({ info });
      const offer = await framework.offer();
      const update = (changes: object): Promise<{ status: number; text: string }> =>
        framework.send("UPDATE_FRAMEWORK", {
          update_framework: {
            framework_info: { ...info, id: { value: framework.id }, ...changes },
          },
        });
      for (const changes of [{ principal: "q" }, { user: "other" }, { checkpoint: true }]) {
        expect((await update(changes)).status).toBe(400);
      }
      expect((await update({ roles: ["/bad"] })).status).toBe(400);
      expect(await update({ name: "after" })).toEqual({ status: 200, text: "" });
      const left = await update({ roles: [`${scene.role}-other`] });
      expect(left.status).toBe(200);
      const event = await eventOf(framework, "RESCIND");
      expect(event).toMatchObject({ rescind: { offer_id: offer.id } });
    },
  },
  {
    lines: ["3.5"],
    title: "without MULTI_ROLE offers carry no allocation_info, and a task needs none",
    isSlice: true,
    run: async (scene) => {
      const framework = await scene.subscribe({
        capabilities: [],
        info: { roles: undefined, role: scene.role },
      });
      const offer = await framework.offer();
      expect(offer.resources.every((one) => one.allocation_info === undefined)).toBe(true);
      expect(offer.resources[0]).toMatchObject({ role: scene.role });
      await accept(framework, [offer], [launchOf(task(offer, "t"))]);
      await framework.status("t", "TASK_RUNNING");
      await decline(framework, await framework.offer());
    },
  },
];
