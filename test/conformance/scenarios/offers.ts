/** Filters, suppression and what an offer is: lines 22 to 28, and sections 3.7, 4.5, 4.7. */
import { expect } from "bun:test";
import {
  accept,
  amount,
  decline,
  eventOf,
  launchOf,
  launchRunning,
  offersWithinQuiet,
  task,
} from "../requests.ts";
import type { Scenario } from "../scene.ts";

/** What `refuse_seconds` is when a framework says nothing. */
const DEFAULT_FILTER_MS = 5000;

export const OFFER_SCENARIOS: readonly Scenario[] = [
  {
    lines: [22],
    title: "a DECLINE without filters keeps the same resources away for 5 s",
    isSlice: true,
    run: async (scene) => {
      const framework = await scene.subscribe();
      const offer = await framework.offer();
      const declinedMs = performance.now();
      await decline(framework, offer);
      const again = await framework.offer();
      expect(performance.now() - declinedMs).toBeGreaterThan(DEFAULT_FILTER_MS - 10);
      expect(again.id).not.toEqual(offer.id);
      expect(amount(again, "cpus")).toBe(amount(offer, "cpus"));
    },
  },
  {
    lines: [23],
    title: "with refuse_seconds 0 the same resources come with the next allocation",
    isSlice: true,
    run: async (scene) => {
      const framework = await scene.subscribe();
      const offer = await framework.offer();
      const declinedMs = performance.now();
      await decline(framework, offer, 0);
      await framework.offer();
      // The allocation interval is 1 s; what matters is that no filter stood in the way.
      expect(performance.now() - declinedMs).toBeLessThan(DEFAULT_FILTER_MS);
    },
  },
  {
    lines: [24],
    title: "a filter on the rest of an agent lets more of the agent through",
    isSlice: true,
    run: async (scene) => {
      const framework = await scene.subscribe();
      const whole = await launchRunning(framework, "t");
      const rest = await framework.offer();
      expect(amount(rest, "cpus")).toBeLessThan(amount(whole, "cpus"));
      await decline(framework, rest, 1000);
      expect(await offersWithinQuiet(framework)).toEqual([]);
      await framework.call("KILL", { kill: { task_id: { value: "t" } } });
      await framework.status("t", "TASK_KILLED");
      expect(amount(await framework.offer(), "cpus")).toBe(amount(whole, "cpus"));
    },
  },
  {
    lines: [25],
    title: "REVIVE ends filters, and offers at once",
    isSlice: true,
    run: async (scene) => {
      const framework = await scene.subscribe();
      await decline(framework, await framework.offer(), 1000);
      expect(await offersWithinQuiet(framework)).toEqual([]);
      await framework.call("REVIVE", { revive: {} });
      await framework.offer();
    },
  },
  {
    lines: [26],
    title: "SUPPRESS leaves the outstanding offer usable and makes no new ones until REVIVE",
    isSlice: true,
    run: async (scene) => {
      const framework = await scene.subscribe();
      const offer = await framework.offer();
      await framework.call("SUPPRESS", { suppress: {} });
      const short = task(offer, "t", { command: { value: "true" } });
      await accept(framework, [offer], [launchOf(short)]);
      await framework.status("t", "TASK_FINISHED");
      expect(await offersWithinQuiet(framework)).toEqual([]);
      await framework.call("REVIVE", { revive: { roles: [scene.role] } });
      await framework.offer();
    },
  },
  {
    lines: [26],
    title: "suppressed_roles of SUBSCRIBE keep offers away until REVIVE",
    isSlice: true,
    run: async (scene) => {
      const framework = await scene.subscribe({ subscribe: { suppressed_roles: [scene.role] } });
      expect(await offersWithinQuiet(framework)).toEqual([]);
      await framework.call("REVIVE", { revive: {} });
      await framework.offer();
    },
  },
  {
    lines: [9, 27],
    title: "each offer is all that one agent has for one role; ids count from zero",
    run: async (scene) => {
      const master = await scene.startMaster();
      const resources =
        "cpus(a):1;mem(a):64;cpus(b):2;mem(b):128;cpus:3;mem:256;ports:[1-2];disk:8";
      await scene.startAgent(master, { resources });
      await scene.startAgent(master, { resources });
      const id = (await scene.operator({ type: "GET_MASTER" }, master.url)).body.get_master
        ?.master_info.id;
      expect(await scene.agentIds(master.url)).toEqual([`${id}-S0`, `${id}-S1`]);
      const framework = await scene.subscribe({ master: master.url, info: { roles: ["a", "b"] } });
      const offers = [
        await framework.offer(),
        await framework.offer(),
        await framework.offer(),
        await framework.offer(),
      ];
      expect(offers.map((offer) => offer.id.value).toSorted()).toEqual(
        [0, 1, 2, 3].map((number) => `${id}-O${number}`),
      );
      const places = offers.map((offer) => {
        const roles = new Set(offer.resources.map((one) => one.allocation_info?.role));
        expect(roles.size).toBe(1);
        return `${offer.agent_id.value} ${[...roles][0]}`;
      });
      expect(new Set(places).size).toBe(4);
      for (const agentId of await scene.agentIds(master.url)) {
        const cpus = offers
          .filter((offer) => offer.agent_id.value === agentId)
          .map((offer) => amount(offer, "cpus"))
          .toSorted();
        // Whoever came first has what is not reserved as well.
        expect([
          [2, 4],
          [1, 5],
        ]).toContainEqual(cpus);
      }
      expect(await offersWithinQuiet(framework)).toEqual([]);
    },
  },
  {
    lines: [28],
    title: "an agent is offered once it has one of the two minima",
    run: async (scene) => {
      const master = await scene.startMaster();
      const rest = "disk:8;ports:[1-2]";
      await scene.startAgent(master, { resources: `cpus:0.005;mem:31;${rest}` });
      const framework = await scene.subscribe({ master: master.url });
      expect(await offersWithinQuiet(framework)).toEqual([]);
      await scene.startAgent(master, { resources: `cpus:0.01;mem:1;${rest}` });
      expect(amount(await framework.offer(), "cpus")).toBe(0.01);
      await scene.startAgent(master, { resources: `cpus:0.001;mem:32;${rest}` });
      expect(amount(await framework.offer(), "mem")).toBe(32);
    },
  },
  {
    lines: [34],
    title: "an agent with GPUs is offered only to GPU_RESOURCES",
    run: async (scene) => {
      const master = await scene.startMaster();
      await scene.startAgent(master, { resources: "cpus:1;mem:64;gpus:1;disk:8;ports:[1-2]" });
      const plain = await scene.subscribe({ master: master.url });
      expect(await offersWithinQuiet(plain)).toEqual([]);
      const capabilities = ["MULTI_ROLE", "GPU_RESOURCES"];
      const gpu = await scene.subscribe({ master: master.url, capabilities });
      expect(amount(await gpu.offer(), "gpus")).toBe(1);
    },
  },
  {
    lines: ["3.7"],
    title: "offer constraints choose agents by attribute; a bad one refuses SUBSCRIBE",
    run: async (scene) => {
      const master = await scene.startMaster();
      await scene.startAgent(master, { flags: ["--attributes=rack:one"] });
      await scene.startAgent(master, { flags: ["--attributes=rack:two"], resources: "cpus:2" });
      const constraints = (predicate: object): object => ({
        offer_constraints: {
          role_constraints: {
            [scene.role]: {
              groups: [
                {
                  attribute_constraints: [{ selector: { attribute_name: "rack" }, predicate }],
                },
              ],
            },
          },
        },
      });
      const framework = await scene.subscribe({
        master: master.url,
        subscribe: { ...constraints({ text_equals: { value: "two" } }) },
      });
      expect(amount(await framework.offer(), "cpus")).toBe(2);
      expect(await offersWithinQuiet(framework)).toEqual([]);
      const refusal = await scene.refusal({
        master: master.url,
        subscribe: { ...constraints({ text_matches: { regex: "(" } }) },
      });
      expect(refusal).not.toContain("waited");
    },
  },
  {
    lines: ["4.7"],
    title: "with --offer_timeout an unanswered offer is rescinded",
    run: async (scene) => {
      const master = await scene.startMaster("--offer_timeout=300ms");
      await scene.startAgent(master);
      const framework = await scene.subscribe({ master: master.url });
      const offer = await framework.offer();
      const event = await eventOf(framework, "RESCIND");
      expect(event).toMatchObject({ rescind: { offer_id: offer.id } });
      await framework.offer();
    },
  },
];
