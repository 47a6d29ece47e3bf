/** Who is offered how much: lines 29 to 33, 35, and section 4.10. */
import { expect } from "bun:test";
import { until } from "../../harness/wait.ts";
import { amount, decline, eventOf, offersWithinQuiet } from "../requests.ts";
import type { Scenario, Scene } from "../scene.ts";

const scalars = (amounts: Readonly<Record<string, number>>): object =>
  Object.fromEntries(Object.entries(amounts).map(([name, value]) => [name, { value }]));

async function updateQuota(
  scene: Scene,
  master: string,
  config: { role: string; guarantees?: object; limits?: object },
  force = false,
): Promise<{ status: number; text: string }> {
  return await scene.operator(
    { type: "UPDATE_QUOTA", update_quota: { force, quota_configs: [config] } },
    master,
  );
}

const region = (name: string): object => ({
  fault_domain: { region: { name }, zone: { name: `${name}-1` } },
});

export const SHARING_SCENARIOS: readonly Scenario[] = [
  {
    lines: [29],
    title: "two equal frameworks get one agent each, and a second one each after that",
    run: async (scene) => {
      const master = await scene.startMaster();
      const one = await scene.subscribe({ master: master.url, info: { roles: ["one"] } });
      const two = await scene.subscribe({ master: master.url, info: { roles: ["two"] } });
      for (const count of [1, 2]) {
        await scene.emulate(master, { count: 1, firstIndex: count * 2 });
        await scene.emulate(master, { count: 1, firstIndex: count * 2 + 1 });
        await until("all agents to be offered", () => {
          return one.offers.length + two.offers.length === 2 * count;
        });
        expect([one.offers.length, two.offers.length]).toEqual([count, count]);
      }
    },
  },
  {
    lines: [29],
    title: "a role of weight 2 gets twice the share of one of weight 1",
    run: async (scene) => {
      const master = await scene.startMaster();
      const weight_infos = [{ role: "heavy", weight: 2 }];
      const set = await scene.operator(
        { type: "UPDATE_WEIGHTS", update_weights: { weight_infos } },
        master.url,
      );
      expect(set.status).toBe(200);
      const heavy = await scene.subscribe({ master: master.url, info: { roles: ["heavy"] } });
      const light = await scene.subscribe({ master: master.url, info: { roles: ["light"] } });
      await scene.emulate(master, { count: 6 });
      await until("all agents to be offered", () => {
        return heavy.offers.length + light.offers.length === 6;
      });
      expect([heavy.offers.length, light.offers.length]).toEqual([4, 2]);
    },
  },
  {
    lines: [30],
    title: "equal shares go by name, and after a decline by the number of allocations",
    run: async (scene) => {
      const master = await scene.startMaster();
      const last = await scene.subscribe({ master: master.url, info: { roles: ["b"] } });
      const first = await scene.subscribe({ master: master.url, info: { roles: ["a"] } });
      await scene.emulate(master, { count: 1 });
      const offer = await first.offer();
      expect(last.offers).toEqual([]);
      await decline(first, offer, 0);
      await last.offer();
      expect(first.offers).toEqual([]);
    },
  },
  {
    lines: [31],
    title: "a role with limits of 1 cpu and 64 MB is offered just that of a larger agent",
    run: async (scene) => {
      const master = await scene.startMaster();
      const limits = scalars({ cpus: 1, mem: 64 });
      expect((await updateQuota(scene, master.url, { role: "few", limits })).status).toBe(200);
      const few = await scene.subscribe({ master: master.url, info: { roles: ["few"] } });
      const free = { resources: "cpus:4;mem:1024;disk:100" };
      await scene.emulate(master, { count: 2, ...free });
      const offer = await few.offer();
      expect([amount(offer, "cpus"), amount(offer, "mem")]).toEqual([1, 64]);
      // The limit is spent, so that the other agent has nothing for it.
      expect(await offersWithinQuiet(few)).toEqual([]);
    },
  },
  {
    lines: [32],
    title: "quota of a nested role, or more than the cluster has, is refused",
    run: async (scene) => {
      const master = await scene.startMaster();
      await scene.emulate(master, { count: 1, resources: "cpus:4;mem:1024" });
      const guarantees = scalars({ cpus: 1 });
      const limits = scalars({ cpus: 1 });
      const nested = await updateQuota(scene, master.url, { role: "a/b", guarantees, limits });
      expect(nested.status).toBe(400);
      const large = { role: "a", guarantees: scalars({ cpus: 5 }), limits: scalars({ cpus: 5 }) };
      expect((await updateQuota(scene, master.url, large)).status).toBe(400);
      expect((await updateQuota(scene, master.url, large, true)).status).toBe(200);
      const inverted = { role: "b", guarantees: scalars({ cpus: 2 }), limits };
      expect((await updateQuota(scene, master.url, inverted)).status).toBe(400);
    },
  },
  {
    lines: [33],
    title: "what a role without frameworks is guaranteed stays free",
    run: async (scene) => {
      const master = await scene.startMaster();
      await scene.emulate(master, { count: 1, resources: "cpus:4;mem:1024" });
      const guarantees = scalars({ cpus: 3 });
      const set = await updateQuota(scene, master.url, { role: "idle", guarantees });
      expect(set.status).toBe(200);
      const other = await scene.subscribe({ master: master.url, info: { roles: ["other"] } });
      expect(amount(await other.offer(), "cpus")).toBe(1);
      const owner = await scene.subscribe({ master: master.url, info: { roles: ["idle"] } });
      expect(amount(await owner.offer(), "cpus")).toBe(3);
    },
  },
  {
    lines: [35],
    title: "an agent of another region is offered only to REGION_AWARE",
    run: async (scene) => {
      const master = await scene.startMaster(`--domain=${JSON.stringify(region("here"))}`);
      await scene.emulate(master, { count: 1, domain: region("there") });
      const plain = await scene.subscribe({ master: master.url });
      expect(await offersWithinQuiet(plain)).toEqual([]);
      const capabilities = ["MULTI_ROLE", "REGION_AWARE"];
      const aware = await scene.subscribe({ master: master.url, capabilities });
      expect(await aware.offer()).toMatchObject({ domain: region("there") });
      await scene.emulate(master, { count: 1, firstIndex: 1, domain: region("here") });
      await plain.offer();
    },
  },
  {
    lines: ["4.10"],
    title: "new weights of a role in use rescind the outstanding offers",
    run: async (scene) => {
      const master = await scene.startMaster();
      await scene.emulate(master, { count: 1 });
      const framework = await scene.subscribe({ master: master.url });
      const offer = await framework.offer();
      const update = (weight_infos: object[]): Promise<{ status: number; text: string }> =>
        scene.operator({ type: "UPDATE_WEIGHTS", update_weights: { weight_infos } }, master.url);
      expect((await update([{ role: scene.role, weight: 0 }])).status).toBe(400);
      expect((await update([{ role: "/a", weight: 1 }])).status).toBe(400);
      expect((await update([{ role: scene.role, weight: 3 }])).status).toBe(200);
      expect(await eventOf(framework, "RESCIND")).toMatchObject({
        rescind: { offer_id: offer.id },
      });
      await framework.offer();
    },
  },
  {
    lines: ["4.3"],
    title: "a limit below what is offered rescinds until it fits",
    run: async (scene) => {
      const master = await scene.startMaster();
      await scene.emulate(master, { count: 1 });
      const framework = await scene.subscribe({ master: master.url, info: { roles: ["r"] } });
      const offer = await framework.offer();
      const limits = scalars({ cpus: 1, mem: 64 });
      expect((await updateQuota(scene, master.url, { role: "r", limits })).status).toBe(200);
      expect(await eventOf(framework, "RESCIND")).toMatchObject({
        rescind: { offer_id: offer.id },
      });
      expect(amount(await framework.offer(), "cpus")).toBe(1);
    },
  },
];
