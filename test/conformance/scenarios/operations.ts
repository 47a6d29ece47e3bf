/** Reservations and volumes: lines 43, 44, 46, and the operator's part of section 5. */
import { expect } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Offer, TestFramework } from "../../harness/test-framework.ts";
import { until } from "../../harness/wait.ts";
import { accept, amount, eventOf, launchOf, operationStatus, take, task } from "../requests.ts";
import type { Scenario } from "../scene.ts";

const ROLE = "db";
const INFO = { roles: [ROLE], principal: "ops", checkpoint: true };
const RESOURCES = { resources: "cpus:4;mem:1024;disk:1024;ports:[1-2]" };

const reserved = (offer: Offer, amounts: Record<string, number>, role = ROLE): object[] =>
  take(offer, amounts).map((one) => ({
    ...one,
    reservations: [{ type: "DYNAMIC", role, principal: "ops" }],
  }));

const volumeOf = (offer: Offer, id: string): object => ({
  ...reserved(offer, { disk: 64 })[0],
  disk: {
    persistence: { id, principal: "ops" },
    volume: { container_path: "data", mode: "RW" },
  },
});

const reserve = (resources: object[], id?: string): object => ({
  type: "RESERVE",
  ...(id === undefined ? {} : { id: { value: id } }),
  reserve: { resources },
});

async function expectState(framework: TestFramework, id: string, state: string): Promise<void> {
  expect(await operationStatus(framework, id)).toMatchObject({ state });
}

export const OPERATION_SCENARIOS: readonly Scenario[] = [
  {
    lines: [43, 46],
    title: "RESERVE, CREATE and LAUNCH work in one ACCEPT; what is in use stays",
    run: async (scene) => {
      const master = await scene.startMaster();
      const agent = await scene.startAgent(master, RESOURCES);
      const framework = await scene.subscribe({ master: master.url, info: INFO });
      const offer = await framework.offer();
      const volume = volumeOf(offer, "v");
      const resources = [...reserved(offer, { cpus: 1, mem: 64 }), volume];
      const command = { value: "echo kept > data/file && sleep 1000" };
      await accept(
        framework,
        [offer],
        [
          reserve(reserved(offer, { cpus: 1, mem: 64, disk: 64 }), "reserve"),
          { type: "UNRESERVE", id: { value: "under" }, unreserve: { resources: [volume] } },
          { type: "CREATE", id: { value: "create" }, create: { volumes: [volume] } },
          { type: "UNRESERVE", id: { value: "unreserve" }, unreserve: { resources: [volume] } },
          launchOf(task(offer, "t", { resources, command })),
          { type: "DESTROY", id: { value: "destroy" }, destroy: { volumes: [volume] } },
        ],
      );
      await framework.status("t", "TASK_RUNNING");
      await expectState(framework, "reserve", "OPERATION_FINISHED");
      await expectState(framework, "create", "OPERATION_FINISHED");
      for (const id of ["under", "unreserve", "destroy"]) {
        await expectState(framework, id, "OPERATION_ERROR");
      }
      const destroy = { agent_id: offer.agent_id, volumes: [volume] };
      const answer = await scene.operator(
        { type: "DESTROY_VOLUMES", destroy_volumes: destroy },
        master.url,
      );
      expect([400, 409]).toContain(answer.status);
      const file = join(agent.workDir, "volumes", "roles", ROLE, "v", "file");
      await until("what the task wrote", () => existsSync(file) && readFileSync(file, "utf8"));
    },
  },
  {
    lines: [44],
    title: "a role the framework lacks cannot be reserved for; only an id is answered",
    run: async (scene) => {
      const master = await scene.startMaster();
      await scene.startAgent(master, RESOURCES);
      const framework = await scene.subscribe({ master: master.url, info: INFO });
      const offer = await framework.offer();
      await accept(
        framework,
        [offer],
        [
          reserve(reserved(offer, { cpus: 1 }, "other")),
          reserve(reserved(offer, { cpus: 1 }, "other"), "named"),
          reserve(reserved(offer, { cpus: 1 }), "good"),
        ],
      );
      await expectState(framework, "named", "OPERATION_ERROR");
      await expectState(framework, "good", "OPERATION_FINISHED");
      const answered = framework.events.filter(({ update_operation_status }) => {
        return update_operation_status?.status["state"] === "OPERATION_ERROR";
      });
      expect(answered).toHaveLength(1);
    },
  },
  {
    lines: ["5"],
    title: "an operator's RESERVE rescinds what it needs, and is refused where it cannot fit",
    run: async (scene) => {
      const master = await scene.startMaster();
      await scene.startAgent(master, RESOURCES);
      const framework = await scene.subscribe({ master: master.url, info: INFO });
      const offer = await framework.offer();
      const operate = (resources: object[]): Promise<{ status: number; text: string }> => {
        const plain = resources.map((one) => ({ ...one, allocation_info: undefined }));
        const reserve_resources = { agent_id: offer.agent_id, resources: plain };
        return scene.operator({ type: "RESERVE_RESOURCES", reserve_resources }, master.url);
      };
      expect((await operate(take(offer, { cpus: 1 }))).status).toBe(400);
      expect(await operate(reserved(offer, { cpus: 1 }))).toMatchObject({ status: 202, text: "" });
      expect(await eventOf(framework, "RESCIND")).toMatchObject({
        rescind: { offer_id: offer.id },
      });
      const again = await framework.offer();
      expect(amount(again, "cpus")).toBe(4);
      expect(again.resources).toContainEqual(
        expect.objectContaining({
          name: "cpus",
          scalar: { value: 1 },
          reservations: [expect.objectContaining({ role: ROLE, type: "DYNAMIC" })],
        }),
      );
      expect((await operate(reserved(offer, { cpus: 9 }))).status).toBe(409);
    },
  },
  {
    lines: ["5"],
    title: "RECONCILE_OPERATIONS tells what is known and what is not, without uuid",
    run: async (scene) => {
      const master = await scene.startMaster();
      await scene.startAgent(master, RESOURCES);
      const framework = await scene.subscribe({ master: master.url, info: INFO });
      const offer = await framework.offer();
      await accept(framework, [offer], [reserve(reserved(offer, { cpus: 1 }), "known")]);
      await expectState(framework, "known", "OPERATION_FINISHED");
      framework.events.length = 0;
      await framework.call("RECONCILE_OPERATIONS", {
        reconcile_operations: {
          operations: [
            { operation_id: { value: "known" }, agent_id: offer.agent_id },
            { operation_id: { value: "stranger" }, agent_id: offer.agent_id },
            { operation_id: { value: "nowhere" }, agent_id: { value: "nobody" } },
          ],
        },
      });
      await expectState(framework, "known", "OPERATION_FINISHED");
      await expectState(framework, "stranger", "OPERATION_UNKNOWN");
      await expectState(framework, "nowhere", "OPERATION_UNKNOWN");
      expect((await operationStatus(framework, "stranger"))["uuid"]).toBeUndefined();
    },
  },
];
