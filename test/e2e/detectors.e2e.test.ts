/**
 * Clients that know nothing but the path in ZooKeeper find the leader there as detectors of Mesos
 * do: the first of all children but `log_replicas`, as the plainest of them have it, or of those named
 * `json.info_` and a number; a MasterInfo in JSON in it. By two client libraries that have nothing to
 * do with the program's own sessions.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { createClient } from "node-zookeeper-client";
import { Masters } from "../harness/masters.ts";
import { runProgram } from "../harness/run-program.ts";
import { TestFramework } from "../harness/test-framework.ts";
import { until } from "../harness/wait.ts";
import { type Ensemble, hasZooKeeper, startZooKeeper } from "../harness/zookeeper.ts";

const TIMEOUT_MS = 240_000;
const PATH = "/detected";
const PYTHON = "/usr/bin/python3";
const KAZOO = "/usr/lib/python3/dist-packages/kazoo";
const KAZOO_DETECTOR = `
import json, sys
from kazoo.client import KazooClient
client = KazooClient(hosts=sys.argv[1])
client.start(timeout=60)
names = [name for name in client.get_children(sys.argv[2]) if name.startswith("json.info_")]
first = min(names, key=lambda name: int(name[len("json.info_"):]))
address = json.loads(client.get(sys.argv[2] + "/" + first)[0])["address"]
print("http://%s:%d" % (address["ip"], address["port"]))
client.stop()
`;

const isThere = hasZooKeeper("detectors of other libraries");
const hasKazoo = existsSync(KAZOO);
if (!hasKazoo) console.warn("skipped: the detector by kazoo (Debian's package is python3-kazoo)");

let zookeeper: Ensemble | undefined;
let masters: Masters | undefined;
beforeAll(async () => {
  if (!isThere) return;
  zookeeper = await startZooKeeper(1);
  masters = await Masters.start(zookeeper.url(PATH), 3);
}, TIMEOUT_MS);
afterAll(async () => {
  await masters?.end();
  await zookeeper?.stop();
});

function servers(): string {
  return (zookeeper?.servers ?? []).map(({ address }) => address).join(",");
}

/** URL of the first candidate; undefined when there is none, or none any more. */
function firstCandidate(): Promise<string | undefined> {
  const client = createClient(servers());
  return new Promise<string | undefined>((resolve, reject) => {
    client.once("connected", () => {
      client.getChildren(PATH, (error, names) => {
        if (error !== null) return reject(error);
        const [first] = names.filter((name) => name !== "log_replicas").toSorted();
        if (first === undefined) return resolve(undefined);
        client.getData(`${PATH}/${first}`, (gone, data) => {
          if (gone !== null) return resolve(undefined);
          const { address } = JSON.parse(data.toString("utf8"));
          resolve(`http://${address.ip}:${address.port}`);
        });
      });
    });
    client.connect();
  }).finally(() => client.close());
}

/** Subscribes at whoever stands first, as often as it takes. */
function subscribe(info: object): Promise<TestFramework> {
  return until("a leader that takes the framework", async () => {
    const master = await firstCandidate();
    if (master === undefined) return undefined;
    const options = { master, info: { ...info, checkpoint: true, failover_timeout: 3600 } };
    return await TestFramework.subscribe(options).catch(() => undefined);
  });
}

describe.skipIf(!isThere)("clients that know the path in ZooKeeper alone", () => {
  test(
    "launch a task, and find it again with the next leader [issue 5]",
    async () => {
      await masters?.startAgent();
      const before = await firstCandidate();
      const framework = await subscribe({});
      const { id } = framework;
      await framework.launch(await framework.offer(), [{ id: "lasting", command: "sleep 1000" }]);
      await framework.status("lasting", "TASK_RUNNING");
      const leader = masters?.masters.find(({ url }) => url === before);
      await leader?.end("SIGKILL");
      await until("another one to stand first", async () => (await firstCandidate()) !== before);
      const again = await subscribe({ id: { value: id } });
      expect(again.id).toBe(id);
      await until("the task to be told of", async () => {
        await again.call("RECONCILE", { reconcile: { tasks: [] } });
        return again.states("lasting").includes("TASK_RUNNING");
      });
      await again.teardown();
      if (leader !== undefined) await masters?.startMaster(leader);
    },
    TIMEOUT_MS,
  );

  test.skipIf(!hasKazoo)(
    "kazoo finds whom they find [issue 5]",
    async () => {
      await until("both to find the same", async () => {
        const words = ["-c", KAZOO_DETECTOR, servers(), PATH];
        const { code, stdout, stderr } = await runProgram(PYTHON, words);
        expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
        return stdout.trim() === (await firstCandidate());
      });
      const leader = await firstCandidate();
      expect(masters?.masters.map(({ url }) => url)).toContain(leader ?? "");
    },
    TIMEOUT_MS,
  );
});
