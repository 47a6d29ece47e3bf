/** What tasks hold and do not use, lent to others and taken back, through the compiled program. */
import { expect, test } from "bun:test";
import { type AllotProcess, processesBelow } from "../harness/allot-process.ts";
import { heldProcesses } from "../harness/held-processes.ts";
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

/** Without namespaces, so that a task is its keeper's child. */
const POSIX = ["--launcher=posix", "--isolation=posix/cpu,posix/mem"];

/** A guest on revocable cpus, and a host on the agent's own. */
async function launchPair(master: string): Promise<TestFramework> {
  const types = ["MULTI_ROLE", "PARTITION_AWARE", "REVOCABLE_RESOURCES"];
  const framework = await TestFramework.subscribe({
    master,
    info: {
      capabilities: types.map((type) => ({ type })),
      checkpoint: true,
      failover_timeout: 600,
    },
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
  const guest = { id: "guest", command: "exec sleep 1001", extra: { resources: [revocable] } };
  const tasks = [guest, { id: "host", command: "sleep 1000" }];
  const task_infos = tasks.map((task) => taskInfo(offer, task));
  // What is the agent's own may be in another offer, of before the estimate.
  const offer_ids = framework.offers.splice(0).map(({ id }) => id);
  const operations = [{ type: "LAUNCH", launch: { task_infos } }];
  await framework.call("ACCEPT", { accept: { offer_ids, operations } });
  return framework;
}

test(
  "a task on revocable cpus ends as preempted, and its neighbour runs on [semantics 8.1, 8.4]",
  async () => {
    const both = await own.start({ role: "both", workDir: own.folder(), flags: FLAGS });
    const framework = await launchPair(both.url);
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

test(
  "an agent that dies while a container ends for its word says why afterwards [semantics 8.4]",
  async () => {
    const master = await own.start({ role: "master", workDir: own.folder() });
    const workDir = own.folder();
    const start = async (...flags: readonly string[]): Promise<AllotProcess> =>
      await own.start({
        role: "agent",
        workDir,
        flags: [`--master=${new URL(master.url).host}`, ...POSIX, ...flags],
      });
    const agent = await start(...FLAGS);
    const framework = await launchPair(master.url);
    await framework.status("guest", "TASK_RUNNING");
    const { task, keeper } = await heldProcesses(workDir, ["sleep", "1001"]);
    // Nobody writes down how the guest ends, so that the agent cannot see that it has.
    process.kill(keeper, "SIGSTOP");
    await until("the guest to be killed", () => !processesBelow(workDir).includes(task));
    await agent.end("SIGKILL");
    process.kill(keeper, "SIGCONT");
    await start(...FLAGS.slice(0, 1));
    expect(await framework.status("guest", "TASK_GONE")).toMatchObject({
      reason: "REASON_CONTAINER_PREEMPTED",
      source: "SOURCE_AGENT",
    });
    expect(framework.states("guest").filter((state) => state !== "TASK_STARTING")).toEqual([
      "TASK_RUNNING",
      "TASK_GONE",
    ]);
    expect(framework.states("host").at(-1)).toBe("TASK_RUNNING");
    await framework.teardown();
  },
  TIMEOUT_MS,
);
