/**
 * The longest step of a master's core with 20,000 agents and 200,000 tasks, for everything that
 * concerns all of them at once. The loop stands still for as long as a step takes. `BENCH_STEPS`
 * names a part of the names of those that are to be measured.
 */
import process from "node:process";
import type { MasterOptions } from "../../src/master/core/master-options.ts";
import type { Bench } from "./bench.ts";
import { FigureSet } from "./figures.ts";
import { agentId, amounts, frameworkInfo, hostname, registration } from "./steps/registrations.ts";
import { type SteppedFramework, SteppedMaster } from "./steps/stepped-master.ts";

const TASKS_PER_AGENT = 10;
const HOUR_MS = 3_600_000;

interface Stand {
  readonly master: SteppedMaster;
  readonly agents: number;
  readonly frameworks: readonly SteppedFramework[];
}

interface Scenario {
  readonly name: string;
  /** Frameworks that share the tasks, all of them connected. */
  readonly frameworks: number;
  /** Unless another number is named. */
  readonly tasksPerAgent?: number;
  readonly agents?: number;
  readonly options?: Partial<MasterOptions>;
  /** Not measured. */
  readonly before?: (stand: Stand) => void;
  readonly work: (stand: Stand) => void;
}

export const stepsBench: Bench = {
  name: "steps",
  summary: "longest step of a master's core, 20,000 agents with 200,000 tasks",
  needsBinary: false,
  defaultRuns: 1,
  run: async ({ runs, size, progress }) => {
    const set = new FigureSet();
    const wanted = process.env["BENCH_STEPS"];
    for (let run = 1; run <= runs; run += 1) {
      for (const scenario of SCENARIOS) {
        if (wanted !== undefined && !scenario.name.includes(wanted)) continue;
        progress(scenario.name);
        const stand = fill(scenario, scenario.agents ?? size(20_000, 1000));
        scenario.before?.(stand);
        Bun.gc(true);
        stand.master.take();
        scenario.work(stand);
        const { longestMs, totalMs, longest } = stand.master.take();
        set.add(`${scenario.name}: longest step (${longest})`, "ms", longestMs);
        set.add(`${scenario.name}: all steps`, "ms", totalMs);
      }
    }
    return await Promise.resolve(set.figures());
  },
};

function fill(scenario: Scenario, agents: number): Stand {
  const { tasksPerAgent: tasks = TASKS_PER_AGENT } = scenario;
  const master = new SteppedMaster({ agentPingTimeoutMs: HOUR_MS, ...scenario.options });
  for (let number = 0; number < agents; number += 1) {
    const linkId = master.openLink(`10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`);
    const message = registration(number, { tasks, frameworks: scenario.frameworks });
    master.step({ kind: "agentMessage", linkId, message });
  }
  const frameworks = Array.from({ length: scenario.frameworks }, (_, number) => {
    return master.subscribe(frameworkInfo(number));
  });
  master.advance(2000);
  return { master, agents, frameworks };
}

function first({ frameworks }: Stand): SteppedFramework {
  const [framework] = frameworks;
  if (framework === undefined) throw new Error("there is no framework");
  return framework;
}

const seconds = (count: number): number => count * 1000;

function schedule({ agents, master }: Stand): void {
  const machine_ids = Array.from({ length: agents }, (_, number) => ({
    hostname: hostname(number),
  }));
  const unavailability = { start: { nanoseconds: 2_000_000_000_000_000_000 } };
  master.operatorCall({
    type: "UPDATE_MAINTENANCE_SCHEDULE",
    update_maintenance_schedule: { schedule: { windows: [{ machine_ids, unavailability }] } },
  });
}

const SCENARIOS: readonly Scenario[] = [
  {
    name: "agents come back",
    frameworks: 1,
    agents: 0,
    work: ({ master }) => {
      for (let number = 0; number < 20_000; number += 1) {
        const linkId = master.openLink(`10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`);
        const message = registration(number, { tasks: TASKS_PER_AGENT, frameworks: 1 });
        master.step({ kind: "agentMessage", linkId, message });
      }
    },
  },
  {
    name: "an agent comes back with 5,000 tasks",
    frameworks: 1,
    agents: 1000,
    work: ({ master }) => {
      const linkId = master.openLink("10.0.255.1");
      const message = registration(2000, { tasks: 5000, frameworks: 1 });
      master.step({ kind: "agentMessage", linkId, message });
    },
  },
  {
    name: "a framework subscribes",
    frameworks: 1,
    work: ({ master }) => {
      master.subscribe({ ...frameworkInfo(0), id: { value: "new" }, name: "new" });
      master.advance(seconds(2));
    },
  },
  {
    name: "a framework with all offers hangs up",
    frameworks: 1,
    work: (stand) => {
      stand.master.hangUp(first(stand));
      stand.master.advance(seconds(2));
    },
  },
  {
    name: "a framework fails over",
    frameworks: 1,
    work: ({ master }) => {
      master.subscribe(frameworkInfo(0));
      master.advance(seconds(2));
    },
  },
  {
    name: "a framework fails over with another name",
    frameworks: 1,
    work: ({ master }) => {
      master.subscribe({ ...frameworkInfo(0), name: "other" });
      master.advance(seconds(2));
    },
  },
  {
    name: "a framework declines all offers in one call",
    frameworks: 1,
    work: (stand) => {
      const { offers } = first(stand);
      const decline = { offer_ids: offers, filters: { refuse_seconds: 3600 } };
      stand.master.call(first(stand), { type: "DECLINE", decline });
      stand.master.advance(seconds(2));
    },
  },
  {
    name: "a framework revives after declining everything",
    frameworks: 1,
    before: (stand) => {
      const { offers } = first(stand);
      const decline = { offer_ids: offers, filters: { refuse_seconds: 3600 } };
      stand.master.call(first(stand), { type: "DECLINE", decline });
      stand.master.advance(seconds(2));
    },
    work: (stand) => {
      stand.master.call(first(stand), { type: "REVIVE" });
      stand.master.advance(seconds(2));
    },
  },
  {
    name: "a framework suppresses",
    frameworks: 1,
    work: (stand) => {
      stand.master.call(first(stand), { type: "SUPPRESS" });
      stand.master.advance(seconds(2));
    },
  },
  {
    name: "a framework leaves its role",
    frameworks: 1,
    work: (stand) => {
      const framework_info = { ...frameworkInfo(0), roles: ["other"] };
      stand.master.call(first(stand), {
        type: "UPDATE_FRAMEWORK",
        update_framework: { framework_info },
      });
      stand.master.advance(seconds(2));
    },
  },
  {
    name: "a framework with all tasks tears down",
    frameworks: 1,
    work: (stand) => {
      stand.master.call(first(stand), { type: "TEARDOWN" });
      stand.master.advance(seconds(2));
    },
  },
  {
    name: "a framework with all tasks does not come back",
    frameworks: 1,
    before: (stand) => {
      stand.master.hangUp(first(stand));
      stand.master.advance(seconds(3599));
    },
    work: ({ master }) => master.advance(seconds(2)),
  },
  {
    name: "RECONCILE",
    frameworks: 1,
    work: (stand) => {
      stand.master.call(first(stand), { type: "RECONCILE", reconcile: { tasks: [] } });
    },
  },
  {
    name: "RECONCILE_OPERATIONS of 20,000 unknown",
    frameworks: 1,
    work: (stand) => {
      const operations = Array.from({ length: 20_000 }, (_, number) => ({
        operation_id: { value: `operation-${number}` },
        agent_id: { value: agentId(number) },
      }));
      stand.master.call(first(stand), {
        type: "RECONCILE_OPERATIONS",
        reconcile_operations: { operations },
      });
    },
  },
  {
    name: "all links break",
    frameworks: 50,
    work: ({ master }) => {
      for (const linkId of [...master.core.state.links.keys()]) {
        master.step({ kind: "linkClosed", linkId });
      }
    },
  },
  {
    name: "all agents become unreachable",
    frameworks: 50,
    before: ({ master }) => {
      for (const linkId of [...master.core.state.links.keys()]) {
        master.step({ kind: "linkClosed", linkId });
      }
    },
    work: ({ master }) => master.advance(seconds(700)),
  },
  {
    name: "quota limits a role that has all offers",
    frameworks: 1,
    work: ({ master }) => {
      const quota_configs = [{ role: "role-0", limits: { cpus: { value: 2000 } } }];
      master.operatorCall({ type: "UPDATE_QUOTA", update_quota: { quota_configs } });
      master.advance(seconds(2));
    },
  },
  {
    name: "quota guarantees everything to another role",
    frameworks: 1,
    work: ({ master, agents }) => {
      const quota_configs = [{ role: "other", guarantees: { cpus: { value: agents * 60 } } }];
      master.operatorCall({ type: "UPDATE_QUOTA", update_quota: { quota_configs, force: true } });
      master.advance(seconds(2));
    },
  },
  {
    name: "weights change",
    frameworks: 50,
    work: ({ master }) => {
      const weight_infos = Array.from({ length: 50 }, (_, number) => ({
        role: `role-${number}`,
        weight: number + 2,
      }));
      master.operatorCall({ type: "UPDATE_WEIGHTS", update_weights: { weight_infos } });
      master.advance(seconds(2));
    },
  },
  {
    name: "maintenance of all machines is planned",
    frameworks: 1,
    work: (stand) => {
      schedule(stand);
      stand.master.advance(seconds(2));
    },
  },
  {
    name: "maintenance of all machines is planned otherwise",
    frameworks: 1,
    before: (stand) => {
      schedule(stand);
      stand.master.advance(seconds(2));
    },
    work: ({ master }) => {
      master.operatorCall({
        type: "UPDATE_MAINTENANCE_SCHEDULE",
        update_maintenance_schedule: { schedule: { windows: [] } },
      });
      master.advance(seconds(2));
    },
  },
  {
    name: "a framework with all inverse offers hangs up",
    frameworks: 1,
    before: (stand) => {
      schedule(stand);
      stand.master.advance(seconds(2));
    },
    work: (stand) => {
      stand.master.hangUp(first(stand));
      stand.master.advance(seconds(2));
    },
  },
  {
    name: "maintenance of all machines starts",
    frameworks: 50,
    before: (stand) => {
      schedule(stand);
      stand.master.advance(seconds(2));
    },
    work: ({ master, agents }) => {
      const machines = Array.from({ length: agents }, (_, number) => ({
        hostname: hostname(number),
      }));
      master.operatorCall({ type: "START_MAINTENANCE", start_maintenance: { machines } });
      master.advance(seconds(2));
    },
  },
  {
    name: "all agents are drained",
    frameworks: 1,
    work: ({ master, agents }) => {
      for (let number = 0; number < agents; number += 1) {
        const agent_id = { value: agentId(number) };
        master.operatorCall({ type: "DRAIN_AGENT", drain_agent: { agent_id } });
      }
    },
  },
  {
    name: "all agents are marked gone",
    frameworks: 50,
    work: ({ master, agents }) => {
      for (let number = 0; number < agents; number += 1) {
        const agent_id = { value: agentId(number) };
        master.operatorCall({ type: "MARK_AGENT_GONE", mark_agent_gone: { agent_id } });
      }
    },
  },
  {
    name: "the whitelist changes",
    frameworks: 1,
    work: ({ master, agents }) => {
      const hostnames = new Set(
        Array.from({ length: agents / 2 }, (_, number) => hostname(number)),
      );
      master.step({ kind: "whitelist", hostnames });
      master.advance(seconds(2));
    },
  },
  {
    name: "a framework starts 1,000 tasks in one call",
    frameworks: 1,
    agents: 1000,
    tasksPerAgent: 0,
    work: (stand) => {
      const offer = [...stand.master.core.state.offers.values()][0];
      if (offer === undefined) throw new Error("there is no offer");
      const allocation_info = { role: "role-0" };
      const task_infos = Array.from({ length: 1000 }, (_, number) => ({
        name: "web",
        task_id: { value: `web-${number}` },
        agent_id: { value: offer.agentId },
        resources: amounts(0.01, 32).map((resource) => ({ ...resource, allocation_info })),
        command: { value: "true" },
      }));
      stand.master.call(first(stand), {
        type: "ACCEPT",
        accept: {
          offer_ids: [{ value: offer.id }],
          operations: [{ type: "LAUNCH", launch: { task_infos } }],
        },
      });
    },
  },
];
