/**
 * Leaders that are killed and stopped, with many agents that find the next one by ZooKeeper, and
 * frameworks in both encodings. How long it takes is told by `npm run bench -- failover`.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { FailoverScene } from "../harness/failover-scene.ts";
import { type Ensemble, hasZooKeeper, startZooKeeper } from "../harness/zookeeper.ts";

const TIMEOUT_MS = 240_000;
const isThere = hasZooKeeper("fail-over with many agents");
let zookeeper: Ensemble | undefined;
beforeAll(async () => {
  if (isThere) zookeeper = await startZooKeeper(1);
}, TIMEOUT_MS);
afterAll(() => zookeeper?.stop());

describe.skipIf(!isThere)("fail-over with many agents", () => {
  test(
    "each task runs on where it was, each framework keeps its id in JSON and protobuf [issue 5]",
    async () => {
      const options = {
        url: zookeeper?.url("/failover") ?? "",
        agents: 60,
        tasksPerAgent: 5,
        sessionTimeoutMs: 3000,
      };
      await FailoverScene.with(options, async (scene) => {
        for (const signal of ["SIGKILL", "SIGTERM", "SIGKILL"] as const) {
          await scene.failOver(signal);
          expect(await scene.changes()).toEqual([]);
        }
      });
    },
    TIMEOUT_MS,
  );
});
