/** What tasks hold and do not use, lent to others and taken back, through the compiled program. */
import { expect, test } from "bun:test";
import { ownProcesses } from "../harness/own-processes.ts";
import { type Offer, TestFramework, taskInfo } from "../harness/test-framework.ts";
import { until } from "../harness/wait.ts";

const TIMEOUT_MS = 120_000;

const FLAGS = [
  "--resources=cpus:1;mem:1024;disk:1000",
  "--resource_estimator=fixed",
  "--oversubscribed_resources=cpus:2",
  "--oversubscribed_resources_interval=1secs",
  // Every host has at least so much to do.
  "--qos_controller=load",
  "--qos_load_5min=-1",
];

const own = ownProcesses();

function revocableCpus({ resources }: Offer): number {
  return resources
    .filter((resource) => resource.name === "cpus" && "revocable" in resource)
    .reduce((sum, { scalar }) => sum + (scalar?.value ?? 0), 0);
}

test(
  "a task on revocable cpus ends as preempted, and its neighbour runs on [semantics 8.1, 8.4]",
  async () => {
    const both = await own.start({ role: "both", workDir: own.folder(), flags: FLAGS });
    const types = ["MULTI_ROLE", "PARTITION_AWARE", "REVOCABLE_RESOURCES"];
    const framework = await TestFramework.subscribe({
      master: both.url,
      info: { capabilities: types.map((type) => ({ type })) },
    });
    const offer = await until("an offer of revocable cpus", () =>
      framework.offers.find((one) => revocableCpus(one) > 0),
    );
    expect(revocableCpus(offer)).toBe(2);
    const { allocation_info } = offer.resources[0] ?? {};
    const revocable = {
      name: "cpus",
      type: "SCALAR",
      scalar: { value: 2 },
      revocable: {},
      allocation_info,
    };
    const guest = { id: "guest", command: "sleep 1000", extra: { resources: [revocable] } };
    const tasks = [guest, { id: "host", command: "sleep 1000" }];
    const task_infos = tasks.map((task) => taskInfo(offer, task));
    // What is the agent's own may be in another offer, of before the estimate.
    const offer_ids = framework.offers.splice(0).map(({ id }) => id);
    const operations = [{ type: "LAUNCH", launch: { task_infos } }];
    await framework.call("ACCEPT", { accept: { offer_ids, operations } });
    await framework.status("host", "TASK_RUNNING");
    const end = await framework.status("guest", "TASK_GONE");
    expect(end).toMatchObject({
      reason: "REASON_CONTAINER_PREEMPTED",
      source: "SOURCE_AGENT",
      message: "Container preempted by QoS correction",
    });
    await until("what it used is offered again", () =>
      framework.offers.some((one) => revocableCpus(one) === 2),
    );
    expect(framework.states("host").at(-1)).toBe("TASK_RUNNING");
    await framework.teardown();
  },
  TIMEOUT_MS,
);
